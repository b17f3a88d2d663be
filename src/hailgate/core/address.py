"""Where a message goes or comes from: a kind and a value, never only a phone number.

A person may be known by a business-scoped id or a LID and have no visible phone at all.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import cast

from msgspec import Struct

from hailgate.core.errors import InputError

# E.164 allows 15 digits; the shortest international subscriber numbers in use have 7.
PHONE_DIGITS = range(7, 16)

# National numbers of most countries, without what is dialled before them: at most ten digits.
LONGEST_AT_HOME = 10

# Bare digits that begin like a number of Mexico, Argentina or Brazil and are too few for one: all three have national
# numbers of ten digits at least (IFT, Plan Técnico Fundamental de Numeración; Secretaría de Comunicaciones, Resolución
# 46/1997; Anatel, Resolução nº 749/2022), but for Brazil's 400x and 300x, which have eight.
_NO_COUNTRY = re.compile(r"(?:52|54|55(?![34]00\d{5}$))\d{5,9}", re.ASCII)

# Business-scoped ids have up to 131 characters, JIDs of groups about 40.
MAX_VALUE_LENGTH = 256

# Spaces and dashes that do not break, as web pages and address books have them, are spaces and dashes.
_PHONE_SEPARATORS = str.maketrans("", "", " -.()\u00a0\u2007\u2009\u202f\u2010\u2011\u2012\u2013")
# Marks of direction and of no width, which come along when a number is copied and which nobody sees.
_INVISIBLE = dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF))


class AddressKind(StrEnum):
    """The five ways in which the providers name a person or a group."""

    PHONE = "phone"
    BSUID = "bsuid"
    LID = "lid"
    JID = "jid"
    GROUP = "group"


_KINDS = frozenset(AddressKind)


class Address(Struct, frozen=True):
    """An address in normal form; the value shows neither in `str` nor in `repr`.

    Every address that exists can be stored: the constructor raises InputError for a value that is empty,
    too long, or holds anything but visible characters. A phone is digits only, without the plus sign;
    `parse_address` brings it into that form.
    """

    kind: AddressKind
    value: str

    def __post_init__(self) -> None:
        if not self.value or len(self.value) > MAX_VALUE_LENGTH:
            raise _refused(f"needs a value of 1 to {MAX_VALUE_LENGTH} characters", "to.value")
        if not self.value.isprintable() or " " in self.value:
            raise _refused("may hold neither spaces nor control characters in its value", "to.value")

    @property
    def key(self) -> str:
        """Kind and value in one string, such as `phone:15551234567`: for look-ups, not for people."""
        return f"{self.kind}:{self.value}"

    def __repr__(self) -> str:
        return f"{self.kind}:***"


def parse_address(raw: object, calling_code: str = "") -> Address:
    """Read `"+1 (555) 123-4567"` or `{"kind": "bsuid", "value": "US.1234"}`.

    A number that is written as at home, such as `(555) 123-4567`, gets the `calling_code`; without one it is refused.
    So are bare digits that are too few for the country whose code they begin with. An object is what a provider told.
    Total: whatever JSON comes in, the only error is InputError, and it never repeats the value.
    """
    if isinstance(raw, str):
        at_home = bool(_NO_COUNTRY.fullmatch(raw.translate(_INVISIBLE).strip()))
        return Address(AddressKind.PHONE, _digits(raw, "to", calling_code, at_home=at_home))
    if isinstance(raw, Mapping):
        return _parse_object(cast("Mapping[object, object]", raw), calling_code)
    raise _refused('must be a phone number such as "+15551234567" or an object {"kind", "value"}', "to")


def _parse_object(raw: Mapping[object, object], calling_code: str) -> Address:
    if raw.keys() != {"kind", "value"}:
        raise _refused('takes exactly the fields "kind" and "value"', "to")
    kind, value = raw["kind"], raw["value"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _refused(f"needs a kind that is one of: {', '.join(AddressKind)}", "to.kind")
    if not isinstance(value, str):
        raise _refused("needs a value that is a string", "to.value")
    if kind == AddressKind.PHONE:
        value = _digits(value, "to.value", calling_code)
    return Address(AddressKind(kind), value)


def _digits(phone: str, field: str, calling_code: str, *, at_home: bool = False) -> str:
    """Strip what people write between digits; refuse what they cannot have meant."""
    phone = phone.translate(_INVISIBLE)
    digits = phone.translate(_PHONE_SEPARATORS).removeprefix("+")
    if at_home or _is_written_as_at_home(phone.strip(), digits):
        if not calling_code:
            raise _refused("must be a phone number with its country code, such as +15551234567", field)
        digits = calling_code + digits.lstrip("0")
    if not (digits.isascii() and digits.isdigit()):
        raise _refused(
            "must be a phone number of digits; only a leading +, spaces, dashes, dots and parentheses may "
            "stand between them",
            field,
        )
    if len(digits) not in PHONE_DIGITS:
        raise _refused(
            f"must be a phone number of {PHONE_DIGITS.start} to {PHONE_DIGITS.stop - 1} digits; "
            "write it with its country code",
            field,
        )
    if digits.startswith("0"):
        raise _refused("must be an international phone number; begin with the country code, not 0", field)
    return digits


def _is_written_as_at_home(phone: str, digits: str) -> bool:
    """An area code in parentheses at the beginning, or a number for people that is short and says no country.

    Bare digits are taken as what programs call a number: with its country code and without a plus sign.
    """
    if phone.startswith("+") or not (digits.isascii() and digits.isdigit()):
        return False
    return phone.startswith("(") or (phone != digits and len(digits) <= LONGEST_AT_HOME)


def _refused(rule: str, field: str) -> InputError:
    return InputError(f"{field}: the address {rule}.", code="invalid_address", field=field)
