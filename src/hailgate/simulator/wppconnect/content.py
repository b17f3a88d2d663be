"""The message object of WPPConnect, from the chat's shape. Pure."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from hailgate.simulator.model import File
from hailgate.simulator.vcards import render_vcard
from hailgate.simulator.wppconnect.wire import render_sender

THUMB = "/9j/4AAQSkZJRgABAQAAAQABAAD"  # the beginning of a small picture, which stands for the file
MEDIA = frozenset({"image", "video", "audio", "document", "sticker"})
SIZES: Mapping[str, dict[str, Any]] = {
    "image": {"height": 1600, "width": 1200},
    "video": {"duration": "12"},
    "audio": {"duration": "7"},
    "sticker": {"height": 512, "width": 512, "isAnimated": False},
}


class Head(msgspec.Struct, frozen=True):
    """Who, where and when. `chat` is of the person or group, `author` who wrote in a group, `other` the other end."""

    message_id: str
    chat: str
    number: str
    from_me: bool
    name: str
    at: float
    ack: int = 1
    author: str | None = None


def render_message(head: Head, message: Mapping[str, Any], file: File | None, content: bytes = b"") -> dict[str, Any]:
    """`content` is base64 in the body, where the server downloads by itself."""
    special = render_content(message, file, content)
    context = message.get("context", {})
    is_forwarded = bool(context.get("forwarded") or context.get("frequently_forwarded"))
    own, is_group = f"{head.number}@c.us", head.chat.endswith("@g.us")
    return {
        "id": head.message_id,
        "viewed": False,
        "body": special["body"],
        "type": special["type"],
        "t": int(head.at),
        "notifyName": head.name,
        "from": own if head.from_me else head.chat,
        "to": head.chat if head.from_me else own,
        "self": "out" if head.from_me else "in",
        "ack": head.ack,
        "invis": False,
        "isNewMsg": True,
        "star": False,
        "recvFresh": True,
        "isFromTemplate": False,
        "broadcast": False,
        "mentionedJidList": render_mentions(message),
        "isForwarded": is_forwarded,
        "labels": [],
        "hasReaction": False,
        "chatId": head.chat,
        "fromMe": head.from_me,
        "sender": render_sender(head.author or head.chat, head.name),
        "timestamp": int(head.at),
        "content": THUMB if file else special["body"],
        "isGroupMsg": is_group,
        "isMedia": special["type"] in {*MEDIA, "ptt"},
        "isNotification": False,
        "isPSA": False,
        "mediaData": {},
        **({"author": head.author} if head.author else {}),
        **({"forwardingScore": 5 if context.get("frequently_forwarded") else 1} if is_forwarded else {}),
        **render_quote(context, own, head.chat),
        **{name: value for name, value in special.items() if name not in {"body", "type"}},
    }


def render_mentions(message: Mapping[str, Any]) -> list[str]:
    named = (message.get("text") or {}).get("mentions") or []
    return [str(one) if "@" in str(one) else f"{one}@c.us" for one in named]


def render_quote(context: Mapping[str, Any], own: str, chat: str) -> dict[str, Any]:
    quoted = str(context.get("message_id", ""))
    if not quoted:
        return {}
    from_me = quoted.startswith("true_")
    return {
        "quotedMsg": {"type": "chat", "body": str(context.get("text", ""))},
        "quotedStanzaID": quoted.split("_")[2] if quoted.count("_") >= 2 else quoted,
        "quotedParticipant": own if from_me else chat,
        "quotedMsgId": quoted,
    }


def render_content(message: Mapping[str, Any], file: File | None, content: bytes) -> dict[str, Any]:
    """At least `type` and `body`."""
    kind = str(message["type"])
    if kind in MEDIA:
        return render_medium(kind, message[kind], file, content)
    return RENDERERS.get(kind, render_unknown)(message)


def render_medium(kind: str, medium: Mapping[str, Any], file: File | None, content: bytes) -> dict[str, Any]:
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode() if file else ""
    voice = kind == "audio" and bool(medium.get("voice"))
    mime_type = file.mime_type if file else "application/octet-stream"
    name = medium.get("filename") or (file.filename if file else None)
    caption = medium.get("caption") or (name if kind == "document" else None)
    return {
        "type": "ptt" if voice else kind,
        "body": base64.b64encode(content).decode() if content else THUMB,
        "mimetype": "audio/ogg; codecs=opus" if voice and mime_type == "audio/ogg" else mime_type,
        "filehash": digest,
        "encFilehash": digest,
        "size": file.size if file else 0,
        "mediaKey": digest,
        "mediaKeyTimestamp": int(file.at) if file else 0,
        "directPath": f"/v/t62.7118-24/{digest[:16]}.enc",
        "deprecatedMms3Url": f"https://mmg.whatsapp.net/v/t62.7118-24/{digest[:16]}.enc",
        "isMMS": True,
        **SIZES.get(kind, {}),
        **({"caption": caption} if caption else {}),
        **({"filename": name or "document", "pageCount": 1} if kind == "document" else {}),
    }


def render_text(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "chat", "body": str(message["text"]["body"])}


def render_location(message: Mapping[str, Any]) -> dict[str, Any]:
    place = message["location"]
    named = "\n".join(str(place[name]) for name in ("name", "address") if place.get(name))
    return {
        "type": "location", "body": THUMB, "lat": place["latitude"], "lng": place["longitude"], "loc": named,
        "isLive": False,
    }  # fmt: skip


def render_contacts(message: Mapping[str, Any]) -> dict[str, Any]:
    cards = [
        {"displayName": card.get("name", {}).get("formatted_name", ""), "vcard": render_vcard(card)}
        for card in message["contacts"]
    ]
    if len(cards) == 1:
        return {"type": "vcard", "body": cards[0]["vcard"], "vcardFormattedName": cards[0]["displayName"]}
    return {"type": "multi_vcard", "body": "", "vcardList": cards}


def render_interactive(message: Mapping[str, Any]) -> dict[str, Any]:
    match message["interactive"]:
        case {"button_reply": reply}:
            return {"type": "buttons_response", "body": reply["title"], "selectedButtonId": reply["id"]}
        case {"list_reply": reply}:
            described = str(reply.get("description", ""))
            picked = {"title": reply["title"], "description": described, "listType": 1}
            body = "\n".join(part for part in (reply["title"], described) if part)
            choice = {**picked, "singleSelectReply": {"selectedRowId": reply["id"]}}
            return {"type": "list_response", "body": body, "listResponse": choice}
        case {"type": "list", "body": {"text": body}, "action": action}:
            return {"type": "list", "body": body, "list": action}
        case interactive:
            return {"type": "interactive", "body": str(interactive.get("body", {}).get("text", ""))}


def render_button(message: Mapping[str, Any]) -> dict[str, Any]:
    button = message["button"]
    return {"type": "template_button_reply", "body": button["text"], "selectedId": button["payload"]}


def render_poll(message: Mapping[str, Any]) -> dict[str, Any]:
    poll = message["poll"]
    options = [{"name": name, "localId": index} for index, name in enumerate(poll["options"])]
    return {
        "type": "poll_creation", "body": "", "pollName": poll["name"], "pollOptions": options,
        "pollSelectableOptionsCount": poll["selectable"],
    }  # fmt: skip


def render_unknown(message: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(message["type"])
    if kind == "unsupported":
        return {"type": str((message.get(kind) or {}).get("type", "ciphertext")), "body": ""}
    return {"type": kind, "body": ""}


RENDERERS = {
    "text": render_text,
    "location": render_location,
    "contacts": render_contacts,
    "interactive": render_interactive,
    "button": render_button,
    "poll": render_poll,
}
