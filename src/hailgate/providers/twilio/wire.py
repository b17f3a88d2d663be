"""Sends as Twilio's form, and what it answers. Pure."""

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Outbound, Text, degrade
from hailgate.core.content.outbound import Audio, Document, Image, Interactive, Location, Sticker, Template, Video
from hailgate.core.content.templates import TemplateCall, TextParameter
from hailgate.core.delivery import parse_retry_after
from hailgate.core.errors import (
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    Rejected,
    Scope,
    SendError,
)
from hailgate.providers.contract import SendReceipt
from hailgate.providers.reading import identifier, read
from hailgate.providers.strangers import refuse_stranger
from hailgate.providers.twilio.errors import classify, is_known
from hailgate.providers.twilio.kinds import KINDS
from hailgate.providers.twilio.webhook import PREFIX

Form = Sequence[tuple[str, str]]
FORM: Final = "application/x-www-form-urlencoded"
CONTENT_SID: Final = re.compile(r"HX[0-9a-fA-F]{32}")

_object = msgspec.json.Decoder(dict[str, Any])


def render_address(to: Address) -> str:
    """Raises Rejected for an address of another network."""
    if to.kind is AddressKind.PHONE:
        return f"{PREFIX}+{to.value}"
    if to.kind is AddressKind.BSUID:
        return f"{PREFIX}{to.value}"
    raise Rejected("Twilio knows no address of this kind.", code="address_unsupported")


def render_body(content: Outbound) -> Form:
    """What has no Content of its own. Raises Rejected for what Twilio cannot send."""
    match degrade(content, KINDS):
        case Text(text=text):
            return [("Body", text.body)]
        case Image(image=file) | Video(video=file) | Document(document=file):
            return [("MediaUrl", _link(file.link)), *([("Body", file.caption)] if file.caption else [])]
        case Audio(audio=file):
            return [("MediaUrl", _link(file.link))]
        case Sticker(sticker=file):
            return [("MediaUrl", _link(file.link))]
        case Location(location=place):
            label = ", ".join(part for part in (place.name, place.address) if part)
            return [
                ("Body", label or f"{place.latitude}, {place.longitude}"),
                ("PersistentAction", f"geo:{place.latitude},{place.longitude}" + (f"|{label}" if label else "")),
            ]
    raise Rejected("Twilio cannot send messages of this kind.", code="unsupported_content")


def render_content(sid: str, variables: Mapping[str, str]) -> Form:
    """Neither Body nor MediaUrl beside it: Twilio refuses both together."""
    given = [("ContentVariables", msgspec.json.encode(dict(variables)).decode())] if variables else []
    return [("ContentSid", sid), *given]


def template_variables(template: TemplateCall) -> Mapping[str, str]:
    """The words of all parts in order, by number, or by name where a parameter has one."""
    variables: dict[str, str] = {}
    for component in template.components:
        for parameter in getattr(component, "parameters", ()):
            if not isinstance(parameter, TextParameter):
                raise Rejected("Through Twilio a template takes words alone.", code="unsupported_content")
            variables[parameter.parameter_name or str(len(variables) + 1)] = parameter.text
    return variables


def _link(link: str | None) -> str:
    if not link:
        raise Rejected("Twilio takes files by a link alone.", code="media_unsupported")
    return link


def encode_form(form: Form) -> bytes:
    return urlencode(form).encode()


def needs_content(content: Outbound) -> bool:
    if isinstance(content, Template):
        return True
    tag = f"interactive.{content.interactive.__struct_config__.tag}" if isinstance(content, Interactive) else ""
    return tag in KINDS and KINDS[tag].degrades_to is None


# --- answers ----------------------------------------------------------------------------------------------------------


def parse_send_answer(status: int, headers: Mapping[str, str], body: bytes, now: float) -> SendReceipt:
    answer = parse_answer(status, headers, body, now)
    sid = identifier(answer.get("sid"))
    if sid is None:
        raise OutcomeUnknown("Twilio's answer names no message.")
    return SendReceipt(sid, status_note=identifier(answer.get("status")))


def parse_answer(status: int, headers: Mapping[str, str], body: bytes, now: float) -> dict[str, Any]:
    """Raises the SendError that its code or its status asks for."""
    if not 200 <= status < 300:
        raise parse_refusal(status, headers, body, now)
    answer = read(_object, body)
    if answer is None:
        raise OutcomeUnknown("Twilio's answer cannot be read.")
    return answer


def parse_refusal(status: int, headers: Mapping[str, str], body: bytes, now: float) -> SendError:
    """What a code says that is known; else what the status says, which tells of a code's range how it ended."""
    told = (read(_object, body) or {}).get("code")
    code = str(told) if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
    asked = parse_retry_after(headers.get("Retry-After"), now)
    if code is None:
        return refuse_stranger("Twilio", status, asked)
    error = classify(code) if is_known(code) else _by_status(status, code)
    waits = (asked, error.retry_after)
    error.retry_after = max((wait for wait in waits if wait is not None), default=None)
    return error


def _by_status(status: int, code: str) -> SendError:
    if status == 429:
        return ProviderThrottled("Twilio asks for a slower pace.", scope=Scope.ACCOUNT, provider_code=code)
    if status in {401, 403}:
        return ChannelUnauthorized("Twilio refuses the credentials.", provider_code=code)
    if status >= 500 or status < 400:
        return OutcomeUnknown(f"Twilio answered with {status}.", provider_code=code)
    return classify(code)


def harmless(error: SendError) -> SendError:
    """Of a call that may be repeated: what is unknown is only away."""
    return ProviderUnavailable(error.detail) if isinstance(error, OutcomeUnknown) else error


def parse_date(told: object) -> float:
    """RFC 2822, as the Messages API writes it; 0.0 where no such moment is written."""
    try:
        return parsedate_to_datetime(str(told)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
