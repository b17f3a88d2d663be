"""What a person sends, as Twilio's form. Kinds that Twilio tells nobody of make no webhook. Pure."""

from collections.abc import Mapping
from typing import Any

from hailgate.simulator.model import Channel, Inbound
from hailgate.simulator.twilio.wire import (
    VERSION,
    account_of,
    address_of,
    media_sid,
    number_address,
    service_of,
)

MEDIA_KINDS = frozenset({"image", "video", "document", "audio", "sticker"})
WITH_FILE = MEDIA_KINDS | {"contacts"}
TOLD = WITH_FILE | {"text", "location", "interactive", "button"}
KEYWORDS = {
    "STOP": frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}),
    "START": frozenset({"START", "YES", "UNSTOP"}),
    "HELP": frozenset({"HELP", "INFO"}),
}
ADVANCED = {"STOP": KEYWORDS["STOP"] | {"CHEGA"}, "START": KEYWORDS["START"] | {"VOLTA"}, "HELP": {"HELP", "AJUDA"}}
REFERRAL = {
    "body": "ReferralBody", "headline": "ReferralHeadline", "source_id": "ReferralSourceId",
    "source_type": "ReferralSourceType", "source_url": "ReferralSourceUrl", "ctwa_clid": "ReferralCtwaClid",
    "image_url": "ReferralMediaUrl", "video_url": "ReferralMediaUrl",
}  # fmt: skip


def render_inbound(channel: Channel, inbound: Inbound) -> dict[str, str]:
    """The form's fields; empty for what Twilio does not tell."""
    message = inbound.message
    if message["type"] not in TOLD:
        return {}
    return {
        **render_head(channel, inbound),
        **render_content(channel, inbound),
        **render_context(channel, message.get("context", {})),
        **{REFERRAL[name]: str(value) for name, value in message.get("referral", {}).items() if name in REFERRAL},
    }


def render_head(channel: Channel, inbound: Inbound) -> dict[str, str]:
    sid, phone, service = inbound.provider_id, inbound.phone, service_of(channel)
    return {
        "SmsMessageSid": sid,
        "NumMedia": "1" if inbound.file else "0",
        "ProfileName": phone.name,
        "MessageType": name_type(inbound.message),
        "SmsSid": sid,
        **({} if phone.hides_number else {"WaId": phone.number}),
        "SmsStatus": "received",
        "Body": find_body(inbound),
        "To": number_address(channel.number),
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": sid,
        "AccountSid": account_of(channel),
        "From": address_of(phone),
        "ExternalUserId": f"whatsapp:{phone.scoped_id}",
        "ApiVersion": VERSION,
        **({"MessagingServiceSid": service, **render_keyword(channel, inbound.message)} if service else {}),
    }


def render_keyword(channel: Channel, message: Mapping[str, Any]) -> dict[str, str]:
    """What the service's Advanced Opt-Out took the words for."""
    kind = find_keyword(channel, message)
    return {"OptOutType": kind} if kind else {}


def name_type(message: Mapping[str, Any]) -> str:
    """A pressed button is `button`, whatever held it."""
    if message["type"] == "interactive" and "button_reply" in message["interactive"]:
        return "button"
    return str(message["type"])


def find_body(inbound: Inbound) -> str:
    message = inbound.message
    content = message[message["type"]]
    match message["type"]:
        case "text":
            return str(content["body"])
        case "document":
            return str(
                content.get("caption") or content.get("filename") or (inbound.file and inbound.file.filename) or ""
            )
        case "button":
            return str(content["text"])
        case "interactive":
            reply = content.get("button_reply") or content.get("list_reply") or {}
            return str(reply.get("title", ""))
        case kind:
            return str(content.get("caption") or "") if kind in MEDIA_KINDS else ""


def render_content(channel: Channel, inbound: Inbound) -> dict[str, str]:
    message = inbound.message
    content = message[message["type"]]
    if inbound.file:
        address = f"{inbound.home}/{VERSION}/Accounts/{account_of(channel)}/Messages/{inbound.provider_id}/Media"
        return {
            "MediaContentType0": inbound.file.media_type,
            "MediaUrl0": f"{address}/{media_sid(inbound.file.id)}",
        }
    match message["type"]:
        case "location":
            return render_location(content)
        case "button":
            return {"ButtonText": str(content["text"]), "ButtonPayload": str(content["payload"])}
        case "interactive":
            return render_reply(content)
        case _:
            return {}


def render_location(place: Mapping[str, Any]) -> dict[str, str]:
    names = {"name": "Label", "address": "Address"}
    told = {names[name]: str(place[name]) for name in names if place.get(name)}
    return {"Latitude": f"{place['latitude']:.6f}", "Longitude": f"{place['longitude']:.6f}", **told}


def render_reply(interactive: Mapping[str, Any]) -> dict[str, str]:
    match interactive:
        case {"button_reply": reply}:
            return {"ButtonText": str(reply["title"]), "ButtonPayload": str(reply["id"])}
        case {"list_reply": reply}:
            return {"ListId": str(reply["id"]), "ListTitle": str(reply["title"])}
        case {"nfm_reply": form}:
            return {"InteractiveData": str(form["response_json"])}
        case _:
            return {}


def render_context(channel: Channel, context: Mapping[str, Any]) -> dict[str, str]:
    told = {}
    if "message_id" in context:
        told["OriginalRepliedMessageSender"] = number_address(channel.number)
        told["OriginalRepliedMessageSid"] = str(context["message_id"])
    if context.get("forwarded") or context.get("frequently_forwarded"):
        told["Forwarded"] = "true"
    if context.get("frequently_forwarded"):
        told["FrequentlyForwarded"] = "true"
    return told


def find_wish(channel: Channel, message: Mapping[str, Any]) -> bool | None:
    return {"STOP": False, "START": True}.get(find_keyword(channel, message))


def find_keyword(channel: Channel, message: Mapping[str, Any]) -> str:
    """A keyword that is the whole message, of the service's own or of Twilio's default handling; else empty."""
    word = str(message["text"]["body"]).strip().upper() if message["type"] == "text" else ""
    known = ADVANCED if service_of(channel) else KEYWORDS
    return next((kind for kind, words in known.items() if word in words), "")
