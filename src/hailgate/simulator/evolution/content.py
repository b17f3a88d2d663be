"""A message as Baileys has it, from the chat's shape. Pure."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from hailgate.simulator.evolution.wire import as_bytes, as_jid, as_long, in_places
from hailgate.simulator.model import File
from hailgate.simulator.vcards import render_vcard

MEDIA = {
    "image": "imageMessage",
    "video": "videoMessage",
    "audio": "audioMessage",
    "document": "documentMessage",
    "sticker": "stickerMessage",
}
SIZES = {"image": {"height": 1600, "width": 1200}, "video": {"height": 848, "width": 480, "seconds": 12}}


class Said(msgspec.Struct, frozen=True):
    """`kind` is the messageType, `message` what stands under that name and beside it."""

    kind: str
    message: dict[str, Any]
    context: dict[str, Any] | None = None


def render_content(
    message: Mapping[str, Any], file: File | None, *, at: float, author: str, content: bytes = b""
) -> Said:
    """`author` is the JID of whom a quote quotes; `content` stands as base64 where webhooks are set up so."""
    kind = str(message["type"])
    context = render_context(message, author)
    if kind in MEDIA:
        inner = {MEDIA[kind]: render_medium(kind, message[kind], file, at)}
        return Said(
            MEDIA[kind], {**inner, **({"base64": base64.b64encode(content).decode()} if content else {})}, context
        )
    name, value = RENDERERS.get(kind, render_unknown)(message)
    if name == "conversation" and not context:
        return Said(name, {name: value, "messageContextInfo": render_device(at)})
    return Said(name, {name: value}, context)


def render_device(at: float) -> dict[str, Any]:
    meta = {"senderKeyHash": as_bytes("sender", 10), "senderTimestamp": as_long(at)}
    recipient = {"recipientKeyHash": as_bytes("recipient", 10), "recipientTimestamp": as_long(at)}
    secret = as_bytes(f"secret {at}")
    return {"deviceListMetadata": {**meta, **recipient}, "deviceListMetadataVersion": 2, "messageSecret": secret}


def render_context(message: Mapping[str, Any], author: str) -> dict[str, Any] | None:
    context, referral = message.get("context", {}), message.get("referral")
    told: dict[str, Any] = {}
    if "message_id" in context:
        quoted = {"conversation": str(context.get("text", ""))}
        told |= {"stanzaId": context["message_id"], "participant": author, "quotedMessage": quoted}
    if mentions := (message.get("text") or {}).get("mentions"):
        told["mentionedJid"] = [as_jid(str(one)) for one in mentions]
    if context.get("forwarded") or context.get("frequently_forwarded"):
        told |= {"forwardingScore": 5 if context.get("frequently_forwarded") else 1, "isForwarded": True}
    if referral:
        told["externalAdReply"] = {
            "title": referral.get("headline"),
            "body": referral.get("body"),
            "mediaType": "IMAGE",
            "sourceType": referral.get("source_type"),
            "sourceId": referral.get("source_id"),
            "sourceUrl": referral.get("source_url"),
            "ctwaClid": referral.get("ctwa_clid"),
        }
        told["entryPointConversionSource"] = "ctwa_ad"
    return told or None


def render_medium(kind: str, medium: Mapping[str, Any], file: File | None, at: float) -> dict[str, Any]:
    seed = file.sha256 if file else str(medium.get("link", ""))
    path = f"/v/t62.7118-24/{seed[:32]}.enc?ccb=11-4"
    told = {
        "url": f"https://mmg.whatsapp.net{path}",
        "mimetype": file.mime_type if file else "application/octet-stream",
        "fileSha256": in_places(bytes.fromhex(file.sha256)) if file else as_bytes(f"{seed} plain"),
        "fileLength": as_long(file.size if file else 0),
        "mediaKey": as_bytes(f"{seed} key"),
        "fileEncSha256": as_bytes(f"{seed} encrypted"),
        "directPath": path,
        "mediaKeyTimestamp": as_long(at),
        **SIZES.get(kind, {}),
        **({"caption": medium["caption"]} if medium.get("caption") else {}),
    }
    match kind:
        case "audio":
            voice = bool(medium.get("voice"))
            mime = {"mimetype": "audio/ogg; codecs=opus"} if voice and told["mimetype"] == "audio/ogg" else {}
            return {**told, **mime, "seconds": 7, "ptt": voice}
        case "document":
            name = medium.get("filename") or (file.filename if file else None) or "document"
            return {**told, "title": name, "fileName": name}
        case "sticker":
            return {**told, "isAnimated": bool(medium.get("animated", False)), "height": 512, "width": 512}
        case _:
            return told


def render_text(message: Mapping[str, Any]) -> tuple[str, Any]:
    return "conversation", str(message["text"]["body"])


def render_location(message: Mapping[str, Any]) -> tuple[str, Any]:
    place = message["location"]
    names = {"name": place.get("name"), "address": place.get("address")}
    told = {"degreesLatitude": place["latitude"], "degreesLongitude": place["longitude"]}
    return "locationMessage", told | {name: value for name, value in names.items() if value}


def render_contacts(message: Mapping[str, Any]) -> tuple[str, Any]:
    cards = [
        {"displayName": card.get("name", {}).get("formatted_name", ""), "vcard": render_vcard(card)}
        for card in message["contacts"]
    ]
    if len(cards) == 1:
        return "contactMessage", cards[0]
    return "contactsArrayMessage", {"displayName": f"{len(cards)} contacts", "contacts": cards}


def render_reaction(message: Mapping[str, Any]) -> tuple[str, Any]:
    """`key` is put in by whoever knows the chat."""
    reaction = message["reaction"]
    return "reactionMessage", {"key": {"id": reaction["message_id"]}, "text": reaction.get("emoji", "")}


def render_interactive(message: Mapping[str, Any]) -> tuple[str, Any]:
    match message["interactive"]:
        case {"button_reply": reply}:
            told = {"selectedButtonId": reply["id"], "selectedDisplayText": reply["title"], "type": "DISPLAY_TEXT"}
            return "buttonsResponseMessage", told
        case {"list_reply": reply}:
            picked = {"title": reply["title"], "listType": "SINGLE_SELECT"}
            described = {"description": reply.get("description", "")}
            return "listResponseMessage", {**picked, "singleSelectReply": {"selectedRowId": reply["id"]}, **described}
        case {"nfm_reply": form}:
            flow = {"name": "flow", "paramsJson": form["response_json"], "version": 3}
            told = {"body": {"text": "Sent", "format": "DEFAULT"}, "nativeFlowResponseMessage": flow}
            return "interactiveResponseMessage", told
        case interactive:
            return "interactiveMessage", interactive


def render_button(message: Mapping[str, Any]) -> tuple[str, Any]:
    button = message["button"]
    told = {"selectedId": button["payload"], "selectedDisplayText": button["text"], "selectedIndex": 0}
    return "templateButtonReplyMessage", told


def render_poll(message: Mapping[str, Any]) -> tuple[str, Any]:
    poll = message["poll"]
    options = [{"optionName": option} for option in poll["options"]]
    told = {"name": poll["name"], "options": options, "selectableOptionsCount": poll["selectable"]}
    return "pollCreationMessageV3", told


def render_vote(message: Mapping[str, Any]) -> tuple[str, Any]:
    """Encrypted; whoever reads it puts the words of the options beside that."""
    poll = {"fromMe": True, "id": message["poll_vote"]["message_id"]}
    vote = {"encPayload": as_bytes(str(poll), 64), "encIv": as_bytes(str(poll), 12)}
    return "pollUpdateMessage", {"pollCreationMessageKey": poll, "vote": vote}


def render_unknown(message: Mapping[str, Any]) -> tuple[str, Any]:
    kind = str(message["type"])
    return f"{kind}Message", message.get(kind) or {}


RENDERERS = {
    "text": render_text,
    "location": render_location,
    "contacts": render_contacts,
    "reaction": render_reaction,
    "interactive": render_interactive,
    "button": render_button,
    "poll": render_poll,
    "poll_vote": render_vote,
}


def add_reaction_key(said: Said, key: Mapping[str, Any], *, target_from_me: bool, at: float) -> Said:
    """Of the message that is reacted to: it stands in the same chat."""
    if said.kind != "reactionMessage":
        return said
    reaction = said.message["reactionMessage"]
    target = {"remoteJid": key["remoteJid"], "fromMe": target_from_me, "id": reaction["key"]["id"]}
    stamped = {"key": target, "text": reaction["text"], "senderTimestampMs": as_long(at * 1000, unsigned=False)}
    return msgspec.structs.replace(said, message={"reactionMessage": stamped})
