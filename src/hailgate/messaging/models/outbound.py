"""What is on record of a message that is sent: attempts, receipts, searches, and how failures were settled."""

from django.db import models

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import HotModel, unchecked_parent
from hailgate.messaging.models.conversations import Message
from hailgate.messaging.models.workers import Worker


class IdempotencyKey(HotModel):
    """The caller's key, in the message's own transaction; kept 24 hours."""

    key = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=40)
    message_uid = models.UUIDField()
    created_at = InstantField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="one_per_key")]


class Attempt(HotModel):
    """A knock at the provider's door, committed before the first byte may leave."""

    message = unchecked_parent(Message)
    number = models.SmallIntegerField()
    worker = unchecked_parent(Worker, null=True)
    lease = models.BigIntegerField()
    started_at = InstantField()
    finished_at = InstantField(null=True)
    outcome = models.CharField(max_length=20, blank=True)
    code = models.CharField(max_length=60, blank=True)
    provider_code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    next_at = InstantField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "number"], name="attempt_number")]


class Receipt(HotModel):
    """What a provider or a person's hand said of a message, as it came: sent, delivered, read, failed, revived …

    ``told`` is the provider's own words, ``participant`` the one person of a group whom it is about; both are content.
    """

    message = unchecked_parent(Message)
    event = models.CharField(max_length=30)
    at = InstantField()
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    told = models.TextField(blank=True, db_default="")
    participant = models.TextField(blank=True, db_default="")

    class Meta:
        indexes = [models.Index(fields=["message", "id"], name="receipt_message")]


class Search(HotModel):
    """The looks so far at what a provider says that it sent, for a message whose outcome is unknown.

    ``lease`` is that of the parked delivery: another attempt is searched for anew. ``empty`` counts the looks in a row
    that were evidence of its absence, ``empty_since`` is when the first was.
    """

    message = unchecked_parent(Message)
    lease = models.BigIntegerField()
    since = models.FloatField()
    looks = models.SmallIntegerField(default=0)
    empty = models.SmallIntegerField(default=0)
    empty_since = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message"], name="one_search")]


class Dismissal(HotModel):
    """A failure that somebody has dealt with: dismissed, sent again as a new message, or settled. Not on the list."""

    message = unchecked_parent(Message)
    reason = models.CharField(max_length=20)
    by = models.CharField(max_length=100, blank=True)
    at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message"], name="one_dismissal")]
