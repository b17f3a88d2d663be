"""What the management API answers and takes. Times are RFC 3339 in UTC."""

from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field

Item = TypeVar("Item")

# Control characters are in no name, and PostgreSQL refuses the first of them.
PLAIN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"


class AddressOut(Schema):
    kind: Literal["phone", "bsuid", "lid", "jid", "group"]
    value: str


class ChannelRef(Schema):
    id: str
    name: str


class TextOut(Schema):
    body: str
    preview_url: bool = False


class UnsupportedOut(Schema):
    """A message of a kind that is kept but not understood yet, or that the provider did not hand over."""

    kind: str = Field(description="What the person sent, as far as that is known: `poll`, `video_note` …")
    why: Literal["not_delivered", "not_downloaded", "unavailable", "unreadable"] | None = Field(
        None, description="Why it is not here, where the provider said so."
    )
    code: str | None = Field(None, description="The provider's own code for that.")


class PriceOut(Schema):
    """What the provider says that a message costs, in its own words, and nothing before it said so."""

    category: str
    type: str
    billed: bool | None = Field(description="Null where it was not told.")
    free_until: datetime | None = Field(description="Until when messages to this person are free.")
    cost: str | None = Field(description="A decimal, estimated by your own prices as they are now; null if unknown.")
    currency: str | None = Field(description="Of the cost; null where it is free or unknown.")


class ReactionOut(Schema):
    emoji: str
    by: AddressOut | None = Field(description="Null where it was put there on the business's own telephone.")
    at: datetime


class AttachmentOut(Schema):
    """The file of a message. `awaited` is being fetched from the provider; `code` and `detail` say why it `failed`."""

    id: str
    state: Literal["awaited", "stored", "failed", "removed"]
    kind: str
    type: str | None = Field(description="Told by its content, once it is here.")
    size: int | None
    name: str | None = Field(description="What its sender called it.")
    code: str | None
    detail: str | None
    created_at: datetime


class MessageOut(Schema):
    """One message in either direction. `code` and `detail` say why it failed, while it stands as failed."""

    id: str
    conversation: str
    channel: str
    direction: Literal["inbound", "outbound"]
    sender: str = Field(
        description="`contact`, `api`, `operator`, `telephone` (the business's), `responder` (another one at the "
        "same number, such as Meta's own agent), `consent` (told to who stopped messages), or an assistant's name."
    )
    address: AddressOut = Field(description="The other side: who wrote, or who is written to.")
    author: AddressOut | None = Field(description="Who wrote, in a group.")
    type: str
    text: TextOut | None = Field(
        description="What a text says. Beside a reply: what the person wrote, where a choice was answered in words."
    )
    content: Any = Field(description="What stands under the name of its type in the Cloud API, of whatever kind.")
    preview: str = Field(description="One line for lists, whatever the kind.")
    unsupported: UnsupportedOut | None
    origin: Any = Field(description="Whether it was forwarded; the ad or product that led here. Null for most.")
    attachment: AttachmentOut | None
    context_id: str | None = Field(description="The provider's id of the message that this one answers.")
    quoted: str | None = Field(
        description="Our id of that message; null beside a `context_id` where the message is not here."
    )
    reactions: list[ReactionOut] = Field(description="What people put on it, the last of each.")
    edited_at: datetime | None = Field(description="`content` is what it says since then.")
    deleted_at: datetime | None = Field(description="Its sender took it back; `type` is then `deleted`.")
    provider_id: str | None
    status: Literal["received", "queued", "sent", "failed", "delivered", "read", "played"]
    unknown: bool = Field(description="The provider may or may not have taken it.")
    stale: bool = Field(description="It was sent more than an hour ago, and the provider has told nothing of it since.")
    code: str | None
    detail: str | None
    price: PriceOut | None
    metadata: dict[str, Any]
    accepted_at: datetime
    provider_at: datetime | None
    send_at: datetime | None
    expires_at: datetime | None


class CostOut(Schema):
    currency: str
    amount: str = Field(description="A decimal.")


class TallyOut(Schema):
    """Delivered messages, and what models took. `unpriced` messages and answers are not in `costs`."""

    messages: int
    charged: int
    free_service: int = Field(description="Free service messages that the provider told of: at least so many.")
    unpriced: int
    tokens: int
    unpriced_answers: int
    costs: list[CostOut]


class ChannelCostsOut(TallyOut):
    channel: ChannelRef
    origins: dict[Literal["assistant", "person", "api"], TallyOut]


class CostsOut(Schema):
    """Estimated by your own prices as they are now."""

    month: str
    channels: list[ChannelCostsOut]


class BudgetOut(Schema):
    """A decimal in `most` and `spent` where it is in money. `spent` is null where it is not of the whole tenant."""

    subject: Literal["turn", "contact", "tenant"]
    period: Literal["turn", "day", "month"]
    unit: Literal["messages", "tokens", "money"]
    most: str
    spent: str | None
    currency: str | None


class SpendingOut(Schema):
    stopped_at: datetime | None = Field(description="Since when all assistants are stopped; null while they answer.")
    budgets: list[BudgetOut]


class MediaLinkOut(Schema):
    """Whoever has it may download the file until it expires; it needs no key."""

    url: str = Field(description="A path of this installation.")
    expires_at: datetime


class TimelineEntry(Schema):
    """`sending` opens an attempt; `sent`, `retried`, `failed` or `unknown` closes it; the rest was reported later.

    `waiting` comes last, once for each thing that holds the message back at the moment of asking: `code` names it,
    `next_at` is the earliest moment at which it ends, and is absent where that is up to somebody.
    """

    at: datetime
    event: str
    attempt: int | None = None
    code: str | None = None
    detail: str | None = None
    next_at: datetime | None = None
    told: str | None = Field(None, description="The provider's own words.")
    participant: AddressOut | None = Field(None, description="The one person of a group whom this is about.")


class MessageWithTimeline(MessageOut):
    timeline: list[TimelineEntry]


class ContactOut(Schema):
    id: str
    name: str = Field(description="What an operator calls them; else what they call themselves.")
    told_name: str = Field(description="What they call themselves, as their provider told it last.")
    is_group: bool
    addresses: list[AddressOut]


class ThreadOut(Schema):
    """Who answers at the provider, where several responders share the channel's number."""

    owner: Literal["us", "other", "unknown"] = Field(
        description="`other`: another responder answers, such as Meta's own agent; a message of yours takes the thread "
        "from it. `unknown`: what the provider told last does not go together; no assistant answers."
    )
    role: str | None = Field(description="What the provider calls the other responder, where it says so.")
    told_at: datetime | None = Field(description="When that was last told. After a day without it the thread is ours.")


class ConversationOut(Schema):
    id: str
    channel: ChannelRef
    contact: ContactOut
    answered_by: str = Field(description="`person`, or the name of the assistant.")
    thread: ThreadOut
    last_message: MessageOut | None
    last_message_at: datetime | None
    window_open: bool = Field(description="Whether free text may be sent now.")
    window_closes_at: datetime | None
    free_until: datetime | None = Field(
        description="When a free entry point ends, as the provider told: till then the window is open and all is free."
    )


class JoinSide(Schema):
    id: str
    name: str
    addresses: list[str]


class JoinOut(Schema):
    """Two contacts that are one person by what was told; `source` says more about the proof."""

    id: str
    state: Literal["proven", "joined", "undoing", "undone", "confirmed", "suggested", "dismissed"]
    proof: str = Field(description="answer, status, webhook, change, card, country, operator or spelling.")
    source: str
    one: JoinSide
    other: JoinSide
    by: str
    told_at: datetime
    joined_at: datetime | None
    undone_at: datetime | None


class JoinIn(Schema):
    """Ids of two contacts."""

    one: str
    other: str


class ContactNameIn(Schema):
    name: str = Field(max_length=200, pattern=PLAIN)


ConsentScope = Annotated[
    Literal["marketing", "unasked", "assistant"],
    Field(
        description="`marketing`: marketing templates; `unasked`: templates and bulk, all that they did not ask for; "
        "`assistant`: answers of an assistant."
    ),
]


class ConsentOut(Schema):
    """The newest choice of a person. Where `wanted` is null none is known, and nothing is stopped."""

    scope: ConsentScope
    wanted: bool | None
    at: datetime | None
    reason: str = Field(
        description="`wrote_it`, `user_preferences` (told to WhatsApp), `recipient_opted_out` (told by the provider), "
        "`given_back`, `by_hand`, or `same_person`; empty where nothing was chosen."
    )
    proof: str = Field(description="The id of the message in which they chose, or what was given with the choice.")


class ConsentsOut(Schema):
    items: list[ConsentOut]


class ConsentIn(Schema):
    scope: ConsentScope
    wanted: bool
    proof: str = Field(
        "", max_length=40, pattern=PLAIN, description="Where the choice can be looked up: the id of a message, a form."
    )


class Breaker(Schema):
    """`open` channels wait for their provider to recover; `failures` counts its faults in a row."""

    state: Literal["closed", "open"]
    failures: int
    opened_at: datetime | None


class Rate(Schema):
    """What the channel may send; `burst` of it at once after a rest."""

    per_second: float
    burst: int


class Queued(Schema):
    """Messages to send, by where they stand; `waiting` ones are behind another of their conversation or for later."""

    waiting: int
    ready: int
    sending: int
    unknown: int
    dead: int


class KindOut(Schema):
    """What a channel takes of one kind. Characters for text and caption, bytes for the file; null is no limit."""

    kind: str
    text: int | None
    caption: int | None
    bytes: int | None
    types: list[str] = Field(description="MIME types; an empty list is any.")
    quotable: bool
    degrades_to: str | None = Field(description="What it is sent as, where the provider cannot express it.")


class ChannelOut(Schema):
    id: str
    name: str
    provider: str
    number: str
    answered_by: str
    active: bool
    paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    breaker: Breaker
    rate: Rate
    queued: Queued
    kinds: list[KindOut]


class VariableOut(Schema):
    """What a send has to fill in. `key` names its place: `body.1`, `header`, `button.0`, `card.1.body.1`."""

    key: str
    kind: str = Field(
        description="text, suffix (of an address), coupon_code, payload, action, offer, or a file's kind."
    )
    place: str = Field(description="What a person knows it by: its name, or the words on its button.")
    example: str
    required: bool


class TemplateOut(Schema):
    """A template in one language. Status, category and quality are the provider's words."""

    id: str
    name: str
    language: str
    category: str
    status: str
    quality: str | None
    reason: str | None = Field(description="Why it is not approved, where the provider says so.")
    sendable: bool = Field(description="Whether a message with it is accepted now.")
    parameter_format: Literal["positional", "named"]
    components: Any = Field(description="As the provider lists them; null for one that is only heard of.")
    variables: list[VariableOut]
    account: str = Field(description="The business account that it belongs to.")
    provider_id: str
    changed_at: datetime
    synced_at: datetime | None = Field(description="When it was last seen in its provider's list.")
    gone_at: datetime | None = Field(description="Since when its provider has it no more.")


class TemplateFilter(Schema):
    """Templates that match all of it."""

    channel: (
        Annotated[
            str, Field(max_length=100, pattern=PLAIN, description="Those that this channel may send; its id or name.")
        ]
        | None
    ) = None
    name: Annotated[str, Field(max_length=512, pattern=PLAIN)] | None = None
    language: Annotated[str, Field(max_length=60, pattern=PLAIN)] | None = None
    status: Annotated[str, Field(max_length=60, pattern=PLAIN, description="For example `APPROVED`.")] | None = None
    category: Annotated[str, Field(max_length=60, pattern=PLAIN, description="For example `UTILITY`.")] | None = None
    gone: bool = Field(False, description="Those that their provider has no more, instead of those it has.")


class TemplateSyncOut(Schema):
    """How a channel's templates are kept in step with its provider. `code` and `detail` say why the last try failed."""

    account: str
    templates: int = Field(description="How many the provider has, as far as we know.")
    synced_at: datetime | None
    due_at: datetime | None = Field(description="When they are listed next; null for at once.")
    code: str | None
    detail: str | None


class DeadLetter(Schema):
    """A message that is not tried again by itself."""

    id: str = Field(description="The message's id.")
    state: Literal["dead", "unknown", "failed"]
    code: str
    provider_code: str | None = Field(description="The provider's own code, at the last attempt.")
    reason: str = Field(description="What the code means.")
    advice: str = Field(description="What to do about it.")
    remedy: Literal["again", "edit", "template", "settle", "none"] = Field(description="What can work.")
    detail: str
    attempts: int
    channel: str
    conversation: str
    to: AddressOut
    accepted_at: datetime


class CauseOut(Schema):
    """Messages that ended in the same way."""

    state: Literal["dead", "unknown", "failed"]
    code: str
    provider_code: str
    reason: str
    advice: str
    remedy: Literal["again", "edit", "template", "settle", "none"]
    count: int
    oldest_at: datetime
    newest_at: datetime


class Causes(Schema):
    items: list[CauseOut]


def _as_written(value: object) -> object:
    """A number would be read as seconds since 1970, and 0 as long ago: RFC 3339 it is, or nothing."""
    if isinstance(value, str) and "-" in value:
        return value
    raise ValueError("must be RFC 3339 with an offset")


Moment = Annotated[AwareDatetime, BeforeValidator(_as_written)]


class MessageFilter(Schema):
    """Messages that match all of it; times are those of acceptance, `until` not included."""

    channel: Annotated[str, Field(max_length=100, pattern=PLAIN, description="Its id or name.")] | None = None
    direction: Literal["inbound", "outbound"] | None = None
    status: (
        Annotated[
            Literal["received", "queued", "sent", "failed", "delivered", "read", "played"],
            Field(description="As messages show it; `received` is every message that came in."),
        ]
        | None
    ) = None
    since: Moment | None = None
    until: Moment | None = None


class LetterFilter(Schema):
    """Letters that match all of it; times are those of acceptance, `until` not included."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["dead", "unknown", "failed"] | None = None
    channel: Annotated[str, Field(max_length=100, pattern=PLAIN, description="Its id or name.")] | None = None
    code: Annotated[str, Field(max_length=60, pattern=PLAIN)] | None = None
    since: Moment | None = None
    until: Moment | None = None


class DismissOut(Schema):
    dismissed: list[str]
    not_found: list[str]


class SettleIn(Schema):
    sent: bool = Field(description="Whether the person has it.")


class SettleOut(Schema):
    id: str
    sent: bool


class ReviveAllOut(Schema):
    revived: int = Field(description="How many messages are queued again.")


class ActorOut(Schema):
    kind: str = Field(description="`operator`, `key`, or `command` on the machine itself.")
    id: str
    name: str = Field(description="What it was called then.")


class AuditOut(Schema):
    """Something that somebody did by hand. `subject` is a kind and an id, such as `message:<id>`."""

    id: str
    at: datetime
    actor: ActorOut
    action: str
    subject: str
    count: int = Field(description="How many it was done to.")
    detail: str


class Page(Schema, Generic[Item]):
    """`next` leads to older items; null where there are none."""

    items: list[Item]
    next: str | None


class MessagePage(Schema):
    """Newest first. `next` leads to older messages; `previous` to newer ones, also to those that are yet to come."""

    items: list[MessageOut]
    next: str | None
    previous: str | None


class HandoverIn(Schema):
    model_config = ConfigDict(extra="forbid")

    to: Literal["person", "assistant"]


class ReviveIn(Schema):
    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=1_000)]


class ReviveOut(Schema):
    """`revived` messages are queued again, by this call; the others are not dead letters of yours (any more)."""

    revived: list[str]
    not_found: list[str]


class SessionOut(Schema):
    """How a channel is paired with its phone. While `worker_running` is false nothing that was asked for happens."""

    state: Literal["closed", "starting", "pairing", "open", "unpaired"]
    wish: Literal["open", "pair", "close", "log_out"]
    since: datetime
    number: str | None = Field(description="The phone's own number, where it is told.")
    unconfirmed_number: str | None = Field(description="Another phone than expected: nothing is sent until confirmed.")
    detail: str | None
    has_code: bool = Field(description="Whether a code can be asked for.")
    worker_running: bool


class SessionWishIn(Schema):
    """`phone` asks for a code to type on that phone instead of one to scan."""

    model_config = ConfigDict(extra="forbid")

    wish: Literal["pair", "open", "close", "log_out"]
    phone: Annotated[str | None, Field(default=None, max_length=20, pattern=PLAIN)] = None


class PairingCodeOut(Schema):
    """A secret. Make a QR code of it (`qr`), or type it on the phone (`text`)."""

    code: str
    kind: Literal["qr", "text"]
    expires_at: datetime
