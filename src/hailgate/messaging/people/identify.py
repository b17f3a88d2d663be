"""Whose addresses these are, where that is not plain: told together for the first time, or come into other hands.

A number that comes with another user id of the same portfolio, and without a told change, has changed hands: it moves
to the contact of that id, and what was written before stays where it is. Everything else that is told together is one
person's: what nobody has is learned, what two contacts have is a proof that they are to be joined.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hailgate.core.address import Address, AddressKind
from hailgate.messaging.models import JoinState
from hailgate.messaging.people.addresses import (
    Key,
    Known,
    NewAddress,
    find_known,
    is_scoped,
    key_of,
    learn_addresses,
)
from hailgate.messaging.people.consents import part_consents, settle_consents
from hailgate.messaging.people.contacts import make_contacts
from hailgate.messaging.people.names import name_parties
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs
from hailgate.messaging.people.roots import lock_roots
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, fetch_value
from hailgate.messaging.store.tables import ADDRESS, FORMER_ADDRESS


class _Told(NamedTuple):
    """One address of the party, and what is known of it."""

    address: Address
    key: Key
    known: Known | None


def settle_parties(cursor: Cursor, parties: Sequence[Party], kind: ProofKind, moment: float) -> None:
    """What was told of people in passing: learned, joined, moved and named. What one contact has at home is no news."""
    keys = {key_of(party.tenant_id, address) for party in parties for address in party.addresses}
    if not keys:
        return
    known = find_known(cursor, keys)
    for party in parties:
        met = [known.get(key_of(party.tenant_id, address)) for address in party.addresses]
        if len({one.home_id if one else None for one in met}) > 1:
            identify(cursor, party, moment, kind)
    name_parties(cursor, parties)


def identify(cursor: Cursor, party: Party, moment: float, kind: ProofKind = ProofKind.WEBHOOK) -> int:
    """The contact that this party is, now that all is settled that can be."""
    keys = [key_of(party.tenant_id, address) for address in party.addresses]
    known = find_known(cursor, keys)
    told = [_Told(address, key, known.get(key)) for address, key in zip(party.addresses, keys, strict=True)]
    if any(one.known and one.known.since_at > party.at > 0 for one in told):
        return _identify_late(cursor, party, told, moment, kind)
    if party.told and (scoped := next((one for one in told if is_scoped(one.address)), None)):
        numbers = [one for one in told if one.address.kind is AddressKind.PHONE and one.known]
        lost = [one for one in numbers if one.known and is_anothers(cursor, party, one.key, one.known, scoped.known)]
        if lost:
            move_addresses(cursor, party, [one.key for one in lost], scoped.address, moment)
            return identify(cursor, party, moment, kind)
    return _together(cursor, party, told, moment, kind)


def _together(cursor: Cursor, party: Party, told: Sequence[_Told], moment: float, kind: ProofKind) -> int:
    first = next((one for one in told if one.known), None)
    if first is None or first.known is None:
        make_contacts(cursor, {told[0].key: (party, told[0].address)}, moment)
        return identify(cursor, party, moment, kind)
    contact = first.known.contact_id
    _learn(cursor, party, [one.address for one in told if one.known is None], first.known, party.known_at(moment))
    if party.told:
        proofs = [
            PersonProof(party.tenant_id, kind, first.address, one.address, party.at or moment)
            for one in told
            if one.known and one.known.contact_id != contact
        ]
        record_proofs(cursor, proofs, moment)
    return contact


def _identify_late(cursor: Cursor, party: Party, told: Sequence[_Told], moment: float, kind: ProofKind) -> int:
    """Of before a number was known to be where it is now: there it stays, and this is who had it then."""
    key, now_at = next((one.key, one.known) for one in told if one.known and one.known.since_at > party.at)
    home = holder_at(cursor, key, party.at)
    then = now_at if home is None else now_at._replace(contact_id=lock_roots(cursor, [home])[home], home_id=home)
    scoped = next((one for one in told if is_scoped(one.address)), None)
    if party.told and scoped and is_anothers(cursor, party, key, then, scoped.known):
        theirs = scoped.known or _make_contact(cursor, party, scoped, moment)
        if home is None:
            _note_former(cursor, key, theirs.home_id, upto=0, until=now_at.since_at)
        return theirs.contact_id
    if home is None:
        return _together(cursor, party, told, moment, kind)
    mine = next((one.known for one in told if one.known and one.key != key), then)
    _learn(cursor, party, [one.address for one in told if one.known is None], mine)
    return mine.contact_id


def _learn(cursor: Cursor, party: Party, new: Sequence[Address], theirs: Known, at: float = 0.0) -> None:
    contact, home = theirs.contact_id, theirs.home_id
    learned = [NewAddress(party.tenant_id, contact, address, home, party.portfolio, at) for address in new]
    learn_addresses(cursor, learned)


def _make_contact(cursor: Cursor, party: Party, stranger: _Told, moment: float) -> Known:
    make_contacts(cursor, {stranger.key: (party, stranger.address)}, moment)
    return find_known(cursor, [stranger.key])[stranger.key]


def _note_former(cursor: Cursor, key: Key, home_id: int, *, upto: int, until: float) -> None:
    columns = ("tenant_id", "digest", "contact_id", "upto", "until")
    FORMER_ADDRESS.insert(cursor, columns, [(key.tenant_id, key.digest, home_id, upto, until)])


def holder_at(cursor: Cursor, key: Key, at: float) -> int | None:
    """The contact that had an address at the provider's time ``at``, where it was not its present one."""
    found = fetch_value(
        cursor,
        "SELECT contact_id FROM messaging_formeraddress WHERE tenant_id = %s AND digest = %s AND until > %s "
        "ORDER BY until LIMIT 1",
        [key.tenant_id, key.digest, at],
    )
    return None if found is None else int(found)


def is_anothers(cursor: Cursor, party: Party, key: Key, phone: Known, scoped: Known | None) -> bool:
    """Whether a number is known with another id of the same portfolio than ``scoped``; ``key`` is the number's.

    With it are ids that are at home where it is, and those that were told together with it. A person may have more than
    one number, each with an id of its own. Who were joined are looked at apart: the join may be wrong.
    """
    if scoped and scoped.home_id == phone.home_id:
        return False
    theirs = fetch(
        cursor,
        "SELECT coalesce(home_id, contact_id), digest FROM messaging_contactaddress "
        "WHERE tenant_id = %s AND contact_id = %s AND kind = 'bsuid' AND portfolio IN (%s, '') "
        "AND instead_id IS NULL AND id <> %s",
        [party.tenant_id, phone.contact_id, party.portfolio, scoped.id if scoped else 0],
    )
    current = {digest: home for home, digest in theirs}
    if phone.home_id in current.values():
        return True
    return bool(current) and not current.keys().isdisjoint(_told_with(cursor, key))


def _told_with(cursor: Cursor, key: Key) -> set[str]:
    """Digests of the addresses that the provider told together with this one, where that joined two contacts."""
    told = [ProofKind.WEBHOOK.value, ProofKind.STATUS.value, ProofKind.ANSWER.value]
    found = fetch(
        cursor,
        f"SELECT left_digest, right_digest FROM messaging_join WHERE tenant_id = %s "
        f"AND state IN ({JoinState.JOINED.value}, {JoinState.CONFIRMED.value}) AND {among('proof')} "
        f"AND (left_digest = %s OR right_digest = %s)",
        [key.tenant_id, array(told), key.digest, key.digest],
    )
    return {digest for pair in found for digest in pair} - {key.digest}


def move_addresses(cursor: Cursor, party: Party, keys: Sequence[Key], to: Address, moment: float) -> None:
    """These have changed hands: they are ``to``'s from now on, whose contact is made where there is none."""
    own = key_of(party.tenant_id, to)
    if own not in find_known(cursor, [own]):
        make_contacts(cursor, {own: (party, to)}, moment)
    taker = find_known(cursor, [own])[own]
    lock_roots(cursor, [taker.contact_id])
    known = find_known(cursor, keys)
    upto = fetch_value(cursor, f"SELECT max(id) FROM messaging_message {every_tenant('a place in time')}") or 0
    # What the new holder chooses in this very message is not from before.
    at = party.known_at(moment) or moment
    for key in keys:
        _note_former(cursor, key, known[key].home_id, upto=upto, until=at)
    home = taker.home_id if taker.home_id != taker.contact_id else None
    ADDRESS.update(
        cursor,
        ("contact_id", "home_id", "instead_id", "instead_at", "since_at"),
        [(known[key].id, taker.contact_id, home, None, 0.0, at) for key in keys],
    )
    cursor.execute(
        f"UPDATE messaging_contactaddress SET instead_id = NULL WHERE tenant_id = %s AND {among('instead_id')}",
        [party.tenant_id, array(known[key].id for key in keys)],
    )
    part_consents(cursor, party.tenant_id, [key.digest for key in keys])
    settle_consents(cursor, {taker.contact_id, *(known[key].contact_id for key in keys)})
