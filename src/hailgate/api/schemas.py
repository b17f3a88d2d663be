"""What the management API answers and takes. Times are RFC 3339 in UTC."""

from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field

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
    """A message of a kind that is kept but not understood yet."""

    kind: str


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
        description="`contact`, `api`, `operator`, `telephone` (the business's), or an assistant's name."
    )
    address: AddressOut = Field(description="The other side: who wrote, or who is written to.")
    author: AddressOut | None = Field(description="Who wrote, in a group.")
    type: str
    text: TextOut | None
    content: Any = Field(description="What stands under the name of its type in the Cloud API, of whatever kind.")
    preview: str = Field(description="One line for lists, whatever the kind.")
    unsupported: UnsupportedOut | None
    origin: Any = Field(description="Whether it was forwarded; the ad or product that led here. Null for most.")
    attachment: AttachmentOut | None
    context_id: str | None = Field(description="The provider's id of the message that this one answers.")
    reactions: list[ReactionOut] = Field(description="What people put on it, the last of each.")
    edited_at: datetime | None = Field(description="`content` is what it says since then.")
    deleted_at: datetime | None = Field(description="Its sender took it back; `type` is then `deleted`.")
    provider_id: str | None
    status: Literal["received", "queued", "sent", "failed", "delivered", "read", "played"]
    unknown: bool = Field(description="The provider may or may not have taken it.")
    code: str | None
    detail: str | None
    metadata: dict[str, Any]
    accepted_at: datetime
    provider_at: datetime | None
    send_at: datetime | None
    expires_at: datetime | None


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


class MessageWithTimeline(MessageOut):
    timeline: list[TimelineEntry]


class ContactOut(Schema):
    id: str
    name: str
    is_group: bool
    addresses: list[AddressOut]


class ConversationOut(Schema):
    id: str
    channel: ChannelRef
    contact: ContactOut
    answered_by: str = Field(description="`person`, or the name of the assistant.")
    last_message: MessageOut | None
    last_message_at: datetime | None
    window_open: bool = Field(description="Whether free text may be sent now.")
    window_closes_at: datetime | None


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
    state: Literal["dead", "unknown"]
    code: str
    provider_code: str | None = Field(description="The provider's own code, at the last attempt.")
    reason: str = Field(description="What the code means.")
    advice: str = Field(description="What to do about it.")
    detail: str
    attempts: int
    channel: str
    conversation: str
    to: AddressOut
    accepted_at: datetime


class CauseOut(Schema):
    """Messages that ended in the same way."""

    state: Literal["dead", "unknown"]
    code: str
    provider_code: str
    reason: str
    advice: str
    count: int
    oldest_at: datetime
    newest_at: datetime


class Causes(Schema):
    items: list[CauseOut]


class LetterFilter(Schema):
    """Letters that match all of it; times are those of acceptance, `until` not included."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["dead", "unknown"] | None = None
    channel: Annotated[str, Field(max_length=100, pattern=PLAIN, description="Its id or name.")] | None = None
    code: Annotated[str, Field(max_length=60, pattern=PLAIN)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


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
