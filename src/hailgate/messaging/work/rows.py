"""Work rows and their verbs: one small state machine for everything that must happen.

    waiting → ready → leased → done (deleted) | ready (retry, snooze) | dead | parked | cancelled (deleted)
    dead, parked → ready by hand

Rows of one key run one at a time in id order: only the *head* of a key is ready or leased, which a partial unique
index holds. Enqueue and finish lock the key's conversation first, in id order, so that no head is ever forgotten;
``promote_forgotten`` is the slow floor. A parked delivery holds its conversation until ``hold_until``.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    Row,
    among,
    array,
    aside,
    each,
    every_tenant,
    fetch,
    fetch_value,
    locked,
    now_and,
)
from hailgate.messaging.store.tables import WORK

BULK = 1
# Of a delivery that an attempt was spent on: 2 for interactive, 3 for bulk. Retries have a share of their own.
RETRIED = 2
# Python looks an enumeration's value up in two calls of its own: here once, not for each row.
READY: Final = WorkState.READY.value
WAITING: Final = WorkState.WAITING.value
HEADS = f"({READY}, {WorkState.LEASED.value})"
WAKES = {
    WorkKind.DELIVERY: Wake.DELIVER,
    WorkKind.TURN: Wake.ANSWER,
    WorkKind.FETCH: Wake.FETCH,
    WorkKind.SESSION: Wake.SESSION,
    WorkKind.LOOK: Wake.LOOK,
    WorkKind.POLL: Wake.POLL,
    WorkKind.CHECK: Wake.CHECK,
}
# Heads of their keys before they are due: one row of a key is all that there is.
HEADS_AT_ONCE = frozenset({WorkKind.TURN, WorkKind.SESSION, WorkKind.LOOK, WorkKind.POLL, WorkKind.CHECK})


class NewWork(NamedTuple):
    tenant_id: int
    kind: WorkKind
    key: int
    channel_id: int
    message_id: int | None = None
    priority: int = 0
    due_at: float = 0.0
    expires_at: float | None = None


def lock_conversations(cursor: Cursor, ids: Iterable[int]) -> None:
    """The first lock of every transaction that adds, finishes or frees rows of these conversations."""
    cursor.execute(
        f"SELECT id FROM messaging_conversation WHERE {among('id')} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(set(ids))],
    )


def enqueue(cursor: Cursor, new: Sequence[NewWork], now: float) -> None:
    """Add rows in order. The caller holds the locks of their conversations.

    A scheduled delivery joins its key when it is due, so that it holds up nobody until then; a turn that waits for a
    person to finish typing is the head of its key at once.
    """
    if not new:
        return
    busy = _busy_keys(cursor, new, now)
    rows = []
    for work in new:
        place = (work.kind, work.key)
        first = place not in busy and (work.due_at <= now or work.kind in HEADS_AT_ONCE)
        if first:
            busy.add(place)
        state = READY if first else WAITING
        rows.append((
            work.tenant_id, int(work.kind), work.key, work.channel_id, work.message_id, state, work.priority,
            work.due_at, 0, 0, 0, 0, False, "", "", work.expires_at, now,
        ))  # fmt: skip
    WORK.insert(cursor, COLUMNS, rows)
    for kind in {work.kind for work in new}:
        wake_after_commit(cursor, WAKES[kind])


COLUMNS = (
    "tenant_id", "kind", "key", "channel_id", "message_id", "state", "priority", "due_at", "lease",
    "tries", "knocks", "attempts", "attempting", "code", "detail", "expires_at", "created_at",
)  # fmt: skip


def promote(cursor: Cursor, kind: WorkKind, keys: Iterable[int], now: float) -> int:
    """Make the oldest waiting row of each key ready, where nothing of that key is under way or holds it."""
    oldest = fetch(
        cursor,
        f"""
        SELECT (SELECT id FROM messaging_work WHERE kind = {kind.value} AND key = wanted.key
                AND {aside("state")} = {WAITING} AND due_at <= %s ORDER BY key, id LIMIT 1)
        FROM {each("key")} {every_tenant("by key")}
        """,
        [now, array(set(keys))],
    )
    ids = [id_ for (id_,) in oldest if id_ is not None]
    if not ids:
        return 0
    cursor.execute(
        f"""
        UPDATE messaging_work SET state = {READY}
        WHERE {among("id")} AND {aside("state")} = {WAITING}
        AND NOT EXISTS (SELECT 1 FROM messaging_work head WHERE head.kind = messaging_work.kind
                        AND head.key = messaging_work.key AND head.state IN {HEADS})
        AND NOT EXISTS (SELECT 1 FROM messaging_conversation held WHERE held.id = messaging_work.key
                        AND messaging_work.kind = {WorkKind.DELIVERY.value} AND held.held_until > %s)
        {every_tenant("by key")}
        """,
        [array(ids), now],
    )
    promoted: int = cursor.rowcount
    if promoted:
        wake_after_commit(cursor, WAKES[kind])
    return promoted


def complete(cursor: Cursor, ids: Sequence[int]) -> None:
    if ids:
        cursor.execute(f"DELETE FROM messaging_work WHERE {among('id')} {every_tenant('by key')}", [array(ids)])


class Postponed(NamedTuple):
    """A row that stays the head of its key and is due again later; ``spent`` attempts count against it so far.

    ``failing_since`` is when the first of its attempts failed.
    """

    id: int
    due_at: float
    spent: int
    code: str
    detail: str
    priority: int = 0
    failing_since: float | None = None


def postpone(cursor: Cursor, rows: Sequence[Postponed]) -> None:
    """Retry and snooze: which of them it is shows in ``spent``."""
    columns = (
        "state", "due_at", "attempts", "code", "detail", "priority", "failing_since", "tries", "attempting",
        "worker_id",
    )  # fmt: skip
    WORK.update(
        cursor,
        columns,
        [(r.id, READY, r.due_at, r.spent, r.code, r.detail, r.priority, r.failing_since, 0, False, None) for r in rows],
    )


class Stopped(NamedTuple):
    """A row that needs a person or evidence: dead with its reason, or parked with its outcome unknown.

    ``due_at`` is for whoever revives it: it is not sent before.
    """

    id: int
    state: WorkState
    spent: int
    code: str
    detail: str
    hold_until: float | None = None
    due_at: float = 0.0


def stop(cursor: Cursor, rows: Sequence[Stopped]) -> None:
    """Bury and park."""
    WORK.update(
        cursor,
        ("state", "attempts", "code", "detail", "hold_until", "due_at", "attempting", "worker_id"),
        [(r.id, r.state.value, r.spent, r.code, r.detail, r.hold_until, r.due_at, False, None) for r in rows],
    )


def hasten(cursor: Cursor, kind: WorkKind, keys: Iterable[int]) -> None:
    """Make rows that wait for their time due at once."""
    cursor.execute(
        f"UPDATE messaging_work SET due_at = 0 WHERE kind = {kind.value} AND {among('key')} "
        f"AND {aside('state')} = {READY} {every_tenant('by key')}",
        [array(set(keys))],
    )
    wake_after_commit(cursor, WAKES[kind])


def hold_conversations(cursor: Cursor, keys: Iterable[int]) -> None:
    """Set each conversation's hold to the latest of its parked rows, or lift it. The caller holds their locks.

    One that rests until it is joined or parted goes on resting.
    """
    parked = f"""(
        SELECT max(hold_until) FROM messaging_work WHERE kind = {WorkKind.DELIVERY.value}
        AND key = messaging_conversation.id AND state = {WorkState.PARKED.value})"""
    cursor.execute(
        f"""
        UPDATE messaging_conversation SET held_until = CASE
            WHEN rests_until > coalesce({parked}, 0) THEN rests_until ELSE {parked} END
        WHERE {among("id")} {every_tenant("by key")}
        """,
        [array(set(keys))],
    )


def release(cursor: Cursor, ids: Iterable[int], *, ran: bool) -> None:
    """Give leased rows back; they stay the heads of their keys. Those that may have run keep the count of it."""
    cursor.execute(
        f"UPDATE messaging_work SET state = {READY}, worker_id = NULL, attempting = FALSE"
        f"{'' if ran else ', tries = 0'} "
        f"WHERE {among('id')} AND state = {WorkState.LEASED.value} {every_tenant('by key')}",
        [array(ids)],
    )


def promote_due(cursor: Cursor, now: float, limit: int = 500) -> int:
    """Scheduled rows whose time has come join their keys."""
    return _promote_keys(cursor, _free_keys(cursor, "due_at > 0 AND due_at <= %s", now, limit), now)


def promote_unheld(cursor: Cursor, now: float, limit: int = 500) -> int:
    """Followers of a parked message go on when its hold has passed."""
    due = fetch(
        cursor,
        f"SELECT id FROM messaging_conversation WHERE held_until <= %s {every_tenant('sweep')} LIMIT %s",
        [now, limit],
    )
    if not due:
        return 0
    lock_conversations(cursor, [row[0] for row in due])
    cursor.execute(
        f"UPDATE messaging_conversation SET held_until = NULL WHERE {among('id')} AND held_until <= %s "
        f"{every_tenant('sweep')}",
        [array(row[0] for row in due), now],
    )
    return promote(cursor, WorkKind.DELIVERY, [row[0] for row in due], now)


def promote_forgotten(cursor: Cursor, now: float, limit: int = 500) -> int:
    """The floor: keys with waiting rows and no head. Should find nothing, ever; what it finds is counted."""
    return _promote_keys(cursor, _free_keys(cursor, "due_at <= %s", now, limit), now)


def earliest_due(
    cursor: Cursor, kind: WorkKind, where: str = "", parameters: Sequence[Any] = ()
) -> tuple[float, float | None]:
    """The time, and when the earliest row of ``kind`` that may run is due: 0 for one that is due at once."""
    moment, earliest = now_and(
        cursor,
        f"SELECT min(due_at) FROM messaging_work WHERE kind = %s AND state = {READY} {where} {every_tenant('claim')}",
        [kind.value, *parameters],
    )
    return moment, None if earliest is None else float(earliest)


def next_due(cursor: Cursor, kind: WorkKind, now: float) -> float | None:
    """When the next row of ``kind`` that is not due yet will be.

    ``>=``, since SQLite would compare a ``>`` with the condition of a partial index and plan anew at every call.
    """
    ready = fetch_value(
        cursor,
        f"SELECT min(due_at) FROM messaging_work WHERE kind = %s AND state = {READY} "
        f"AND due_at >= %s {every_tenant('claim')}",
        [kind.value, now],
    )
    return None if ready is None else float(ready)


def next_scheduled(cursor: Cursor) -> float | None:
    scheduled = fetch_value(
        cursor,
        f"SELECT min(due_at) FROM messaging_work WHERE state = {WAITING} AND due_at > 0 {every_tenant('sweep')}",
    )
    return None if scheduled is None else float(scheduled)


def _busy_keys(cursor: Cursor, new: Sequence[NewWork], now: float) -> set[tuple[WorkKind, int]]:
    """Keys on which a new row has to wait: something of theirs is open, or a parked message holds them."""
    busy = set()
    for kind in sorted({work.kind for work in new}):
        keys = array({work.key for work in new if work.kind == kind})
        open_rows = fetch(
            cursor,
            f"SELECT key, (SELECT 1 FROM messaging_work WHERE kind = {kind.value} AND key = wanted.key "
            f"AND ({aside('state')} IN {HEADS} OR ({aside('state')} = {WAITING} AND due_at <= %s)) "
            f"LIMIT 1) FROM {each('key')} {every_tenant('by key')}",
            [now, keys],
        )
        busy |= {(kind, key) for key, is_open in open_rows if is_open}
        if kind == WorkKind.DELIVERY:
            held = fetch(
                cursor,
                f"SELECT id FROM messaging_conversation WHERE {among('id')} AND held_until > %s "
                f"{every_tenant('by key')}",
                [keys, now],
            )
            busy |= {(kind, row[0]) for row in held}
    return busy


def _free_keys(cursor: Cursor, due: str, now: float, limit: int) -> list[Row]:
    """Kind and key of waiting rows that are due where nothing of their key is under way or holds it.

    Those that are blocked do not count towards ``limit``: enough of them would hide the others for ever.
    """
    return fetch(
        cursor,
        f"""
        SELECT DISTINCT kind, key FROM messaging_work lost WHERE state = {WAITING} AND {due}
        AND NOT EXISTS (SELECT 1 FROM messaging_work head WHERE head.kind = lost.kind AND head.key = lost.key
                        AND head.state IN {HEADS})
        AND NOT EXISTS (SELECT 1 FROM messaging_conversation held WHERE held.id = lost.key
                        AND lost.kind = {WorkKind.DELIVERY.value} AND held.held_until > %s)
        {every_tenant("sweep")} LIMIT %s
        """,
        [now, now, limit],
    )


def _promote_keys(cursor: Cursor, found: Sequence[Row], now: float) -> int:
    if not found:
        return 0
    lock_conversations(cursor, [key for _, key in found])
    kinds = {kind for kind, _ in found}
    return sum(promote(cursor, WorkKind(kind), [key for k, key in found if k == kind], now) for kind in sorted(kinds))
