"""Names of people: what the provider told last, beside what an operator calls them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.messaging.people.addresses import find_known, key_of
from hailgate.messaging.people.party import Party
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, locked
from hailgate.messaging.store.tables import CONTACT


class Naming(NamedTuple):
    """``at`` is the provider's time; 0 where it told none, and then this name is the newest."""

    tenant_id: int
    contact_id: int
    name: str
    at: float


def name_contacts(cursor: Cursor, namings: Sequence[Naming]) -> None:
    """The newest name by the provider's time stands; of the same time the one that is told last."""
    if not namings:
        return
    seal = sealer().seal_content
    changed = _news(namings, _names(cursor, namings, locked()))
    CONTACT.update(
        cursor, ("name", "named_at"), [(id_, seal(name), at or None) for id_, (name, at) in sorted(changed.items())]
    )


def name_parties(cursor: Cursor, parties: Sequence[Party]) -> None:
    """Names that were told in passing; nothing is locked where they say what is known."""
    named = [party for party in parties if party.name]
    if not named:
        return
    keys = {key_of(party.tenant_id, party.addresses[0]): party for party in sorted(named, key=lambda one: one.at)}
    known = find_known(cursor, keys)
    namings = [
        Naming(key.tenant_id, known[key].contact_id, party.name, party.at)
        for key, party in keys.items()
        if key in known
    ]
    changed = _news(namings, _names(cursor, namings))
    name_contacts(cursor, [naming for naming in namings if naming.contact_id in changed])


_Name = tuple[str, float]
"""What somebody is called, and since when."""


def _names(cursor: Cursor, namings: Sequence[Naming], lock: str = "") -> dict[int, _Name]:
    found = fetch(
        cursor,
        f"SELECT id, name, named_at FROM messaging_contact WHERE {among('id')} AND NOT is_group "
        f"{every_tenant('by key')} ORDER BY id{lock}",
        [array({naming.contact_id for naming in namings})],
    )
    return {id_: (sealer().unseal(name), named_at or 0.0) for id_, name, named_at in found}


def _news(namings: Sequence[Naming], known: Mapping[int, _Name]) -> dict[int, _Name]:
    changed: dict[int, _Name] = {}
    for naming in namings:
        if naming.contact_id not in known:
            continue
        name, named_at = changed.get(naming.contact_id, known[naming.contact_id])
        if name != naming.name and (not naming.at or naming.at >= named_at):
            changed[naming.contact_id] = (naming.name, max(naming.at, named_at))
    return changed
