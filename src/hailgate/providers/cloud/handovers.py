"""Handovers of the Cloud API: which responder owns a thread from now on.

Meta tells the new owner of a thread that control was passed to it, and the previous owner that control was taken. So
what is told says whether we own it, whatever the roles are called. Where the person stands in it differs between what
Meta shows of the field; each place is looked at.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from hailgate.core.address import Address
from hailgate.core.events import Ignored, ProviderEvent, ThreadOwnerChange
from hailgate.providers.cloud import shapes
from hailgate.providers.cloud.people import addresses_of, named, read_people
from hailgate.providers.reading import from_milliseconds, identifier, read

HANDOVERS: Final = "messaging_handovers"
PASSED: Final = "control_passed"
TAKEN: Final = "control_taken"


class _Person(Struct):
    phone_number: str | None = None
    wa_id: str | None = None
    user_id: str | None = None


class _Control(Struct):
    new_owner_role: str | None = None
    new_role: str | None = None
    new_owner: str | None = None


class _Handover(Struct, rename={"sender_id": "from"}):
    type: str = ""
    id: str | None = None
    timestamp: Raw = shapes.NOTHING
    control_passed: Raw = shapes.NOTHING
    control_taken: Raw = shapes.NOTHING
    sender: Raw = shapes.NOTHING
    sender_id: str | None = None
    from_user_id: str | None = None
    wa_id: str | None = None
    user_id: str | None = None


class _Value(Struct):
    metadata: Raw = shapes.NOTHING
    recipient: Raw = shapes.NOTHING
    contacts: Raw = shapes.NOTHING
    messaging_handovers: Raw = shapes.NOTHING


_value, _handover, _control, _person = Decoder(_Value), Decoder(_Handover), Decoder(_Control), Decoder(_Person)


def parse_handovers(change: shapes.CloudChange) -> Iterator[ProviderEvent]:
    value = read(_value, change.value) or _Value()
    account = _account(value)
    for raw in read(shapes.items, value.messaging_handovers) or [change.value]:
        yield _parse(raw, account, value.contacts)


def _parse(raw: Raw, account: str | None, contacts: Raw) -> ProviderEvent:
    told = read(_handover, raw) or _Handover()
    passed, taken = read(_control, told.control_passed), read(_control, told.control_taken)
    kind = told.type or (PASSED if passed else TAKEN if taken else "")
    chat = _person_of(told, contacts)
    if account is None or not chat or kind not in {PASSED, TAKEN}:
        return Ignored(account, HANDOVERS, kind[:64] or HANDOVERS, "It does not say whose thread went where.")
    roles = passed or taken or _Control()
    role = roles.new_owner_role or roles.new_role or roles.new_owner or ""
    source = identifier(told.id) or HANDOVERS
    return ThreadOwnerChange(account, source, chat, ours=kind == PASSED, role=role[:40], at=_seconds(told.timestamp))


def _account(value: _Value) -> str | None:
    for raw in (value.metadata, value.recipient):
        if found := read(shapes.metadata, raw):
            return identifier(found.phone_number_id)
    return None


def _person_of(told: _Handover, contacts: Raw) -> tuple[Address, ...]:
    """Named in the handover itself, or the only one beside it."""
    sender = read(_person, told.sender) or _Person()
    number = told.sender_id or told.wa_id or sender.wa_id or sender.phone_number
    person, _ = addresses_of(number and number.lstrip("+"), told.from_user_id or told.user_id or sender.user_id, {})
    if person:
        return person
    people = {id(one): one for one in read_people(contacts).values()}
    found = [named(one.wa_id, one.user_id, one.parent_user_id) for one in people.values()]
    return found[0] if len(found) == 1 else ()


def _seconds(raw: Raw) -> float:
    """Meta writes seconds in most of its fields, and milliseconds in some."""
    return from_milliseconds(bytes(raw).strip(b'"').decode())
