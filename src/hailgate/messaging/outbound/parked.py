"""Parked messages: their outcome is unknown, because a byte may have left. A status that comes back settles them."""

from collections.abc import Sequence
from typing import NamedTuple

from hailgate.core.delivery import Action
from hailgate.core.errors import LeaseLost
from hailgate.core.status import Status
from hailgate.messaging.broker.outbox import EventOf, record_events
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.commit_counters import count_after_commit
from hailgate.messaging.store.sql import Cursor, Row, among, array, atomic_cursor, every_tenant, fetch, locked, now
from hailgate.messaging.store.tables import MESSAGE
from hailgate.messaging.work import rows
from hailgate.telemetry.metrics import PARKED

PARKED_DETAIL = "The provider may or may not have taken it: the worker ended while it was being sent."
UNSENT_DETAIL = "The worker ended before a byte of it had left."


class UnknownDelivery(NamedTuple):
    """A delivery of whose attempt nobody knows whether it reached the provider; ``spent`` attempts count with it."""

    work_id: int
    message_id: int
    tenant_id: int
    channel_id: int
    conversation_id: int
    spent: int
    code: str
    detail: str


def park(cursor: Cursor, unknown: Sequence[UnknownDelivery], moment: float, hold_s: float) -> list[UnknownDelivery]:
    """Set them aside; returns those that were. One that a status has proven sent in the meantime is done instead.

    The caller holds the locks of their conversations, and promotes what follows.
    """
    if not unknown:
        return []
    proven = _mark_unknown(cursor, [delivery.message_id for delivery in unknown])
    rows.complete(cursor, [delivery.work_id for delivery in unknown if delivery.message_id in proven])
    parked = [delivery for delivery in unknown if delivery.message_id not in proven]
    rows.stop(
        cursor,
        [rows.Stopped(d.work_id, WorkState.PARKED, d.spent, d.code, d.detail, moment + hold_s) for d in parked],
    )
    rows.hold_conversations(cursor, [delivery.conversation_id for delivery in unknown])
    events = (EventOf(d.tenant_id, d.message_id, "message.unknown", moment, d.code, d.detail) for d in parked)
    record_events(cursor, events)
    return parked


def park_unknown(cursor: Cursor, ids: Sequence[int], moment: float, hold_s: float) -> None:
    """Rows that were being sent when their worker ended. The caller holds the locks of their conversations."""
    if not ids:
        return
    lost = _lost(cursor, ids)
    _end_attempts(cursor, lost, moment)
    parked = park(cursor, lost, moment, hold_s)
    count_after_commit(PARKED, ((delivery.tenant_id, delivery.channel_id) for delivery in parked))
    rows.promote(cursor, WorkKind.DELIVERY, [delivery.conversation_id for delivery in lost], moment)


def _lost(cursor: Cursor, ids: Sequence[int]) -> list[UnknownDelivery]:
    found = fetch(
        cursor,
        f"SELECT id, message_id, tenant_id, channel_id, key, attempts + 1 FROM messaging_work WHERE {among('id')} "
        f"{every_tenant('take-over')}",
        [array(ids)],
    )
    return [UnknownDelivery._make((*columns, "worker_lost", PARKED_DETAIL)) for columns in found]


def _end_attempts(cursor: Cursor, lost: Sequence[UnknownDelivery], moment: float) -> None:
    cursor.execute(
        f"UPDATE messaging_attempt SET outcome = 'park', code = 'worker_lost', finished_at = %s "
        f"WHERE {among('message_id')} AND finished_at IS NULL {every_tenant('take-over')}",
        [moment, array(delivery.message_id for delivery in lost)],
    )


def free_unsent(cursor: Cursor, ids: Sequence[int], moment: float) -> None:
    """Close the attempts of rows that were about to be sent when their worker ended, and surely were not."""
    if ids:
        cursor.execute(
            f"UPDATE messaging_attempt SET outcome = %s, code = %s, detail = %s, finished_at = %s WHERE message_id IN "
            f"(SELECT message_id FROM messaging_work WHERE {among('id')}) AND finished_at IS NULL "
            f"{every_tenant('take-over')}",
            [Action.SNOOZE.value, LeaseLost.code, UNSENT_DETAIL, moment, array(ids)],
        )


def settle_parked(limit: int = 500) -> int:
    """Parked rows whose message has been proven sent, by a status that came back: they are done."""
    with atomic_cursor(read_only=True) as cursor:
        proven = _proven(cursor, limit)
    if proven:
        with atomic_cursor() as cursor:
            _settle(cursor, proven)
    return len(proven)


def _proven(cursor: Cursor, limit: int) -> list[Row]:
    return fetch(
        cursor,
        f"SELECT work.id, work.key FROM messaging_work work JOIN messaging_message message "
        f"ON message.id = work.message_id WHERE work.state = {WorkState.PARKED.value} AND message.status > 0 "
        f"{every_tenant('sweep')} LIMIT %s",
        [limit],
    )


def _settle(cursor: Cursor, proven: Sequence[Row]) -> None:
    ids, keys = array(id_ for id_, _ in proven), [key for _, key in proven]
    rows.lock_conversations(cursor, keys)
    cursor.execute(
        f"UPDATE messaging_message SET unknown = FALSE WHERE id IN (SELECT message_id FROM messaging_work "
        f"WHERE {among('id')} AND state = {WorkState.PARKED.value}) {every_tenant('by key')}",
        [ids],
    )
    cursor.execute(
        f"DELETE FROM messaging_work WHERE {among('id')} AND state = {WorkState.PARKED.value} {every_tenant('by key')}",
        [ids],
    )
    rows.hold_conversations(cursor, keys)
    rows.promote(cursor, WorkKind.DELIVERY, keys, now(cursor))


def _mark_unknown(cursor: Cursor, message_ids: Sequence[int]) -> set[int]:
    """Mark messages unknown, but for those that a status has proven; returns the proven ones."""
    if not message_ids:
        return set()
    statuses = fetch(
        cursor,
        f"SELECT id, status FROM messaging_message WHERE {among('id')} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(message_ids)],
    )
    MESSAGE.update(cursor, ("unknown",), [(id_, True) for id_, status in statuses if status == Status.QUEUED])
    return {id_ for id_, status in statuses if status != Status.QUEUED}
