"""Turns: the duty to let an assistant answer, claimed, reviewed and finished with its replies in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.assistant import BUILT_IN
from hailgate.assistant.contract import Summary
from hailgate.assistant.tools import CalledTool
from hailgate.core.address import Address, AddressKind
from hailgate.core.consent_scopes import ASSISTANT
from hailgate.core.errors import ConfigurationError
from hailgate.core.patterns import StandingPattern
from hailgate.core.slots import Room
from hailgate.core.thread_owner import ThreadOwner, owner_now
from hailgate.messaging.assistants.answers import AnswerRecord, TurnPlace, find_disclosed, record_answers
from hailgate.messaging.assistants.floods import RuleOfFlood, find_flood_rules
from hailgate.messaging.assistants.patterns import find_patterns
from hailgate.messaging.assistants.registry import LiveAssistant, find_live
from hailgate.messaging.assistants.stopping import STOPPED, find_stopped
from hailgate.messaging.assistants.summaries import NewSummary, keep_summary
from hailgate.messaging.assistants.superseding import (
    SUPERSEDED,
    count_superseded,
    find_asked_after,
    mark_superseded,
    may_supersede,
)
from hailgate.messaging.assistants.tool_calls import record_calls
from hailgate.messaging.inbound.turn_histories import read_histories, read_history_of_all
from hailgate.messaging.models import PERSON, Direction, WorkKind, WorkState
from hailgate.messaging.outbound.accept import store_messages
from hailgate.messaging.outbound.cancel import cancel_answers, find_unsent_answers
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.store.sql import (
    Cursor,
    Row,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    locked,
)
from hailgate.messaging.store.tables import CONVERSATION
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import UNREADABLE_S, Batch, Leased, claim_due, lock_held
from hailgate.messaging.work.leases import find_alive

# The latest messages that an assistant is shown of a conversation, beside all that it has not answered.
HISTORY_LENGTH = 20


class Line(NamedTuple):
    """One message of a conversation, as an assistant sees it. ``provider_id`` is set on a person's messages.

    ``uid`` is as the database has it. ``answered``: before its conversation and another became one.
    """

    id: int
    inbound: bool
    kind: str
    content: str
    provider_id: str | None
    uid: UUID | str
    at: float
    answered: bool = False


class Turn(NamedTuple):
    """A claimed turn. ``lines`` is the history; those after ``answered_id`` have not been answered; none is missing.

    ``live`` is the tenant's own assistant of the name in ``answered_by``; ``disclosed`` says that the person has been
    told that an assistant answers, since somebody else last did. ``superseded`` answers in a row were dropped because
    the person wrote more; ``unsent`` says that one before this turn has not left yet.
    ``last_inbound_at`` is when the person last wrote, by the provider's clock. ``stopped``: the tenant's kill switch.
    ``flood_rules`` say how much is answered.
    ``opening`` is said first: what came of the buttons that were ``pressed``.
    ``refused``: the person wants no assistant. ``summary`` is of what was said before the latest lines. ``patterns``
    are the tenant's, where its assistant says any.
    """

    id: int
    lease: int
    tenant_id: int
    conversation_id: int
    channel_id: int
    spent: int
    crashes: int
    answered_by: str
    version: int
    answered_id: int
    contact_id: int
    last_inbound_at: float | None
    to: Address
    lines: tuple[Line, ...]
    live: LiveAssistant | None = None
    disclosed: bool = False
    superseded: int = 0
    unsent: bool = False
    stopped: bool = False
    free_until: float = 0.0
    flood_rules: tuple[RuleOfFlood, ...] = ()
    refused: bool = False
    summary: Summary | None = None
    patterns: tuple[StandingPattern, ...] = ()
    opening: str = ""
    pressed: frozenset[int] = frozenset()

    @property
    def asked(self) -> tuple[Line, ...]:
        """What is to be answered once the buttons that were pressed are decided."""
        return tuple(line for line in self.unanswered if line.id not in self.pressed)

    @property
    def unanswered(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.id > self.answered_id and line.inbound and not line.answered)

    def may_be_superseded(self, moment: float) -> bool:
        """A tenant's assistant waits for a person's last word; the built-in script answers each as it comes."""
        if self.live is None:
            return False
        asked = self.unanswered
        return bool(asked) and may_supersede(self.superseded, moment - asked[0].at)


def claim_turns(worker_id: int, room: Room) -> Batch[Turn]:
    return claim_due(WorkKind.TURN, worker_id, room, _load)


class TurnEnd(StrEnum):
    """What became of a finished turn: its replies were kept, or dropped for somebody else or for a newer message."""

    KEPT = "kept"
    DROPPED = "dropped"
    SUPERSEDED = "superseded"


class Finished(NamedTuple):
    """What a turn came to: its replies, whether a person goes on from here, why, what tools were called, and what was
    noted of the conversation beside it.
    """

    turn: Turn
    replies: Sequence[NewMessage]
    hand_over: bool
    record: AnswerRecord | None = None
    called: Sequence[CalledTool] = ()
    summary: Summary | None = None


def finish_turns(worker_id: int, finished: Sequence[Finished]) -> list[TurnEnd]:
    """The ends of turns and their replies, in one transaction: no kill can make a second reply.

    Reviewed here: where a conversation was handed to somebody else in the meantime, the replies are dropped; so they
    are where a turn is no longer this worker's. Where the person wrote more in the meantime, the turn that this called
    for answers everything.
    """
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return [TurnEnd.DROPPED] * len(finished)
        threads = _lock_threads(cursor, [each.turn.conversation_id for each in finished])
        held = lock_held(cursor, worker_id, [each.turn for each in finished])
        mine = [each for each in finished if each.turn.id in held]
        stopped = find_stopped(cursor, {each.turn.tenant_id for each in mine})
        mine = [_silenced(each) if each.turn.tenant_id in stopped else each for each in mine]
        ours = [each for each in mine if threads.get(each.turn.conversation_id, (0, 0))[0] == each.turn.version]
        late = _find_superseded(cursor, ours, threads, moment)
        kept = [each for each in ours if each.turn.id not in late]
        latest = store_messages(cursor, [reply for each in kept for reply in each.replies], moment)
        _mark_answered(cursor, kept, latest, moment)
        _record(cursor, ours, late, moment)
        record_calls(cursor, [(place_of(each.turn), call) for each in kept for call in each.called], moment)
        _keep_summaries(cursor, ours, moment)
        rows.complete(cursor, [each.turn.id for each in mine])
        rows.promote(cursor, WorkKind.TURN, [each.turn.conversation_id for each in mine], moment)
        ends = {each.turn.id: TurnEnd.KEPT for each in kept if each.turn.tenant_id not in stopped}
        ends |= dict.fromkeys(late, TurnEnd.SUPERSEDED)
        return [ends.get(each.turn.id, TurnEnd.DROPPED) for each in finished]


def _silenced(finished: Finished) -> Finished:
    """Of a stopped tenant: nothing is said, and a person goes on. In a group nobody was waiting for one."""
    record = finished.record and finished.record._replace(outcome="silent", note=STOPPED, message_uid=None)
    passes_on = finished.turn.to.kind is not AddressKind.GROUP
    return finished._replace(
        replies=(), hand_over=passes_on, record=record and record._replace(disclosed=False), called=()
    )


def take_back_unsent(worker_id: int, turn: Turn) -> Turn:
    """The turn, with what an answer before it left unsent taken back: it answers that question, too.

    Unchanged where that answer is on its way already, or was put off often enough.
    """
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        key = turn.conversation_id
        threads = _lock_threads(cursor, [key])
        if moment is None or not lock_held(cursor, worker_id, [turn]) or threads[key][0] != turn.version:
            return turn
        unsent = find_unsent_answers(cursor, [key], lock=True)
        asked_after = find_asked_after(cursor, key, [each.cause for each in unsent])
        if asked_after is None:
            return turn
        wider = _without(turn, {each.message_id for each in unsent})._replace(answered_id=asked_after)
        if not wider.may_be_superseded(moment):
            return turn
        cancel_answers(cursor, [key], moment, refused=False)
        mark_superseded(cursor, key, [each.cause for each in unsent])
        CONVERSATION.update(cursor, ("answered_id",), [(key, asked_after)])
        told = (key, turn.version) in find_disclosed(cursor, [key])
        return wider._replace(disclosed=told, superseded=turn.superseded + 1, unsent=False)


def _without(turn: Turn, message_ids: Collection[int]) -> Turn:
    return turn._replace(lines=tuple(line for line in turn.lines if line.id not in message_ids))


def postpone_turn(worker_id: int, turn: Turn, delay: float, code: str) -> bool:
    """Once more, after ``delay`` seconds."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not lock_held(cursor, worker_id, [turn]):
            return False
        rows.postpone(cursor, [rows.Postponed(turn.id, moment + delay, turn.spent + 1, code, "")])
        return True


# --- claiming ---------------------------------------------------------------------------------------------------------


_REFUSED = f"""
    EXISTS (SELECT 1 FROM messaging_suppression refusal JOIN messaging_contactaddress address
            ON address.tenant_id = refusal.tenant_id AND address.digest = refusal.digest
            WHERE refusal.tenant_id = messaging_conversation.tenant_id AND refusal.scope = '{ASSISTANT}'
            AND address.contact_id = messaging_conversation.contact_id)"""
_INBOUND: Final = Direction.INBOUND.value
_OF_SUMMARY = "FROM messaging_conversationsummary note WHERE note.conversation_id = messaging_conversation.id"
_SUMMARY = f"(SELECT content {_OF_SUMMARY}), (SELECT upto {_OF_SUMMARY})"


def _load(cursor: Cursor, leased: Sequence[Leased], moment: float) -> list[Turn]:
    """The turns with all they need. One whose key is gone is put off, so that it costs nobody else's answer."""
    found = fetch(
        cursor,
        f"SELECT id, last_message_id, answered_by, version, answered_id, contact_id, last_inbound_at, "
        f"thread_owner, thread_owner_at, free_until, {_REFUSED}, {_SUMMARY}, merged_into_id, "
        f"EXISTS (SELECT 1 FROM messaging_conversation one WHERE one.merged_into_id = messaging_conversation.id), "
        f"EXISTS (SELECT 1 FROM messaging_assistantstop stop WHERE stop.tenant_id = messaging_conversation.tenant_id), "
        f"(SELECT restored_at FROM accounts_installation) "
        f"FROM messaging_conversation WHERE {among('id')} {every_tenant('by key')}",
        [array(row.key for row in leased)],
    )
    conversations = {id_: _Thread._make(thread) for id_, *thread in found}
    leased = _drop_old(cursor, leased, conversations)
    leased = _drop_elsewhere(cursor, leased, conversations, moment)
    tenants = {row.key: row.tenant_id for row in leased}
    live = find_live(cursor, [(tenants[id_], thread.answered_by) for id_, thread in conversations.items()])
    own = {id_: live.get((tenants[id_], thread.answered_by)) for id_, thread in conversations.items()}
    after = {id_: _read_after(thread, own[id_]) for id_, thread in conversations.items()}
    most = max([HISTORY_LENGTH, *(each.settings.history_lines for each in own.values() if each)])
    histories = read_histories(cursor, after, {id_: each.answered_id for id_, each in conversations.items()}, most)
    answered: set[int] = set()
    for id_, thread in conversations.items():
        if thread.has_others:
            histories[id_], before = read_history_of_all(cursor, id_, after[id_], thread.answered_id, most)
            answered |= before
    lively = [id_ for id_, each in own.items() if each]
    flood_rules = find_flood_rules(cursor, {tenants[id_] for id_ in lively}) if lively else {}
    saying = {tenants[id_] for id_, each in own.items() if each and each.settings.says_patterns}
    patterns = find_patterns(cursor, saying) if saying else {}
    disclosed = find_disclosed(cursor, list(conversations))
    superseded = count_superseded(cursor, lively) if lively else {}
    unsent = {each.key for each in find_unsent_answers(cursor, lively)} if lively else set()
    turns, later = [], []
    for row in leased:
        try:
            to, lines = _read(histories[row.key], answered)
        except ConfigurationError as lost:
            later.append(rows.Postponed(row.id, moment + UNREADABLE_S, row.spent, "unreadable", lost.detail[:300]))
            continue
        thread = conversations[row.key]
        told = (row.key, thread.version) in disclosed
        again = (superseded.get(row.key, 0), row.key in unsent, bool(thread.stopped), thread.free_until)
        rules = flood_rules.get(row.tenant_id, ()) if own[row.key] else ()
        turn = Turn(*row[:-1], *thread[1:6], to, lines, own[row.key], told, *again, rules, bool(thread.refused))
        turns.append(turn._replace(summary=thread.summary, patterns=patterns.get(row.tenant_id, ())))
    rows.postpone(cursor, later)
    return turns


class _Thread(NamedTuple):
    """A conversation; ``has_others`` says that others were joined to it, ``stopped`` is the tenant's kill switch.

    ``restored_at`` is when this installation began anew from a backup.
    """

    last_message_id: int
    answered_by: str
    version: int
    answered_id: int
    contact_id: int
    last_inbound_at: float | None
    thread_owner: int
    thread_owner_at: float
    free_until: float
    refused: bool
    noted: str | None
    noted_upto: int | None
    merged_into_id: int | None
    has_others: bool
    stopped: bool
    restored_at: float | None

    @property
    def summary(self) -> Summary | None:
        return None if self.noted is None else Summary(sealer().unseal(self.noted), self.noted_upto or 0)


def _drop_old(cursor: Cursor, leased: Sequence[Leased], threads: dict[int, _Thread]) -> list[Leased]:
    """Ends the turns of people who have not written since a backup was restored: they may have been answered before it.

    They leave ``threads`` too. Returns the others.
    """
    old = {
        key
        for key, thread in threads.items()
        if thread.restored_at is not None and thread.last_inbound_at and thread.last_inbound_at <= thread.restored_at
    }
    return _drop(cursor, leased, threads, old)


def _drop_elsewhere(
    cursor: Cursor, leased: Sequence[Leased], threads: dict[int, _Thread], moment: float
) -> list[Leased]:
    """Ends the turns of people whom another responder answers by now, and what a worker left of conversations that were
    joined to another in the meantime: that one was asked anew. They leave ``threads`` too.
    """
    elsewhere = {
        key
        for key, thread in threads.items()
        if thread.merged_into_id or owner_now(thread.thread_owner, thread.thread_owner_at, moment) is not ThreadOwner.US
    }
    return _drop(cursor, leased, threads, elsewhere)


def _drop(cursor: Cursor, leased: Sequence[Leased], threads: dict[int, _Thread], keys: Collection[int]) -> list[Leased]:
    if not keys:
        return list(leased)
    rows.complete(cursor, [row.id for row in leased if row.key in keys])
    for key in keys:
        del threads[key]
    return [row for row in leased if row.key not in keys]


def _read_after(thread: _Thread, live: LiveAssistant | None) -> int:
    """How far back its assistant reads; the last message is needed in any case, for its address."""
    built_in = BUILT_IN.get(thread.answered_by)
    reads_history = not live.settings.is_scripted if live else built_in is not None and built_in.reads_history
    return 0 if reads_history else min(thread.answered_id, thread.last_message_id - 1)


def _read(history: Sequence[Row], answered: Collection[int]) -> tuple[Address, tuple[Line, ...]]:
    """The address that the last inbound message came from, and the lines. Raises ConfigurationError."""
    unseal = sealer().unseal
    sources = [(kind, address) for _, direction, *_, kind, address in history if direction == _INBOUND]
    kind, address = sources[-1] if sources else history[0][-2:]
    lines = []
    for id_, direction, kind_of_content, content, provider_id, uid, at, *_ in history:
        inbound = direction == _INBOUND
        given = provider_id if inbound else None
        lines.append(Line(id_, inbound, kind_of_content, unseal(content), given, uid, at, id_ in answered))
    return Address(AddressKind(kind), unseal(address)), tuple(lines)


# --- finishing --------------------------------------------------------------------------------------------------------


def _lock_threads(cursor: Cursor, conversation_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Locks the conversations, in id order: their versions, which rise when somebody else is to answer, and the last
    message of the person.
    """
    found = fetch(
        cursor,
        f"SELECT id, version, last_inbound_id FROM messaging_conversation WHERE {among('id')} "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array(conversation_ids)],
    )
    return {id_: (version, last_inbound_id) for id_, version, last_inbound_id in found}


def _find_superseded(
    cursor: Cursor, ours: Sequence[Finished], threads: Mapping[int, tuple[int, int]], moment: float
) -> set[int]:
    """Turns whose person wrote more while they were composed, and has another turn coming.

    Never one that hands over: who has an emergency does not wait because they write on.
    """
    late = {
        each.turn.conversation_id: each.turn
        for each in ours
        if each.replies and not each.hand_over and each.turn.may_be_superseded(moment)
        and threads[each.turn.conversation_id][1] > each.turn.unanswered[-1].id
    }  # fmt: skip
    if not late:
        return set()
    coming = fetch(
        cursor,
        f"SELECT key FROM messaging_work WHERE kind = {WorkKind.TURN.value} AND {among('key')} "
        f"AND state = {WorkState.WAITING.value} {every_tenant('by key')}",
        [array(late)],
    )
    return {late[key].id for (key,) in coming}


def _record(cursor: Cursor, ours: Sequence[Finished], late: Collection[int], moment: float) -> None:
    """What was composed is on record also where it is not sent: it was paid for."""
    records = [
        (place_of(each.turn), each.record._replace(outcome=SUPERSEDED, message_uid=None, disclosed=False))
        if each.turn.id in late
        else (place_of(each.turn), each.record)
        for each in ours
        if each.record
    ]
    record_answers(cursor, records, moment)


def _keep_summaries(cursor: Cursor, ours: Sequence[Finished], moment: float) -> None:
    """Also of what was superseded: it was paid for."""
    for turn, summary in ((each.turn, each.summary) for each in ours):
        if summary:
            read = [(line.id, line.content) for line in turn.lines]
            new = NewSummary(turn.tenant_id, turn.conversation_id, summary, read, turn.summary)
            keep_summary(cursor, new, moment)


def _mark_answered(cursor: Cursor, kept: Sequence[Finished], latest: dict[int, int], moment: float) -> None:
    """One update a conversation: each writes to all indexes of the table."""
    replied, silent = [], []
    for turn, _, hand_over, *_ in kept:
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


def place_of(turn: Turn) -> TurnPlace:
    return TurnPlace(turn.tenant_id, turn.conversation_id, turn.channel_id, turn.id, turn.version, turn.answered_id)
