"""Changes of numbers and ids that are told before anybody knows whose: kept for a week, applied once somebody does."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from hailgate.accounts.seal import sealer
from hailgate.core.events import ContactChange
from hailgate.messaging.people.addresses import address_digest
from hailgate.messaging.people.changes import record_change
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, locked, now
from hailgate.messaging.store.tables import EARLY_CONTACT_CHANGE

# So long a webhook that could not be handed over may be repeated, and come after those that followed it.
EARLY_LIFE_S: Final = 7 * 86_400.0


class EarlyChange(NamedTuple):
    """``portfolio`` is that of the ids which it tells."""

    tenant_id: int
    portfolio: str
    event: ContactChange


def keep_early(cursor: Cursor, changes: Sequence[EarlyChange], moment: float) -> None:
    columns = ("tenant_id", "portfolio", "digest", "change", "at", "received_at")
    seal, encode = sealer().seal_content, msgspec.json.encode
    rows = [
        (one.tenant_id, one.portfolio, digest, seal(encode(one.event).decode()), one.event.at or moment, moment)
        for one in changes
        for digest in sorted({address_digest(address) for address in one.event.known})
    ]
    EARLY_CONTACT_CHANGE.insert(cursor, columns, rows)


def apply_early_contacts(limit: int = 100) -> int:
    """Those whose person is known by now, in order of the provider's time; how many there were."""
    known = (
        f"SELECT early.id, early.tenant_id, early.portfolio, early.change FROM messaging_earlycontactchange early "
        f"JOIN messaging_contactaddress address ON address.tenant_id = early.tenant_id "
        f"AND address.digest = early.digest {every_tenant('sweep')} ORDER BY early.at, early.id LIMIT %s"
    )
    with atomic_cursor(read_only=True) as cursor:
        if not fetch(cursor, known, [limit]):
            return 0
    with atomic_cursor() as cursor:
        found = fetch(cursor, f"{known}{locked(of='early', skip=True)}", [limit])
        moment = now(cursor)
        for _, tenant_id, portfolio, change in found:
            event = msgspec.json.decode(sealer().unseal(change), type=ContactChange)
            record_change(cursor, tenant_id, portfolio, event, moment)
        cursor.execute(
            f"DELETE FROM messaging_earlycontactchange WHERE {among('id')} {every_tenant('sweep')}",
            [array(row[0] for row in found)],
        )
        return len(found)
