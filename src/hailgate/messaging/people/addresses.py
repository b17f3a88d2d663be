"""Addresses of contacts: looked up by a keyed digest, learned once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.numbers import proven_spellings
from hailgate.messaging.people.consents import settle_consents
from hailgate.messaging.people.roots import lock_roots
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch
from hailgate.messaging.store.tables import ADDRESS


class Key(NamedTuple):
    """Where an address is looked up. ``scoped`` is a user id of which a person has one in each portfolio."""

    tenant_id: int
    digest: str
    scoped: bool


class Known(NamedTuple):
    """``contact_id`` has the address now, ``home_id`` learned it.

    ``since_at`` is the provider's time at which a number was theirs for certain, 0 where it told none.
    """

    id: int
    contact_id: int
    home_id: int
    since_at: float
    instead_id: int | None


class NewAddress(NamedTuple):
    """``home_id`` is that of the address it was told with, where that is not ``contact_id``; ``at`` is when."""

    tenant_id: int
    contact_id: int
    address: Address
    home_id: int | None = None
    portfolio: str = ""
    at: float = 0.0


def address_digest(address: Address) -> str:
    return sealer().digest(address.key)


def key_of(tenant_id: int, address: Address) -> Key:
    return Key(tenant_id, address_digest(address), is_scoped(address))


def line_digests(address: Address) -> list[str]:
    """Of a number in each spelling that its country's plan proves to be the same line; else the address's own."""
    spellings = proven_spellings(address.value) if address.kind is AddressKind.PHONE else ()
    return [address_digest(one) for one in (address, *(Address(address.kind, each) for each in sorted(spellings)))]


def is_scoped(address: Address) -> bool:
    """Not the id that linked portfolios share (Meta: ``US.ENT.…``)."""
    return address.kind is AddressKind.BSUID and ".ENT." not in address.value


def find_known(cursor: Cursor, keys: Iterable[Key]) -> dict[Key, Known]:
    wanted = {(key.tenant_id, key.digest): key for key in keys}
    columns = ("tenant_id", "digest", "id", "contact_id", "home_id", "since_at", "instead_id")
    rows = ADDRESS.find(cursor, columns, wanted, by=("tenant_id", "digest"))
    return {
        wanted[tenant_id, digest]: Known(id_, contact_id, home_id or contact_id, *rest)
        for tenant_id, digest, id_, contact_id, home_id, *rest in rows
    }


def learn_addresses(cursor: Cursor, learned: Sequence[NewAddress]) -> None:
    """Further addresses of known contacts. One that somebody has stays theirs."""
    if not learned:
        return
    roots = lock_roots(cursor, [new.contact_id for new in learned])
    rows = [_row(new, roots[new.contact_id]) for new in learned]
    columns = ("tenant_id", "contact_id", "home_id", "kind", "value", "digest", "portfolio", "since_at")
    fresh = ADDRESS.insert_new(cursor, columns, rows, unique=("tenant_id", "digest"))
    if fresh:
        settle_consents(cursor, set(roots.values()))


def _row(new: NewAddress, root: int) -> tuple[object, ...]:
    home = new.home_id or new.contact_id
    portfolio = new.portfolio if is_scoped(new.address) else ""
    return (
        new.tenant_id, root, home if home != root else None, new.address.kind.value,
        sealer().seal_content(new.address.value), address_digest(new.address), portfolio,
        new.at if new.address.kind is AddressKind.PHONE else 0.0,
    )  # fmt: skip


def read_called(cursor: Cursor, wanted: Iterable[tuple[int, int]]) -> dict[int, Address]:
    """Of ``(address, contact)`` those addresses that are still that contact's, by their ids."""
    theirs = dict(wanted)
    found = fetch(
        cursor,
        f"SELECT id, contact_id FROM messaging_contactaddress WHERE {among('id')} {every_tenant('by key')}",
        [array(theirs)],
    )
    return read_addresses(cursor, [id_ for id_, contact_id in found if theirs[id_] == contact_id])


def read_addresses(cursor: Cursor, ids: Iterable[int]) -> dict[int, Address]:
    """By the id of their rows."""
    rows = fetch(
        cursor,
        f"SELECT id, kind, value FROM messaging_contactaddress WHERE {among('id')} {every_tenant('by key')}",
        [array(set(ids))],
    )
    unseal = sealer().unseal
    return {id_: Address(AddressKind(kind), unseal(value)) for id_, kind, value in rows}
