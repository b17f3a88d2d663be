"""Mentions: whom a text in a group calls by name, as callers and payloads tell it. Pure."""

from hailgate.core.address import Address, AddressKind, parse_address
from hailgate.core.content.parts import Mention, TextBody
from hailgate.core.content.refusals import refused
from hailgate.core.errors import InputError

MOST_MENTIONS = 1024  # as many as a group has people
_PEOPLE = frozenset({AddressKind.PHONE, AddressKind.LID, AddressKind.JID})


def mentioned_in(text: TextBody) -> list[Address]:
    """Whom it mentions, each once. Raises InputError for what names nobody."""
    if len(text.mentions) > MOST_MENTIONS:
        raise refused("text.mentions", f"may name at most {MOST_MENTIONS} people")
    return list(dict.fromkeys(_read(told, f"text.mentions[{place}]") for place, told in enumerate(text.mentions)))


def _read(told: str | Mention, path: str) -> Address:
    try:
        place = parse_address(told if isinstance(told, str) else {"kind": told.kind, "value": told.value})
    except InputError:
        raise refused(path, "must be a phone number with its country code, or an address of a person") from None
    if place.kind not in _PEOPLE:
        raise refused(path, f"must be an address of kind {', '.join(sorted(_PEOPLE))}")
    return place
