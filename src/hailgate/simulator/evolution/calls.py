"""What a business asks Evolution to send: read, checked, and refused in its words. Pure."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hailgate.simulator.evolution.errors import EvolutionError, broken_json, required
from hailgate.simulator.evolution.wire import only_digits

KINDS = ("image", "document", "video", "audio")
MAX_BUTTONS = 3
MIN_OPTIONS, MAX_OPTIONS = 2, 10
AUDIO_HEADS = (b"OggS", b"ID3", b"RIFF", b"fLaC", b"\x1aE\xdf\xa3", b"#!AMR")


class Address(msgspec.Struct, frozen=True):
    """Digits, or a JID of a person by number or lid, or of a group."""

    user: str
    server: str


class Source(msgspec.Struct, frozen=True):
    """A file to send: its address, or its bytes."""

    link: str | None
    content: bytes
    mime_type: str | None
    filename: str | None


class SendCall(msgspec.Struct, frozen=True):
    """`message` as the phone shows it; a `source` becomes the file of the part that its type names."""

    number: str
    message: dict[str, Any]
    source: Source | None
    message_id: str | None


def parse_json(body: bytes) -> dict[str, Any]:
    try:
        call = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise broken_json(str(error)) from None
    if not isinstance(call, dict):
        raise broken_json("Expected property name or '}' in JSON at position 1")
    return call


def parse_send(kind: str, call: Mapping[str, Any]) -> SendCall:
    """`kind` is the name of the call. Raises the EvolutionError that the server would answer with."""
    needed, build = SENDS[kind]
    for name in needed:
        if call.get(name) in (None, ""):
            raise required(name)
    message, source = build(call)
    quoted = call.get("quoted") or {}
    if quoted_id := (quoted.get("key") or {}).get("id"):
        message["context"] = {"message_id": str(quoted_id)}
    number = str(call["number"]) if "number" in call else str(call["key"]["remoteJid"])
    given = call.get("messageId")
    return SendCall(number, message, source, str(given) if given else None)


def build_text(call: Mapping[str, Any]) -> tuple[dict[str, Any], None]:
    mentions = [str(one) for one in call.get("mentioned") or []]
    named = {"mentions": mentions} if mentions else {}
    everyone = {"mention_all": True} if call.get("mentionsEveryOne") else {}
    return {"type": "text", "text": {"body": str(call["text"]), **named, **everyone}}, None


def build_media(call: Mapping[str, Any]) -> tuple[dict[str, Any], Source]:
    kind = str(call["mediatype"])
    if kind not in KINDS:
        raise EvolutionError(400, [["instance.mediatype is not one of enum values: image,document,video,audio"]])
    source = parse_source(call["media"], call.get("mimetype"), call.get("fileName"))
    if kind == "document" and source.link is None and not source.filename:
        raise EvolutionError(400, ["For base64 the file name must be informed."])
    caption = {"caption": str(call["caption"])} if call.get("caption") else {}
    filename = {"filename": source.filename} if kind == "document" and source.filename else {}
    return {"type": kind, kind: {**caption, **filename}}, source


def build_audio(call: Mapping[str, Any]) -> tuple[dict[str, Any], Source]:
    return {"type": "audio", "audio": {"voice": True}}, parse_source(call["audio"], "audio/ogg", None)


def build_video_note(call: Mapping[str, Any]) -> tuple[dict[str, Any], Source]:
    return {"type": "video", "video": {}}, parse_source(call["video"], "video/mp4", None)


def build_sticker(call: Mapping[str, Any]) -> tuple[dict[str, Any], Source]:
    return {"type": "sticker", "sticker": {}}, parse_source(call["sticker"], "image/webp", None)


def parse_source(text: object, mime_type: object, filename: object) -> Source:
    """An address, or base64 with or without a data URL's head."""
    value = str(text)
    known, name = str(mime_type) if mime_type else None, str(filename) if filename else None
    if value.startswith(("http://", "https://")):
        return Source(value, b"", known, name)
    head, _, rest = value.rpartition("base64,")
    try:
        content = base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError):
        raise EvolutionError(400, ["Owned media must be a url or base64"]) from None
    if not content:
        raise EvolutionError(400, ["Owned media must be a url or base64"])
    return Source(None, content, known or (head.removeprefix("data:").partition(";")[0] or None), name)


def build_location(call: Mapping[str, Any]) -> tuple[dict[str, Any], None]:
    place = {"latitude": float(call["latitude"]), "longitude": float(call["longitude"])}
    return {"type": "location", "location": {**place, "name": call["name"], "address": call["address"]}}, None


def build_contact(call: Mapping[str, Any]) -> tuple[dict[str, Any], None]:
    cards = [as_card(card) for card in call["contact"]]
    return {"type": "contacts", "contacts": cards}, None


def as_card(card: Mapping[str, Any]) -> dict[str, Any]:
    if not card.get("fullName"):
        raise required("fullName")
    waid = card.get("wuid") or only_digits(str(card.get("phoneNumber", "")))
    return {
        "name": {"formatted_name": card["fullName"]},
        "phones": [{"phone": card.get("phoneNumber", ""), "wa_id": str(waid).partition("@")[0]}],
        **({"emails": [{"email": card["email"]}]} if card.get("email") else {}),
        **({"org": {"company": card["organization"]}} if card.get("organization") else {}),
    }


def build_reaction(call: Mapping[str, Any]) -> tuple[dict[str, Any], None]:
    key = call["key"]
    if not (isinstance(key, dict) and key.get("id") and key.get("remoteJid")):
        raise required("id")
    return {"type": "reaction", "reaction": {"message_id": str(key["id"]), "emoji": call.get("reaction") or ""}}, None


def build_poll(call: Mapping[str, Any]) -> tuple[dict[str, Any], None]:
    options = call["values"]
    if not (isinstance(options, list) and len(options) >= MIN_OPTIONS):
        raise EvolutionError(400, [["instance.values does not meet minimum length of 2"]])
    if len(options) > MAX_OPTIONS:
        raise EvolutionError(400, [["instance.values does not meet maximum length of 10"]])
    if len(set(options)) < len(options):
        raise EvolutionError(400, [["instance.values contains duplicate item"]])
    poll = {"name": call["name"], "options": options, "selectable": int(call.get("selectableCount", 0))}
    return {"type": "poll", "poll": poll}, None


def build_list(call: Mapping[str, Any]) -> tuple[dict[str, Any], None]:
    sections = [
        {"title": section["title"], "rows": [as_row(row) for row in section["rows"]]} for section in call["sections"]
    ]
    action = {"button": call["buttonText"], "sections": sections}
    body = "\n".join(str(call[name]) for name in ("title", "description") if call.get(name))
    footer = {"footer": {"text": call["footerText"]}} if call.get("footerText") else {}
    interactive = {"type": "list", "body": {"text": body}, **footer, "action": action}
    return {"type": "interactive", "interactive": interactive}, None


def as_row(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {"id": str(row["rowId"]), "title": row["title"]}
    return told | ({"description": row["description"]} if row.get("description") else {})


def build_buttons(call: Mapping[str, Any]) -> tuple[dict[str, Any], None]:
    buttons = call["buttons"]
    kinds = {button.get("type") for button in buttons}
    if kinds == {"reply"} and len(buttons) > MAX_BUTTONS:
        raise EvolutionError(400, ["Maximum of 3 reply buttons allowed"])
    if "reply" in kinds and len(kinds) > 1:
        raise EvolutionError(400, ["Reply buttons cannot be mixed with other types"])
    body = "\n".join(str(call[name]) for name in ("title", "description") if call.get(name))
    footer = {"footer": {"text": call["footer"]}} if call.get("footer") else {}
    replies = [
        {"type": "reply", "reply": {"id": b.get("id") or b["displayText"], "title": b["displayText"]}} for b in buttons
    ]
    interactive = {"type": "button", "body": {"text": body}, **footer, "action": {"buttons": replies}}
    return {"type": "interactive", "interactive": interactive}, None


Build = Callable[[Mapping[str, Any]], tuple[dict[str, Any], Source | None]]
SENDS: Mapping[str, tuple[tuple[str, ...], Build]] = {
    "sendText": (("number", "text"), build_text),
    "sendMedia": (("number", "mediatype", "media"), build_media),
    "sendWhatsAppAudio": (("number", "audio"), build_audio),
    "sendPtv": (("number", "video"), build_video_note),
    "sendSticker": (("number", "sticker"), build_sticker),
    "sendLocation": (("number", "latitude", "longitude", "name", "address"), build_location),
    "sendContact": (("number", "contact"), build_contact),
    "sendReaction": (("key",), build_reaction),
    "sendPoll": (("number", "name", "selectableCount", "values"), build_poll),
    "sendList": (("number", "title", "buttonText", "sections"), build_list),
    "sendButtons": (("number", "title", "buttons"), build_buttons),
}


def parse_number(text: str) -> Address:
    """Digits are cleaned; a JID stays as it is. Raises EvolutionError."""
    if "@" in text:
        user, _, server = text.partition("@")
        return Address(user.partition(":")[0], "s.whatsapp.net" if server == "c.us" else server)
    digits = only_digits(text)
    if not digits or any(sign.isalpha() for sign in text):
        raise EvolutionError(400, ["TypeError: Cannot destructure property 'user' of 'decoded' as it is undefined."])
    return Address(digits, "s.whatsapp.net")


def is_audio(content: bytes) -> bool:
    """By its first bytes: what they do not tell, ffmpeg cannot read."""
    is_mpeg = len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0
    return is_mpeg or content.startswith(AUDIO_HEADS) or content[4:8] == b"ftyp"
