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
# Who wrote what another responder at the same number wrote: the provider's own agent, or a second app.
RESPONDER = "responder"
# What a person is told who stopped messages, or started them again.
CONSENT = "consent"


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
    hook = _parent(Hook)
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


class Contact(TenantModel):
    """A person or a group. Known by addresses of several kinds; a phone number may be missing.

    ``merged_into`` names the root of those that are one person. ``name`` is the provider's, as of its time
    ``named_at``; ``own_name`` is what an operator calls them.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    is_group = models.BooleanField(default=False)
    name = models.TextField(blank=True)
    named_at = InstantField(null=True)
    own_name = models.TextField(blank=True, db_default="")
    origin = models.CharField(max_length=40)
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "origin"], name="contact_origin")]


class ContactAddress(TenantModel):
    """``contact`` is the root that has it now; ``home`` the contact that learned it, where that is another.

    ``instead`` is what the provider last called the line or account that this address named, as of ``instead_at``.
    ``since_at`` is the provider's time since which its present holder has it. ``portfolio`` says which of a
    provider's businesses gave a scoped id: no person has two of one.
    """

    contact = models.ForeignKey(Contact, models.CASCADE, related_name="addresses")
    home = models.ForeignKey(Contact, models.SET_NULL, null=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=10)
    value = models.TextField()
    digest = models.CharField(max_length=40)
    portfolio = models.CharField(max_length=24, blank=True, db_default="")
    instead = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", db_index=False)
    instead_at = models.FloatField(db_default=0.0)
    since_at = models.FloatField(db_default=0.0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest"], name="contact_address")]


class FormerAddress(TenantModel):
    """Who had an address before it changed hands: up to the message ``upto``, and the provider's time ``until``."""

    digest = models.CharField(max_length=40)
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    upto = models.BigIntegerField()
    until = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "digest", "upto"], name="former_address")]


class JoinState(models.IntegerChoices):
    """``CONFIRMED`` says what was known already; ``SUGGESTED`` is a question for an operator."""

    PROVEN = 0
    JOINED = 1
    UNDOING = 2
    UNDONE = 3
    CONFIRMED = 4
    SUGGESTED = 5
    DISMISSED = 6


class Join(TenantModel):
    """Two contacts that are one person, by the two addresses that were told together; or were, or may be.

    ``left`` and ``right`` are where these were at home. ``before`` holds names and consents from before the join,
    ``upto`` is the last message of that time. ``by`` is who joined or undid it, where that was somebody.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    state = models.SmallIntegerField(choices=JoinState.choices)
    proof = models.CharField(max_length=20)
    left = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    right = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    left_digest = models.CharField(max_length=40)
    right_digest = models.CharField(max_length=40)
    source = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=100, blank=True)
    told_at = InstantField()
    joined_at = InstantField(null=True)
    undone_at = InstantField(null=True)
    upto = models.BigIntegerField(default=0)
    before = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "proof", "left_digest", "right_digest"], name="one_proof"),
        ]
        indexes = [
            models.Index(fields=["id"], name="join_due", condition=Q(state__in=[0, 2])),
            models.Index(fields=["tenant", "state", "-id"], name="join_page"),
        ]


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
        ]


class Direction(models.IntegerChoices):
    INBOUND = 1
    OUTBOUND = 2


class Message(HotModel):
    """One message in either direction. ``id`` is its place in the conversation; ``status`` is a rank that rises.

    ``again_of`` is the failed message that this one was sent instead of.
    """

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
    again_of = _parent("self", null=True)
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
            models.Index(fields=["tenant", "sender", "id"], name="message_sender"),
            models.Index(fields=["tenant", "kind", "id"], name="message_kind"),
            models.Index(fields=["tenant", "status", "id"], name="message_status", condition=Q(direction=2)),
            models.Index(fields=["again_of"], name="message_again", condition=Q(again_of__isnull=False)),
        ]


class Work(HotModel):
    """A duty: one delivery, one turn, one file to fetch. Rows of one kind and key run one at a time, in id order.

    The key of a delivery and a turn is their conversation, that of a fetch its attachment, of a look its message, of
    a session and a poll their channel.
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


class Attachment(HotModel):
    """A file of a message. ``mime``, ``size`` and ``sha256`` are of its bytes; what the sender said of it is ``told``.

    ``file`` is its random name in the store of files, ``key`` what it is sealed with there. Where it is fetched from:
    ``provider_id``, or else ``source``, sealed: a link of the provider's, or the place of the file in ``webhook``.
    """

    uid = models.UUIDField(unique=True)
    channel = _parent(Channel, null=True)
    message = _parent(Message, null=True)
    state = models.SmallIntegerField(choices=AttachmentState.choices)
    kind = models.CharField(max_length=10)
    name = models.TextField(blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    source = models.TextField(db_default="")
    webhook = _parent(WebhookEvent, null=True)
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


class FileLink(HotModel):
    """A link of ours to one attempt's file, for a provider that fetches what a message names.

    It is gone once the message's fate is known, or its file is erased. ``digest`` is the SHA-256 of its token.
    """

    digest = models.CharField(max_length=64, unique=True)
    attachment = _parent(Attachment)
    message = _parent(Message)
    attempt = models.IntegerField()
    expires_at = InstantField()
    fetches = models.IntegerField(db_default=0)

    class Meta:
        indexes = [
            models.Index(fields=["message"], name="link_message"),
            models.Index(fields=["expires_at"], name="link_age"),
        ]


class ProviderFile(HotModel):
    """A file of ours that a channel's provider has, under the provider's id; it forgets it after a time."""

    attachment = _parent(Attachment)
    channel = _parent(Channel)
    provider_id = models.CharField(max_length=255)
    uploaded_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attachment", "channel"], name="one_provider_file")]


class Dismissal(HotModel):
    """A failure that somebody has dealt with: dismissed, sent again as a new message, or settled. Not on the list."""

    message = _parent(Message)
    reason = models.CharField(max_length=20)
    by = models.CharField(max_length=100, blank=True)
    at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message"], name="one_dismissal")]


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
    """What a provider or a person's hand said of a message, as it came: sent, delivered, read, failed, revived …

    ``told`` is the provider's own words, ``participant`` the one person of a group whom it is about; both are content.
    """

    message = _parent(Message)
    event = models.CharField(max_length=30)
    at = InstantField()
    code = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    told = models.TextField(blank=True, db_default="")
    participant = models.TextField(blank=True, db_default="")

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


class Search(HotModel):
    """The looks so far at what a provider says that it sent, for a message whose outcome is unknown.

    ``lease`` is that of the parked delivery: another attempt is searched for anew. ``empty`` counts the looks in a row
    that were evidence of its absence, ``empty_since`` is when the first was.
    """

    message = _parent(Message)
    lease = models.BigIntegerField()
    since = models.FloatField()
    looks = models.SmallIntegerField(default=0)
    empty = models.SmallIntegerField(default=0)
    empty_since = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message"], name="one_search")]


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


class Consent(TenantModel):
    """The newest choice that a person made at one address, yes or no, as of their own time; ``proof`` is the message.

    Suppressions follow from it: the newest choice at any address of a person holds for all of them.
    """

    digest = models.CharField(max_length=40)
    scope = models.CharField(max_length=20)
    wanted = models.BooleanField()
    reason = models.CharField(max_length=60)
    at = InstantField()
    proof = models.CharField(max_length=40, blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest", "scope"], name="one_consent")]


class Suppression(TenantModel):
    """An address that must not be written to, and why. ``scope`` is ``all``, ``marketing`` or ``unasked``."""

    digest = models.CharField(max_length=40)
    scope = models.CharField(max_length=20)
    reason = models.CharField(max_length=60)
    at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest", "scope"], name="one_suppression")]


# --- the broker -------------------------------------------------------------------------------------------------------


class QueueLease(models.Model):
    """Which worker reads a queue of the broker, or writes to it. It holds as long as that worker is alive."""

    queue = models.CharField(max_length=300, unique=True)
    worker = _parent(Worker, null=True)


class ConsumedMessage(HotModel):
    """A message that came from the broker, as it came. Its id is remembered for 30 days: it is accepted once."""

    key = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=40)
    message = _parent(Message)
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
    message = _parent(Message, null=True)
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

    conversation = _parent(Conversation)
    channel = _parent(Channel)
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


class ToolCall(HotModel):
    """A call that a model asked for in a turn. One that writes waits for the person's button, which holds ``token``.

    ``arguments`` are sealed. ``decided_by`` is the turn in which the person pressed it.
    """

    conversation = _parent(Conversation)
    channel = _parent(Channel)
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


class AssistantSpending(TenantModel):
    """What was spent of one period's room: reserved before a call, settled after it.

    Of an ``assistant``, or of the tenant where there is none; of all contacts where ``contact_id`` is 0. ``day`` counts
    days (UTC) since 1970; a month is told by a negative number. ``nanos`` are billionths of ``currency``.
    """

    assistant = models.ForeignKey(Assistant, models.CASCADE, null=True, related_name="+", db_index=False)
    contact_id = models.BigIntegerField(default=0)
    day = models.IntegerField()
    messages = models.IntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    nanos = models.BigIntegerField(db_default=0)
    currency = models.CharField(max_length=3, blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assistant", "day", "contact_id"], name="assistant_spending_day"),
            models.UniqueConstraint(
                fields=["tenant", "day", "contact_id"], condition=Q(assistant__isnull=True), name="tenant_spending_day"
            ),
        ]


class Budget(TenantModel):
    """What assistants of a tenant may spend at most. ``most`` counts messages, tokens or billionths of ``currency``."""

    subject = models.CharField(max_length=10)
    period = models.CharField(max_length=10)
    unit = models.CharField(max_length=10)
    most = models.BigIntegerField()
    currency = models.CharField(max_length=3, blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "subject", "period", "unit"], name="one_budget")]


class AssistantStop(TenantModel):
    """The kill switch of a tenant: while there is a row, no assistant of it answers."""

    since = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_assistant_stop")]


class MessagePrice(TenantModel):
    """What the owner says that a charged message costs, from the day ``since`` (as ISO writes it) on."""

    market = models.CharField(max_length=2)
    category = models.CharField(max_length=40)
    since = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    nanos = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "market", "category", "since", "currency"], name="one_price")
        ]


class ModelPrice(TenantModel):
    """What the owner says that a million tokens of a model cost."""

    vendor = models.CharField(max_length=30)
    model = models.CharField(max_length=100)
    since = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    input_nanos = models.BigIntegerField()
    output_nanos = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "vendor", "model", "since", "currency"], name="one_model_price")
        ]


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
