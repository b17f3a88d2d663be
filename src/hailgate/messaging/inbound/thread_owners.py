"""Thread owners: what a provider told of who answers a person, where several responders share a number.

While another owns a thread, its answers are its own: what an assistant of ours has not sent is not sent, and what it
composes is dropped. Once the thread is ours again, an assistant answers what the other has left unanswered.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from hailgate.core.events import ThreadOwnerChange
from hailgate.core.thread_owner import ThreadOwner
from hailgate.messaging.models import PERSON, WorkKind
from hailgate.messaging.outbound.cancel import cancel_answers
from hailgate.messaging.people.conversations import Open, Party, open_conversations
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant
from hailgate.messaging.store.tables import CONVERSATION
from hailgate.messaging.work import rows


class OwnerTold(NamedTuple):
    party: Party
    event: ThreadOwnerChange

    def at(self, moment: float) -> float:
        """The provider's time; never later than now, and now where it is missing."""
        return float(min(self.event.at, moment)) if self.event.at > 0 else moment


def record_owners(cursor: Cursor, told: Sequence[OwnerTold], moment: float) -> None:
    """The latest of each thread stands, by the provider's time. Part of the transaction that applies the events."""
    if not told:
        return
    opened = open_conversations(cursor, [each.party for each in told], moment)
    latest: dict[int, tuple[Open, OwnerTold]] = {}
    for each, thread in zip(told, opened, strict=True):
        known = latest[thread.id][1].at(moment) if thread.id in latest else thread.thread_owner_at
        if each.at(moment) >= known:
            latest[thread.id] = (thread, each)
    _write(cursor, latest, moment)
    lost = [id_ for id_, (thread, each) in latest.items() if not each.event.ours and not _is_other(thread, moment)]
    _let_go(cursor, lost, moment)
    won = [(thread, each) for thread, each in latest.values() if each.event.ours and thread.thread_owner]
    _go_on(cursor, won, moment)


def doubt_owners(cursor: Cursor, ids: Collection[int]) -> None:
    """A message came to us in threads that another owns: whose they are is not known, and a person looks."""
    if not ids:
        return
    cursor.execute(
        f"UPDATE messaging_conversation SET thread_owner = {ThreadOwner.UNKNOWN.value}, thread_owner_role = '', "
        f"answered_by = '{PERSON}', version = version + 1 WHERE {among('id')} {every_tenant('by key')}",
        [array(ids)],
    )


def _is_other(thread: Open, moment: float) -> bool:
    return thread.owner(moment) is ThreadOwner.OTHER


def _write(cursor: Cursor, latest: dict[int, tuple[Open, OwnerTold]], moment: float) -> None:
    owners = [
        (id_, ThreadOwner.US.value, "", each.at(moment))
        if each.event.ours
        else (id_, ThreadOwner.OTHER.value, each.event.role[:40], each.at(moment))
        for id_, (_, each) in sorted(latest.items())
    ]
    CONVERSATION.update(cursor, ("thread_owner", "thread_owner_role", "thread_owner_at"), owners)


def _let_go(cursor: Cursor, ids: Collection[int], moment: float) -> None:
    """With the version what is being composed is dropped; nothing of an assistant is tried again either."""
    if not ids:
        return
    cursor.execute(
        f"UPDATE messaging_conversation SET version = version + 1 WHERE {among('id')} {every_tenant('by key')}",
        [array(ids)],
    )
    cancel_answers(cursor, ids, moment)


def _go_on(cursor: Cursor, won: Sequence[tuple[Open, OwnerTold]], moment: float) -> None:
    turns = [
        rows.NewWork(each.party.tenant_id, WorkKind.TURN, thread.id, each.party.channel_id)
        for thread, each in won
        if thread.answered_by != PERSON and thread.last_inbound_id > thread.answered_id
    ]
    if turns:
        rows.enqueue(cursor, turns, moment)
