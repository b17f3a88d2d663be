"""What inbound events leave behind beside messages: effect keys, early statuses, edits and reactions."""

from django.db import models
from django.db.models import Q

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import HotModel, unchecked_parent
from hailgate.messaging.models.channels import Channel
from hailgate.messaging.models.conversations import Message


class Effect(HotModel):
    """What has had its one effect. Written in the transaction of the effect itself, never before, never after."""

    channel = unchecked_parent(Channel)
    key = models.CharField(max_length=32)
    at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "key"], name="one_effect")]


class EarlyStatus(HotModel):
    """A status for a provider's message id that we do not know yet; kept ten minutes, applied when it is known."""

    channel = unchecked_parent(Channel)
    provider_id = models.CharField(max_length=255)
    status = models.SmallIntegerField()
    at = InstantField()
    received_at = InstantField()
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    opted_out = models.BooleanField(db_default=False)
    price_category = models.CharField(max_length=40, blank=True, db_default="")
    price_type = models.CharField(max_length=40, blank=True, db_default="")
    billed = models.BooleanField(null=True)
    free_until = InstantField(null=True)
    told = models.TextField(blank=True, db_default="")
    participant = models.TextField(blank=True, db_default="")

    class Meta:
        indexes = [
            models.Index(fields=["channel", "provider_id"], name="early_status"),
            models.Index(fields=["received_at"], name="early_status_age"),
        ]


class EarlyContactChange(HotModel):
    """A told change of a number or id of somebody whom nobody knows yet, under each address that it says they had.

    Kept for a week, and applied when that address is known. ``change`` is sealed.
    """

    portfolio = models.CharField(max_length=24, blank=True)
    digest = models.CharField(max_length=40)
    change = models.TextField()
    at = InstantField()
    received_at = InstantField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "digest"], name="early_contact_change")]


class Amendment(HotModel):
    """What a person did to a message that was there: a reaction, an edit or a deletion, by the provider's id of it.

    ``message`` is empty as long as we do not know that message; the author where it was us. ``before`` is the content
    that an edit or a deletion replaced; empty where it had no effect, and a mark where it outlived its days.
    """

    channel = unchecked_parent(Channel)
    provider_id = models.CharField(max_length=255)
    message = unchecked_parent(Message, null=True)
    change = models.CharField(max_length=10)
    author_kind = models.CharField(max_length=10)
    author = models.TextField()
    author_digest = models.CharField(max_length=40)
    content = models.TextField(blank=True)
    before = models.TextField(blank=True)
    at = InstantField()
    received_at = InstantField()

    class Meta:
        indexes = [
            models.Index(fields=["message", "id"], name="amendment_message", condition=Q(message__isnull=False)),
            models.Index(fields=["received_at"], name="amendment_early", condition=Q(message__isnull=True)),
            models.Index(
                fields=["received_at"],
                name="amendment_age",
                condition=Q(change__in=("edit", "deletion"), content__gt=""),
            ),
        ]
