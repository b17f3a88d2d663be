"""Interactive messages as WhatsApp takes them: their frame, and what each kind asks."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hailgate.core.content import commerce
from hailgate.core.content import interactive as ask
from hailgate.core.content.frames import (
    BODY_LIMIT,
    FOOTER_LIMIT,
    HEADER_LIMIT,
    DocumentHeader,
    Header,
    ImageHeader,
    TextHeader,
    VideoHeader,
)
from hailgate.core.content.outbound import Interactive
from hailgate.core.content.parts import Part
from hailgate.core.content.refusals import refused
from hailgate.core.content.rules import (
    ID_LIMIT,
    check_count,
    check_distinct,
    check_file,
    check_length,
    check_link,
    check_text,
)

_ACTION = "interactive.action"
_PARAMETERS = f"{_ACTION}.parameters"


def check_question(content: Interactive) -> None:
    question = content.interactive
    if (body := question.body) is not None:
        check_text(body.text, "interactive.body.text", _BODY_LIMITS.get(type(question), BODY_LIMIT))
    if (footer := getattr(question, "footer", None)) is not None:
        check_text(footer.text, "interactive.footer.text", FOOTER_LIMIT)
    _check_header(getattr(question, "header", None), "interactive.header")
    if check := _CHECKS.get(type(question)):
        check(question.action)


def _check_header(header: Header | None, path: str) -> None:
    match header:
        case TextHeader(text=text, sub_text=sub_text):
            check_text(text, f"{path}.text", HEADER_LIMIT)
            check_length(sub_text, f"{path}.sub_text", HEADER_LIMIT)
        case ImageHeader(image=file):
            check_file(file, f"{path}.image")
        case VideoHeader(video=file):
            check_file(file, f"{path}.video")
        case DocumentHeader(document=document):
            check_file(document, f"{path}.document")


def _check_buttons(action: ask.Buttons) -> None:
    check_count(action.buttons, f"{_ACTION}.buttons", ask.MOST_BUTTONS, "buttons; use a list for more choices")
    _check_choices([button.reply for button in action.buttons], f"{_ACTION}.buttons", "reply")


def _check_choices(choices: list[ask.Choice], path: str, member: str) -> None:
    for index, choice in enumerate(choices):
        check_text(choice.id, f"{path}[{index}].{member}.id", ask.BUTTON_ID_LIMIT)
        check_text(choice.title, f"{path}[{index}].{member}.title", ask.BUTTON_TITLE_LIMIT)
    check_distinct([choice.id for choice in choices], path, "id")
    check_distinct([choice.title for choice in choices], path, "title")


def _check_sections(action: ask.Sections) -> None:
    path = f"{_ACTION}.sections"
    check_text(action.button, f"{_ACTION}.button", ask.CTA_LIMIT)
    check_count(action.sections, path, ask.MOST_SECTIONS, "sections")
    rows = [row for section in action.sections for row in section.rows]
    check_count(rows, path, ask.MOST_ROWS, "rows in all sections together")
    for index, section in enumerate(action.sections):
        place = f"{path}[{index}]"
        _check_section_title(section.title, len(action.sections), f"{place}.title")
        check_count(section.rows, f"{place}.rows", ask.MOST_ROWS, "rows")
        for number, row in enumerate(section.rows):
            _check_row(row, f"{place}.rows[{number}]")
    check_distinct([row.id for row in rows], path, "row id")


def _check_section_title(title: str | None, sections: int, path: str) -> None:
    if title is not None or sections > 1:
        check_text(title or "", path, ask.SECTION_TITLE_LIMIT, "give each section a title of its own")


def _check_row(row: ask.Row, path: str) -> None:
    check_text(row.id, f"{path}.id", ask.ROW_ID_LIMIT)
    check_text(row.title, f"{path}.title", ask.ROW_TITLE_LIMIT)
    check_length(row.description, f"{path}.description", ask.ROW_DESCRIPTION_LIMIT)


def _check_options(action: ask.Options) -> None:
    path, options = f"{_ACTION}.options", action.options
    check_count(options, path, ask.OPTIONS.stop - 1, "options", ask.OPTIONS.start)
    for index, option in enumerate(options):
        check_text(option, f"{path}[{index}]", ask.OPTION_LIMIT)
    check_distinct([option.strip() for option in options], path, "option")
    if not 0 <= action.selectable_count <= len(options):
        raise refused(f"{_ACTION}.selectable_count", "must be 0 for any number, or 1 up to the number of options")


def _check_link_action(action: ask.LinkAction) -> None:
    _check_button_link(action.parameters, _PARAMETERS)


def _check_button_link(link: ask.Link, path: str) -> None:
    check_text(link.display_text, f"{path}.display_text", ask.CTA_LIMIT)
    check_link(link.url, f"{path}.url")


def _check_flow(action: ask.FlowAction) -> None:
    flow = action.parameters
    check_text(flow.flow_cta, f"{_PARAMETERS}.flow_cta", ask.FLOW_CTA_LIMIT)
    if (flow.flow_id is None) == (flow.flow_name is None):
        raise refused(_PARAMETERS, "needs exactly one of flow_id and flow_name")


def _check_call(action: ask.CallAction) -> None:
    if (offer := action.parameters) is None:
        return
    if offer.display_text is not None:
        check_text(offer.display_text, f"{_PARAMETERS}.display_text", ask.CTA_LIMIT)
    check_length(offer.payload, f"{_PARAMETERS}.payload", ask.CALL_PAYLOAD_LIMIT)
    if offer.ttl_minutes is not None and not 1 <= offer.ttl_minutes <= ask.LONGEST_CALL_OFFER_MIN:
        raise refused(f"{_PARAMETERS}.ttl_minutes", f"must lie between 1 and {ask.LONGEST_CALL_OFFER_MIN} minutes")


def _check_cards(action: ask.Cards) -> None:
    path, cards = f"{_ACTION}.cards", ask.CARDS
    check_count(action.cards, path, cards.stop - 1, "cards", cards.start)
    for index, card in enumerate(action.cards):
        _check_header(card.header, f"{path}[{index}].header")
        if card.body is not None:
            check_text(card.body.text, f"{path}[{index}].body.text", ask.CARD_BODY_LIMIT)
        _check_card_action(card.action, f"{path}[{index}].action")
    if sorted(card.card_index for card in action.cards) != list(range(len(action.cards))):
        raise refused(path, f"must number the cards by card_index, 0 to {len(action.cards) - 1}, each once")


def _check_card_action(action: ask.CardAction, path: str) -> None:
    told = (action.parameters, action.buttons, action.product_retailer_id)
    if sum(each is not None for each in told) != 1:
        raise refused(path, "needs exactly one of parameters (a link), buttons (quick replies) and product_retailer_id")
    if action.parameters is not None:
        _check_button_link(action.parameters, f"{path}.parameters")
    if action.buttons is not None:
        check_count(action.buttons, f"{path}.buttons", ask.MOST_BUTTONS, "buttons")
        _check_choices([button.quick_reply for button in action.buttons], f"{path}.buttons", "quick_reply")
    if action.product_retailer_id is not None:
        _check_product(action.catalog_id or "", action.product_retailer_id, path)


# --- selling ----------------------------------------------------------------------------------------------------------


def _check_product(catalog_id: str, product: str, path: str) -> None:
    check_text(catalog_id, f"{path}.catalog_id", ID_LIMIT, "give the id of the catalog")
    check_text(product, f"{path}.product_retailer_id", ID_LIMIT, "give the product's id in the catalog")


def _check_one_product(action: commerce.ProductAction) -> None:
    _check_product(action.catalog_id, action.product_retailer_id, _ACTION)


def _check_products(action: commerce.ProductSections) -> None:
    path = f"{_ACTION}.sections"
    check_text(action.catalog_id, f"{_ACTION}.catalog_id", ID_LIMIT, "give the id of the catalog")
    check_count(action.sections, path, commerce.MOST_SECTIONS, "sections")
    products = [item for section in action.sections for item in section.product_items]
    check_count(products, path, commerce.MOST_PRODUCTS, "products in all sections together")
    for index, section in enumerate(action.sections):
        _check_section_title(section.title, len(action.sections), f"{path}[{index}].title")
        items = f"{path}[{index}].product_items"
        check_count(section.product_items, items, commerce.MOST_PRODUCTS, "products")
        for number, item in enumerate(section.product_items):
            check_text(item.product_retailer_id, f"{items}[{number}].product_retailer_id", ID_LIMIT)


def _check_order(action: commerce.PayAction) -> None:
    _check_reference(action.parameters.get("reference_id"), commerce.REFERENCE_LIMIT)


def _check_review(action: commerce.ReviewAction) -> None:
    _check_reference(action.parameters.get("reference_id"), ID_LIMIT)


def _check_reference(reference: object, most: int) -> None:
    path = f"{_PARAMETERS}.reference_id"
    if not isinstance(reference, str):
        raise refused(path, "must be the text by which you know the order")
    check_text(reference, path, most)


_BODY_LIMITS: Final[Mapping[type[Part], int]] = {
    ask.ListQuestion: ask.LIST_BODY_LIMIT,
    ask.PollQuestion: ask.POLL_BODY_LIMIT,
}
_CHECKS: Final[Mapping[type[Part], Callable[[Any], None]]] = {
    ask.ButtonQuestion: _check_buttons,
    ask.ListQuestion: _check_sections,
    ask.PollQuestion: _check_options,
    ask.LinkQuestion: _check_link_action,
    ask.FlowQuestion: _check_flow,
    ask.CallQuestion: _check_call,
    ask.Carousel: _check_cards,
    commerce.ProductOffer: _check_one_product,
    commerce.ProductListOffer: _check_products,
    commerce.OrderDetails: _check_order,
    commerce.OrderStatus: _check_review,
}
