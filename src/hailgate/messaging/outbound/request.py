"""A request to send, as every door takes it: the Cloud API's own shape, and what belongs to it."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from hailgate.core.address import AddressKind
from hailgate.core.content import TextBody
from hailgate.core.content.interactive import Question
from hailgate.core.content.outbound import MOST_CARDS, OutboundKind
from hailgate.core.content.parts import AudioFile, CaptionedFile, Card, DocumentFile, File, Mark, Place, count
from hailgate.core.content.templates import TemplateCall
from hailgate.core.patterns import PatternCall

# Visible characters and spaces: what a name or a foreign id is made of, and what every database stores.
# The last part keeps `$` from matching before a line break at the end.
PLAIN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)"
_Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]


class Recipient(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that is not, or need not be, a phone number."""

    kind: AddressKind
    value: Annotated[str, Meta(min_length=1, max_length=256)]


class Context(Struct, frozen=True, forbid_unknown_fields=True):
    message_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            pattern=PLAIN,
            description="The message that is answered: its id here, or the provider's own.",
        ),
    ]


class MessageRequest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A message to send, in the Cloud API's own shape: `type`, and one member of the same name."""

    channel: Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN, description="Id or name of the channel.")]
    to: Annotated[str | Recipient, Meta(description="A phone number with its country code, or an address.")]
    type: OutboundKind
    text: TextBody | UnsetType = UNSET
    image: CaptionedFile | UnsetType = UNSET
    video: CaptionedFile | UnsetType = UNSET
    audio: AudioFile | UnsetType = UNSET
    document: DocumentFile | UnsetType = UNSET
    sticker: File | UnsetType = UNSET
    location: Place | UnsetType = UNSET
    contacts: Annotated[tuple[Card, ...], count(MOST_CARDS)] | UnsetType = UNSET
    reaction: Mark | UnsetType = UNSET
    interactive: Question | UnsetType = UNSET
    template: TemplateCall | UnsetType = UNSET
    pattern: Annotated[
        PatternCall | UnsetType,
        Meta(description="For `type: text`, in place of `text`: a pattern of yours (`/v1/patterns`), filled in."),
    ] = UNSET
    context: Context | UnsetType = UNSET
    recipient_identity_key_hash: Annotated[
        str | UnsetType, Meta(description="Nothing is sent to a person whose identity key has another hash by now.")
    ] = UNSET
    send_at: _Moment | UnsetType = UNSET
    expires_at: _Moment | UnsetType = UNSET
    priority: Literal["interactive", "bulk"] = "interactive"
    take_thread: Annotated[
        bool,
        Meta(
            description="Whether this may take the thread from another responder at the same number, such as Meta's "
            "own agent. Without it such a message is refused with `thread_elsewhere`; a template never takes a thread."
        ),
    ] = False
    markdown: Annotated[
        bool,
        Meta(
            description="Whether `text.body` is Markdown: it is sent with WhatsApp's own marks, its tables in "
            "monospace, or as lists where a phone has no room for them. For `type: text` alone."
        ),
    ] = False
    metadata: Annotated[
        dict[str, str | int | float], Meta(description="Yours to keep with the message; at most 2 KB of JSON.")
    ] = {}
