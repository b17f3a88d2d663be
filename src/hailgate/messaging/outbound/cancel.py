"""Cancelling: what was accepted and has not left is taken back; the message ends as failed with ``cancelled``.

A claim whose attempt is not on record yet loses its row under it: it finds nothing to record an attempt on, and without
one no byte leaves. From the attempt on it is too late, and the caller is told so.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.core.errors import Conflict, NotFound
from hailgate.core.status import UNPROVEN, Status
from hailgate.messaging.broker.outbox import EventOf, record_events
from hailgate.messaging.models import Direction, WorkKind, WorkState
from hailgate.messaging.people.roots import lock_key
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    aside,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    locked,
    now,
)
from hailgate.messaging.store.tables import MESSAGE, RECEIPT
from hailgate.messaging.work import rows

CODE = "cancelled"
DETAIL = "Cancelled before it was sent."


def cancel_message(tenant_id: int, uid: UUID) -> bool:
    """False where it was cancelled before. Raises NotFound, or Conflict where it can no longer be taken back.

    The next message of its conversation may be claimed as of the same commit.
    """
    with atomic_cursor() as cursor:
        key = lock_key(cursor, tenant_id, uid)
        work = _lock_delivery(cursor, tenant_id, uid)
        message = _get_message(cursor, tenant_id, uid)
        if message.status == Status.FAILED and message.code == CODE:
            return False
        row = _check_may_cancel(message, work)
        _cancel(cursor, [Unsent(key, row.id, message.id, tenant_id, 0)], now(cursor))
        return True


class Unsent(NamedTuple):
    """A message that waits for its delivery. ``key`` is its conversation, ``cause`` the turn that it answers."""

    key: int
    work_id: int
    message_id: int
    tenant_id: int
    cause: int


def find_unsent_answers(
    cursor: Cursor, keys: Iterable[int], *, lock: bool = False, refused: bool = False
) -> list[Unsent]:
    """Of assistants, in these conversations: those that no attempt was ever made for; or whose attempts were all
    ``refused``, and that wait for another.
    """
    found = fetch(
        cursor,
        f"SELECT work.key, work.id, message.id, work.tenant_id, message.cause FROM messaging_work work "
        f"JOIN messaging_message message ON message.id = work.message_id "
        f"WHERE work.kind = {WorkKind.DELIVERY.value} AND {among('work.key')} AND message.cause IS NOT NULL "
        f"AND {aside('work.state')} IN ({WorkState.WAITING.value}, {WorkState.READY.value}, {WorkState.LEASED.value}) "
        f"AND NOT work.attempting {'' if refused else 'AND work.attempts = 0'} {every_tenant('by key')} "
        f"ORDER BY work.id{locked(of='work') if lock else ''}",
        [array(set(keys))],
    )
    return [Unsent._make(row) for row in found]


def cancel_answers(cursor: Cursor, keys: Iterable[int], moment: float, *, refused: bool = True) -> list[Unsent]:
    """What assistants have not sent is not sent, nor tried again. The caller holds the locks of the conversations."""
    unsent = find_unsent_answers(cursor, keys, lock=True, refused=refused)
    _cancel(cursor, unsent, moment)
    return unsent


class _Message(NamedTuple):
    id: int
    direction: int
    status: int
    code: str


class _Delivery(NamedTuple):
    id: int
    state: int
    attempting: bool


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


def _cancel(cursor: Cursor, cancelled: Sequence[Unsent], moment: float) -> None:
    if not cancelled:
        return
    rows.complete(cursor, [each.work_id for each in cancelled])
    MESSAGE.update(
        cursor,
        ("code", "detail", "status"),
        [(each.message_id, CODE, DETAIL, Status.FAILED.value) for each in cancelled],
    )
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    told = [(each.tenant_id, each.message_id, Status.FAILED.word, moment, CODE, DETAIL) for each in cancelled]
    RECEIPT.insert(cursor, columns, told)
    record_events(
        cursor,
        [EventOf(each.tenant_id, each.message_id, "message.failed", moment, CODE, DETAIL) for each in cancelled],
    )
    rows.promote(cursor, WorkKind.DELIVERY, [each.key for each in cancelled], moment)
