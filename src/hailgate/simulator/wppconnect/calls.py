"""What a business asks WPPConnect to send: read as the server reads it, which refuses little. Pure."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hailgate.simulator.wppconnect.errors import broken_json, send_failed
from hailgate.simulator.wppconnect.wire import read_phone

KINDS = ("image", "video", "audio")


class Source(msgspec.Struct, frozen=True):
    content: bytes
    mime_type: str
    filename: str | None


class SendCall(msgspec.Struct, frozen=True):
    """`phones` as the server reads them; a `source` becomes the file of the part that the message's type names.

    `answer` is what stands in the response: the message, its id and ack, the phones alone, or that it was done.
    `status` is of success.
    """

    phones: list[str]
    message: dict[str, Any]
    source: Source | None = None
    answer: str = "message"
    status: int = 201


Build = Callable[[Mapping[str, Any]], SendCall]


def parse_json(body: bytes) -> dict[str, Any]:
    try:
        call = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise broken_json() from None
    return call if isinstance(call, dict) else {}


def read_phones(call: Mapping[str, Any]) -> list[str]:
    """A number, a list, or a list with commas."""
    given = call.get("phone") or []
    numbers = given if isinstance(given, list) else str(given).split(",")
    is_group, is_lid = is_true(call, "isGroup"), is_true(call, "isLid")
    return [read_phone(str(number), is_group=is_group, is_lid=is_lid) for number in numbers if str(number)]


def is_true(call: Mapping[str, Any], name: str) -> bool:
    return call.get(name) in {True, "true"}


def build_text(call: Mapping[str, Any]) -> SendCall:
    options = call.get("options") or {}
    quoted = options.get("quotedMsg")
    return SendCall(read_phones(call), quote(as_text(call.get("message") or "", options.get("mentionedList")), quoted))


def build_mentioned(call: Mapping[str, Any]) -> SendCall:
    return SendCall(read_phones(call), as_text(call.get("message") or "", call.get("mentioned")))


def build_reply(call: Mapping[str, Any]) -> SendCall:
    return SendCall(read_phones(call), quote(as_text(call.get("message") or ""), call.get("messageId")))


def build_link(call: Mapping[str, Any]) -> SendCall:
    return SendCall(read_phones(call), as_text("\n".join(str(call[n]) for n in ("caption", "url") if call.get(n))))


def build_image(call: Mapping[str, Any]) -> SendCall:
    return build_file(call, "image")


def build_any_file(call: Mapping[str, Any]) -> SendCall:
    return build_file(call, None)


def build_file(call: Mapping[str, Any], kind: str | None) -> SendCall:
    source = parse_source(call.get("base64") or call.get("path"), call.get("filename"))
    by_type = source.mime_type.partition("/")[0]
    shown = kind or (by_type if by_type in KINDS else "document")
    caption = call.get("caption") or call.get("message")
    part = {
        **({"caption": str(caption)} if caption else {}),
        **({"filename": source.filename} if shown == "document" and source.filename else {}),
    }
    message = quote({"type": shown, shown: part}, call.get("quotedMessageId"))
    return SendCall(read_phones(call), message, source, "ack")


def build_voice(call: Mapping[str, Any]) -> SendCall:
    source = parse_source(call.get("base64Ptt") or call.get("path"), None)
    message = quote({"type": "audio", "audio": {"voice": True}}, call.get("quotedMessageId"))
    return SendCall(read_phones(call), message, source, "ack")


def build_sticker(call: Mapping[str, Any]) -> SendCall:
    source = parse_source(call.get("path") or call.get("base64"), None)
    return SendCall(read_phones(call), {"type": "sticker", "sticker": {}}, source, "ack")


def build_location(call: Mapping[str, Any]) -> SendCall:
    try:
        place: dict[str, Any] = {"latitude": float(call["lat"]), "longitude": float(call["lng"])}
    except (KeyError, TypeError, ValueError):
        raise send_failed() from None
    names = {"name": call.get("title"), "address": call.get("address")}
    place |= {name: value for name, value in names.items() if value}
    return SendCall(read_phones(call), {"type": "location", "location": place}, answer="ack")


def build_list(call: Mapping[str, Any]) -> SendCall:
    try:
        sections = [{"title": s.get("title", ""), "rows": [as_row(row) for row in s["rows"]]} for s in call["sections"]]
    except (KeyError, TypeError, AttributeError):
        raise send_failed() from None
    action = {"button": call.get("buttonText") or "", "sections": sections}
    interactive = {"type": "list", "body": {"text": str(call.get("description") or "")}, "action": action}
    return SendCall(read_phones(call), {"type": "interactive", "interactive": interactive})


def as_row(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {"id": str(row["rowId"]), "title": str(row["title"])}
    return told | ({"description": row["description"]} if row.get("description") else {})


def build_buttons(call: Mapping[str, Any]) -> SendCall:
    options = call.get("options") or {}
    replies = [
        {"type": "reply", "reply": {"id": str(b.get("id") or b.get("text")), "title": str(b.get("text"))}}
        for b in options.get("buttons") or []
    ]
    body = "\n".join(str(text) for text in (options.get("title"), call.get("message")) if text)
    footer = {"footer": {"text": options["footer"]}} if options.get("footer") else {}
    interactive = {"type": "button", "body": {"text": body}, **footer, "action": {"buttons": replies}}
    return SendCall(read_phones(call), {"type": "interactive", "interactive": interactive}, answer="phones")


def build_poll(call: Mapping[str, Any]) -> SendCall:
    selectable = int((call.get("options") or {}).get("selectableCount") or 0)
    poll = {"name": str(call.get("name") or ""), "options": list(call.get("choices") or []), "selectable": selectable}
    return SendCall(read_phones(call), {"type": "poll", "poll": poll})


def build_contact(call: Mapping[str, Any]) -> SendCall:
    given = call.get("contactsId") or []
    numbers = [str(one).partition("@")[0] for one in (given if isinstance(given, list) else [given])]
    name = str(call.get("name") or "")
    cards = [
        {"name": {"formatted_name": name or number}, "phones": [{"phone": f"+{number}", "wa_id": number}]}
        for number in numbers
    ]
    return SendCall(read_phones(call), {"type": "contacts", "contacts": cards}, status=200)


def build_reaction(call: Mapping[str, Any]) -> SendCall:
    """The message that it is for names the chat."""
    target, emoji = str(call.get("msgId") or ""), call.get("reaction")
    if target.count("_") < 2:
        raise send_failed()
    chat = target.split("_")[1]
    message = {"type": "reaction", "reaction": {"message_id": target, "emoji": str(emoji or "")}}
    return SendCall([chat], message, answer="done", status=200)


def as_text(body: object, mentioned: object = None) -> dict[str, Any]:
    people = [str(one).removesuffix("@c.us") for one in mentioned] if isinstance(mentioned, list) else []
    return {"type": "text", "text": {"body": str(body), **({"mentions": people} if people else {})}}


def quote(message: dict[str, Any], quoted: object) -> dict[str, Any]:
    return {**message, "context": {"message_id": str(quoted)}} if quoted else message


def parse_source(text: object, filename: object) -> Source:
    """A data URL; without one the file is empty to the server."""
    head, found, rest = str(text or "").partition(";base64,")
    try:
        content = base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not (found and head.startswith("data:") and content):
        raise send_failed(code="empty_file", level="error")
    mime_type = head.removeprefix("data:").partition(";")[0] or "application/octet-stream"
    return Source(content, mime_type, str(filename) if filename else None)


SENDS: Mapping[str, Build] = {
    "send-message": build_text,
    "send-mentioned": build_mentioned,
    "send-reply": build_reply,
    "send-link-preview": build_link,
    "send-image": build_image,
    "send-file": build_any_file,
    "send-file-base64": build_any_file,
    "send-voice": build_voice,
    "send-voice-base64": build_voice,
    "send-sticker": build_sticker,
    "send-sticker-gif": build_sticker,
    "send-location": build_location,
    "send-list-message": build_list,
    "send-buttons": build_buttons,
    "send-poll-message": build_poll,
    "contact-vcard": build_contact,
    "react-message": build_reaction,
}
