"""Work rows: what must happen, whatever is killed."""

from django.db import models
from django.db.models import Q

from hailgate.messaging.models.abstract import HotModel, unchecked_parent
from hailgate.messaging.models.channels import Channel
from hailgate.messaging.models.conversations import Message
from hailgate.messaging.models.workers import Worker


class WorkState(models.IntegerChoices):
    """Where a work row stands; done rows are deleted, the message and its attempts remain."""

    WAITING = 0
    READY = 1
    LEASED = 2
    PARKED = 3
    DEAD = 4


class WorkKind(models.IntegerChoices):
    DELIVERY = 1
    TURN = 2
    FETCH = 3
    SESSION = 4
    LOOK = 5
    POLL = 6
    CHECK = 7


class Work(HotModel):
    """A duty: one delivery, one turn, one file to fetch. Rows of one kind and key run one at a time, in id order.

    The key of a delivery and a turn is their conversation, that of a fetch its attachment, of a look its message, of
    a session and a poll their channel.
    """

    kind = models.SmallIntegerField(choices=WorkKind.choices)
    key = models.BigIntegerField()
    channel = unchecked_parent(Channel)
    message = unchecked_parent(Message, null=True)
    state = models.SmallIntegerField(choices=WorkState.choices)
    priority = models.SmallIntegerField(default=0)
    due_at = models.FloatField(default=0)
    worker = unchecked_parent(Worker, null=True)
    lease = models.BigIntegerField(default=0)
    tries = models.SmallIntegerField(default=0)
    knocks = models.SmallIntegerField(default=0)
    attempts = models.SmallIntegerField(default=0)
    attempting = models.BooleanField(default=False)
    failing_since = models.FloatField(null=True)
    hold_until = models.FloatField(null=True)
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    expires_at = models.FloatField(null=True)
    created_at = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], condition=Q(state__in=[1, 2]), name="one_head"),
        ]
        indexes = [
            models.Index(
                fields=["channel", "kind", "priority", "due_at", "id"],
                name="work_ready",
                condition=Q(state=1),
            ),
            models.Index(fields=["kind", "due_at", "id"], name="work_due", condition=Q(state=1)),
            models.Index(fields=["kind", "key", "id"], name="work_key"),
            models.Index(fields=["due_at"], name="work_scheduled", condition=Q(state=0, due_at__gt=0)),
            models.Index(fields=["message"], name="work_message", condition=Q(message__isnull=False)),
            models.Index(fields=["worker"], name="work_leased", condition=Q(state=2)),
            models.Index(fields=["hold_until"], name="work_parked", condition=Q(state=3)),
            models.Index(fields=["tenant", "state", "id"], name="work_stopped", condition=Q(state__in=[3, 4])),
        ]
