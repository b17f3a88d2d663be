"""How adapters read what others wrote: nothing here raises, and None stands for what makes no sense."""

import re
from typing import TypeVar

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import InputError
from hailgate.core.urls import find_parts

MAX_ID_LENGTH = 512
END_OF_TIME = 253402300800.0  # the year 10000: a later second is a mistake

T = TypeVar("T")


def read(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | bytes) -> T | None:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def read_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """Read a whole body: half a character in one message must not cost the others.

    Names get cut in the middle of an emoji, and msgspec rightly refuses the half that is left.
    """
    return read(decoder, body) or read(decoder, _mend(body))


def identifier(value: object) -> str | None:
    """A provider's id as one can be stored and looked up."""
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable():
        return value
    return None


def address(kind: AddressKind, value: str | None) -> Address | None:
    """None also for what is absent or empty."""
    if not value:
        return None
    if kind is AddressKind.PHONE:
        value = value.removeprefix("+")
        if not (value.isascii() and value.isdigit()):
            return None
    try:
        return Address(kind, value)
    except InputError:
        return None


def instant(written: float | str | bytes) -> float:
    """Seconds since the epoch; 0.0 where no such moment is written."""
    try:
        at = float(written)
    except (ValueError, OverflowError):
        return 0.0
    return at if 0.0 < at < END_OF_TIME else 0.0


def from_milliseconds(written: float | str) -> float:
    """As `instant`, of what some events write in seconds and others in milliseconds: no second lies that far ahead."""
    try:
        at = float(written)
    except (ValueError, OverflowError):
        return 0.0
    return instant(at / 1000.0 if at > END_OF_TIME / 2 else at)


def is_base_url(value: str) -> bool:
    """Whether a setting names where an API is: scheme, host, perhaps a port and a path."""
    if (url := find_parts(value)) is None:
        return False
    plain = not (url.query or url.fragment or url.username or url.password) and url.port != 0
    return url.scheme in {"http", "https"} and bool(url.hostname) and plain and value.isprintable()


# An escaped backslash, a whole surrogate pair, or half of one.
_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _mend(body: bytes) -> bytes:
    text = body.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)
