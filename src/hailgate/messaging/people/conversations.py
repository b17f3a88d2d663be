"""Contacts and conversations: found by any known address, made once, locked in one order."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.core.thread_owner import ThreadOwner, owner_now
from hailgate.messaging.people.addresses import (
    Key,
    Known,
    NewAddress,
    address_digest,
    find_known,
    key_of,
    learn_addresses,
)
from hailgate.messaging.people.contacts import make_contacts
from hailgate.messaging.people.identify import identify
from hailgate.messaging.people.likeness import find_alike
from hailgate.messaging.people.names import Naming, name_contacts
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.roots import lock_roots
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, locked
from hailgate.messaging.store.tables import CONVERSATION

__all__ = ["Open", "Party", "address_digest", "open_conversations"]


class Open(NamedTuple):
    """A conversation whose row lock the caller holds: always the root of those that are joined.

    ``instead_id`` is the address by which the provider last called the line that a caller named otherwise.
    """

    id: int
    contact_id: int
    answered_by: str
    last_inbound_id: int
    last_inbound_at: float | None
    answered_id: int
    merged_into_id: int | None
    parted_at: float | None
    thread_owner: int
    thread_owner_at: float
    name: str
    named_at: float | None
    is_group: bool
    instead_id: int | None = None

    def owner(self, moment: float) -> ThreadOwner:
        return owner_now(self.thread_owner, self.thread_owner_at, moment)


def open_conversations(cursor: Cursor, parties: Sequence[Party], moment: float) -> list[Open]:
    """The conversation of each party, made where there is none, locked in id order."""
    opened = _open(cursor, parties, _contacts(cursor, parties, moment), moment)
    name_contacts(cursor, _namings(parties, opened))
    return opened


def _open(cursor: Cursor, parties: Sequence[Party], people: Sequence["_Person"], moment: float) -> list[Open]:
    """Whoever was parted from another while we waited for the locks has a conversation of their own now."""
    places = [(party.channel_id, one.contact_id) for party, one in zip(parties, people, strict=True)]
    found = _lock(cursor, places)
    missing = {place: party for place, party in zip(places, parties, strict=True) if place not in found}
    if missing:
        moved = _make_conversations(cursor, missing, moment)
        places = [moved.get(place, place) for place in places]
        found = _lock(cursor, places)
    if missing or any(one.parted_at is not None for one in found.values()):
        present = _contacts(cursor, parties, moment)
        if present != people:
            return _open(cursor, parties, present, moment)
    return [_called(found[place], one) for place, one in zip(places, people, strict=True)]


class _Person(NamedTuple):
    contact_id: int
    instead_id: int | None = None


def _called(opened: Open, person: _Person) -> Open:
    return opened if person.instead_id is None else opened._replace(instead_id=person.instead_id)


def _contacts(cursor: Cursor, parties: Sequence[Party], moment: float) -> list[_Person]:
    """Together those who are plain; one by one those where an address may have come into other hands."""
    keys = [[key_of(party.tenant_id, address) for address in party.addresses] for party in parties]
    circles = _circles(keys)
    known = find_known(cursor, circles)
    met = [_Met(party, own, circles[own[0]]) for party, own in zip(parties, keys, strict=True)]
    doubtful = {id(one.circle) for one in met if one.is_doubtful(known)}
    if not doubtful:
        return _plain_contacts(cursor, met, circles, known, moment)
    plain = [one for one in met if id(one.circle) not in doubtful]
    found = iter(_plain_contacts(cursor, plain, circles, known, moment))
    return [
        _Person(identify(cursor, one.party, moment)) if id(one.circle) in doubtful else next(found)
        for one in met
    ]  # fmt: skip


class _Met(NamedTuple):
    """A party with its own addresses, and all that the batch tells of the same person."""

    party: Party
    own: Sequence[Key]
    circle: Sequence[Key]

    def find(self, known: dict[Key, Known]) -> Known | None:
        """By its own addresses, best first; else by those of its circle."""
        return next((known[key] for key in (*self.own, *self.circle) if key in known), None)

    def is_doubtful(self, known: dict[Key, Known]) -> bool:
        """Whether these addresses are at home in more than one contact, or one of them may have changed hands."""
        met = [known[key] for key in self.circle if key in known]
        if len({one.home_id for one in met}) > 1 or any(one.since_at > self.party.at > 0 for one in met):
            return True
        scoped = sum(key.scoped for key in self.circle)
        return self.party.told and (scoped > 1 or (scoped == 1 and 0 < len(met) < len(self.circle)))


def _plain_contacts(
    cursor: Cursor,
    met: Sequence[_Met],
    circles: dict[Key, list[Key]],
    known: dict[Key, Known],
    moment: float,
) -> list[_Person]:
    if strangers := {one.circle[0]: one.party for one in reversed(met) if one.find(known) is None}:
        addresses = {key: address for one in met for key, address in zip(one.own, one.party.addresses, strict=True)}
        make_contacts(cursor, {key: (party, addresses[key]) for key, party in strangers.items()}, moment)
        known = find_known(cursor, circles)
    people, learned = [], []
    for one in met:
        first = one.find(known)
        if first is None:
            raise AssertionError("a contact was neither found nor made")
        people.append(_Person(first.contact_id, None if one.party.told else first.instead_id))
        learned += [
            NewAddress(
                one.party.tenant_id, first.contact_id, address, first.home_id, one.party.portfolio,
                one.party.known_at(moment),
            )
            for address, key in zip(one.party.addresses, one.own, strict=True)
            if key not in known
        ]  # fmt: skip
    learn_addresses(cursor, learned)
    return people


def _circles(keys: Iterable[Sequence[Key]]) -> dict[Key, list[Key]]:
    """For each address all those that one batch tells of the same person, directly or by way of another address."""
    circles: dict[Key, list[Key]] = {}
    for own in keys:
        circle = list(dict.fromkeys(met for key in own for met in circles.get(key, [key])))
        circles |= dict.fromkeys(circle, circle)
    return circles


def _lock(cursor: Cursor, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Open]:
    """By channel and contact. One that was joined to another while we waited for its lock is that other."""
    ids = CONVERSATION.find(cursor, ("id",), places, by=("channel_id", "contact_id"))
    rows = _lock_ids(cursor, [id_ for (id_,) in ids])
    if merged := [opened.merged_into_id for _, opened in rows if opened.merged_into_id is not None]:
        roots = {opened.id: opened for _, opened in _lock_ids(cursor, merged)}
        return {
            (channel_id, opened.contact_id): roots.get(opened.merged_into_id or 0, opened)
            for channel_id, opened in rows
        }
    return {(channel_id, opened.contact_id): opened for channel_id, opened in rows}


_COLUMNS = ", ".join(f"conversation.{name}" for name in Open._fields[:-4])


def _lock_ids(cursor: Cursor, ids: Sequence[int]) -> list[tuple[int, Open]]:
    rows = fetch(
        cursor,
        f"SELECT conversation.channel_id, {_COLUMNS}, contact.name, contact.named_at, contact.is_group "
        f"FROM messaging_conversation conversation JOIN messaging_contact contact "
        f"ON contact.id = conversation.contact_id WHERE {among('conversation.id')} "
        f"{every_tenant('by keys of one tenant each')} ORDER BY conversation.id{locked(of='conversation')}",
        [array(ids)],
    )
    return [(channel_id, Open(*columns)) for channel_id, *columns in rows]


def _namings(parties: Sequence[Party], opened: Sequence[Open]) -> list[Naming]:
    """Names that the provider told now, where they are not what it told before."""
    return [
        Naming(party.tenant_id, conversation.contact_id, party.name, party.at)
        for party, conversation in zip(parties, opened, strict=True)
        if party.name and _is_news(party, conversation)
    ]


def _is_news(party: Party, conversation: Open) -> bool:
    if conversation.is_group or (party.at and party.at < (conversation.named_at or 0.0)):
        return False
    return sealer().unseal(conversation.name) != party.name


def _make_conversations(
    cursor: Cursor, missing: dict[tuple[int, int], Party], moment: float
) -> dict[tuple[int, int], tuple[int, int]]:
    """With the contacts locked: one that was joined to another meanwhile is that other. Returns where those are now."""
    roots = lock_roots(cursor, [contact for _, contact in missing])
    unsure = find_alike(cursor, [(party, roots[contact]) for (_, contact), party in missing.items()])
    columns = (
        "tenant_id", "uid", "channel_id", "contact_id", "answered_by", "version", "last_message_id",
        "last_inbound_id", "answered_id", "pair_tat", "window_unsure", "created_at",
    )  # fmt: skip
    rows = [
        (
            party.tenant_id, uuid7(), channel, roots[contact], party.answered_by, 1, 0, 0, 0, 0.0,
            roots[contact] in unsure, moment,
        )
        for (channel, contact), party in missing.items()
    ]  # fmt: skip
    CONVERSATION.insert_new(cursor, columns, rows, unique=("channel_id", "contact_id"))
    return {(channel, contact): (channel, roots[contact]) for channel, contact in missing}
