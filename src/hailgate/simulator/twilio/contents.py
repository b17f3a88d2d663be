"""Content templates: what the Content API takes, fills in and lists. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hailgate.simulator.twilio.errors import TwilioError
from hailgate.simulator.twilio.wire import derive_sid, render_iso

VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
ADJACENT = re.compile(r"\}\}\s*\{\{")
REVIEW_S = 1.0  # of the simulator's clock; WhatsApp's takes minutes to a day
MAX_TEXT, MAX_BUTTONS, MAX_BUTTON, MAX_ROWS, MAX_ROW, MAX_ROW_TEXT, MAX_ID = 1024, 10, 25, 10, 24, 72, 200
BASE = "https://content.twilio.com/v1/Content"
SESSION_ONLY = frozenset({"twilio/list-picker", "twilio/location"})  # cannot open a conversation


class Content(msgspec.Struct, frozen=True):
    """`types` as given: each kind of message that it can become. `submitted_at` is when its approval was asked for."""

    sid: str
    account_sid: str
    friendly_name: str
    language: str
    variables: dict[str, str]
    types: dict[str, dict[str, Any]]
    created_at: float
    name: str = ""
    category: str = ""
    submitted_at: float | None = None

    @property
    def kind(self) -> str:
        return next(iter(self.types))

    @property
    def part(self) -> dict[str, Any]:
        return self.types[self.kind]

    def find_status(self, now: float) -> str:
        """Of its approval."""
        if self.submitted_at is None:
            return "unsubmitted"
        if now < self.submitted_at + REVIEW_S:
            return "received"
        return "rejected" if ADJACENT.search(str(self.part.get("body", ""))) else "approved"


class Creation(msgspec.Struct, frozen=True):
    language: str
    types: dict[str, dict[str, Any]]
    friendly_name: str = ""
    variables: dict[str, str] = {}


def parse_creation(body: bytes, account: str, sid: str, now: float) -> Content:
    """Raises the TwilioError that Twilio would answer with."""
    try:
        given = msgspec.json.decode(body, type=Creation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TwilioError(20422, f"Invalid parameter: {error}") from None
    if not given.types or not all(name.startswith(("twilio/", "whatsapp/")) for name in given.types):
        raise TwilioError(20422, "Invalid parameter: types")
    for kind, part in given.types.items():
        check_part(kind, part)
    return Content(sid, account, given.friendly_name, given.language, given.variables, given.types, now)


def check_part(kind: str, part: Mapping[str, Any]) -> None:
    match kind:
        case "twilio/text":
            check_text(part, "body", 1600)
        case "twilio/quick-reply" | "twilio/call-to-action":
            check_text(part, "body", MAX_TEXT)
            for action in take_list(part, "actions", MAX_BUTTONS):
                check_text(action, "title", MAX_BUTTON)
                if kind == "twilio/call-to-action":
                    check_fixed(action)
        case "twilio/list-picker":
            check_text(part, "body", MAX_TEXT)
            check_text(part, "button", 20)
            for item in take_list(part, "items", MAX_ROWS):
                check_text(item, "item", MAX_ROW)
                check_text(item, "id", MAX_ID)
                check_text({"description": "-", **item}, "description", MAX_ROW_TEXT)


def check_text(part: Mapping[str, Any], name: str, most: int) -> None:
    """A variable may be longer than its name: what it becomes is looked at when it is sent."""
    text = part.get(name)
    if not isinstance(text, str) or not 1 <= len(VARIABLE.sub("", text) or "x") <= most:
        raise TwilioError(20422, f"Invalid parameter: {name} has 1 to {most} characters")


def check_fixed(action: Mapping[str, Any]) -> None:
    """Of such a button only the end of its address may be a variable."""
    start = VARIABLE.split(str(action.get("url", "https://")), maxsplit=1)[0]
    if VARIABLE.search(str(action["title"])) or not re.match("https?://[^/]*", start):
        raise TwilioError(20422, "Invalid parameter: a variable stands at the end of a url alone")


def take_list(part: Mapping[str, Any], name: str, most: int) -> list[Mapping[str, Any]]:
    values = part.get(name)
    if not isinstance(values, list) or not 1 <= len(values) <= most or not all(isinstance(v, dict) for v in values):
        raise TwilioError(20422, f"Invalid parameter: {name} has 1 to {most} items")
    return values


def list_variables(content: Content) -> set[str]:
    return set(VARIABLE.findall(msgspec.json.encode(content.part).decode()))


def fill(content: Content, given: Mapping[str, str]) -> dict[str, Any] | None:
    """Its part with all variables replaced, by samples where none is given; None where one is missing."""
    values = {**content.variables, **given}
    if not list_variables(content) <= values.keys():
        return None
    return fill_value(content.part, values)  # type: ignore[no-any-return]


def fill_value(value: Any, values: Mapping[str, str]) -> Any:
    match value:
        case str():
            return VARIABLE.sub(lambda match: values[match.group(1)], value)
        case list():
            return [fill_value(inner, values) for inner in value]
        case dict():
            return {name: fill_value(inner, values) for name, inner in value.items()}
        case _:
            return value


def render_content(content: Content) -> dict[str, Any]:
    address = f"{BASE}/{content.sid}"
    return {
        "sid": content.sid,
        "account_sid": content.account_sid,
        "friendly_name": content.friendly_name,
        "language": content.language,
        "variables": content.variables,
        "types": content.types,
        "url": address,
        "date_created": render_iso(content.created_at),
        "date_updated": render_iso(content.submitted_at or content.created_at),
        "links": {
            "approval_create": f"{address}/ApprovalRequests/whatsapp",
            "approval_fetch": f"{address}/ApprovalRequests",
        },
    }


def render_approval(content: Content, now: float) -> dict[str, Any]:
    status = content.find_status(now)
    return {
        "name": content.name,
        "category": content.category,
        "content_type": content.kind if content.name else "",
        "status": status,
        "rejection_reason": "INVALID_FORMAT" if status == "rejected" else "",
        "allow_category_change": True,
    }


def list_examples(account: str) -> list[Content]:
    """What every account begins with: templates that are approved."""
    return [make_example(account, *example) for example in EXAMPLES]


def make_example(account: str, name: str, category: str, kind: str, part: dict[str, Any], *samples: str) -> Content:
    variables = {str(place): sample for place, sample in enumerate(samples, 1)}
    sid = derive_sid("HX", account, name)
    return Content(sid, account, name, "en", variables, {kind: part}, 0.0, name, category, 0.0)


EXAMPLES: tuple[Any, ...] = (
    ("order_update", "UTILITY", "twilio/text", {"body": "Order {{1}} is {{2}}."}, "42", "shipped"),
    (
        "appointment_reminder", "UTILITY", "twilio/quick-reply",
        {
            "body": "Hello {{1}}, we expect you at {{2}}. Does that still suit you?",
            "actions": [{"title": "Yes, I will come", "id": "yes"}, {"title": "Another time", "id": "no"}],
        },
        "Ana", "ten",
    ),
    ("spring_sale", "MARKETING", "twilio/text", {"body": "Spring sale for you, {{1}}, until Sunday."}, "Ana"),
)  # fmt: skip
