"""Channels, their pairing with a phone, and how fast callers and channels may go."""

import uuid

from django.db import models
from django.db.models import Q

from hailgate.accounts.fields import InstantField
from hailgate.accounts.models import ApiKey
from hailgate.messaging.models.abstract import TenantModel
from hailgate.messaging.models.templates import Business
from hailgate.messaging.models.webhooks import Hook


class Channel(TenantModel):
    """One sending identity of a tenant at one provider. Limits and breaker are columns of the row they limit."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    hook = models.ForeignKey(Hook, models.SET_NULL, null=True, related_name="channels")
    provider = models.CharField(max_length=30)
    name = models.CharField(max_length=100)
    number = models.CharField(max_length=20, blank=True)
    account = models.CharField(max_length=100)
    business = models.ForeignKey(
        Business, models.SET_NULL, null=True, related_name="channels", db_column="library_id", db_index=False
    )
    config = models.TextField()
    version = models.IntegerField(default=1)
    answered_by = models.CharField(max_length=30, default="person")
    calling_code = models.CharField(max_length=3, blank=True, db_default="")
    marks_read = models.BooleanField(default=True)
    # ``core.window.Outside``, and the template's name and language where that is what goes in an answer's place.
    outside_window = models.CharField(max_length=10, db_default="refuse")
    fallback_template = models.CharField(max_length=580, blank=True, db_default="")
    # Languages in whose words (`core.consent_words`) a person may stop messages, with commas between them.
    consent_languages = models.CharField(max_length=40, blank=True, db_default="en")
    active = models.BooleanField(default=True)
    paused_reason = models.CharField(max_length=200, blank=True)
    paused_at = InstantField(null=True)
    rate_interval = models.FloatField()
    rate_burst = models.IntegerField()
    rate_tat = models.FloatField(default=0)
    retry_tat = models.FloatField(db_default=0)
    pair_interval = models.FloatField(default=0)
    pair_burst = models.IntegerField(default=0)
    ready_at = models.FloatField(default=0)
    claimed_at = models.FloatField(default=0)
    breaker_failures = models.IntegerField(default=0)
    breaker_opened_at = models.FloatField(null=True)
    breaker_probe_at = models.FloatField(null=True)
    breaker_share = models.FloatField(db_default=0)
    polled_until = models.FloatField(db_default=0)
    successes = models.SmallIntegerField(db_default=20)
    # Since when its messages pass; None before the first, after a pause and while all of them fail.
    passed_at = models.FloatField(null=True)
    # What an external tenant service calls its tenant: its credentials are there, and not in ``config``.
    source = models.CharField(max_length=100, blank=True, db_default="")
    created_at = InstantField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="channel_name"),
            models.UniqueConstraint(fields=["hook", "account"], name="channel_account"),
        ]


class Session(TenantModel):
    """How a channel is paired with a phone. ``core.sessions`` says what the states and wishes mean.

    ``generation`` rises with each wish: what was done for an earlier one changes nothing any more. ``number`` is the
    phone's own; one that is not the channel's waits to be ``confirmed``. ``code`` and ``secrets`` are sealed.
    """

    channel = models.OneToOneField(Channel, models.CASCADE, related_name="session")
    generation = models.BigIntegerField(default=1)
    wish = models.CharField(max_length=10)
    state = models.CharField(max_length=10)
    since = InstantField()
    open_since = InstantField(null=True)
    starts = models.IntegerField(default=0)
    pair_until = models.FloatField(default=0)
    pair_phone = models.TextField(blank=True)
    code = models.TextField(blank=True)
    code_typed = models.BooleanField(default=False)
    code_until = models.FloatField(null=True)
    number = models.CharField(max_length=20, blank=True)
    unconfirmed = models.CharField(max_length=20, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    secrets = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["code_until"], name="session_code", condition=Q(code_until__isnull=False)),
        ]


class Allowed(models.IntegerChoices):
    """What an allowance is for: what callers hand in, or what channels send."""

    ACCEPT = 1
    SEND = 2


class Allowance(TenantModel):
    """How many messages a second a tenant, or one key of it, may hand in or send. Without a row: any number.

    What is handed in is counted by each web process for itself; ``tat`` is for what is sent, by all workers together.
    """

    api_key = models.ForeignKey(ApiKey, models.CASCADE, null=True, related_name="+", db_index=False)
    allowed = models.SmallIntegerField(choices=Allowed.choices)
    interval = models.FloatField()
    burst = models.IntegerField()
    tat = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "allowed"], condition=Q(api_key__isnull=True), name="one_tenant_allowance"
            ),
            models.UniqueConstraint(
                fields=["api_key", "allowed"], condition=Q(api_key__isnull=False), name="one_key_allowance"
            ),
        ]
