"""What a business asks of the Messages API: a form, read, checked, and refused in Twilio's codes. Pure."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hailgate.simulator.twilio.errors import TwilioError
from hailgate.simulator.twilio.wire import PREFIX, Fields

MAX_BODY = 1600  # characters
MAX_VALIDITY_S = 36_000
ADDRESS = re.compile(r"\+[1-9][0-9]{6,14}")
USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
PLACE = re.compile(r"geo:(-?[0-9]{1,2}(?:\.[0-9]+)?),(-?[0-9]{1,3}(?:\.[0-9]+)?)(?:\|(.*))?", re.DOTALL)


class SendCall(msgspec.Struct, frozen=True):
    """`to` is digits or a business-scoped id; `sender` digits, None where a messaging service sends."""

    to: str
    sender: str | None
    service: str | None
    body: str
    links: tuple[str, ...]
    content_sid: str | None
    variables: Mapping[str, str]
    place: Mapping[str, Any] | None
    callback: str | None


def parse_send(fields: Fields) -> SendCall:
    """Raises the TwilioError that Twilio would answer with."""
    given: dict[str, list[str]] = defaultdict(list)
    for name, value in fields:
        given[name].append(value)
    one = {name: values[-1] for name, values in given.items()}
    to, (sender, service) = parse_recipient(one.get("To", "")), parse_sender(one)
    content_sid, variables = parse_content(one)
    links = tuple(parse_link(link) for link in given.get("MediaUrl", []) if link)
    body = parse_body(one, has_other=bool(links or content_sid))
    if len(links) > 1:
        raise TwilioError(21623)
    check_validity(one.get("ValidityPeriod"))
    check_schedule(one, service)
    place = parse_place(one.get("PersistentAction"), body)
    return SendCall(to, sender, service, body, links, content_sid, variables, place, parse_callback(one))


def parse_recipient(address: str) -> str:
    if not address:
        raise TwilioError(21604)
    if not address.startswith(PREFIX):
        raise TwilioError(21612)
    name = address.removeprefix(PREFIX)
    if USER_ID.fullmatch(name):
        return name
    if not ADDRESS.fullmatch(name):
        raise TwilioError(21211, f"The 'To' number {address[:60]} is not a valid phone number.")
    return name.removeprefix("+")


def parse_sender(given: Mapping[str, str]) -> tuple[str | None, str | None]:
    service, address = given.get("MessagingServiceSid"), given.get("From")
    if address:
        name = address.removeprefix(PREFIX)
        if not ADDRESS.fullmatch(name):
            raise TwilioError(21212, f"The 'From' number {address[:60]} is not a valid phone number.")
        if not address.startswith(PREFIX):
            raise TwilioError(21612)
        return name.removeprefix("+"), service
    if not service:
        raise TwilioError(21603)
    return None, service


def parse_content(given: Mapping[str, str]) -> tuple[str | None, Mapping[str, str]]:
    content_sid, text = given.get("ContentSid") or None, given.get("ContentVariables")
    if content_sid and not re.fullmatch(r"HX[0-9a-f]{32}", content_sid):
        raise TwilioError(21655)
    if not text:
        return content_sid, {}
    if content_sid is None:
        raise TwilioError(21654)
    try:
        return content_sid, msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TwilioError(21656) from None


def parse_body(given: Mapping[str, str], *, has_other: bool) -> str:
    body = given.get("Body", "")
    if not body and not has_other:
        raise TwilioError(21602)
    if len(body) > MAX_BODY:
        raise TwilioError(21617)
    return body


def parse_link(link: str) -> str:
    if not is_web_address(link):
        raise TwilioError(21620)
    return link


def parse_callback(given: Mapping[str, str]) -> str | None:
    callback = given.get("StatusCallback") or None
    if callback and not is_web_address(callback):
        raise TwilioError(21609)
    return callback


def is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def check_validity(text: str | None) -> None:
    if text is not None and not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_VALIDITY_S):
        raise TwilioError(21624)


def check_schedule(given: Mapping[str, str], service: str | None) -> None:
    """Nothing is sent early that was meant for later."""
    if "SendAt" not in given and "ScheduleType" not in given:
        return
    if service is None:
        raise TwilioError(35118)
    if "SendAt" not in given:
        raise TwilioError(35111)
    if given.get("ScheduleType") != "fixed":
        raise TwilioError(35126)
    raise TwilioError(20422, "The simulator schedules nothing: send without SendAt and ScheduleType")


def parse_place(action: str | None, body: str) -> Mapping[str, Any] | None:
    """`geo:latitude,longitude|label`: the body is the place's name, the label its address."""
    found = PLACE.fullmatch(action or "")
    if found is None:
        return None
    place: dict[str, Any] = {"latitude": float(found.group(1)), "longitude": float(found.group(2)), "name": body}
    return place | ({"address": found.group(3)} if found.group(3) not in {None, "", body} else {})


def render_chat(call: SendCall) -> dict[str, Any]:
    """A message without content template, as the phone shows it; what its links hold is not known yet."""
    if call.links:
        return {"type": "document", "document": {"link": call.links[0], "caption": call.body}}
    if call.place:
        return {"type": "location", "location": call.place}
    return {"type": "text", "text": {"body": call.body}}
