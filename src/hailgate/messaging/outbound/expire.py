"""Expiry: deliveries whose time ran out before they were claimed, behind a pause, an open breaker, a long queue.

Those that are claimed are judged at the moment of sending; these would otherwise stay queued for as long as their
channel stands still, and every message has to come to an end that a person can see.
"""

from collections.abc import Sequence

from hailgate.core.status import Status
from hailgate.messaging.broker.outbox import Failure, record_failures
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.commit_counters import count_after_commit
from hailgate.messaging.store.sql import Cursor, Row, among, array, atomic_cursor, every_tenant, fetch, locked, now
from hailgate.messaging.store.tables import MESSAGE, RECEIPT
from hailgate.messaging.work import rows
from hailgate.telemetry.metrics import DEAD

# Rows buried in one transaction.
EXPIRED_AT_ONCE = 500
CODE = "expired"
DETAIL = "The message expired before it could be sent."
_EXPIRED = (
    f"kind = {WorkKind.DELIVERY.value} AND state IN ({WorkState.WAITING.value}, {WorkState.READY.value}) "
    f"AND expires_at <= %s"
)


def bury_expired(limit: int = EXPIRED_AT_ONCE) -> int:
    """How many were buried; their followers go on."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT id, key FROM messaging_work WHERE {_EXPIRED} {every_tenant('sweep')} LIMIT %s",
            [now(cursor), limit],
        )
    if not found:
        return 0
    with atomic_cursor() as cursor:
        keys = [key for _, key in found]
        rows.lock_conversations(cursor, keys)
        moment = now(cursor)
        expired = fetch(
            cursor,
            f"SELECT id, tenant_id, message_id, attempts, channel_id FROM messaging_work WHERE {among('id')} "
            f"AND {_EXPIRED} {every_tenant('sweep')} ORDER BY id{locked(skip=True)}",
            [array(id_ for id_, _ in found), moment],
        )
        _bury(cursor, [row[:4] for row in expired], moment)
        count_after_commit(DEAD, ((tenant_id, channel_id) for _, tenant_id, *_, channel_id in expired), code=CODE)
        rows.promote(cursor, WorkKind.DELIVERY, keys, moment)
    return len(expired)


def _bury(cursor: Cursor, expired: Sequence[Row], moment: float) -> None:
    rows.stop(cursor, [rows.Stopped(id_, WorkState.DEAD, attempts, CODE, DETAIL) for id_, _, _, attempts in expired])
    failed = sorted((message_id, CODE, DETAIL, Status.FAILED.value) for _, _, message_id, _ in expired)
    MESSAGE.update(cursor, ("code", "detail", "status"), failed, rising=("status",))
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    told = [
        (tenant_id, message_id, Status.FAILED.word, moment, CODE, DETAIL) for _, tenant_id, message_id, _ in expired
    ]
    RECEIPT.insert(cursor, columns, told)
    record_failures(cursor, [Failure(t, m, CODE, DETAIL, attempts) for _, t, m, attempts in expired], moment)
