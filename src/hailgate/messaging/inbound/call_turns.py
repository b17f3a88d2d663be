"""Turns called for: what a person said is to be answered, once they have finished saying it."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.core.thread_owner import ThreadOwner
from hailgate.messaging.inbound.arrivals import HookChannel
from hailgate.messaging.inbound.incoming import StoredInbound
from hailgate.messaging.models import PERSON, WorkKind
from hailgate.messaging.store.sql import Cursor, among, array, aside, every_tenant, fetch, locked
from hailgate.messaging.store.tables import WORK
from hailgate.messaging.work import rows


class Debounce(NamedTuple):
    """Seconds the assistant waits after a person's last message, and at most after the first."""

    quiet: float
    most: float


def call_for_answers(
    cursor: Cursor, stored: Sequence[StoredInbound], settled: Collection[UUID], debounce: Debounce, moment: float
) -> None:
    """A turn for each conversation that an assistant answers; one that has not begun yet waits a little longer.

    None for messages that are ``settled``.
    """
    asked = _asked(stored, settled, moment)
    if not asked:
        return
    due_at = moment + debounce.quiet if debounce.quiet else 0.0
    pending = _pending_turns(cursor, asked)
    later = [(id_, float(min(created_at + debounce.most, due_at))) for id_, _, created_at in pending]
    WORK.update(cursor, ("due_at",), later)
    waiting = {key for _, key, _ in pending}
    new = [
        rows.NewWork(channel.tenant_id, WorkKind.TURN, key, channel.id, due_at=due_at)
        for key, channel in asked.items()
        if key not in waiting
    ]
    rows.enqueue(cursor, new, moment)


def _asked(stored: Sequence[StoredInbound], settled: Collection[UUID], moment: float) -> dict[int, HookChannel]:
    """By conversation: the channel at which a person said what an assistant is to answer."""
    without = {each.conversation.id for each in stored if each.is_echo}
    return {
        each.conversation.id: each.channel
        for each in stored
        if each.incoming.uid not in settled
        and each.conversation.answered_by != PERSON
        and each.conversation.id not in without
        and each.conversation.owner(moment) is ThreadOwner.US
    }


def _pending_turns(cursor: Cursor, keys: Iterable[int]) -> list[tuple[int, int, float]]:
    """``(id, key, created_at)`` of turns that have not begun, locked. The caller holds their conversations' locks."""
    kind, not_begun = WorkKind.TURN.value, (rows.WAITING, rows.READY)
    places = [(kind, key) for key in keys]
    found = WORK.find(cursor, ("id", "state"), places, by=("kind", "key"))
    ids = [id_ for id_, state in found if state in not_begun]
    if not ids:
        return []
    return fetch(
        cursor,
        f"SELECT id, key, created_at FROM messaging_work WHERE {among('id')} AND {aside('state')} IN {not_begun} "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array(ids)],
    )
