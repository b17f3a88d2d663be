"""Messages that ask for a choice: buttons, lists, polls, links, flows, calls, a number and a location."""

from typing import Annotated, Any, Literal

from hailgate.core.content.commerce import (
    CatalogOffer,
    OrderDetails,
    OrderStatus,
    ProductListOffer,
    ProductOffer,
)
from hailgate.core.content.frames import Header, TextHeader
from hailgate.core.content.parts import Part, Words, count, limit

LIST_BODY_LIMIT = 4096  # documentation pages; the official description says 1024 for all
MOST_BUTTONS = 3
BUTTON_TITLE_LIMIT = 20
BUTTON_ID_LIMIT = 256
MOST_SECTIONS = 10
MOST_ROWS = 10  # in all sections together
SECTION_TITLE_LIMIT = 24
ROW_ID_LIMIT = 200
ROW_TITLE_LIMIT = 24
ROW_DESCRIPTION_LIMIT = 72
CTA_LIMIT = 20
FLOW_CTA_LIMIT = 30  # the official description; documentation pages say 20
CARDS = range(2, 11)
CARD_BODY_LIMIT = 160
LONGEST_CALL_OFFER_MIN = 30 * 24 * 60
CALL_PAYLOAD_LIMIT = 512
# What WhatsApp's own apps let people write in a poll.
POLL_BODY_LIMIT = 255
OPTIONS = range(2, 13)
OPTION_LIMIT = 100


class Choice(Part, frozen=True):
    id: Annotated[str, limit(BUTTON_ID_LIMIT, 1)]
    title: Annotated[str, limit(BUTTON_TITLE_LIMIT, 1)]


class ReplyButton(Part, frozen=True, tag_field="type", tag="reply"):
    reply: Choice


class Buttons(Part, frozen=True):
    buttons: Annotated[tuple[ReplyButton, ...], count(MOST_BUTTONS)]


class Row(Part, frozen=True):
    id: Annotated[str, limit(ROW_ID_LIMIT, 1)]
    title: Annotated[str, limit(ROW_TITLE_LIMIT, 1)]
    description: Annotated[str | None, limit(ROW_DESCRIPTION_LIMIT)] = None


class Section(Part, frozen=True):
    rows: Annotated[tuple[Row, ...], count(MOST_ROWS)]
    title: Annotated[str | None, limit(SECTION_TITLE_LIMIT)] = None


class Sections(Part, frozen=True):
    """`button` opens the list."""

    button: Annotated[str, limit(CTA_LIMIT, 1)]
    sections: Annotated[tuple[Section, ...], count(MOST_SECTIONS)]


class Options(Part, frozen=True):
    """`selectable_count` is how many of them a person may choose; 0 for any number."""

    options: Annotated[tuple[Annotated[str, limit(OPTION_LIMIT, 1)], ...], count(OPTIONS.stop - 1, OPTIONS.start)]
    selectable_count: int = 1


class Link(Part, frozen=True):
    display_text: Annotated[str, limit(CTA_LIMIT, 1)]
    url: str


class LinkAction(Part, frozen=True):
    name: Literal["cta_url"]
    parameters: Link


class FlowParameters(Part, frozen=True):
    """Exactly one of `flow_id` and `flow_name`. Meta gives `flow_token` back with the answer."""

    flow_cta: Annotated[str, limit(FLOW_CTA_LIMIT, 1)]
    flow_message_version: Literal["3"]
    flow_token: str | None = None
    flow_id: str | None = None
    flow_name: str | None = None
    mode: Literal["draft", "published"] | None = None
    flow_action: Literal["navigate", "data_exchange"] | None = None
    flow_action_payload: dict[str, Any] | None = None


class FlowAction(Part, frozen=True):
    name: Literal["flow"]
    parameters: FlowParameters


class LocationAction(Part, frozen=True):
    name: Literal["send_location"]


class ButtonQuestion(Part, frozen=True, tag_field="type", tag="button"):
    body: Words
    action: Buttons
    header: Header | None = None
    footer: Words | None = None


class ListQuestion(Part, frozen=True, tag_field="type", tag="list"):
    body: Words
    action: Sections
    header: TextHeader | None = None
    footer: Words | None = None


class PollQuestion(Part, frozen=True, tag_field="type", tag="poll"):
    """A poll, which the Cloud API does not have: this shape is ours, in the manner of its lists."""

    body: Words
    action: Options


class LinkQuestion(Part, frozen=True, tag_field="type", tag="cta_url"):
    body: Words
    action: LinkAction
    header: Header | None = None
    footer: Words | None = None


class FlowQuestion(Part, frozen=True, tag_field="type", tag="flow"):
    body: Words
    action: FlowAction
    header: Header | None = None
    footer: Words | None = None


class LocationQuestion(Part, frozen=True, tag_field="type", tag="location_request_message"):
    body: Words
    action: LocationAction


class CallOffer(Part, frozen=True):
    """The button lasts `ttl_minutes`, a week unless said otherwise; `payload` comes back with the call."""

    display_text: Annotated[str | None, limit(CTA_LIMIT, 1)] = None
    ttl_minutes: int | None = None
    payload: Annotated[str | None, limit(CALL_PAYLOAD_LIMIT)] = None


class CallAction(Part, frozen=True):
    name: Literal["voice_call"]
    parameters: CallOffer | None = None


class CallQuestion(Part, frozen=True, tag_field="type", tag="voice_call"):
    """A button that calls the business on WhatsApp."""

    body: Words
    action: CallAction
    header: Header | None = None
    footer: Words | None = None


class CallPermissionAction(Part, frozen=True):
    name: Literal["call_permission_request"]


class CallPermissionQuestion(Part, frozen=True, tag_field="type", tag="call_permission_request"):
    """Asks whether the business may call the person."""

    action: CallPermissionAction
    body: Words | None = None


class ContactInfoAction(Part, frozen=True):
    name: Literal["request_contact_info"]


class ContactInfoQuestion(Part, frozen=True, tag_field="type", tag="request_contact_info"):
    """Asks a person who is known by a user id for the phone number."""

    body: Words
    action: ContactInfoAction


class AddressAction(Part, frozen=True):
    """`parameters` as Meta documents them for the country."""

    name: Literal["address_message"]
    parameters: dict[str, Any]


class AddressQuestion(Part, frozen=True, tag_field="type", tag="address_message"):
    body: Words
    action: AddressAction
    header: Header | None = None
    footer: Words | None = None


class QuickReply(Part, frozen=True, tag_field="type", tag="quick_reply"):
    quick_reply: Choice


class CardAction(Part, frozen=True):
    """A link (`name` and `parameters`), one to three quick replies (`buttons`), or a product of a catalog."""

    name: Literal["cta_url"] | None = None
    parameters: Link | None = None
    buttons: tuple[QuickReply, ...] | None = None
    catalog_id: str | None = None
    product_retailer_id: str | None = None


class MediaCard(Part, frozen=True):
    card_index: int
    action: CardAction
    type: Literal["cta_url", "quick_reply", "product"] | None = None
    header: Header | None = None
    body: Words | None = None


class Cards(Part, frozen=True):
    cards: Annotated[tuple[MediaCard, ...], count(CARDS.stop - 1, CARDS.start)]


class Carousel(Part, frozen=True, tag_field="type", tag="carousel"):
    body: Words
    action: Cards


Question = (
    ButtonQuestion
    | ListQuestion
    | PollQuestion
    | LinkQuestion
    | FlowQuestion
    | LocationQuestion
    | CallQuestion
    | CallPermissionQuestion
    | ContactInfoQuestion
    | AddressQuestion
    | Carousel
    | ProductOffer
    | ProductListOffer
    | CatalogOffer
    | OrderDetails
    | OrderStatus
)
