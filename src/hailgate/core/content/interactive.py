"""Messages that ask for a choice: buttons, lists, links, flows and a location."""

from typing import Annotated, Any, Literal

from hailgate.core.content.parts import DocumentFile, File, Part, Words, count, limit

BODY_LIMIT = 1024
LIST_BODY_LIMIT = 4096  # documentation pages; the official description says 1024 for all
HEADER_LIMIT = 60
FOOTER_LIMIT = 60
MOST_BUTTONS = 3
BUTTON_TITLE_LIMIT = 20
BUTTON_ID_LIMIT = 256
MOST_SECTIONS = 10
MOST_ROWS = 10  # in all sections together
SECTION_TITLE_LIMIT = 24
ROW_ID_LIMIT = 200
ROW_TITLE_LIMIT = 24
ROW_DESCRIPTION_LIMIT = 72
CTA_LIMIT = 20  # also of a flow: the official description says 30, the documentation 20


class TextHeader(Part, frozen=True, tag_field="type", tag="text"):
    text: Annotated[str, limit(HEADER_LIMIT)]


class ImageHeader(Part, frozen=True, tag_field="type", tag="image"):
    image: File


class VideoHeader(Part, frozen=True, tag_field="type", tag="video"):
    video: File


class DocumentHeader(Part, frozen=True, tag_field="type", tag="document"):
    document: DocumentFile


Header = TextHeader | ImageHeader | VideoHeader | DocumentHeader
FileHeader = ImageHeader | VideoHeader | DocumentHeader


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


class Link(Part, frozen=True):
    display_text: Annotated[str, limit(CTA_LIMIT, 1)]
    url: str


class LinkAction(Part, frozen=True):
    name: Literal["cta_url"]
    parameters: Link


class FlowParameters(Part, frozen=True):
    """Exactly one of `flow_id` and `flow_name`. Meta gives `flow_token` back with the answer."""

    flow_cta: Annotated[str, limit(CTA_LIMIT, 1)]
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


Question = ButtonQuestion | ListQuestion | LinkQuestion | FlowQuestion | LocationQuestion
