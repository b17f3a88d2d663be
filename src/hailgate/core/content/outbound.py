"""What we send: one struct for each kind, told apart by `type`, with one member of the same name."""

from typing import Annotated, Any, Literal, TypeAlias, get_args

from hailgate.core.content.interactive import Question
from hailgate.core.content.parts import (
    AudioFile,
    CaptionedFile,
    Card,
    DocumentFile,
    File,
    Mark,
    Part,
    Place,
    TextBody,
    count,
)
from hailgate.core.content.templates import TemplateCall

MOST_CARDS = 257  # far fewer are advised: phones show a handful


class Said(Part, frozen=True, kw_only=True):
    """What may stand beside any kind. Meta sends nothing to a person whose identity key has another hash by now."""

    recipient_identity_key_hash: str | None = None


class Text(Said, frozen=True, tag_field="type", tag="text"):
    text: TextBody


class Image(Said, frozen=True, tag_field="type", tag="image"):
    image: CaptionedFile


class Video(Said, frozen=True, tag_field="type", tag="video"):
    video: CaptionedFile


class Audio(Said, frozen=True, tag_field="type", tag="audio"):
    audio: AudioFile


class Document(Said, frozen=True, tag_field="type", tag="document"):
    document: DocumentFile


class Sticker(Said, frozen=True, tag_field="type", tag="sticker"):
    sticker: File


class Location(Said, frozen=True, tag_field="type", tag="location"):
    location: Place


class Contacts(Said, frozen=True, tag_field="type", tag="contacts"):
    contacts: Annotated[tuple[Card, ...], count(MOST_CARDS)]


class Reaction(Said, frozen=True, tag_field="type", tag="reaction"):
    reaction: Mark


class Interactive(Said, frozen=True, tag_field="type", tag="interactive"):
    interactive: Question


class Template(Said, frozen=True, tag_field="type", tag="template"):
    template: TemplateCall


Outbound: TypeAlias = (
    Text | Image | Video | Audio | Document | Sticker | Location | Contacts | Reaction | Interactive | Template
)

OutboundKind = Literal[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
]
OUTBOUND_KINDS: tuple[str, ...] = get_args(OutboundKind)
# What Meta documents beside them, and why it is not taken here.
NOT_SENT: dict[str, str] = {
    "pin": "is not sent from here: WhatsApp pins messages in groups alone, for the group's admin; pin it on a phone"
}
BY_KIND: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(Outbound)}
