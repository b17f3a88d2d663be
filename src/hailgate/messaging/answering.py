"""Turns: the duty to let an assistant answer, claimed, reviewed and finished with its replies in one transaction."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.assistant import find_assistant
from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import ConfigurationError
from hailgate.messaging import rows
from hailgate.messaging.leases import find_alive
from hailgate.messaging.models import PERSON, Direction, WorkKind, WorkState
from hailgate.messaging.queue import UNREADABLE_S, look_for
from hailgate.messaging.sending import NewMessage, store_messages
from hailgate.messaging.sql import (
    Cursor,
    Row,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    locked,
    on_postgresql,
)
from hailgate.messaging.tables import CONVERSATION

# What an assistant is shown of a conversation, newest last.
HISTORY_LENGTH = 20


class Line(NamedTuple):
    """One message of a conversation, as an assistant sees it. ``provider_id`` is set on a person's messages.

    ``uid`` is as the database has it.
    """

    id: int
    inbound: bool
    kind: str
    content: str
    provider_id: str | None
    uid: UUID | str


class Turn(NamedTuple):
    """A claimed turn. ``lines`` is the history; those after ``answered_id`` have not been answered."""

    id: int
    lease: int
    tenant_id: int
    conversation_id: int
    channel_id: int
    attempts: int
    tries: int
    answered_by: str
    version: int
    answered_id: int
    to: Address
    lines: tuple[Line, ...]

    @property
    def unanswered(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.id > self.answered_id and line.inbound)


class TurnsClaimed(NamedTuple):
    turns: list[Turn]
    moment: float
    again_at: float | None


def claim_turns(worker_id: int, limit: int) -> TurnsClaimed:
    """Lease up to ``limit`` due turns; one that ran before without an end is taken alone."""
    look = look_for(WorkKind.TURN)
    if limit and look.due:
        with atomic_cursor() as cursor:
            moment = find_alive(cursor, worker_id)
            if moment is not None:
                leased = _lease_due(cursor, worker_id, limit, moment)
                return TurnsClaimed(_load(cursor, leased, moment), moment, None)
    return TurnsClaimed([], look.moment, look.earliest if limit else None)


class Finished(NamedTuple):
    """What a turn came to: its replies, and whether a person goes on from here."""

    turn: Turn
    replies: Sequence[NewMessage]
    hand_over: bool


def finish_turns(worker_id: int, finished: Sequence[Finished]) -> list[bool]:
    """The ends of turns and their replies, in one transaction: no kill can make a second reply.

    Reviewed here: where a conversation was handed to somebody else in the meantime, the replies are dropped and the
    answer is False. False too where a turn is no longer this worker's.
    """
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return [False] * len(finished)
        versions = _lock_versions(cursor, [each.turn.conversation_id for each in finished])
        held = _held(cursor, worker_id, [each.turn for each in finished])
        mine = [each for each in finished if each.turn.id in held]
        kept = [each for each in mine if versions.get(each.turn.conversation_id) == each.turn.version]
        latest = store_messages(cursor, [reply for each in kept for reply in each.replies], moment)
        _mark_answered(cursor, kept, latest, moment)
        rows.complete(cursor, [each.turn.id for each in mine])
        rows.promote(cursor, WorkKind.TURN, [each.turn.conversation_id for each in mine], moment)
        ours = {each.turn.id for each in kept}
        return [each.turn.id in ours for each in finished]


def postpone_turn(worker_id: int, turn: Turn, delay: float, code: str) -> bool:
    """Once more, after ``delay`` seconds."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not _held(cursor, worker_id, [turn]):
            return False
        rows.postpone(cursor, [rows.Postponed(turn.id, moment + delay, turn.attempts + 1, code, "")])
        return True


# --- claiming ---------------------------------------------------------------------------------------------------------

_Leased = tuple[int, int, int, int, int, int, int]


def _lease_due(cursor: Cursor, worker_id: int, limit: int, moment: float) -> list[_Leased]:
    due = fetch(
        cursor,
        f"SELECT id, lease + 1, tenant_id, key, channel_id, attempts, tries + 1 FROM messaging_work "
        f"WHERE kind = {WorkKind.TURN.value} AND state = {WorkState.READY.value} AND due_at <= %s "
        f"{every_tenant('claim')} ORDER BY due_at, id LIMIT %s{locked(skip=True)}",
        [moment, limit],
    )
    if suspects := [row for row in due if row[6] > 1]:
        due = suspects[:1]
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.LEASED.value}, worker_id = %s, lease = lease + 1, "
        f"tries = tries + 1 WHERE {among('id')} {every_tenant('claim')}",
        [worker_id, array(row[0] for row in due)],
    )
    return due


def _load(cursor: Cursor, leased: Sequence[_Leased], moment: float) -> list[Turn]:
    """The turns with all they need. One whose key is gone is put off, so that it costs nobody else's answer."""
    if not leased:
        return []
    keys = [row[3] for row in leased]
    found = fetch(
        cursor,
        f"SELECT id, last_message_id, answered_by, version, answered_id FROM messaging_conversation "
        f"WHERE {among('id')} {every_tenant('by key')}",
        [array(keys)],
    )
    conversations = {id_: (answered_by, version, answered_id) for id_, _, answered_by, version, answered_id in found}
    histories = _histories(
        cursor,
        {id_: _read_after(last_id, answered_by, answered_id) for id_, last_id, answered_by, _, answered_id in found},
    )
    turns, later = [], []
    for id_, lease, tenant_id, key, channel_id, attempts, tries in leased:
        try:
            to, lines = _read(histories[key])
        except ConfigurationError as lost:
            later.append(rows.Postponed(id_, moment + UNREADABLE_S, attempts, "unreadable", lost.detail[:300]))
            continue
        facts = (id_, lease, tenant_id, key, channel_id, attempts, tries)
        turns.append(Turn(*facts, *conversations[key], to, lines))
    rows.postpone(cursor, later)
    return turns


def _read_after(last_message_id: int, answered_by: str, answered_id: int) -> int:
    """How far back its assistant reads; the last message is needed in any case, for its address."""
    assistant = find_assistant(answered_by)
    if assistant is not None and assistant.reads_history:
        return 0
    return min(answered_id, last_message_id - 1)


def _histories(cursor: Cursor, wanted: Mapping[int, int]) -> dict[int, list[Row]]:
    """The latest messages of each conversation after the one that is named, the oldest first, as they are stored."""
    columns = "message.id, direction, kind, content, provider_id, message.uid, address_kind, address"
    if on_postgresql():
        statement = f"""
            SELECT wanted.key, {columns} FROM unnest(%b::bigint[], %b::bigint[]) AS wanted(key, after)
            CROSS JOIN LATERAL (
                SELECT * FROM messaging_message WHERE conversation_id = wanted.key AND id > wanted.after
                ORDER BY id DESC LIMIT {HISTORY_LENGTH}) message
            {every_tenant("by key")} ORDER BY message.id
        """
        found = fetch(cursor, statement, [array(wanted), array(wanted.values())])
    else:
        statement = (
            f"SELECT conversation_id, {columns.replace('message.', '')} FROM messaging_message "
            f"WHERE conversation_id = %s AND id > %s {every_tenant('by key')} ORDER BY id DESC LIMIT {HISTORY_LENGTH}"
        )
        found = [row for place in wanted.items() for row in reversed(fetch(cursor, statement, place))]
    histories: dict[int, list[Row]] = {}
    for key, *message in found:
        histories.setdefault(key, []).append(tuple(message))
    return histories


def _read(history: Sequence[Row]) -> tuple[Address, tuple[Line, ...]]:
    """The address that the last inbound message came from, and the lines. Raises ConfigurationError."""
    unseal = sealer().unseal
    sources = [(kind, address) for _, direction, *_, kind, address in history if direction == Direction.INBOUND.value]
    kind, address = sources[-1] if sources else history[0][-2:]
    lines = []
    for id_, direction, kind_of_content, content, provider_id, uid, *_ in history:
        inbound = direction == Direction.INBOUND.value
        lines.append(Line(id_, inbound, kind_of_content, unseal(content), provider_id if inbound else None, uid))
    return Address(AddressKind(kind), unseal(address)), tuple(lines)


# --- finishing --------------------------------------------------------------------------------------------------------


def _lock_versions(cursor: Cursor, conversation_ids: Sequence[int]) -> dict[int, int]:
    """Locks the conversations, in id order. The version rises when somebody else is to answer."""
    found = fetch(
        cursor,
        f"SELECT id, version FROM messaging_conversation WHERE {among('id')} {every_tenant('by key')} "
        f"ORDER BY id{locked()}",
        [array(conversation_ids)],
    )
    return dict(found)


def _held(cursor: Cursor, worker_id: int, turns: Sequence[Turn]) -> set[int]:
    """Turns whose lease is still this worker's, locked."""
    leases = {turn.id: turn.lease for turn in turns}
    found = fetch(
        cursor,
        f"SELECT id, lease FROM messaging_work WHERE {among('id')} AND worker_id = %s "
        f"AND state = {WorkState.LEASED.value} {every_tenant('own rows')} ORDER BY id{locked()}",
        [array(leases), worker_id],
    )
    return {id_ for id_, lease in found if leases[id_] == lease}


def _mark_answered(cursor: Cursor, kept: Sequence[Finished], latest: dict[int, int], moment: float) -> None:
    """One update a conversation: each writes to all indexes of the table."""
    replied, silent = [], []
    for turn, _, hand_over in kept:
        key = turn.conversation_id
        answered = max((line.id for line in turn.unanswered), default=turn.answered_id)
        answerer = PERSON if hand_over else turn.answered_by
        end = (key, answered, answerer, turn.version + hand_over)
        if key in latest:
            replied.append((*end, latest[key], moment))
        else:
            silent.append(end)
    columns = ("answered_id", "answered_by", "version")
    CONVERSATION.update(cursor, (*columns, "last_message_id", "last_message_at"), sorted(replied))
    CONVERSATION.update(cursor, columns, sorted(silent))
