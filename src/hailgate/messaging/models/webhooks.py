"""Webhooks: hooks, what was posted to them, and what was refused."""

import uuid

from django.db import models
from django.db.models import Q

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import HotModel, TenantModel, unchecked_parent
from hailgate.messaging.models.workers import Worker


class EventState(models.IntegerChoices):
    """``HELD`` waits for what belongs to it: the outcome of a send, what it overtook, what it can be read by."""

    PENDING = 0
    DONE = 1
    DEAD = 2
    HELD = 3


class EventOrigin(models.IntegerChoices):
    """``POLL``: the answer to a question of ours; it goes the same way."""

    WEBHOOK = 0
    POLL = 1


class Hook(TenantModel):
    """Where a provider posts. One hook serves one or many channels: some providers have one URL for all numbers.

    ``former_digest`` is of the token before this one, which is believed until ``former_until``.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    provider = models.CharField(max_length=30)
    token_digest = models.CharField(max_length=64, unique=True)
    token = models.TextField()
    former_digest = models.CharField(max_length=64, unique=True, null=True, blank=True)
    former_until = InstantField(null=True)
    config = models.TextField()
    active = models.BooleanField(default=True)
    ingest_worker = models.ForeignKey(Worker, models.SET_NULL, null=True, related_name="+")
    ingest_upto = models.BigIntegerField(null=True)
    created_at = InstantField()


class WebhookEvent(HotModel):
    """A webhook as it came, stored before it was answered; understood afterwards, in order per hook.

    ``path`` is what stood behind the hook's token, ``query`` the raw query, perhaps sealed, and ``headers`` those that
    may be kept. A large body lies in the store of files: ``body`` is empty then, ``body_size`` and ``body_sha256`` are
    of what was stored there.
    ``stored_in_s`` is from its arrival until it was written; unknown of one that waited on disk.
    """

    uid = models.UUIDField(unique=True)
    hook = unchecked_parent(Hook)
    received_at = InstantField()
    origin = models.SmallIntegerField(choices=EventOrigin.choices, db_default=0)
    method = models.CharField(max_length=10, db_default="POST")
    path = models.TextField(db_default="")
    query = models.TextField(db_default="")
    headers = models.TextField()
    body = models.BinaryField()
    body_file = models.CharField(max_length=80, db_default="")
    body_key = models.TextField(db_default="")
    body_size = models.BigIntegerField(db_default=0)
    body_sha256 = models.CharField(max_length=64, db_default="")
    state = models.SmallIntegerField(choices=EventState.choices, default=EventState.PENDING)
    tries = models.SmallIntegerField(default=0)
    outcome = models.TextField(blank=True)
    stored_in_s = models.FloatField(null=True)
    understood_at = InstantField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["hook", "id"], name="event_pending", condition=Q(state=0)),
            models.Index(fields=["tenant", "id"], name="event_page"),
            models.Index(fields=["id"], name="event_held", condition=Q(state=3)),
            models.Index(fields=["body_file"], name="event_body", condition=Q(body_file__gt="")),
        ]


class PublicUrl(models.Model):
    """An address under which providers reach this installation. One that was replaced holds for a while longer."""

    url = models.CharField(max_length=500, unique=True)
    replaced_at = InstantField(null=True)


class RejectedCall(TenantModel):
    """A call to a hook whose signature did not hold. No body is kept; the last 100 a hook."""

    hook = models.ForeignKey(Hook, models.CASCADE, related_name="+")
    at = InstantField()
    reason = models.CharField(max_length=200)
    size = models.IntegerField()
