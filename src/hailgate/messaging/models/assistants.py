"""Assistants: their versions, why they answered, the tools they called, and what stops them."""

import uuid

from django.db import models

from hailgate.accounts.fields import InstantField
from hailgate.messaging.models.abstract import HotModel, TenantModel, unchecked_parent
from hailgate.messaging.models.channels import Channel
from hailgate.messaging.models.conversations import Conversation


class Assistant(TenantModel):
    """Somebody who answers by itself. ``live`` is the version that answers; None while there is only a draft."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    name = models.CharField(max_length=30)
    live = models.ForeignKey("AssistantVersion", models.SET_NULL, null=True, related_name="+", db_index=False)
    active = models.BooleanField(default=True)
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="assistant_name")]


class AssistantVersion(TenantModel):
    """What was said of an assistant at one time: never changed, sealed since it holds keys."""

    assistant = models.ForeignKey(Assistant, models.CASCADE, related_name="versions", db_index=False)
    number = models.IntegerField()
    settings = models.TextField()
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assistant", "number"], name="assistant_version")]


class TurnAnswer(HotModel):
    """Why an answer: what one turn came to, which version gave it, and what it took. ``seconds`` it took.

    ``asked_after`` is the last message that had been answered before it.
    """

    conversation = unchecked_parent(Conversation)
    channel = unchecked_parent(Channel)
    turn = models.BigIntegerField()
    asked_after = models.BigIntegerField(db_default=0)
    message_uid = models.UUIDField(null=True)
    assistant = models.CharField(max_length=30)
    version_id = models.BigIntegerField(null=True)
    conversation_version = models.IntegerField()
    outcome = models.CharField(max_length=20)
    note = models.CharField(max_length=60, blank=True)
    disclosed = models.BooleanField(default=False)
    vendor = models.CharField(max_length=30, blank=True)
    model = models.CharField(max_length=100, blank=True)
    calls = models.SmallIntegerField(default=0)
    input_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField(default=0)
    seconds = models.FloatField(default=0)
    created_at = InstantField()

    class Meta:
        indexes = [
            models.Index(fields=["conversation", "id"], name="turn_answer_thread"),
            models.Index(fields=["tenant", "id"], name="turn_answer_tenant"),
        ]


class ConversationSummary(TenantModel):
    """What a conversation said up to the message ``upto``, in a model's words: kept as its messages are.

    It goes with any change of what it covers: an edit, a deletion, a join, a parting.
    """

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="+", db_index=False)
    content = models.TextField()
    upto = models.BigIntegerField()
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation"], name="one_summary")]


class ToolCall(HotModel):
    """A call that a model asked for in a turn. One that writes waits for the person's button, which holds ``token``.

    ``arguments`` are sealed. ``decided_by`` is the turn in which the person pressed it.
    """

    conversation = unchecked_parent(Conversation)
    channel = unchecked_parent(Channel)
    turn = models.BigIntegerField()
    ordinal = models.SmallIntegerField()
    name = models.CharField(max_length=40)
    mode = models.CharField(max_length=10, blank=True)
    state = models.CharField(max_length=10)
    code = models.CharField(max_length=60, blank=True)
    token = models.CharField(max_length=32, null=True, unique=True)  # noqa: DJ001 -- most have none
    arguments = models.TextField(blank=True)
    expires_at = InstantField(null=True)
    decided_by = models.BigIntegerField(null=True)
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["turn", "ordinal"], name="tool_call_of_turn")]
        indexes = [models.Index(fields=["conversation", "id"], name="tool_call_thread")]


class AssistantStop(TenantModel):
    """The kill switch of a tenant: while there is a row, no assistant of it answers."""

    since = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_assistant_stop")]


class FloodRule(TenantModel):
    """How many messages within ``within_s`` seconds a contact, a group or a whole tenant is answered at most."""

    subject = models.CharField(max_length=10)
    most = models.IntegerField()
    within_s = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "subject"], name="one_flood_rule")]


class Flood(TenantModel):
    """Where a rule stands for one contact, or for the tenant where ``contact_id`` is 0.

    ``tat`` as in rate limits; ``told_at`` is when the person was last asked to wait, ``last_at`` when they were last
    not answered, and ``count`` how many messages were not, ever.
    """

    contact_id = models.BigIntegerField(default=0)
    tat = models.FloatField(default=0)
    told_at = models.FloatField(null=True)
    last_at = models.FloatField(null=True)
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "contact_id"], name="one_flood")]
