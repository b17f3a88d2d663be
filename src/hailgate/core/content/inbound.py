"""What comes in: tolerant, cleaned of what no database stores, and silent in every repr.

Members that are not known are left out; a message that cannot be read as its kind is kept whole as `Unsupported`.
"""

from enum import StrEnum
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from hailgate.core.address import Address
from hailgate.core.content.cleaning import clean_text

# A foreign name for a kind of message is kept, but not at any length.
MAX_KIND_LENGTH = 64


class InboundText(Struct, frozen=True):
    """What a person wrote, cleaned of what no database stores; ``mentions`` are those whom it calls by name."""

    body: str
    mentions: tuple[Address, ...] = ()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "body", clean_text(self.body))

    def __repr__(self) -> str:
        return f"InboundText(<{len(self.body)} characters>)"


class WhyNot(StrEnum):
    """Why what a person sent is not here."""

    NOT_DELIVERED = "not_delivered"
    """WhatsApp gives messages of this kind to no business."""
    NOT_DOWNLOADED = "not_downloaded"
    """The provider could not take the file from the person."""
    UNAVAILABLE = "unavailable"
    """The provider itself does not have the message."""
    UNREADABLE = "unreadable"
    """It came encrypted, and the session that is paired with the phone could not read it."""


class Unsupported(Struct, frozen=True):
    """A message of a kind that is not understood yet: the provider's name for it, and its JSON as it came.

    `kind` is what the person sent, where that is known: a poll, a video note. `why` and the provider's `code` say why
    it is not here.
    """

    kind: str
    raw: bytes
    why: WhyNot | None = None
    code: str = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "kind", clean_text(self.kind)[:MAX_KIND_LENGTH])
        msgspec.structs.force_setattr(self, "code", clean_text(self.code)[:MAX_KIND_LENGTH])

    def __repr__(self) -> str:
        return f"Unsupported(<{len(self.raw)} bytes>)"


class Told(Struct, frozen=True, omit_defaults=True):
    """An object of the wire, as somebody else filled it in."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is str:
                force_setattr(self, name, clean_text(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class ReceivedFile(Told, frozen=True):
    """A file at its provider, under the provider's `id`. `sha256` is in base64, as it is told."""

    id: str
    mime_type: str | None = None
    sha256: str | None = None
    file_size: int | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool = False
    animated: bool = False


class InboundImage(Told, frozen=True, tag_field="type", tag="image"):
    image: ReceivedFile


class InboundVideo(Told, frozen=True, tag_field="type", tag="video"):
    video: ReceivedFile


class InboundAudio(Told, frozen=True, tag_field="type", tag="audio"):
    audio: ReceivedFile


class InboundDocument(Told, frozen=True, tag_field="type", tag="document"):
    document: ReceivedFile


class InboundSticker(Told, frozen=True, tag_field="type", tag="sticker"):
    sticker: ReceivedFile


class ReceivedPlace(Told, frozen=True):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    url: str | None = None


class InboundLocation(Told, frozen=True, tag_field="type", tag="location"):
    location: ReceivedPlace


class ReceivedName(Told, frozen=True):
    formatted_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class ReceivedPhone(Told, frozen=True):
    phone: str | None = None
    wa_id: str | None = None
    type: str | None = None


class ReceivedEmail(Told, frozen=True):
    email: str | None = None
    type: str | None = None


class ReceivedUrl(Told, frozen=True):
    url: str | None = None
    type: str | None = None


class ReceivedAddress(Told, frozen=True):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    type: str | None = None


class ReceivedCompany(Told, frozen=True):
    company: str | None = None
    department: str | None = None
    title: str | None = None


class ReceivedCard(Told, frozen=True):
    name: ReceivedName | None = None
    phones: tuple[ReceivedPhone, ...] = ()
    emails: tuple[ReceivedEmail, ...] = ()
    urls: tuple[ReceivedUrl, ...] = ()
    addresses: tuple[ReceivedAddress, ...] = ()
    org: ReceivedCompany | None = None
    birthday: str | None = None


class InboundContacts(Told, frozen=True, tag_field="type", tag="contacts"):
    contacts: tuple[ReceivedCard, ...]


class Press(Told, frozen=True):
    """A quick reply of a template: what it said, and what we had put behind it."""

    text: str
    payload: str | None = None


class InboundButton(Told, frozen=True, tag_field="type", tag="button"):
    button: Press


class Chosen(Told, frozen=True):
    id: str
    title: str
    description: str | None = None


class FilledIn(Told, frozen=True):
    """The answer to a flow. `response_json` is a string of JSON, which is not read here."""

    response_json: str
    name: str | None = None
    body: str | None = None


class ButtonReply(Told, frozen=True, tag_field="type", tag="button_reply"):
    button_reply: Chosen


class ListReply(Told, frozen=True, tag_field="type", tag="list_reply"):
    list_reply: Chosen


class FlowReply(Told, frozen=True, tag_field="type", tag="nfm_reply"):
    nfm_reply: FilledIn


class Voted(Told, frozen=True):
    """The options of a poll that a person has chosen by now, in their words; none where a vote was taken back."""

    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "options", tuple(clean_text(option) for option in self.options))


class PollReply(Told, frozen=True, tag_field="type", tag="poll_reply"):
    poll_reply: Voted


class Asked(Told, frozen=True):
    text: str


class Offered(Told, frozen=True):
    options: tuple[str, ...]
    selectable_count: int = 1

    def __post_init__(self) -> None:
        force_setattr(self, "options", tuple(clean_text(option) for option in self.options))


class Poll(Told, frozen=True, tag_field="type", tag="poll"):
    """A poll that somebody else than the API made, in the shape of ours."""

    body: Asked
    action: Offered


class Permitted(Told, frozen=True):
    """Whether the business may call: `response` is accept or reject, `response_source` says who or what decided."""

    response: str
    response_source: str | None = None
    is_permanent: bool | None = None
    expiration_timestamp: int | str | None = None


class CallPermissionReply(Told, frozen=True, tag_field="type", tag="call_permission_reply"):
    call_permission_reply: Permitted


class Typed(Told, frozen=True):
    body: str


class InboundReply(Told, frozen=True, tag_field="type", tag="interactive"):
    """What a person chose or, with a poll, asks.

    `text` is what the person wrote, where a choice of numbered words was answered in words.
    """

    interactive: ButtonReply | ListReply | FlowReply | CallPermissionReply | PollReply | Poll
    text: Typed | None = None


class OrderItem(Told, frozen=True):
    product_retailer_id: str
    quantity: int | float | None = None
    item_price: float | None = None
    currency: str | None = None


class Ordered(Told, frozen=True):
    catalog_id: str | None = None
    text: str | None = None
    product_items: tuple[OrderItem, ...] = ()


class InboundOrder(Told, frozen=True, tag_field="type", tag="order"):
    order: Ordered


class Rung(Told, frozen=True):
    """`direction` in the provider's words."""

    direction: str | None = None


class InboundCall(Told, frozen=True, tag_field="type", tag="call"):
    call: Rung


class Deleted(Told, frozen=True, tag_field="type", tag="deleted"):
    """What stands in the place of a message that its sender took back."""


Understood: TypeAlias = (
    InboundImage
    | InboundVideo
    | InboundAudio
    | InboundDocument
    | InboundSticker
    | InboundLocation
    | InboundContacts
    | InboundButton
    | InboundReply
    | InboundOrder
)
"""The kinds whose wire form is the stored form."""

Inbound: TypeAlias = InboundText | Understood | InboundCall | Unsupported


class ReferredProduct(Told, frozen=True):
    catalog_id: str | None = None
    product_retailer_id: str | None = None


class Welcome(Told, frozen=True):
    text: str | None = None


class Referral(Told, frozen=True):
    """The ad or post that led here. `ctwa_clid` is the click's id, for the advertiser's own accounts."""

    source_url: str | None = None
    source_id: str | None = None
    source_type: str | None = None
    headline: str | None = None
    body: str | None = None
    media_type: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    ctwa_clid: str | None = None
    welcome_message: Welcome | None = None


class Origin(Told, frozen=True):
    """Where a message comes from, beside its sender."""

    forwarded: bool = False
    frequently_forwarded: bool = False
    referred_product: ReferredProduct | None = None
    referral: Referral | None = None


def find_file(content: Inbound) -> ReceivedFile | None:
    """The file that a message of any kind carries."""
    if isinstance(content, InboundImage | InboundVideo | InboundAudio | InboundDocument | InboundSticker):
        file: Any = getattr(content, str(content.__struct_config__.tag))
        return file if isinstance(file, ReceivedFile) else None
    return None
