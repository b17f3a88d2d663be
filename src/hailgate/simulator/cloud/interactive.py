"""Interactive messages: buttons, lists, links, flows, wishes for a place or a call, products, orders. Pure."""

from collections.abc import Callable, Mapping

from hailgate.simulator.cloud.errors import GraphError
from hailgate.simulator.cloud.params import Params, wrong

MAX_HEADER = 60  # characters
MAX_FOOTER = 60
MAX_BODY = 1024
MAX_LIST_BODY = 4096
MAX_BUTTONS = 3
MAX_ROWS = 10  # of all sections together
MAX_SECTIONS = 10
MAX_PRODUCTS = 30
MAX_CARDS = 10
BODILESS = frozenset({"product", "call_permission_request"})
HEADERS = ("text", "image", "video", "document")

CheckSource = Callable[[Params], None]


def check_interactive(interactive: Params, check_source: CheckSource) -> None:
    """`check_source` judges the id or link of a header's media. Raises the GraphError that Meta would answer with."""
    kind = interactive.get_choice("type", list(ACTIONS))
    if "header" in interactive:
        check_header(interactive.get_params("header"), kind, check_source)
    if kind not in BODILESS or "body" in interactive:
        interactive.get_params("body").get_text("text", MAX_LIST_BODY if kind == "list" else MAX_BODY)
    if "footer" in interactive:
        interactive.get_params("footer").get_text("text", MAX_FOOTER)
    ACTIONS[kind](interactive.get_params("action"))


def check_header(header: Params, kind: str, check_source: CheckSource) -> None:
    shown = header.get_choice("type", HEADERS)
    if shown == "text":
        header.get_text("text", MAX_HEADER)
    elif kind == "list":
        raise wrong("The header of a list must be of type text.")
    else:
        check_source(header.get_params(shown))


def check_buttons(action: Params) -> None:
    ids, titles = set(), set()
    buttons = action.get_list("buttons", most=MAX_BUTTONS)
    for button in buttons:
        button.get_choice("type", ["reply"])
        reply = button.get_params("reply")
        ids.add(get_text(reply, "id", "Button id", 256))
        titles.add(get_text(reply, "title", "Button title", 20))
    if len(ids) < len(buttons) or len(titles) < len(buttons):
        raise wrong("Button ids and titles must be unique.")


def check_list(action: Params) -> None:
    get_text(action, "button", "Button label", 20)
    sections = action.get_list("sections", most=MAX_SECTIONS)
    ids: list[str] = []
    for section in sections:
        if len(sections) > 1 or "title" in section:
            get_text(section, "title", "Section title", 24)
        ids += [check_row(row) for row in section.get_list("rows")]
    if len(ids) > MAX_ROWS:
        raise wrong(f"Total row count exceed max allowed count: {MAX_ROWS}")
    if len(set(ids)) < len(ids):
        raise wrong("Duplicated row id is used.")


def check_row(row: Params) -> str:
    get_text(row, "title", "Row title", 24)
    if "description" in row:
        get_text(row, "description", "Row description", 72)
    return get_text(row, "id", "Row id", 200)


def check_link(action: Params) -> None:
    action.get_choice("name", ["cta_url"])
    parameters = action.get_params("parameters")
    get_text(parameters, "display_text", "Display text", 20)
    if not parameters.get_text("url", 2000).startswith(("http://", "https://")):
        raise wrong(f"Param {parameters.path}['url'] must be a valid URI.")


def check_flow(action: Params) -> None:
    action.get_choice("name", ["flow"])
    flow = action.get_params("parameters")
    flow.get_choice("flow_message_version", ["3"])
    if ("flow_id" in flow) == ("flow_name" in flow):
        raise GraphError(100, f"Param {flow.path} needs either a flow_id or a flow_name.")
    get_text(flow, "flow_cta", "Flow CTA", 30)
    flow.find_text("flow_token")
    if "mode" in flow:
        flow.get_choice("mode", ["draft", "published"])
    if "flow_action" in flow and flow.get_choice("flow_action", ["navigate", "data_exchange"]) == "navigate":
        flow.get_params("flow_action_payload").get_text("screen")


def check_location_request(action: Params) -> None:
    action.get_choice("name", ["send_location"])


def check_product(action: Params) -> None:
    action.get_text("catalog_id")
    action.get_text("product_retailer_id")


def check_products(action: Params) -> None:
    action.get_text("catalog_id")
    for section in action.get_list("sections", most=MAX_SECTIONS):
        for item in section.get_list("product_items", most=MAX_PRODUCTS):
            item.get_text("product_retailer_id")


def check_cards(action: Params) -> None:
    for card in action.get_list("cards", least=2, most=MAX_CARDS):
        card.get_number("card_index", 0, MAX_CARDS - 1)
        card.get_params("action")


def check_named(name: str, *needed: str) -> Callable[[Params], None]:
    """An action that its name says all of, but for the parameters that it needs."""

    def check(action: Params) -> None:
        action.get_choice("name", [name])
        for parameter in needed:
            action.get_params("parameters").get(parameter)

    return check


def get_text(owner: Params, name: str, called: str, most: int) -> str:
    """A short text, refused in the words that Meta has for this one."""
    text = owner.get(name)
    if not isinstance(text, str):
        raise GraphError(100, f"Param {owner.path_of(name)} must be a string.")
    if not 1 <= len(text) <= most:
        raise wrong(f"{called} length invalid. Min length: 1, Max length: {most}")
    return text


ACTIONS: Mapping[str, Callable[[Params], None]] = {
    "button": check_buttons,
    "list": check_list,
    "cta_url": check_link,
    "flow": check_flow,
    "location_request_message": check_location_request,
    "product": check_product,
    "product_list": check_products,
    "catalog_message": check_named("catalog_message"),
    "order_details": check_named("review_and_pay", "reference_id"),
    "order_status": check_named("review_order", "reference_id"),
    "voice_call": check_named("voice_call"),
    "call_permission_request": check_named("call_permission_request"),
    "request_contact_info": check_named("request_contact_info"),
    "address_message": check_named("address_message", "country"),
    "carousel": check_cards,
}
