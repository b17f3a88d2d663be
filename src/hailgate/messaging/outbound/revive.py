"""Reviving: dead and parked deliveries run again, by hand."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hailgate.core.status import UNPROVEN
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, now
from hailgate.messaging.store.tables import RECEIPT
from hailgate.messaging.work import rows


class _StoppedRow(NamedTuple):
    id: int
    conversation_id: int
    message_id: int
    tenant_id: int


def send_again(tenant_id: int | None, work_ids: Iterable[int]) -> list[int]:
    """Revive dead and parked deliveries by hand, in their place; what followed may have overtaken them.

    Returns those that were: of two who ask at once, each row is told to one.
    """
    ids = array(work_ids)
    with atomic_cursor() as cursor:
        stopped = _lock_stopped(cursor, tenant_id, ids)
        if stopped:
            _revive(cursor, stopped, now(cursor))
        return [row.id for row in stopped]


def _lock_stopped(cursor: Cursor, tenant_id: int | None, ids: Any) -> list[_StoppedRow]:
    """With their conversations locked; again where a join gave them another key meanwhile."""
    locked_keys: set[int] = set()
    while True:
        stopped = _stopped(cursor, tenant_id, ids)
        keys = {row.conversation_id for row in stopped}
        if keys <= locked_keys:
            return stopped
        rows.lock_conversations(cursor, keys)
        locked_keys = keys


def _stopped(cursor: Cursor, tenant_id: int | None, ids: Any) -> list[_StoppedRow]:
    """The dead and parked deliveries among ``ids``.

    None whose message a status has proven sent in the meantime: that would be a second knock.
    """
    found = fetch(
        cursor,
        f"SELECT work.id, work.key, work.message_id, work.tenant_id FROM messaging_work work "
        f"JOIN messaging_message message ON message.id = work.message_id WHERE {among('work.id')} "
        f"AND work.state IN ({WorkState.PARKED.value}, {WorkState.DEAD.value}) "
        f"AND message.status IN ({', '.join(str(status.value) for status in UNPROVEN)}) "
        f"AND work.kind = {WorkKind.DELIVERY.value} {every_tenant('by hand')}",
        [ids],
    )
    return [row for row in map(_StoppedRow._make, found) if tenant_id in {None, row.tenant_id}]


def _revive(cursor: Cursor, stopped: Sequence[_StoppedRow], moment: float) -> None:
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.WAITING.value}, attempts = 0, tries = 0, failing_since = NULL, "
        f"priority = priority %% {rows.RETRIED}, hold_until = NULL, code = '', detail = '', expires_at = NULL "
        f"WHERE {among('id')} {every_tenant('by hand')}",
        [array(row.id for row in stopped)],
    )
    cursor.execute(
        f"UPDATE messaging_message SET status = 0, unknown = FALSE, code = '', detail = '' WHERE {among('id')} "
        f"{every_tenant('by hand')}",
        [array(row.message_id for row in stopped)],
    )
    note = ("revived", moment, "", "Sent again by hand; later messages may have overtaken it.")
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    RECEIPT.insert(cursor, columns, [(row.tenant_id, row.message_id, *note) for row in stopped])
    keys = [row.conversation_id for row in stopped]
    rows.hold_conversations(cursor, keys)
    rows.promote(cursor, WorkKind.DELIVERY, keys, moment)
