"""What the Cloud API says: webhooks, their signatures, the answer to a send. Pure."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from hailgate.simulator.cloud.calls import SendCall
from hailgate.simulator.cloud.errors import as_webhook_error
from hailgate.simulator.model import WINDOW_S, Channel, Phone, Report

DEFAULT_ACCOUNT = "102000000000001"
WAMID_HEAD = b"\x1c\x18\x0f"


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a channel of this provider needs; every name is the Graph API's own."""

    phone_number_id: str
    access_token: str
    app_secret: str
    verify_token: str
    waba_id: str = DEFAULT_ACCOUNT


def new_wamid() -> str:
    """Looks like the real ones, but does not hold the person's number."""
    return "wamid." + base64.b64encode(WAMID_HEAD + secrets.token_bytes(18)).decode()


def new_wacid() -> str:
    """Of a call."""
    return new_wamid().replace("wamid.", "wacid.")


def identify(phone: Phone) -> dict[str, str]:
    """What a business learns of who a person is: the number, unless it is hidden, and the business-scoped user id."""
    shows_number = phone.number.isdigit() and not phone.hides_number
    return {**({"wa_id": phone.number} if shows_number else {}), "user_id": phone.scoped_id}


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def render_status(channel: Channel, report: Report) -> bytes:
    status: dict[str, Any] = {
        "id": report.provider_id,
        "status": report.status,
        "timestamp": str(int(report.at)),
        **name_recipient(report),
    }
    if report.correlation is not None:
        status["biz_opaque_callback_data"] = report.correlation
    if report.status in {"sent", "delivered"}:
        status |= render_price(channel, report)
    if report.failure:
        status["errors"] = [as_webhook_error(report.failure)]
    return render_change(channel, {"contacts": [render_contact(report.phone)], "statuses": [status]})


def name_recipient(report: Report) -> dict[str, str]:
    user = identify(report.phone)
    if report.group is None:
        return {f"recipient_{'id' if name == 'wa_id' else name}": value for name, value in user.items()}
    participant = {f"recipient_participant_{'id' if name == 'wa_id' else name}": value for name, value in user.items()}
    return {"recipient_id": report.group, "recipient_type": "group", **participant}


def render_price(channel: Channel, report: Report) -> dict[str, Any]:
    """An answer within the window is free; a template costs, but for one of utility within the window."""
    opened_at, template = report.window_opened_at, (report.message or {}).get("shown", {})
    category = str(template.get("category", "service")).lower()
    is_open = opened_at is not None and report.at < opened_at + WINDOW_S
    billable = category in {"marketing", "authentication"} or (category == "utility" and not is_open)
    pair = f"{channel.number} {report.phone.number}".encode()
    conversation: dict[str, Any] = {"id": hashlib.blake2b(pair, digest_size=16).hexdigest()}
    if report.status == "sent" and opened_at is not None:
        conversation["expiration_timestamp"] = str(int(opened_at + WINDOW_S))
    conversation["origin"] = {"type": category}
    return {
        "conversation": conversation,
        "pricing": {
            "billable": billable,
            "pricing_model": "PMP",
            "type": "regular" if billable else "free_customer_service",
            "category": category,
        },
    }


def render_contact(phone: Phone) -> dict[str, Any]:
    username = {"username": phone.username} if phone.username else {}
    return {"profile": {"name": phone.name, **username}, **identify(phone)}


def render_change(channel: Channel, value: Mapping[str, Any], field: str = "messages") -> bytes:
    """What happened to one business number."""
    whole = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": channel.number,
            "phone_number_id": channel.credentials["phone_number_id"],
        },
        **value,
    }
    return render_envelope({"id": account_of(channel), "changes": [{"value": whole, "field": field}]})


def render_account_event(channel: Channel, field: str, value: Mapping[str, Any], at: float) -> bytes:
    """What happened to the business account."""
    return render_envelope({"id": account_of(channel), "changes": [{"value": value, "field": field}], "time": int(at)})


def render_envelope(entry: Mapping[str, Any]) -> bytes:
    # Meta escapes everything beyond ASCII, which a receiver that signs re-encoded JSON gets wrong.
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":")).encode()


def account_of(channel: Channel) -> str:
    return channel.credentials.get("waba_id", DEFAULT_ACCOUNT)


def render_accepted(call: SendCall, wamid: str) -> dict[str, Any]:
    message = {"id": wamid, **({"message_status": "accepted"} if call.message["type"] == "template" else {})}
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": call.recipient, **name_contact(call)}],
        "messages": [message],
    }


def name_contact(call: SendCall) -> dict[str, str]:
    if call.to_group:
        return {"group_id": call.to}
    return {"user_id": call.recipient} if call.by_user_id else {"wa_id": call.to}
