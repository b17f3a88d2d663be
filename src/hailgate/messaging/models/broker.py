"""The broker: leases of its queues, what came from it, and what it is to be told."""

from django.db import models

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import HotModel, unchecked_parent
from hailgate.messaging.models.conversations import Message
from hailgate.messaging.models.workers import Worker


class QueueLease(models.Model):
    """Which worker reads a queue of the broker, or writes to it. It holds as long as that worker is alive."""

    queue = models.CharField(max_length=300, unique=True)
    worker = unchecked_parent(Worker, null=True)


class ConsumedMessage(HotModel):
    """A message that came from the broker, as it came. Its id is remembered for 30 days: it is accepted once."""

    key = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=40)
    message = unchecked_parent(Message)
    reference = models.CharField(max_length=255)
    headers = models.TextField()
    body = models.BinaryField()
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="one_consumed")]
        indexes = [
            models.Index(fields=["message"], name="consumed_message"),
            models.Index(fields=["created_at"], name="consumed_age"),
        ]


class HeldEnvelope(models.Model):
    """A message of the broker that waits until the tenant service says whose it is; ``tenant`` is as it was named."""

    tenant = models.CharField(max_length=100)
    reference = models.CharField(max_length=255)
    headers = models.TextField()
    body = models.BinaryField()
    received_at = InstantField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "id"], name="held_tenant")]


class Publication(HotModel):
    """What the broker is to be told: an event of a message, or a dead letter. It goes once the broker confirmed it."""

    uid = models.UUIDField()
    message = unchecked_parent(Message, null=True)
    event = models.CharField(max_length=30)
    at = InstantField()
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    attempts = models.SmallIntegerField(default=0)
    reference = models.CharField(max_length=255, blank=True)
    headers = models.TextField(blank=True)
    body = models.BinaryField(blank=True)
    due_at = models.FloatField(default=0)
    tries = models.SmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["due_at", "id"], name="publication_due")]
