"""Conversations and their messages."""

import uuid

from django.db import models
from django.db.models import F, Q

from hailgate.accounts.fields import InstantField
from hailgate.accounts.models import Operator
from hailgate.messaging.models.abstract import HotModel, TenantModel, unchecked_parent
from hailgate.messaging.models.channels import Channel
from hailgate.messaging.models.people import Contact

# Who answers a conversation: this, or the name of an assistant.
PERSON = "person"
# Who wrote what the business wrote on its own telephone.
TELEPHONE = "telephone"
# Who wrote what another responder at the same number wrote: the provider's own agent, or a second app.
RESPONDER = "responder"
# What a person is told who stopped messages, or started them again.
CONSENT = "consent"


class Conversation(TenantModel):
    """Exactly one per channel and contact, for ever.

    Operators share one inbox: ``seen_id`` is the last message that any of them has seen. ``operator`` took it over.
    One that is ``merged_into`` another keeps its messages, and its counters are 0: what is new stands with its root.
    ``home`` is the contact it was made for, where that is another. ``window_unsure`` where the person may also have
    written under another spelling: then the provider says whether the window is open. ``parted_at`` is when an undo
    last parted it from another. Until ``rests_until`` a step that joins or parts waits for what is being sent.
    ``own_answered_id`` is what it had answered by itself when others were joined to it whose questions are older.
    ``thread_owner`` is who answers at the provider (`core.thread_owner`), as of ``thread_owner_at``;
    ``thread_owner_role`` is what the provider calls it, where that is another. ``free_until`` is when a free entry
    point ends, as the provider told.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="+", db_index=False)
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    answered_by = models.CharField(max_length=30)
    version = models.IntegerField(default=1)
    last_message_id = models.BigIntegerField(default=0)
    last_message_at = InstantField(null=True)
    last_inbound_id = models.BigIntegerField(default=0)
    last_inbound_at = InstantField(null=True)
    answered_id = models.BigIntegerField(default=0)
    own_answered_id = models.BigIntegerField(db_default=0)
    seen_id = models.BigIntegerField(db_default=0)
    operator = models.ForeignKey(Operator, models.SET_NULL, null=True, related_name="+", db_index=False)
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", db_index=False)
    home = models.ForeignKey(Contact, models.SET_NULL, null=True, related_name="+", db_index=False)
    window_unsure = models.BooleanField(db_default=False)
    parted_at = InstantField(null=True)
    rests_until = models.FloatField(null=True)
    pair_tat = models.FloatField(default=0)
    pair_refusals = models.SmallIntegerField(db_default=0)
    held_until = models.FloatField(null=True)
    thread_owner = models.SmallIntegerField(db_default=0)
    thread_owner_role = models.CharField(max_length=40, blank=True, db_default="")
    thread_owner_at = models.FloatField(db_default=0.0)
    free_until = models.FloatField(db_default=0.0)
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "contact"], name="one_conversation")]
        indexes = [
            models.Index(fields=["tenant", "-last_message_id"], name="conversation_recent"),
            models.Index(
                fields=["tenant", "-last_message_id"],
                name="conversation_unread",
                condition=Q(answered_by=PERSON, last_inbound_id__gt=F("seen_id")),
            ),
            models.Index(
                fields=["tenant", "operator", "-last_message_id"],
                name="conversation_mine",
                condition=Q(operator__isnull=False),
            ),
            models.Index(fields=["held_until"], name="conversation_held", condition=Q(held_until__isnull=False)),
            models.Index(fields=["merged_into"], name="conversation_merged", condition=Q(merged_into__isnull=False)),
            models.Index(fields=["home"], name="conversation_home", condition=Q(home__isnull=False)),
        ]


class Direction(models.IntegerChoices):
    INBOUND = 1
    OUTBOUND = 2


class Message(HotModel):
    """One message in either direction. ``id`` is its place in the conversation; ``status`` is a rank that rises.

    ``again_of`` is the failed message that this one was sent instead of. ``message_token`` is what all ids of it
    have in common, where the provider calls one message by several.
    """

    uid = models.UUIDField(unique=True)
    conversation = unchecked_parent(Conversation)
    channel = unchecked_parent(Channel)
    direction = models.SmallIntegerField(choices=Direction.choices)
    sender = models.CharField(max_length=30)
    kind = models.CharField(max_length=30)
    content = models.TextField()
    address_kind = models.CharField(max_length=10)
    address = models.TextField()
    author_kind = models.CharField(max_length=10, blank=True)
    author = models.TextField(blank=True)
    context_id = models.CharField(max_length=255, blank=True)
    provider_id = models.CharField(max_length=255, null=True)  # noqa: DJ001 -- unknown until the provider says it
    message_token = models.CharField(max_length=255, null=True)  # noqa: DJ001 -- most providers give one id only
    status = models.SmallIntegerField(default=0)
    unknown = models.BooleanField(default=False)
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    again_of = unchecked_parent("self", null=True)
    cause = models.BigIntegerField(null=True)
    ordinal = models.SmallIntegerField(default=0)
    metadata = models.TextField(blank=True)
    accepted_at = InstantField()
    provider_at = InstantField(null=True)
    send_at = InstantField(null=True)
    expires_at = InstantField(null=True)
    price_category = models.CharField(max_length=40, blank=True, db_default="")
    price_type = models.CharField(max_length=40, blank=True, db_default="")
    billed = models.BooleanField(null=True)
    free_until = InstantField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cause", "ordinal"], condition=Q(cause__isnull=False), name="one_per_cause"
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "id"], name="message_page"),
            models.Index(fields=["channel", "id"], name="message_channel"),
            models.Index(
                fields=["channel", "provider_id"],
                name="message_provider",
                condition=Q(provider_id__isnull=False),
            ),
            models.Index(
                fields=["channel", "message_token"],
                name="message_token",
                condition=Q(message_token__isnull=False),
            ),
            models.Index(fields=["tenant", "sender", "id"], name="message_sender"),
            models.Index(fields=["tenant", "kind", "id"], name="message_kind"),
            models.Index(fields=["tenant", "status", "id"], name="message_status", condition=Q(direction=2)),
            models.Index(fields=["again_of"], name="message_again", condition=Q(again_of__isnull=False)),
        ]
