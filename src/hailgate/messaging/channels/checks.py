"""Checks: a channel that was paused by what may heal by itself is asked again whether it can send, and then goes on."""

from collections.abc import Sequence
from typing import NamedTuple

from hailgate.core.errors import ChannelRefused, ChannelUnauthorized
from hailgate.core.slots import Room
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import Batch, Leased, claim_due, lock_held
from hailgate.messaging.work.leases import find_alive

FIRST_CHECK_S = 60.0
LONGEST_CHECK_S = 3600.0
# From so many checks in vain on, somebody is told.
PATIENT_CHECKS = 3
# Why a channel may be paused that heals by itself; credentials do where a tenant service keeps them.
_HEALS = "(paused_reason = %s OR (paused_reason = %s AND source <> ''))"


class ChannelCheck(NamedTuple):
    """A channel to ask; the counters are those of ``Leased``."""

    id: int
    lease: int
    tenant_id: int
    channel_id: int
    spent: int
    crashes: int


def enqueue_checks(cursor: Cursor, channels: Sequence[tuple[int, int]], moment: float) -> None:
    """``(tenant, channel)`` of those that were paused just now.

    A check of an earlier pause, which somebody ended by hand, may be due in an hour: it begins anew.
    """
    if not channels:
        return
    cursor.execute(
        f"DELETE FROM messaging_work WHERE kind = {WorkKind.CHECK.value} AND state <> {WorkState.LEASED.value} "
        f"AND {among('key')} {every_tenant('by key')}",
        [array(channel_id for _, channel_id in channels)],
    )
    new = [
        rows.NewWork(tenant_id, WorkKind.CHECK, channel_id, channel_id, due_at=moment + FIRST_CHECK_S)
        for tenant_id, channel_id in channels
    ]
    rows.enqueue(cursor, new, moment)


def claim_checks(worker_id: int, room: Room) -> Batch[ChannelCheck]:
    return claim_due(WorkKind.CHECK, worker_id, room, _load)


def record_check(worker_id: int, check: ChannelCheck, *, passed: bool, detail: str) -> bool:
    """Let the channel go on, or ask again later, twice as late each time. False where the check is another's by now."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not lock_held(cursor, worker_id, [check]):
            return False
        if passed or not _still_paused(cursor, check):
            _resume(cursor, check)
            rows.complete(cursor, [check.id])
            rows.promote(cursor, WorkKind.CHECK, [check.channel_id], moment)
        else:
            due_at = moment + min(FIRST_CHECK_S * 2.0 ** min(check.spent + 1, 20), LONGEST_CHECK_S)
            code = ChannelRefused.code
            rows.postpone(cursor, [rows.Postponed(check.id, due_at, check.spent + 1, code, detail[:300])])
        return True


def _load(_cursor: Cursor, leased: Sequence[Leased], _moment: float) -> list[ChannelCheck]:
    return [ChannelCheck(r.id, r.lease, r.tenant_id, r.channel_id, r.spent, r.crashes) for r in leased]


def _still_paused(cursor: Cursor, check: ChannelCheck) -> bool:
    """Not where somebody resumed it, or paused it for another reason, in the meantime."""
    cursor.execute(
        f"SELECT 1 FROM messaging_channel WHERE tenant_id = %s AND id = %s AND paused_at IS NOT NULL AND {_HEALS}",
        [check.tenant_id, check.channel_id, ChannelRefused.code, ChannelUnauthorized.code],
    )
    return cursor.fetchone() is not None


def _resume(cursor: Cursor, check: ChannelCheck) -> None:
    cursor.execute(
        "UPDATE messaging_channel SET paused_at = NULL, paused_reason = '', ready_at = 0, passed_at = NULL "
        f"WHERE tenant_id = %s AND id = %s AND {_HEALS}",
        [check.tenant_id, check.channel_id, ChannelRefused.code, ChannelUnauthorized.code],
    )
    wake_after_commit(cursor, Wake.DELIVER)
