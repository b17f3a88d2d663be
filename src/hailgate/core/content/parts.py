"""The bricks of outbound content. Strict, and silent in every repr."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from hailgate.core.address import AddressKind


def limit(most: int, least: int = 0) -> Meta:
    """A length for the API's description. `check_content` holds it, with a sentence that says what to do."""
    lengths = {"maxLength": most} | ({"minLength": least} if least else {})
    return Meta(extra_json_schema=dict[str, Any](lengths))


def count(most: int, least: int = 1) -> Meta:
    return Meta(extra_json_schema={"maxItems": most, "minItems": least})


class Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An object of the wire: nothing unknown comes in, nothing that stands for itself goes out."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
FILENAME_LIMIT = 240  # what file systems keep, with room for an ending
LINK_LIMIT = 2000


class Mention(Part, frozen=True):
    """A person by an address that is not, or need not be, a phone number."""

    kind: AddressKind
    value: str


class TextBody(Part, frozen=True):
    """`mentions` are people of the group that it goes to, `mention_all` is everybody there."""

    body: Annotated[str, limit(TEXT_LIMIT, 1)]
    preview_url: bool = False
    mentions: tuple[str | Mention, ...] = ()
    mention_all: bool = False

    def __repr__(self) -> str:
        return f"TextBody(<{len(self.body)} characters>)"


class File(Part, frozen=True):
    """Exactly one of `attachment` (a file stored here), `link` (the provider fetches it) and `id` (the provider's)."""

    attachment: str | None = None
    id: str | None = None
    link: Annotated[str | None, limit(LINK_LIMIT)] = None


class CaptionedFile(Part, frozen=True):
    attachment: str | None = None
    id: str | None = None
    link: Annotated[str | None, limit(LINK_LIMIT)] = None
    caption: Annotated[str | None, limit(CAPTION_LIMIT)] = None


class AudioFile(Part, frozen=True):
    """`voice` makes it a voice note: Ogg with Opus, one channel."""

    attachment: str | None = None
    id: str | None = None
    link: Annotated[str | None, limit(LINK_LIMIT)] = None
    voice: bool = False


class DocumentFile(Part, frozen=True):
    """The ending of `filename` decides how the phone shows it."""

    attachment: str | None = None
    id: str | None = None
    link: Annotated[str | None, limit(LINK_LIMIT)] = None
    caption: Annotated[str | None, limit(CAPTION_LIMIT)] = None
    filename: Annotated[str | None, limit(FILENAME_LIMIT)] = None


AnyFile = File | CaptionedFile | AudioFile | DocumentFile


class Place(Part, frozen=True):
    """In degrees. WhatsApp shows the address only beside a name."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class CardName(Part, frozen=True):
    formatted_name: str
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class CardPhone(Part, frozen=True):
    phone: str | None = None
    type: str | None = None
    wa_id: str | None = None


class CardEmail(Part, frozen=True):
    email: str | None = None
    type: str | None = None


class CardUrl(Part, frozen=True):
    url: str | None = None
    type: str | None = None


class CardAddress(Part, frozen=True):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    type: str | None = None


class CardCompany(Part, frozen=True):
    company: str | None = None
    department: str | None = None
    title: str | None = None


class Card(Part, frozen=True):
    """A contact card. `birthday` is YYYY-MM-DD."""

    name: CardName
    phones: tuple[CardPhone, ...] = ()
    emails: tuple[CardEmail, ...] = ()
    addresses: tuple[CardAddress, ...] = ()
    urls: tuple[CardUrl, ...] = ()
    org: CardCompany | None = None
    birthday: str | None = None


class Mark(Part, frozen=True):
    """An emoji on a message; an empty one takes ours away. `message_id` is our id of that message or the provider's."""

    message_id: str
    emoji: str


class Words(Part, frozen=True):
    text: str
