"""Told changes of a person's number or id: followed by the provider's time, with or without a sender."""

from collections.abc import Sequence

from hailgate.core.address import Address, AddressKind
from hailgate.core.events import ContactChange
from hailgate.messaging.people.addresses import Known, find_known, is_scoped, key_of, read_addresses
from hailgate.messaging.people.identify import holder_at, is_anothers, move_addresses
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs
from hailgate.messaging.store.sql import Cursor, fetch_value


def record_change(cursor: Cursor, tenant_id: int, portfolio: str, event: ContactChange, moment: float) -> bool:
    """False where nobody is known by what was before."""
    before = _before(cursor, tenant_id, event)
    if not before:
        return False
    party = Party(tenant_id, 0, event.learned, "", told=True, at=event.at, portfolio=portfolio)
    at = event.at or moment
    named = [*before, *_strangers(cursor, tenant_id, event)]
    record_proofs(cursor, _told_together(cursor, party, named, at), moment)
    for address in sorted(event.learned, key=is_scoped, reverse=True):
        if not _took(cursor, party, address, moment):
            left = next((one for one in before if one.kind == address.kind), before[0])
            proof = PersonProof(tenant_id, ProofKind.CHANGE, left, address, at, event.kind, portfolio)
            record_proofs(cursor, [proof], moment)
    return True


def _strangers(cursor: Cursor, tenant_id: int, event: ContactChange) -> list[Address]:
    """Of what they were known by, according to the change, what nobody has."""
    return [address for address in event.known if _known(cursor, tenant_id, address) is None]


def _told_together(cursor: Cursor, party: Party, named: Sequence[Address], at: float) -> list[PersonProof]:
    """What names them as they were before says that all of it is one person's; but for a number that is another's."""
    scoped = next(filter(is_scoped, named), None)
    theirs = [one for one in named if not _is_anothers_number(cursor, party, one, scoped)]
    return [
        PersonProof(party.tenant_id, ProofKind.WEBHOOK, theirs[0], other, at, portfolio=party.portfolio)
        for other in theirs[1:]
    ]


def _before(cursor: Cursor, tenant_id: int, event: ContactChange) -> Sequence[Address]:
    """By what the person was known then: an address that somebody else has since stands for another of theirs."""
    found = []
    for address in event.known:
        key = key_of(tenant_id, address)
        known = find_known(cursor, [key]).get(key)
        if known is None:
            continue
        if known.since_at > event.at > 0:
            former = _other_address(cursor, tenant_id, holder_at(cursor, key, event.at))
            found += [former] if former else []
        else:
            found.append(address)
    return found


def _other_address(cursor: Cursor, tenant_id: int, home: int | None) -> Address | None:
    if home is None:
        return None
    id_ = fetch_value(
        cursor,
        "SELECT min(id) FROM messaging_contactaddress WHERE tenant_id = %s "
        "AND (home_id = %s OR (home_id IS NULL AND contact_id = %s))",
        [tenant_id, home, home],
    )
    return None if id_ is None else read_addresses(cursor, [id_])[id_]


def _took(cursor: Cursor, party: Party, address: Address, moment: float) -> bool:
    """A number that somebody else had, who is known by another id: it has changed hands, and they stay apart."""
    scoped = next(filter(is_scoped, party.addresses), None)
    if scoped is None or not _is_anothers_number(cursor, party, address, scoped):
        return False
    move_addresses(cursor, party, [key_of(party.tenant_id, address)], scoped, moment)
    return True


def _is_anothers_number(cursor: Cursor, party: Party, address: Address, scoped: Address | None) -> bool:
    """Whether it is known with another id than ``scoped``."""
    if address.kind is not AddressKind.PHONE or scoped is None:
        return False
    number, taker = (_known(cursor, party.tenant_id, one) for one in (address, scoped))
    return number is not None and is_anothers(cursor, party, key_of(party.tenant_id, address), number, taker)


def _known(cursor: Cursor, tenant_id: int, address: Address) -> Known | None:
    key = key_of(tenant_id, address)
    return find_known(cursor, [key]).get(key)
