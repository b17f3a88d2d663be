"""Taking back what was accepted and has not left: the row goes, the message ends as failed with ``cancelled``.

A claim whose attempt is not on record yet loses its row under it: it finds nothing to record an attempt on, and without
one no byte leaves. From the attempt on it is too late, and the caller is told so.
"""

from typing import NamedTuple
from uuid import UUID

from hailgate.core.errors import Conflict, NotFound
from hailgate.core.status import Status
from hailgate.messaging import rows
from hailgate.messaging.models import Direction, WorkKind, WorkState
from hailgate.messaging.sql import Cursor, atomic_cursor, fetch_one, locked, now
from hailgate.messaging.statuses import UNPROVEN
from hailgate.messaging.tables import MESSAGE, RECEIPT

CODE = "cancelled"
DETAIL = "Cancelled before it was sent."


def cancel_message(tenant_id: int, uid: UUID) -> bool:
    """False where it was cancelled before. Raises NotFound, or Conflict where it can no longer be taken back.

    The next message of its conversation may be claimed as of the same commit.
    """
    with atomic_cursor() as cursor:
        key = _get_conversation(cursor, tenant_id, uid)
        rows.lock_conversations(cursor, [key])
        work = _lock_delivery(cursor, tenant_id, uid)
        message = _get_message(cursor, tenant_id, uid)
        if message.status == Status.FAILED and message.code == CODE:
            return False
        _cancel(cursor, tenant_id, message, _check_may_cancel(message, work), key)
        return True


class _Message(NamedTuple):
    id: int
    direction: int
    status: int
    code: str


class _Delivery(NamedTuple):
    id: int
    state: int
    attempting: bool


def _get_conversation(cursor: Cursor, tenant_id: int, uid: UUID) -> int:
    found = fetch_one(
        cursor,
        "SELECT conversation_id FROM messaging_message WHERE tenant_id = %s AND uid = %s",
        [tenant_id, uid.hex],
    )
    if found is None:
        raise NotFound
    return int(found[0])


def _lock_delivery(cursor: Cursor, tenant_id: int, uid: UUID) -> _Delivery | None:
    found = fetch_one(
        cursor,
        f"SELECT work.id, work.state, work.attempting FROM messaging_work work "
        f"JOIN messaging_message message ON message.id = work.message_id "
        f"WHERE work.tenant_id = %s AND message.tenant_id = %s AND message.uid = %s "
        f"AND work.kind = {WorkKind.DELIVERY.value}{locked(of='work')}",
        [tenant_id, tenant_id, uid.hex],
    )
    return _Delivery._make(found) if found else None


def _get_message(cursor: Cursor, tenant_id: int, uid: UUID) -> _Message:
    """As it stands under the lock of its row: a status may arrive at any time."""
    found = fetch_one(
        cursor,
        f"SELECT id, direction, status, code FROM messaging_message WHERE tenant_id = %s AND uid = %s{locked()}",
        [tenant_id, uid.hex],
    )
    if found is None:
        raise NotFound
    return _Message._make(found)


def _check_may_cancel(message: _Message, work: _Delivery | None) -> _Delivery:
    """Its row, where it can still be taken back. Raises Conflict with the reason where it cannot."""
    if message.direction == Direction.INBOUND:
        raise _too_late("A message that a person wrote cannot be cancelled.")
    if message.status not in UNPROVEN:
        raise _too_late("The provider has taken the message; it cannot be cancelled any more.")
    if work is None or work.state == WorkState.DEAD:
        raise _too_late("The message has failed already; there is nothing to cancel.")
    if work.state == WorkState.PARKED:
        raise _too_late("The provider may or may not have taken the message. It is not sent again by itself.")
    if work.attempting:
        raise _too_late("The message is being sent at this moment; it cannot be cancelled any more.")
    return work


def _too_late(sentence: str) -> Conflict:
    return Conflict(sentence, code="not_cancellable")


def _cancel(cursor: Cursor, tenant_id: int, message: _Message, work: _Delivery, key: int) -> None:
    moment = now(cursor)
    rows.complete(cursor, [work.id])
    MESSAGE.update(cursor, ("code", "detail", "status"), [(message.id, CODE, DETAIL, Status.FAILED.value)])
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    RECEIPT.insert(cursor, columns, [(tenant_id, message.id, Status.FAILED.word, moment, CODE, DETAIL)])
    rows.promote(cursor, WorkKind.DELIVERY, [key], moment)
