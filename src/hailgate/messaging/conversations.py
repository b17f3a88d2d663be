"""Contacts and conversations: found by any known address, made once, locked in one order."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.messaging.ids import uuid7
from hailgate.messaging.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, locked
from hailgate.messaging.tables import ADDRESS, CONTACT, CONVERSATION


class Party(NamedTuple):
    """Somebody a channel talks with: a person or a group, under all addresses known of them, best first."""

    tenant_id: int
    channel_id: int
    addresses: tuple[Address, ...]
    answered_by: str
    name: str = ""


class Open(NamedTuple):
    """A conversation whose row lock the caller holds."""

    id: int
    contact_id: int
    answered_by: str
    last_inbound_id: int
    last_inbound_at: float | None
    answered_id: int


def open_conversations(cursor: Cursor, parties: Sequence[Party], moment: float) -> list[Open]:
    """The conversation of each party, made where there is none, locked in id order."""
    contacts = _contacts(cursor, parties, moment)
    places = [(party.channel_id, contact) for party, contact in zip(parties, contacts, strict=True)]
    found = _lock(cursor, places)
    if missing := [(place, party) for place, party in zip(places, parties, strict=True) if place not in found]:
        _make_conversations(cursor, dict(missing), moment)
        found = _lock(cursor, places)
    return [found[place] for place in places]


def address_digest(address: Address) -> str:
    return sealer().digest(address.key)


def learn_addresses(cursor: Cursor, learned: Iterable[tuple[int, int, Address]]) -> None:
    """Further addresses of known contacts: ``(tenant_id, contact_id, address)``. One that is taken stays as it is."""
    rows = [
        (
            tenant_id,
            contact_id,
            address.kind.value,
            sealer().seal_content(address.value),
            address_digest(address),
        )
        for tenant_id, contact_id, address in learned
    ]
    columns = ("tenant_id", "contact_id", "kind", "value", "digest")
    ADDRESS.insert_new(cursor, columns, rows, unique=("tenant_id", "digest"))


def hand_over(tenant_id: int, conversation_uid: str, to: str) -> bool:
    """Let ``to`` (``person`` or an assistant's name) answer from now on. False where there is no such conversation.

    The version rises, so that an answer being composed at this moment is dropped at its review.
    """
    try:
        uid = UUID(conversation_uid)
    except ValueError:
        return False
    with atomic_cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_conversation SET answered_by = %s, version = version + 1, answered_id = last_inbound_id "
            "WHERE tenant_id = %s AND uid = %s",
            [to, tenant_id, uid.hex],
        )
        return bool(cursor.rowcount)


_Key = tuple[int, str]
"""The tenant and the digest of an address."""


def _contacts(cursor: Cursor, parties: Sequence[Party], moment: float) -> list[int]:
    keys = [[(party.tenant_id, address_digest(address)) for address in party.addresses] for party in parties]
    circles = _circles(keys)
    known = _known_addresses(cursor, circles)
    strangers: dict[_Key, Party] = {}
    for party, own in zip(parties, keys, strict=True):
        if _find_contact(known, own, circles) is None:
            strangers.setdefault(circles[own[0]][0], party)
    if strangers:
        addresses = {
            key: party.addresses[place]
            for party, own in zip(parties, keys, strict=True)
            for place, key in enumerate(own)
        }
        _make_contacts(cursor, {key: (party, addresses[key]) for key, party in strangers.items()}, moment)
        known = _known_addresses(cursor, circles)
    contacts = []
    learned = []
    for party, own in zip(parties, keys, strict=True):
        contact = _find_contact(known, own, circles)
        if contact is None:
            raise AssertionError("a contact was neither found nor made")
        contacts.append(contact)
        learned += [
            (party.tenant_id, contact, address)
            for address, key in zip(party.addresses, own, strict=True)
            if key not in known
        ]
    if learned:
        learn_addresses(cursor, learned)
    return contacts


def _circles(keys: Iterable[Sequence[_Key]]) -> dict[_Key, list[_Key]]:
    """For each address all those that one batch tells of the same person, directly or by way of another address."""
    circles: dict[_Key, list[_Key]] = {}
    for own in keys:
        circle = list(dict.fromkeys(met for key in own for met in circles.get(key, [key])))
        circles |= dict.fromkeys(circle, circle)
    return circles


def _known_addresses(cursor: Cursor, keys: Iterable[_Key]) -> dict[_Key, int]:
    rows = ADDRESS.find(cursor, ("tenant_id", "digest", "contact_id"), keys, by=("tenant_id", "digest"))
    return {(tenant_id, digest): contact_id for tenant_id, digest, contact_id in rows}


def _find_contact(known: dict[_Key, int], own: Sequence[_Key], circles: dict[_Key, list[_Key]]) -> int | None:
    """By the person's own addresses, best first; else by those that the batch tells of the same person."""
    return next((known[key] for key in (*own, *circles[own[0]]) if key in known), None)


def _make_contacts(cursor: Cursor, strangers: dict[_Key, tuple[Party, Address]], moment: float) -> None:
    """Two writers that meet the same stranger make one contact: its first address is its unique origin."""
    seal = sealer().seal_content
    new = [
        (tenant_id, uuid7(), address.kind == AddressKind.GROUP, seal(party.name), digest, moment)
        for (tenant_id, digest), (party, address) in strangers.items()
    ]
    columns = ("tenant_id", "uid", "is_group", "name", "origin", "created_at")
    CONTACT.insert_new(cursor, columns, new, unique=("tenant_id", "origin"))
    origins = CONTACT.find(cursor, ("tenant_id", "origin", "id"), strangers, by=("tenant_id", "origin"))
    learn_addresses(cursor, [(tenant_id, id_, strangers[tenant_id, origin][1]) for tenant_id, origin, id_ in origins])


def _lock(cursor: Cursor, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Open]:
    ids = CONVERSATION.find(cursor, ("id",), places, by=("channel_id", "contact_id"))
    rows = fetch(
        cursor,
        f"SELECT channel_id, {', '.join(Open._fields)} FROM messaging_conversation "
        f"WHERE {among('id')} {every_tenant('by keys of one tenant each')} ORDER BY id{locked()}",
        [array(id_ for (id_,) in ids)],
    )
    opened = ((channel_id, Open(*columns)) for channel_id, *columns in rows)
    return {(channel_id, conversation.contact_id): conversation for channel_id, conversation in opened}


def _make_conversations(cursor: Cursor, missing: dict[tuple[int, int], Party], moment: float) -> None:
    columns = (
        "tenant_id", "uid", "channel_id", "contact_id", "answered_by", "version", "last_message_id",
        "last_inbound_id", "answered_id", "pair_tat", "created_at",
    )  # fmt: skip
    rows = [
        (party.tenant_id, uuid7(), channel, contact, party.answered_by, 1, 0, 0, 0, 0.0, moment)
        for (channel, contact), party in missing.items()
    ]
    CONVERSATION.insert_new(cursor, columns, rows, unique=("channel_id", "contact_id"))
