"""The tables. No logic here: rules live in ``core``, verbs in ``rows``, ``queue``, ``sending`` and ``receiving``.

Ids inside are bigints given by the database in arrival order, and that order is the order of delivery; ids outside
(``uid``) are UUIDs. ``tenant_id`` stands on every table, and a test refuses SQL on them that does not name it.
"""

import uuid
from typing import Any

from django.db import models
from django.db.models import F, Q

from hailgate.accounts.fields import InstantField
from hailgate.accounts.models import ApiKey, Operator, Tenant

# Who answers a conversation: this, or the name of an assistant.
PERSON = "person"
# Who wrote what the business wrote on its own telephone.
TELEPHONE = "telephone"


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


class EventState(models.IntegerChoices):
    PENDING = 0
    DONE = 1
    DEAD = 2


class AttachmentState(models.IntegerChoices):
    """``AWAITED`` is to be fetched from the provider; ``FAILED`` says why it was not; ``REMOVED`` outlived its days."""

    AWAITED = 0
    STORED = 1
    FAILED = 2
    REMOVED = 3


class TenantModel(models.Model):
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)

    class Meta:
        abstract = True


def _parent(to: type[models.Model] | str, **options: Any) -> "models.ForeignKey[Any, Any]":
    """A parent of a row that is written per message: no constraint, no index of its own.

    A checked foreign key costs the database about as much as the row itself, and its key-share lock would make
    every enqueue look busy to a claim. Each of these tables is written by one module, from rows it has just read.
    """
    return models.ForeignKey(to, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False, **options)


class HotModel(models.Model):
    tenant = _parent(Tenant)

    class Meta:
        abstract = True


class Worker(models.Model):
    """A process that claims work, alive as long as it renews its lease."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    host = models.CharField(max_length=255)
    lock_file = models.TextField(blank=True)
    alive = models.BooleanField(default=True)
    started_at = InstantField()
    expires_at = InstantField()
    ended_at = InstantField(null=True)
    ending = models.CharField(max_length=20, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="worker_alive", condition=Q(alive=True))]


class Hook(TenantModel):
    """Where a provider posts. One hook serves one or many channels: a Meta app has one URL for all its numbers."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    provider = models.CharField(max_length=30)
    token_digest = models.CharField(max_length=64, unique=True)
    token = models.TextField()
    config = models.TextField()
    active = models.BooleanField(default=True)
    ingest_worker = models.ForeignKey(Worker, models.SET_NULL, null=True, related_name="+")
    ingest_upto = models.BigIntegerField(null=True)
    created_at = InstantField()


class WebhookEvent(HotModel):
    """A webhook as it came, stored before it was answered; understood afterwards, in order per hook."""

    uid = models.UUIDField(unique=True)
    hook = _parent(Hook)
    received_at = InstantField()
    headers = models.TextField()
    body = models.BinaryField()
    state = models.SmallIntegerField(choices=EventState.choices, default=EventState.PENDING)
    tries = models.SmallIntegerField(default=0)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["hook", "id"], name="event_pending", condition=Q(state=0)),
            models.Index(fields=["tenant", "id"], name="event_page"),
        ]


class RejectedCall(TenantModel):
    """A call to a hook whose signature did not hold. No body is kept; the last 100 a hook."""

    hook = models.ForeignKey(Hook, models.CASCADE, related_name="+")
    at = InstantField()
    reason = models.CharField(max_length=200)
    size = models.IntegerField()


class Business(TenantModel):
    """The account at a provider that templates belong to, and the last list of them. Its channels share it.

    ``due_at`` is when it is to be listed again; for one that is being listed, when its lister is given up. The
    database knows it by its first name, library: processes of the version before read it during an upgrade.
    """

    provider = models.CharField(max_length=30)
    account = models.CharField(max_length=100)
    due_at = models.FloatField(default=0)
    tries = models.SmallIntegerField(default=0)
    synced_at = InstantField(null=True)
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "messaging_templatelibrary"
        constraints = [models.UniqueConstraint(fields=["tenant", "provider", "account"], name="one_library")]
        indexes = [models.Index(fields=["due_at"], name="library_due")]


class Template(TenantModel):
    """A template in one language, in its provider's words; ``core.templates`` reads ``components``.

    One that its provider does not list any more is ``gone``, not deleted: messages name it. ``status_at``,
    ``quality_at`` and ``category_at`` are the provider's times of what it told last; ``changed_at`` is ours.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    business = models.ForeignKey(
        Business, models.CASCADE, related_name="templates", db_column="library_id", db_index=False
    )
    provider_id = models.CharField(max_length=60)
    name = models.CharField(max_length=512)
    language = models.CharField(max_length=60)
    category = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=60, blank=True)
    quality = models.CharField(max_length=60, blank=True)
    named = models.BooleanField(default=False)
    components = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    status_at = InstantField(null=True)
    quality_at = InstantField(null=True)
    category_at = InstantField(null=True)
    changed_at = InstantField()
    synced_at = InstantField(null=True)
    gone_at = InstantField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["business", "name", "language"], name="one_template")]
        indexes = [models.Index(fields=["tenant", "id"], name="template_page")]


class Channel(TenantModel):
    """One sending identity of a tenant at one provider. Limits and breaker are columns of the row they limit."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    hook = models.ForeignKey(Hook, models.SET_NULL, null=True, related_name="channels")
    provider = models.CharField(max_length=30)
    name = models.CharField(max_length=100)
    number = models.CharField(max_length=20)
    account = models.CharField(max_length=100)
    business = models.ForeignKey(
        Business, models.SET_NULL, null=True, related_name="channels", db_column="library_id", db_index=False
    )
    config = models.TextField()
    version = models.IntegerField(default=1)
    answered_by = models.CharField(max_length=30, default="person")
    marks_read = models.BooleanField(default=True)
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
    created_at = InstantField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="channel_name"),
            models.UniqueConstraint(fields=["hook", "account"], name="channel_account"),
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


class Contact(TenantModel):
    """A person or a group. Known by addresses of several kinds; a phone number may be missing."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    is_group = models.BooleanField(default=False)
    name = models.TextField(blank=True)
    origin = models.CharField(max_length=40)
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "origin"], name="contact_origin")]


class ContactAddress(TenantModel):
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="addresses")
    kind = models.CharField(max_length=10)
    value = models.TextField()
    digest = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest"], name="contact_address")]


class Conversation(TenantModel):
    """Exactly one per channel and contact, for ever.

    Operators share one inbox: ``seen_id`` is the last message that any of them has seen. ``operator`` took it over.
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
    seen_id = models.BigIntegerField(db_default=0)
    operator = models.ForeignKey(Operator, models.SET_NULL, null=True, related_name="+", db_index=False)
    pair_tat = models.FloatField(default=0)
    held_until = models.FloatField(null=True)
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
        ]


class Direction(models.IntegerChoices):
    INBOUND = 1
    OUTBOUND = 2


class Message(HotModel):
    """One message in either direction. ``id`` is its place in the conversation; ``status`` is a rank that rises."""

    uid = models.UUIDField(unique=True)
    conversation = _parent(Conversation)
    channel = _parent(Channel)
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
    status = models.SmallIntegerField(default=0)
    unknown = models.BooleanField(default=False)
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    cause = models.BigIntegerField(null=True)
    ordinal = models.SmallIntegerField(default=0)
    metadata = models.TextField(blank=True)
    accepted_at = InstantField()
    provider_at = InstantField(null=True)
    send_at = InstantField(null=True)
    expires_at = InstantField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cause", "ordinal"], condition=Q(cause__isnull=False), name="one_per_cause"
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "id"], name="message_page"),
            models.Index(
                fields=["channel", "provider_id"],
                name="message_provider",
                condition=Q(provider_id__isnull=False),
            ),
            models.Index(fields=["tenant", "sender", "id"], name="message_sender"),
            models.Index(fields=["tenant", "kind", "id"], name="message_kind"),
            models.Index(fields=["tenant", "status", "id"], name="message_status", condition=Q(direction=2)),
        ]


class Work(HotModel):
    """A duty: one delivery, one turn, one file to fetch. Rows of one kind and key run one at a time, in id order.

    The key of a delivery and a turn is their conversation, that of a fetch its attachment.
    """

    kind = models.SmallIntegerField(choices=WorkKind.choices)
    key = models.BigIntegerField()
    channel = _parent(Channel)
    message = _parent(Message, null=True)
    state = models.SmallIntegerField(choices=WorkState.choices)
    priority = models.SmallIntegerField(default=0)
    due_at = models.FloatField(default=0)
    worker = _parent(Worker, null=True)
    lease = models.BigIntegerField(default=0)
    tries = models.SmallIntegerField(default=0)
    knocks = models.SmallIntegerField(default=0)
    attempts = models.SmallIntegerField(default=0)
    attempting = models.BooleanField(default=False)
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


class Attachment(HotModel):
    """A file of a message. ``mime``, ``size`` and ``sha256`` are of its bytes; what the sender said of it is ``told``.

    ``file`` is its random name in the store of files, ``key`` what it is sealed with there.
    """

    uid = models.UUIDField(unique=True)
    channel = _parent(Channel, null=True)
    message = _parent(Message, null=True)
    state = models.SmallIntegerField(choices=AttachmentState.choices)
    kind = models.CharField(max_length=10)
    name = models.TextField(blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    told_sha256 = models.CharField(max_length=64, blank=True)
    mime = models.CharField(max_length=100, blank=True)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    file = models.CharField(max_length=80, blank=True)
    key = models.TextField(blank=True)
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    created_at = InstantField()
    stored_at = InstantField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["message"], name="attachment_message", condition=Q(message__isnull=False)),
            models.Index(fields=["tenant", "id"], name="attachment_failed", condition=Q(state=2)),
            models.Index(fields=["stored_at"], name="attachment_age", condition=Q(state=1)),
            models.Index(fields=["file"], name="attachment_file", condition=Q(file__gt="")),
            models.Index(fields=["id"], name="attachment_undropped", condition=Q(state=3, file__gt="")),
        ]


class ProviderFile(HotModel):
    """A file of ours that a channel's provider has, under the provider's id; it forgets it after a time."""

    attachment = _parent(Attachment)
    channel = _parent(Channel)
    provider_id = models.CharField(max_length=255)
    uploaded_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attachment", "channel"], name="one_provider_file")]


class Attempt(HotModel):
    """A knock at the provider's door, committed before the first byte may leave."""

    message = _parent(Message)
    number = models.SmallIntegerField()
    worker = _parent(Worker, null=True)
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
    """What a provider or a person's hand said of a message, as it came: sent, delivered, read, failed, revived …"""

    message = _parent(Message)
    event = models.CharField(max_length=30)
    at = InstantField()
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index(fields=["message", "id"], name="receipt_message")]


class Amendment(HotModel):
    """What a person did to a message that was there: a reaction, an edit or a deletion, by the provider's id of it.

    ``message`` is empty as long as we do not know that message; the author where it was us. ``before`` is the content
    that an edit or a deletion replaced; empty where it had no effect, and a mark where it outlived its days.
    """

    channel = _parent(Channel)
    provider_id = models.CharField(max_length=255)
    message = _parent(Message, null=True)
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


class EarlyStatus(HotModel):
    """A status for a provider's message id that we do not know yet; kept ten minutes, applied when it is known."""

    channel = _parent(Channel)
    provider_id = models.CharField(max_length=255)
    status = models.SmallIntegerField()
    at = InstantField()
    received_at = InstantField()
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    opted_out = models.BooleanField(db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["channel", "provider_id"], name="early_status"),
            models.Index(fields=["received_at"], name="early_status_age"),
        ]


class Effect(HotModel):
    """What has had its one effect. Written in the transaction of the effect itself, never before, never after."""

    channel = _parent(Channel)
    key = models.CharField(max_length=32)
    at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "key"], name="one_effect")]


class IdempotencyKey(HotModel):
    """The caller's key, in the message's own transaction; kept 24 hours."""

    key = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=40)
    message_uid = models.UUIDField()
    created_at = InstantField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="one_per_key")]


class Suppression(TenantModel):
    """An address that must not be written to, and why. ``scope`` is ``all`` or ``marketing``."""

    digest = models.CharField(max_length=40)
    scope = models.CharField(max_length=20)
    reason = models.CharField(max_length=60)
    at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest", "scope"], name="one_suppression")]
