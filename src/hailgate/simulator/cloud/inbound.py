"""The webhook that Meta makes of what a phone sends. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from hailgate.simulator.cloud.media import as_base64, render_url
from hailgate.simulator.cloud.wire import identify, render_change, render_contact
from hailgate.simulator.model import Channel, File, Inbound

PREFERENCES = {
    "stop": "User requested to stop marketing messages",
    "resume": "User requested to resume marketing messages",
}
SYSTEM_BODIES: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "user_changed_number": lambda phone, system: f"User changed from {phone} to {system['wa_id']}",
    "user_changed_user_id": lambda _phone, _system: "User ID changed",
    "customer_identity_changed": lambda _phone, _system: "User identity changed",
}
UNSUPPORTED = {
    "code": 131051,
    "title": "Message type unknown",
    "message": "Message type unknown",
    "error_data": {"details": "Message type is currently not supported."},
}


def find_marketing_wish(message: Mapping[str, Any]) -> bool | None:
    if message["type"] != "user_preferences":
        return None
    return bool(message["user_preferences"]["value"] == "resume")


def render_inbound(channel: Channel, inbound: Inbound) -> bytes:
    match inbound.message["type"]:
        case "call":
            return render_call(channel, inbound)
        case "user_preferences":
            return render_preferences(channel, inbound)
        case "system":
            return render_system(channel, inbound)
        case _:
            contacts = {"contacts": [render_contact(inbound.phone)]}
            return render_change(channel, {**contacts, "messages": [render_message(channel, inbound)]})


def render_message(channel: Channel, inbound: Inbound) -> dict[str, Any]:
    kind = inbound.message["type"]
    message = {**inbound.message, **name_sender(inbound)}
    if "context" in message:
        message["context"] = render_context(channel, message["context"])
    if inbound.file:
        message[kind] = render_media(channel, inbound, message[kind], inbound.file)
    if kind == "unsupported":
        message |= {"errors": [UNSUPPORTED], "unsupported": message.get("unsupported", {"type": "unknown"})}
    return message


def name_sender(inbound: Inbound) -> dict[str, Any]:
    user = identify(inbound.phone)
    names = {"wa_id": "from", "user_id": "from_user_id"}
    return {
        **{names[name]: value for name, value in user.items()},
        "id": inbound.provider_id,
        "timestamp": str(int(inbound.at)),
    }


def render_context(channel: Channel, context: Mapping[str, Any]) -> dict[str, Any]:
    """A phone quotes with the field of a send, `message_id`; the webhook calls it `id`."""
    rest = {key: value for key, value in context.items() if key != "message_id"}
    return {"from": channel.number, "id": context["message_id"], **rest} if "message_id" in context else rest


def render_media(channel: Channel, inbound: Inbound, media: Mapping[str, Any], file: File) -> dict[str, Any]:
    known = {"mime_type": file.mime_type, "sha256": as_base64(file.sha256), "id": file.id}
    known["url"] = render_url(inbound.home, channel, file.id, inbound.at)
    match inbound.message["type"]:
        case "audio":
            voice = bool(media.get("voice", False))
            mime_type = "audio/ogg; codecs=opus" if voice and file.media_type == "audio/ogg" else file.mime_type
            return {**known, "mime_type": mime_type, "voice": voice}
        case "sticker":
            return {**known, "animated": bool(media.get("animated", False))}
        case "document":
            name = media.get("filename") or file.filename
            return {**known, **({"filename": name} if name else {}), **take_caption(media)}
        case _:
            return {**known, **take_caption(media)}


def take_caption(media: Mapping[str, Any]) -> dict[str, Any]:
    return {"caption": media["caption"]} if media.get("caption") else {}


def render_system(channel: Channel, inbound: Inbound) -> bytes:
    """Only a change of identity comes with the contact; none names the user id."""
    system = inbound.message["system"]
    body = SYSTEM_BODIES[system["type"]](inbound.phone.number, system)
    message = {
        "from": inbound.phone.number,
        "id": inbound.provider_id,
        "timestamp": str(int(inbound.at)),
        "type": "system",
        "system": {"body": body, **system},
    }
    if system["type"] != "customer_identity_changed":
        return render_change(channel, {"messages": [message]})
    stamp = message["timestamp"]
    message["identity"] = {"acknowledged": True, "created_timestamp": stamp, "hash": inbound.provider_id[-12:]}
    return render_change(channel, {"contacts": [render_contact(inbound.phone)], "messages": [message]})


def render_preferences(channel: Channel, inbound: Inbound) -> bytes:
    value = inbound.message["user_preferences"]["value"]
    preference = {
        **{name: text for name, text in identify(inbound.phone).items() if name == "wa_id"},
        "detail": PREFERENCES[value],
        "category": "marketing_messages",
        "value": value,
        "timestamp": int(inbound.at),
    }
    change = {"contacts": [render_contact(inbound.phone)], "user_preferences": [preference]}
    return render_change(channel, change, "user_preferences")


def render_call(channel: Channel, inbound: Inbound) -> bytes:
    call = inbound.message["call"]
    user = identify(inbound.phone)
    whole = {
        "id": inbound.provider_id,
        **({"from": user["wa_id"]} if "wa_id" in user else {}),
        "from_user_id": user["user_id"],
        "to": channel.number,
        "timestamp": str(int(inbound.at)),
        "direction": "USER_INITIATED",
        **({"session": {"sdp_type": "offer", "sdp": "v=0"}} if call["event"] == "connect" else {"status": "COMPLETED"}),
        **call,
    }
    return render_change(channel, {"contacts": [render_contact(inbound.phone)], "calls": [whole]}, "calls")
