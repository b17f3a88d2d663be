"""Waiting work of joined conversations: it takes the root's key, and of each kind one head remains."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from hailgate.messaging.models import PERSON, WorkKind, WorkState
from hailgate.messaging.people.tree import Placed
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, fetch_value, locked
from hailgate.messaging.store.tables import CONVERSATION, WORK
from hailgate.messaging.work import rows

# Longer than a send may take: until then a conversation lets nothing new out while it waits to be joined.
REST_S = 60.0
_MOVING = f"({WorkKind.DELIVERY.value}, {WorkKind.TURN.value})"


class _Row(NamedTuple):
    id: int
    key: int
    kind: int
    state: int
    due_at: float
    tenant_id: int
    channel_id: int
    message_id: int | None


def is_sending(cursor: Cursor, keys: Collection[int]) -> bool:
    """Whether a delivery of these is leased at this moment. The heads stay locked."""
    heads = fetch(
        cursor,
        f"SELECT state FROM messaging_work WHERE kind = {WorkKind.DELIVERY.value} AND {among('key')} "
        f"AND state IN {rows.HEADS} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(keys)],
    )
    return any(state == WorkState.LEASED for (state,) in heads)


def hold_back(cursor: Cursor, keys: Collection[int], moment: float) -> None:
    """Nothing follows what is on its way, so that the join finds them at rest when it comes again."""
    CONVERSATION.update(cursor, ("rests_until",), [(key, moment + REST_S) for key in sorted(keys)])
    rows.hold_conversations(cursor, keys)


def wake_up(cursor: Cursor, keys: Collection[int], moment: float) -> None:
    """Joined or parted: nothing but what is parked holds them any more, and the oldest of each goes on."""
    CONVERSATION.update(cursor, ("rests_until",), [(key, None) for key in sorted(keys)])
    rows.hold_conversations(cursor, keys)
    for kind in (WorkKind.DELIVERY, WorkKind.TURN):
        rows.promote(cursor, kind, keys, moment)


def give_root_key(cursor: Cursor, placed: Placed, answered_by: str, moment: float) -> None:
    """The caller holds the locks of the conversations and of their channel; nothing of them is being sent."""
    keys = [talk.id for talk in placed.all]
    found = fetch(
        cursor,
        f"SELECT {', '.join(_Row._fields)} FROM messaging_work WHERE kind IN {_MOVING} AND {among('key')} "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array(keys)],
    )
    work = [_Row._make(row) for row in found]
    _move_deliveries(cursor, placed.root.id, [row for row in work if row.kind == WorkKind.DELIVERY], moment)
    _move_turns(cursor, placed.root.id, [row for row in work if row.kind == WorkKind.TURN], answered_by, moment)


def _move_deliveries(cursor: Cursor, root: int, deliveries: Sequence[_Row], moment: float) -> None:
    ready = [row for row in deliveries if row.state == WorkState.READY]
    head = _head(cursor, root, ready, deliveries, moment)
    # What waits with a time of its own is passed by those behind it until then.
    waiting = [(row.id, WorkState.WAITING.value, 0.0) for row in ready if row is not head]
    WORK.update(cursor, ("state", "due_at"), waiting)
    WORK.update(cursor, ("key",), [(row.id, root) for row in deliveries if row.key != root])


def _head(cursor: Cursor, root: int, ready: Sequence[_Row], deliveries: Sequence[_Row], moment: float) -> _Row | None:
    """The head that is due last, since it may owe its provider a wait; of those that are due now the oldest.

    None where a parked row holds all: unless the head is due only after that.
    """
    hold = fetch_value(
        cursor,
        f"SELECT max(hold_until) FROM messaging_work WHERE {among('id')} AND state = {WorkState.PARKED.value} "
        f"{every_tenant('by key')}",
        [array(row.id for row in deliveries)],
    )
    free = [row for row in ready if not hold or row.key == root or hold <= moment or row.due_at > hold]
    return max(free, key=lambda row: (max(row.due_at, moment), -row.id), default=None)


def _move_turns(cursor: Cursor, root: int, turns: Sequence[_Row], answered_by: str, moment: float) -> None:
    """One that is being answered ends by itself, and without effect; one asks for an answer to all of it."""
    pending = [row for row in turns if row.state in {WorkState.WAITING, WorkState.READY}]
    rows.complete(cursor, [row.id for row in pending])
    if not turns or answered_by == PERSON:
        return
    asked = max(turns, key=lambda row: row.id)
    due_at = min((row.due_at for row in pending), default=0.0)
    rows.enqueue(cursor, [rows.NewWork(asked.tenant_id, WorkKind.TURN, root, asked.channel_id, due_at=due_at)], moment)
