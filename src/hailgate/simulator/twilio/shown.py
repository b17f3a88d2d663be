"""A content template as the phone shows it: in the Cloud API's shape, which all chats have. Pure."""

from collections.abc import Mapping
from typing import Any

from hailgate.simulator.twilio.contents import Content


def render_session(content: Content, part: Mapping[str, Any]) -> dict[str, Any]:
    """Inside an open conversation it is an ordinary message."""
    match content.kind:
        case "twilio/quick-reply":
            return as_interactive("button", part, {"buttons": [as_reply(a) for a in part["actions"]]})
        case "twilio/list-picker":
            rows = [as_row(item) for item in part["items"]]
            return as_interactive("list", part, {"button": part["button"], "sections": [{"title": "", "rows": rows}]})
        case "twilio/location":
            names = {"latitude": "latitude", "longitude": "longitude", "label": "name", "address": "address"}
            return {"type": "location", "location": {names[k]: v for k, v in part.items() if k in names}}
        case "twilio/text":
            return {"type": "text", "text": {"body": part["body"]}}
        case _:
            return render_template(content, part)


def render_template(content: Content, part: Mapping[str, Any]) -> dict[str, Any]:
    """As a template, with all that the person sees under `shown`."""
    header = {"type": "text", "text": part["title"]} if part.get("title") else None
    shown: dict[str, Any] = {
        "name": content.name or content.friendly_name,
        "category": content.category or "UTILITY",
        **({"header": header} if header else {}),
        "body": str(part.get("body") or part.get("subtitle") or ""),
        "buttons": [as_button(action) for action in part.get("actions", [])],
    }
    template = {"name": shown["name"], "language": {"code": content.language}}
    return {"type": "template", "template": template, "shown": shown}


def as_interactive(kind: str, part: Mapping[str, Any], action: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": part["body"]}, "action": action}}


def as_reply(action: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": action.get("id") or action["title"], "title": action["title"]}}


def as_row(item: Mapping[str, Any]) -> dict[str, Any]:
    row = {"id": item["id"], "title": item["item"]}
    return row | ({"description": item["description"]} if item.get("description") else {})


def as_button(action: Mapping[str, Any]) -> dict[str, Any]:
    match action.get("type"):
        case "URL":
            return {"type": "url", "text": action["title"], "url": action.get("url", "")}
        case "PHONE_NUMBER":
            return {"type": "phone_number", "text": action["title"], "phone_number": action.get("phone", "")}
        case "COPY_CODE":
            return {"type": "copy_code", "text": action.get("title", "Copy code"), "code": action.get("code", "")}
        case _:
            title = action.get("title", "")
            return {"type": "quick_reply", "text": title, "payload": action.get("id") or title}
