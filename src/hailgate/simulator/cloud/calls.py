"""What a business asks of the Cloud API: read, checked, and refused in Meta's words. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hailgate.simulator.cloud.content import CHECKS, check_content
from hailgate.simulator.cloud.errors import GraphError, parameter_required

MAX_TRACKER = 512  # characters of biz_opaque_callback_data
PHONE_SHAPE = re.compile(r"\+?[0-9]{7,15}")
USER_ID_SHAPE = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
GROUP_SHAPE = re.compile(r"[A-Za-z0-9@.:=_-]{5,128}")
PUNCTUATION = str.maketrans("", "", " -().")


class SendCall(msgspec.Struct, frozen=True):
    """`recipient` is as the caller wrote it, `to` the phone's digits, the user id or the group's id."""

    to: str
    recipient: str
    by_user_id: bool
    to_group: bool
    message: dict[str, Any]
    correlation: str | None


class ReadCall(msgspec.Struct, frozen=True):
    """`operation` is read, or typing when the person shall see that an answer is being written."""

    message_id: str
    operation: str


def parse_call(body: bytes) -> SendCall | ReadCall:
    """Raises the GraphError that Meta would answer with."""
    try:
        call = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GraphError(100, "The request body is not valid JSON.") from None
    if not isinstance(call, dict) or "messaging_product" not in call:
        raise parameter_required("messaging_product")
    if call["messaging_product"] != "whatsapp":
        raise GraphError(100, "Param messaging_product must be one of {WHATSAPP}.")
    return parse_read(call) if "status" in call else parse_send(call)


def parse_read(call: Mapping[str, Any]) -> ReadCall:
    if call["status"] != "read":
        raise GraphError(100, "Param status must be one of {READ}.")
    if "message_id" not in call:
        raise parameter_required("message_id")
    typing = call.get("typing_indicator")
    if typing is not None and typing != {"type": "text"}:
        raise GraphError(100, "Param typing_indicator['type'] must be one of {TEXT}.")
    return ReadCall(take_string(call, "message_id"), "typing" if typing else "read")


def parse_send(call: Mapping[str, Any]) -> SendCall:
    to_group = parse_recipient_type(call) == "group"
    by_user_id = not to_group and "to" not in call and "recipient" in call
    parse_to = parse_group if to_group else parse_user_id if by_user_id else parse_phone
    to = parse_to(call)
    message = parse_message(call)
    recipient = call["recipient" if by_user_id else "to"]
    return SendCall(to, recipient, by_user_id, to_group, message, parse_tracker(call))


def parse_recipient_type(call: Mapping[str, Any]) -> str:
    kind = call.get("recipient_type", "individual")
    if kind not in {"individual", "group"}:
        raise GraphError(100, "Param recipient_type must be one of {INDIVIDUAL, GROUP}.")
    return str(kind)


def parse_phone(call: Mapping[str, Any]) -> str:
    if "to" not in call:
        raise parameter_required("to")
    digits = take_string(call, "to").translate(PUNCTUATION)
    if not PHONE_SHAPE.fullmatch(digits):
        raise GraphError(131009, "Param to is not a valid phone number.")
    return digits.removeprefix("+")


def parse_group(call: Mapping[str, Any]) -> str:
    if "to" not in call:
        raise parameter_required("to")
    group = take_string(call, "to")
    if not GROUP_SHAPE.fullmatch(group):
        raise GraphError(131009, "Param to is not a valid group ID.")
    return group


def parse_user_id(call: Mapping[str, Any]) -> str:
    user_id = take_string(call, "recipient")
    if not USER_ID_SHAPE.fullmatch(user_id):
        raise GraphError(131009, "Param recipient is not a valid business-scoped user ID.")
    return user_id


def parse_tracker(call: Mapping[str, Any]) -> str | None:
    if call.get("biz_opaque_callback_data") is None:
        return None
    tracker = take_string(call, "biz_opaque_callback_data")
    if len(tracker) > MAX_TRACKER:
        raise GraphError(100, f"Param biz_opaque_callback_data must be at most {MAX_TRACKER} characters long.")
    return tracker


def parse_message(call: Mapping[str, Any]) -> dict[str, Any]:
    """The message as it stands in the chat: type, payload and what it quotes."""
    kind = call.get("type", "text")
    if not isinstance(kind, str) or kind not in CHECKS:
        raise GraphError(100, f"Param type must be one of {{{', '.join(CHECKS).upper()}}}.")
    check_content(kind, call)
    message = {"type": kind, kind: call[kind]}
    if "context" in call:
        message["context"] = parse_context(call["context"])
    return message


def parse_context(context: object) -> dict[str, Any]:
    if not isinstance(context, dict) or not isinstance(context.get("message_id"), str):
        raise GraphError(100, "Param context['message_id'] must be a string.")
    return context


def take_string(call: Mapping[str, Any], name: str) -> str:
    value = call[name]
    if not isinstance(value, str):
        raise GraphError(100, f"Param {name} must be a string.")
    return value
