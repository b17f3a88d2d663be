"""The figures of the store, for those who watch it: one walk through the rows that stand in the queue, no more.

Work that is done has no row, so the walk is as long as the queue. Whoever asks decides how often.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from hailgate.messaging.broker.outbox import count_publications
from hailgate.messaging.models import EventState, WorkKind, WorkState
from hailgate.messaging.store.sql import Cursor, Row, atomic_cursor, every_tenant, fetch, fetch_one, now

UNDONE = frozenset({WorkState.WAITING, WorkState.READY, WorkState.LEASED})
# More channels than are told apart anyway.
MOST_CHANNELS = 2_000


_DUE = "CASE WHEN due_at > created_at THEN due_at ELSE created_at END"


class Rows(NamedTuple):
    """Work rows of one channel, kind and state, and the age in seconds of the oldest of them."""

    tenant_id: int
    channel_id: int
    kind: WorkKind
    state: WorkState
    number: int
    oldest_s: float


class ChannelState(NamedTuple):
    tenant_id: int
    channel_id: int
    breaker: int
    paused: bool


class Figures(NamedTuple):
    """``oldest_ready_s`` is the age of the oldest row of any kind that could run now and does not."""

    rows: Sequence[Rows]
    oldest_ready_s: float
    channels: Sequence[ChannelState]
    pending_webhooks: int
    oldest_webhook_s: float
    alarms: Sequence[Row]
    publications: tuple[int, int] = (0, 0)


def count_figures() -> Figures:
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
        pending, received_at = _pending(cursor)
        rows, oldest_ready_at = _rows(cursor, moment)
        return Figures(
            rows=rows,
            oldest_ready_s=_age(oldest_ready_at, moment),
            channels=_channels(cursor),
            pending_webhooks=pending,
            oldest_webhook_s=_age(received_at, moment),
            publications=count_publications(),
            alarms=fetch(cursor, "SELECT code, count(*) FROM accounts_alarm WHERE cleared_at IS NULL GROUP BY code"),
        )


def count_queue(tenant_id: int) -> list[Rows]:
    """The deliveries of one tenant."""
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
        counted = fetch(
            cursor,
            f"SELECT tenant_id, channel_id, kind, state, count(*), min({_DUE}) FROM messaging_work "
            f"WHERE tenant_id = %s AND kind = {WorkKind.DELIVERY.value} GROUP BY tenant_id, channel_id, kind, state",
            [tenant_id],
        )
    return [
        Rows(tenant_id, channel_id, WorkKind(kind), WorkState(state), count, _age(oldest_at, moment))
        for tenant_id, channel_id, kind, state, count, oldest_at in counted
    ]


def _rows(cursor: Cursor, moment: float) -> tuple[list[Rows], float | None]:
    counted = fetch(
        cursor,
        f"SELECT tenant_id, channel_id, kind, state, count(*), min({_DUE}), min(CASE WHEN state = "
        f"{WorkState.READY.value} AND due_at <= %s THEN {_DUE} END) FROM messaging_work "
        f"GROUP BY tenant_id, channel_id, kind, state {every_tenant('metrics')}",
        [moment],
    )
    rows = [
        Rows(tenant_id, channel_id, WorkKind(kind), WorkState(state), count, _age(oldest_at, moment))
        for tenant_id, channel_id, kind, state, count, oldest_at, _ in counted
    ]
    return rows, min((at for *_, at in counted if at is not None), default=None)


def _channels(cursor: Cursor) -> list[ChannelState]:
    found = fetch(
        cursor,
        f"SELECT tenant_id, id, breaker_opened_at, breaker_probe_at, paused_at FROM messaging_channel WHERE active "
        f"{every_tenant('metrics')} ORDER BY id LIMIT {MOST_CHANNELS}",
    )
    return [
        ChannelState(tenant_id, id_, 0 if opened_at is None else 1 if probe_at else 2, paused_at is not None)
        for tenant_id, id_, opened_at, probe_at, paused_at in found
    ]


def _pending(cursor: Cursor) -> tuple[int, float | None]:
    """How many webhooks wait, and since when the oldest does: the first of each hook, in its own order."""
    waits = f"event.hook_id = hook.id AND event.state = {EventState.PENDING.value}"
    found = fetch_one(
        cursor,
        f"SELECT coalesce(sum((SELECT count(*) FROM messaging_webhookevent event WHERE {waits})), 0), "
        f"min((SELECT received_at FROM messaging_webhookevent event WHERE {waits} ORDER BY event.id LIMIT 1)) "
        f"FROM messaging_hook hook {every_tenant('metrics')}",
    )
    return (int(found[0]), found[1]) if found else (0, None)


def _age(at: float | None, moment: float) -> float:
    return 0.0 if at is None else max(0.0, moment - at)


def oldest_undone(rows: Sequence[Rows]) -> dict[tuple[int, int], float]:
    """The age of the oldest delivery of each channel that is still to be sent."""
    oldest: dict[tuple[int, int], float] = defaultdict(float)
    for row in rows:
        if row.kind is WorkKind.DELIVERY and row.state in UNDONE:
            place = (row.tenant_id, row.channel_id)
            oldest[place] = max(oldest[place], row.oldest_s)
    return oldest
