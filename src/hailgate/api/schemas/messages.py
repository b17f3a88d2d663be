"""Messages, and their timeline."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

from hailgate.api.schemas.common import PLAIN, AddressOut, Moment
from hailgate.api.schemas.media import AttachmentOut


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


class MessagePage(Schema):
    """Newest first. `next` leads to older messages; `previous` to newer ones, also to those that are yet to come."""

    items: list[MessageOut]
    next: str | None
    previous: str | None
