"""Messages as the Cloud API wants to be told, and its answers as we understand them. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hailgate.core.address import AddressKind
from hailgate.core.content import encode_content
from hailgate.core.delivery import parse_retry_after
from hailgate.core.errors import (
    AddressRefuses,
    OutcomeUnknown,
    Rejected,
    SendError,
)
from hailgate.providers.cloud.errors import Refusal, send_error
from hailgate.providers.contract import ChannelHealth, OutboundMessage, SendReceipt
from hailgate.providers.reading import address, identifier, read
from hailgate.providers.strangers import refuse_stranger

HEALTH_FIELDS = (
    "display_phone_number,verified_name,quality_rating,messaging_limit_tier,throughput,status,name_status,health_status"
)

_object = msgspec.json.Decoder(dict[str, Any])

# How each kind of address is named in a send. LIDs and JIDs are not known to the Cloud API.
_ADDRESSED = {
    AddressKind.PHONE: ("individual", "to"),
    AddressKind.BSUID: ("individual", "recipient"),
    AddressKind.GROUP: ("group", "to"),
}


def render_send(message: OutboundMessage) -> bytes:
    """Raise Rejected for an address that the Cloud API does not know."""
    if message.to.kind not in _ADDRESSED:
        raise Rejected(
            f"The Cloud API cannot send to an address of kind {message.to.kind}.", code="address_unsupported"
        )
    recipient_type, field = _ADDRESSED[message.to.kind]
    envelope: dict[str, object] = {
        "messaging_product": "whatsapp",
        "recipient_type": recipient_type,
        field: message.to.value,
        "biz_opaque_callback_data": message.tracker,
    }
    if message.context_id:
        envelope["context"] = {"message_id": message.context_id}
    # The canonical content is the Cloud API's own shape: its members follow the envelope's as they are.
    return msgspec.json.encode(envelope)[:-1] + b"," + encode_content(message.content).encode()[1:]


def render_read(message_id: str, *, typing: bool) -> bytes:
    body: dict[str, object] = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
    if typing:
        body["typing_indicator"] = {"type": "text"}
    return msgspec.json.encode(body)


def parse_send_answer(status: int, headers: Mapping[str, str], body: bytes, now: float) -> SendReceipt:
    """Read what became of a send.

    Raises the SendError that Meta's code asks for, and OutcomeUnknown where nothing proves that the
    message was taken or refused: no JSON, no id, a 5xx without a code.
    """
    answer = _decode(body)
    if refusal := _refusal(answer):
        raise send_error(refusal, status, parse_retry_after(headers.get("Retry-After"), now))
    if 200 <= status < 300:
        return _receipt(answer)
    raise refuse_stranger("Meta", status, parse_retry_after(headers.get("Retry-After"), now))


def parse_ack(status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Raise a SendError unless Meta took the call."""
    if refusal := _refusal(_decode(body)):
        raise send_error(refusal, status, parse_retry_after(headers.get("Retry-After"), now))
    if not 200 <= status < 300:
        raise refuse_stranger("Meta", status, parse_retry_after(headers.get("Retry-After"), now))


def parse_health(status: int, headers: Mapping[str, str], body: bytes, now: float) -> ChannelHealth:
    """Read the number's own page; a refusal of Meta's is an answer, too. Raises AddressRefuses."""
    try:
        parse_ack(status, headers, body, now)
    except AddressRefuses:
        raise
    except SendError as error:
        return ChannelHealth(ok=False, detail=error.detail)
    number = _decode(body)
    if "id" not in number:
        return ChannelHealth(ok=False, detail="The answer is not about a phone number.")
    facts = {name: fact for name in HEALTH_FIELDS.split(",") if (fact := _fact(number.get(name)))}
    blocked = facts.get("health_status") == "BLOCKED"
    detail = "Meta blocks the number from sending." if blocked else "Meta knows the number and the token."
    return ChannelHealth(ok=not blocked, detail=detail, facts=facts)


def _decode(body: bytes) -> dict[str, Any]:
    return read(_object, body) or {}


def _refusal(answer: Mapping[str, Any]) -> Refusal | None:
    error = answer.get("error")
    if not isinstance(error, dict) or (code := _number(error.get("code"))) is None:
        return None
    trace = error.get("fbtrace_id")
    return Refusal(
        code=code,
        subcode=_number(error.get("error_subcode")),
        is_transient=error.get("is_transient") is True,
        trace=trace[:64] if isinstance(trace, str) and trace.isascii() and trace.isprintable() else None,
    )


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _receipt(answer: Mapping[str, Any]) -> SendReceipt:
    message = _first(answer.get("messages"))
    if (message_id := identifier(message.get("id"))) is None:
        raise OutcomeUnknown("Meta's answer names no message.")
    contact = _first(answer.get("contacts"))
    named = (
        address(AddressKind.PHONE, identifier(contact.get("wa_id"))),
        address(AddressKind.BSUID, identifier(contact.get("user_id"))),
    )
    known = tuple(found for found in named if found)
    return SendReceipt(
        message_id, identifier(message.get("message_status")), known[0] if known else None, also=known[1:]
    )


def _first(items: object) -> Mapping[str, Any]:
    if isinstance(items, list) and items and isinstance(items[0], dict):
        return items[0]
    return {}


def _fact(value: object) -> str | None:
    """Some fields are objects around one word, such as `{"level": "STANDARD"}`."""
    if isinstance(value, dict):
        value = value.get("can_send_message") or value.get("level")
    return identifier(value)
