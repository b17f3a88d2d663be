"""What Twilio says: ids, dates, forms and their signatures. Pure."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlencode

import msgspec

from hailgate.simulator.model import Channel, Phone

VERSION = "2010-04-01"
PREFIX = "whatsapp:"
Fields = Sequence[tuple[str, str]]


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a channel of this provider needs. Channels of one account share its SID and token."""

    account_sid: str
    auth_token: str
    messaging_service_sid: str = ""
    api_key_sid: str = ""
    api_key_secret: str = ""


def account_of(channel: Channel) -> str:
    return channel.credentials["account_sid"]


def service_of(channel: Channel) -> str | None:
    return channel.credentials.get("messaging_service_sid") or None


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def derive_sid(prefix: str, *parts: str) -> str:
    """The same for the same parts."""
    return prefix + hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest()


def sender_sid(channel: Channel) -> str:
    return derive_sid("XE", account_of(channel), channel.number)


def media_sid(file_id: str) -> str:
    """Holds the file's id."""
    return "ME" + file_id.zfill(32)


def file_id_of(sid: str) -> str:
    return sid.removeprefix("ME").lstrip("0")


def number_address(number: str) -> str:
    return f"{PREFIX}+{number}" if number.isdigit() else PREFIX + number


def address_of(phone: Phone) -> str:
    """By number, or by the business-scoped id alone where the number is hidden."""
    return PREFIX + phone.scoped_id if phone.hides_number else number_address(phone.number)


def render_date(at: float) -> str:
    """RFC 2822, as in the Messages API."""
    return format_datetime(datetime.fromtimestamp(int(at), UTC))


def render_iso(at: float) -> str:
    """As in the Content API."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render_form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def parse_form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def sign(token: str, url: str, fields: Fields) -> str:
    """`X-Twilio-Signature`: the URL as it is called, then each name with each of its distinct values, in byte order."""
    told = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(token.encode(), told.encode(), hashlib.sha1).digest()).decode()


RETRY_COUNT = re.compile(r"(?:^|&)rc=([0-5])(?:&|$)")


def count_retries(url: str) -> int:
    """What a connection override in the URL's fragment asks for, e.g. `#rc=3`."""
    found = RETRY_COUNT.search(url.partition("#")[2])
    return int(found.group(1)) if found else 0
