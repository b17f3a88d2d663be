"""Failover: what becomes of the work of a worker that ended.

It is declared dead in one transaction: rows without an open attempt are ready again, and so are those whose mark says
that their attempt never left; all others with one are parked as unknown, because a byte may have left. From then on it
can neither renew nor write.
"""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.parked import free_unsent, park_unknown
from hailgate.messaging.store.notify import wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    locked,
    now,
    on_postgresql,
)
from hailgate.messaging.work import rows
from hailgate.messaging.work.leases import find_alive, find_unsent, process_is_gone
from hailgate.messaging.work.marks import AttemptMark

# A lease that ends this many lease lengths from now was written by a clock that ran ahead: it is pulled in.
ABSURD_LEASES = 4


class EndedLease(NamedTuple):
    worker_id: int
    expires_at: float
    host: str
    lock_file: str

    def has_ended(self, moment: float, lease_s: float) -> bool:
        return (
            self.expires_at < moment
            or self.expires_at > moment + ABSURD_LEASES * lease_s
            or process_is_gone(self.host, self.lock_file)
        )


def find_ended(own_id: int, lease_s: float) -> list[int]:
    """Other workers whose lease or process has ended."""
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
        alive = fetch(
            cursor,
            "SELECT id, expires_at, host, lock_file FROM messaging_worker WHERE alive AND id <> %s ORDER BY id",
            [own_id],
        )
        return [lease.worker_id for lease in map(EndedLease._make, alive) if lease.has_ended(moment, lease_s)]


def declare_dead(worker_id: int, lease_s: float, hold_s: float) -> int | None:
    """Take its work away. Returns how many rows were freed, or None where it renewed in the meantime."""
    with atomic_cursor() as cursor:
        row = fetch_one(
            cursor,
            f"SELECT id, expires_at, host, lock_file FROM messaging_worker WHERE id = %s AND alive{_for_update()}",
            [worker_id],
        )
        moment = now(cursor)
        if row is None or not (lease := EndedLease._make(row)).has_ended(moment, lease_s):
            return None
        _end(cursor, worker_id, moment, "lost")
        unsent = find_unsent(lease.host, lease.lock_file)
        freed = _free_work(cursor, worker_id, moment, hold_s, ran=True, unsent=unsent)
    with suppress(OSError):
        Path(lease.lock_file).unlink()
    return freed


def sign_off(worker_id: int, hold_s: float) -> None:
    """A worker that stops on purpose gives its work back at once."""
    with atomic_cursor() as cursor:
        fetch_one(cursor, f"SELECT id FROM messaging_worker WHERE id = %s{_for_update()}", [worker_id])
        moment = now(cursor)
        _end(cursor, worker_id, moment, "stopped")
        _free_work(cursor, worker_id, moment, hold_s, ran=False)


def release_strays(worker_id: int, held: frozenset[int]) -> int:
    """Rows leased to this worker that it does not know of: a claim whose COMMIT was never answered.

    Only while it is alive: of a dead one they may be another's by now. The rows are locked as they are found: one whose
    attempt is being committed at this moment is waited for, and is then no stray.
    """
    with atomic_cursor() as cursor:
        if find_alive(cursor, worker_id) is None:
            return 0
        leased = fetch(
            cursor,
            f"SELECT id FROM messaging_work WHERE worker_id = %s AND state = {WorkState.LEASED.value} "
            f"AND NOT attempting {every_tenant('own rows')} ORDER BY id{locked()}",
            [worker_id],
        )
        strays = [row[0] for row in leased if row[0] not in held]
        if strays:
            rows.release(cursor, strays, ran=False)
        return len(strays)


def _for_update() -> str:
    """The one lock that waits for every transaction that ``find_alive`` guards."""
    return " FOR UPDATE" if on_postgresql() else ""


def _end(cursor: Cursor, worker_id: int, moment: float, ending: str) -> None:
    cursor.execute(
        "UPDATE messaging_worker SET alive = FALSE, ended_at = %s, ending = %s WHERE id = %s",
        [moment, ending, worker_id],
    )
    # One that stopped on purpose was not ended by what it was reading.
    forgiven = ", ingest_upto = NULL" if ending == "stopped" else ""
    cursor.execute(
        f"UPDATE messaging_hook SET ingest_worker_id = NULL{forgiven} WHERE ingest_worker_id = %s "
        f"{every_tenant('take-over')}",
        [worker_id],
    )


class _LeasedRow(NamedTuple):
    id: int
    kind: int
    key: int
    attempting: bool
    knocks: int

    @property
    def mark(self) -> AttemptMark:
        return AttemptMark(self.id, self.knocks)


def _free_work(
    cursor: Cursor,
    worker_id: int,
    moment: float,
    hold_s: float,
    *,
    ran: bool,
    unsent: frozenset[AttemptMark] = frozenset(),
) -> int:
    found = fetch(
        cursor,
        f"SELECT {', '.join(_LeasedRow._fields)} FROM messaging_work WHERE worker_id = %s "
        f"AND state = {WorkState.LEASED.value} {every_tenant('take-over')}",
        [worker_id],
    )
    leased = [_LeasedRow._make(row) for row in found]
    if leased:
        rows.lock_conversations(cursor, [row.key for row in leased])
        begun = [row.id for row in leased if row.attempting and row.mark not in unsent]
        free_unsent(cursor, [row.id for row in leased if row.attempting and row.mark in unsent], moment)
        park_unknown(cursor, begun, moment, hold_s)
        rows.release(cursor, {row.id for row in leased}.difference(begun), ran=ran)
    for kind in WorkKind:
        wake_after_commit(cursor, rows.WAKES[kind])
    return len(leased)
