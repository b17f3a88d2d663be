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


class Text(Part, frozen=True, tag_field="type", tag="text"):
    text: TextBody


class Image(Part, frozen=True, tag_field="type", tag="image"):
    image: CaptionedFile


class Video(Part, frozen=True, tag_field="type", tag="video"):
    video: CaptionedFile


class Audio(Part, frozen=True, tag_field="type", tag="audio"):
    audio: AudioFile


class Document(Part, frozen=True, tag_field="type", tag="document"):
    document: DocumentFile


class Sticker(Part, frozen=True, tag_field="type", tag="sticker"):
    sticker: File


class Location(Part, frozen=True, tag_field="type", tag="location"):
    location: Place


class Contacts(Part, frozen=True, tag_field="type", tag="contacts"):
    contacts: Annotated[tuple[Card, ...], count(MOST_CARDS)]


class Reaction(Part, frozen=True, tag_field="type", tag="reaction"):
    reaction: Mark


class Interactive(Part, frozen=True, tag_field="type", tag="interactive"):
    interactive: Question


class Template(Part, frozen=True, tag_field="type", tag="template"):
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
BY_KIND: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(Outbound)}
