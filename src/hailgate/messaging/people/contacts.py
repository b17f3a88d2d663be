"""Contacts: made once, whoever meets a stranger first."""

from collections.abc import Mapping

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.messaging.people.addresses import Key, NewAddress, learn_addresses
from hailgate.messaging.people.likeness import note_alike
from hailgate.messaging.people.party import Party
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor
from hailgate.messaging.store.tables import CONTACT


def make_contacts(cursor: Cursor, strangers: Mapping[Key, tuple[Party, Address]], moment: float) -> None:
    """Two writers that meet the same stranger make one contact: its first address is its unique origin."""
    seal = sealer().seal_content
    new = []
    for key, (party, address) in strangers.items():
        is_group = address.kind == AddressKind.GROUP
        name = "" if is_group else party.name
        named_at = (party.at or moment) if name else None
        new.append((party.tenant_id, uuid7(), is_group, seal(name), named_at, key.digest, moment))
    columns = ("tenant_id", "uid", "is_group", "name", "named_at", "origin", "created_at")
    CONTACT.insert_new(cursor, columns, new, unique=("tenant_id", "origin"))
    wanted = [(key.tenant_id, key.digest) for key in strangers]
    origins = CONTACT.find(cursor, ("tenant_id", "origin", "id"), wanted, by=("tenant_id", "origin"))
    by_origin = {(key.tenant_id, key.digest): told for key, told in strangers.items()}
    learn_addresses(
        cursor,
        [
            NewAddress(tenant_id, id_, address, None, party.portfolio, party.known_at(moment))
            for tenant_id, origin, id_ in origins
            for party, address in (by_origin[tenant_id, origin],)
        ],
    )
    note_alike(cursor, list(strangers.values()), moment)
