"""What has had its time goes: a few rows in each transaction, so that nobody waits for them, until none is left.

Rows whose ids rise with their time are walked from the oldest on, and no further than to the first that is young
enough. SQLite reuses the room; it is not asked to give it back (that costs every write), nor to gather statistics (its
plans are told by hand, and a queue that is empty at that moment would mislead it).
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from axes.models import AccessAttempt
from django.contrib.sessions.models import Session
from django.db.models import Model, QuerySet

from hailgate.accounts.models import AuditEntry, RaisedAlarm, SignInLink
from hailgate.core.alarms import WATCHED
from hailgate.messaging.models import EventState
from hailgate.messaging.outbound.consumed import ID_LIFE_S
from hailgate.messaging.outbound.idempotency import IDEMPOTENCY_LIFE_S
from hailgate.messaging.people.early_changes import EARLY_LIFE_S
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, now

DAY_S: Final = 86_400.0
AT_ONCE: Final = 500
# Workers that ended this long ago are of no interest to anybody.
WORKER_LIFE_S: Final = DAY_S
GUESSES_LIFE_S: Final = 30 * DAY_S
# A provider repeats a webhook for up to seven days; as long as it may, what had its effect is known.
EFFECT_LIFE_S: Final = 30 * DAY_S


class RetentionPeriods(NamedTuple):
    """For how many seconds what is kept."""

    events_s: float = 30 * DAY_S
    attempts_s: float = 90 * DAY_S
    alarms_s: float = 90 * DAY_S
    audit_s: float = 365 * DAY_S


class _Walk(NamedTuple):
    """A table whose ids rise with ``at``; ``free`` is a condition without which an old row still stays.

    Its age is counted up to ``until``.
    """

    table: str
    at: str
    free: str
    life_s: float
    until: Callable[[Cursor], float] = now


def _walks(kept: RetentionPeriods) -> list[_Walk]:
    # A body in the store of files is dropped before the row that knows its name.
    free = f"state <> {EventState.PENDING.value} AND (body_file = '' OR state = {EventState.DEAD.value})"
    # What stands in the queue or among the dead letters is explained by its attempts.
    done = "NOT EXISTS (SELECT 1 FROM messaging_work work WHERE work.message_id = old.message_id)"
    return [
        _Walk("messaging_webhookevent", "received_at", free, kept.events_s),
        _Walk("messaging_consumedmessage", "created_at", done, ID_LIFE_S),
        _Walk("messaging_attempt", "started_at", done, kept.attempts_s),
        _Walk("messaging_earlycontactchange", "received_at", "1 = 1", EARLY_LIFE_S),
        _Walk("messaging_filelink", "expires_at", "1 = 1", DAY_S),
        _Walk("messaging_toolcall", "created_at", "1 = 1", kept.attempts_s),
        # Not before the webhook that told of it, which could be read once more.
        _Walk("messaging_effect", "at", "1 = 1", max(EFFECT_LIFE_S, kept.events_s), until=_understood_until),
    ]


def _understood_until(cursor: Cursor) -> float:
    """Since when webhooks may wait to be understood: a repeat among them was told then, however late it is read."""
    oldest = (
        f"SELECT (SELECT event.received_at FROM messaging_webhookevent event WHERE event.hook_id = hook.id "
        f"AND event.state = {EventState.PENDING.value} ORDER BY event.id LIMIT 1) FROM messaging_hook hook "
        f"WHERE 1 = 1 {every_tenant('housekeeping')}"
    )
    return min((at for (at,) in fetch(cursor, oldest) if at is not None), default=now(cursor))


class Housekeeping:
    """One round. ``some`` forgets a few rows and says whether there may be more."""

    def __init__(self, kept: RetentionPeriods) -> None:
        self._steps: Iterator[Callable[[], bool]] = iter(
            [
                *(_walker(walk) for walk in _walks(kept)),
                _forget_keys,
                _forget_workers,
                *(_forgetter(rows) for rows in _rows(kept, time.time())),
            ]
        )
        self._step: Callable[[], bool] | None = next(self._steps)

    def some(self) -> bool:
        if self._step is not None and not self._step():
            self._step = next(self._steps, None)
        return self._step is not None


def _walker(walk: _Walk) -> Callable[[], bool]:
    """What stays although it is old is passed by, and does not stand in the way of what comes after it."""
    after = 0

    def step() -> bool:
        nonlocal after
        with atomic_cursor(read_only=True) as cursor:
            before = walk.until(cursor) - walk.life_s
            seen = fetch(
                cursor,
                f"SELECT id, {walk.at}, CASE WHEN {walk.free} THEN 1 ELSE 0 END FROM {walk.table} old WHERE id > %s "
                f"{every_tenant('housekeeping')} ORDER BY id LIMIT {AT_ONCE}",
                [after],
            )
        old = [(id_, free) for id_, at, free in seen if at < before]
        if ids := [id_ for id_, free in old if free]:
            _delete(walk.table, ids)
        after = old[-1][0] if old else after
        return len(old) == AT_ONCE

    return step


def _forget_keys() -> bool:
    with atomic_cursor(read_only=True) as cursor:
        ids = fetch(
            cursor,
            f"SELECT id FROM messaging_idempotencykey WHERE created_at < %s {every_tenant('housekeeping')} "
            f"ORDER BY created_at LIMIT {AT_ONCE}",
            [now(cursor) - IDEMPOTENCY_LIFE_S],
        )
    if ids:
        _delete("messaging_idempotencykey", [id_ for (id_,) in ids])
    return len(ids) == AT_ONCE


def _forget_workers() -> bool:
    with atomic_cursor() as cursor:
        ended = now(cursor) - WORKER_LIFE_S
        cursor.execute("DELETE FROM messaging_worker WHERE NOT alive AND ended_at < %s", [ended])
    return False


def _delete(table: str, ids: list[int]) -> None:
    with atomic_cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE {among('id')} {every_tenant('housekeeping')}", [array(ids)])


def _rows(kept: RetentionPeriods, moment: float) -> list[QuerySet[Model]]:
    """Of tables that are not on the path of a message."""
    watched = [alarm.value for alarm in WATCHED]
    rows: list[QuerySet[Model]] = [
        Session.objects.filter(expire_date__lt=datetime.fromtimestamp(moment, UTC)),
        SignInLink.objects.filter(expires_at__lt=moment, reusable=False),
        AccessAttempt.objects.filter(attempt_time__lt=datetime.fromtimestamp(moment - GUESSES_LIFE_S, UTC)),
        RaisedAlarm.objects.filter(cleared_at__lt=moment - kept.alarms_s),
        # Nobody has seen to these; they stand for what happened once.
        RaisedAlarm.objects.filter(last_at__lt=moment - kept.alarms_s).exclude(code__in=watched),
        AuditEntry.objects.filter(at__lt=moment - kept.audit_s),
    ]
    return rows


def _forgetter(rows: QuerySet[Model]) -> Callable[[], bool]:
    def step() -> bool:
        keys = list(rows.values_list("pk", flat=True)[:AT_ONCE])
        if keys:
            rows.model._default_manager.filter(pk__in=keys).delete()  # noqa: SLF001 -- Django's own name for it
        return len(keys) == AT_ONCE

    return step
