"""Names of people: what the provider told last, beside what an operator calls them."""

from collections.abc import Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
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
    stood = fetch(
        cursor,
        f"SELECT id, name, named_at FROM messaging_contact WHERE {among('id')} AND NOT is_group "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array({naming.contact_id for naming in namings})],
    )
    known = {id_: (sealer().unseal(name), named_at or 0.0) for id_, name, named_at in stood}
    changed: dict[int, tuple[str, float]] = {}
    for naming in namings:
        if naming.contact_id not in known:
            continue
        name, named_at = changed.get(naming.contact_id, known[naming.contact_id])
        if name != naming.name and (not naming.at or naming.at >= named_at):
            changed[naming.contact_id] = (naming.name, max(naming.at, named_at))
    seal = sealer().seal_content
    CONTACT.update(
        cursor, ("name", "named_at"), [(id_, seal(name), at or None) for id_, (name, at) in sorted(changed.items())]
    )
