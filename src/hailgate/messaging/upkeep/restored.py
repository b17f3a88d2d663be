"""A store that was brought back from a backup: what happened since is not in it, so nothing that waits in it is known.

Every delivery that was not final may have been sent since: it is unknown, until evidence or a person says more. What
people wrote before is answered by nobody: an assistant may have done so. What workers held is nobody's any more.
"""

from typing import NamedTuple

from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.search import RESTORED
from hailgate.messaging.store.sql import Cursor, atomic_cursor, every_tenant, now, on_postgresql

_DELIVERY, _TURN = WorkKind.DELIVERY.value, WorkKind.TURN.value


class Settled(NamedTuple):
    """How many deliveries are unknown now, and how many turns will not be answered."""

    unknown: int
    turns: int


def settle_restored(hold_s: float) -> Settled:
    """Holds the store, too. Safe to repeat, as long as nothing has been sent in between."""
    with atomic_cursor() as cursor:
        if on_postgresql():
            cursor.execute("SET LOCAL statement_timeout = 0")
        moment = now(cursor)
        unknown = _park_all(cursor, moment, hold_s)
        turns = _drop_turns(cursor)
        _forget_workers(cursor, moment)
        cursor.execute("UPDATE accounts_installation SET restored_at = %s, held_at = %s", [moment, moment])
        return Settled(unknown, turns)


def _park_all(cursor: Cursor, moment: float, hold_s: float) -> int:
    open_deliveries = f"kind = {_DELIVERY} AND state <> {WorkState.DEAD.value} {every_tenant('by hand')}"
    waiting = f"SELECT message_id FROM messaging_work WHERE {open_deliveries}"
    cursor.execute(
        f"UPDATE messaging_attempt SET outcome = 'park', code = '{RESTORED}', finished_at = %s "
        f"WHERE finished_at IS NULL AND message_id IN ({waiting})",
        [moment],
    )
    cursor.execute(f"UPDATE messaging_message SET unknown = TRUE WHERE id IN ({waiting})")
    cursor.execute(
        f"INSERT INTO messaging_receipt (tenant_id, message_id, event, at, code, detail) "
        f"SELECT tenant_id, message_id, 'unknown', %s, '{RESTORED}', '' FROM messaging_work WHERE {open_deliveries}",
        [moment],
    )
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.PARKED.value}, code = '{RESTORED}', detail = '', "
        f"hold_until = %s, due_at = 0, attempting = FALSE, worker_id = NULL WHERE {open_deliveries}",
        [moment + hold_s],
    )
    parked: int = cursor.rowcount
    cursor.execute(
        f"UPDATE messaging_conversation SET held_until = %s WHERE id IN (SELECT key FROM messaging_work WHERE "
        f"kind = {_DELIVERY} AND state = {WorkState.PARKED.value} AND code = '{RESTORED}') {every_tenant('by hand')}",
        [moment + hold_s],
    )
    return parked


def _drop_turns(cursor: Cursor) -> int:
    cursor.execute(f"DELETE FROM messaging_work WHERE kind = {_TURN} {every_tenant('by hand')}")
    dropped: int = cursor.rowcount
    cursor.execute(
        f"UPDATE messaging_conversation SET answered_id = last_inbound_id WHERE answered_id < last_inbound_id "
        f"{every_tenant('by hand')}"
    )
    return dropped


def _forget_workers(cursor: Cursor, moment: float) -> None:
    """They ended with the store that was lost; what else they held begins anew."""
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.READY.value}, worker_id = NULL, attempting = FALSE "
        f"WHERE state = {WorkState.LEASED.value} {every_tenant('by hand')}"
    )
    cursor.execute(f"UPDATE messaging_hook SET ingest_worker_id = NULL, ingest_upto = NULL {every_tenant('by hand')}")
    cursor.execute("UPDATE messaging_queuelease SET worker_id = NULL")
    cursor.execute(
        "UPDATE messaging_worker SET alive = FALSE, ended_at = %s, ending = %s WHERE alive", [moment, RESTORED]
    )
