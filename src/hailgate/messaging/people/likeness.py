"""Numbers that may be another spelling of one that is known: what a country's plan proves, and what is asked."""

from collections.abc import Iterable, Mapping, Sequence

from hailgate.core.address import Address, AddressKind
from hailgate.core.numbers import proven_spellings, source_of, suspected_spellings
from hailgate.messaging.models import JoinState
from hailgate.messaging.people.addresses import find_known, key_of
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch


def note_alike(cursor: Cursor, strangers: Sequence[tuple[Party, Address]], moment: float) -> None:
    """Of contacts that were just made: whom they may be."""
    alike = {
        (party.tenant_id, address): others
        for party, met in strangers
        for address in (met, *party.addresses)
        if (others := _spellings(address))
    }
    if not alike:
        return
    keys = {key_of(tenant_id, other): other for (tenant_id, _), others in alike.items() for other in others}
    known = find_known(cursor, keys)
    if not known:
        return
    record_proofs(cursor, list(_proofs(alike, {(key.tenant_id, keys[key]) for key in known}, moment)), moment)
    cursor.execute(
        f"UPDATE messaging_conversation SET window_unsure = TRUE WHERE {among('contact_id')} {every_tenant('by key')}",
        [array({one.contact_id for one in known.values()})],
    )


def _proofs(
    alike: Mapping[tuple[int, Address], Iterable[Address]], known: set[tuple[int, Address]], moment: float
) -> Iterable[PersonProof]:
    for (tenant_id, address), others in alike.items():
        for other in others:
            if (tenant_id, other) in known:
                source = source_of(address.value, other.value)
                kind = ProofKind.COUNTRY if source else ProofKind.SPELLING
                yield PersonProof(tenant_id, kind, address, other, moment, source or "")


def find_alike(cursor: Cursor, parties: Sequence[tuple[Party, int]]) -> set[int]:
    """Contacts that may be known under another spelling too: the provider decides about their windows."""
    contacts = {contact for party, contact in parties if any(map(_spellings, party.addresses))}
    if not contacts:
        return set()
    asked = (JoinState.PROVEN.value, JoinState.SUGGESTED.value)
    found = fetch(
        cursor,
        f"SELECT left_id, right_id FROM messaging_join WHERE state IN {asked} AND ({among('left_id')} "
        f"OR {among('right_id')}) {every_tenant('by key')}",
        [array(contacts), array(contacts)],
    )
    return {id_ for pair in found for id_ in pair} & contacts


def _spellings(address: Address) -> list[Address]:
    if address.kind is not AddressKind.PHONE:
        return []
    numbers = proven_spellings(address.value) | suspected_spellings(address.value)
    return [Address(AddressKind.PHONE, number) for number in sorted(numbers)]
