"""Answering: the assistant composes, the turn is reviewed, its replies and its end are one transaction."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from hailgate.assistant.contract import Answer, Composer, ConversationLine, Question, Usage
from hailgate.assistant.safety import has_word
from hailgate.assistant.scripted import BUILT_IN_SETTINGS
from hailgate.assistant.sentences import Sentences, disclosure_of, sentences_of
from hailgate.core import window
from hailgate.core.address import AddressKind
from hailgate.core.content import (
    Outbound,
    Text,
    TextBody,
    check_content,
    encode_content,
    kind_of,
)
from hailgate.core.errors import BudgetSpent, HailgateError, StoreUnavailable
from hailgate.core.floods import FloodVerdict
from hailgate.messaging.assistants.answers import AnswerRecord
from hailgate.messaging.assistants.floods import take_in
from hailgate.messaging.assistants.spending_rules import SpendingAsked
from hailgate.messaging.inbound.turns import (
    Finished,
    Line,
    Turn,
    TurnEnd,
    postpone_turn,
    take_back_unsent,
)
from hailgate.messaging.models import PERSON
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.ports import Db
from hailgate.messaging.store.sql import as_uuid
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline.assistants import Assistants, said_in
from hailgate.pipeline.bridge import Gate
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.faultpoints import crash_on
from hailgate.pipeline.purse import TurnPurse
from hailgate.pipeline.tools import Tools, TurnTools
from hailgate.pipeline.turn_files import TurnFiles
from hailgate.pipeline.writes import Decided, Writes
from hailgate.providers.contract import MarksRead
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import FLOODS, TURNS
from hailgate.telemetry.traces import is_traced, tell_span

MARK_READ_S = 5.0
TRY_AGAIN_S = 2.0
OFFER_AGAIN_S = 0.3
# A call has an id, but nobody reads it.
CALL = "call"


class Turns:
    """Carries out turns for one worker."""

    def __init__(
        self,
        db: Db,
        worker_id: int,
        *,
        ends: Gate[Finished, TurnEnd],
        connections: Connections,
        assistants: Assistants,
        tools: Tools,
        files: TurnFiles,
        life_s: float,
        within_s: float,
    ) -> None:
        self._db, self._worker_id, self._ends = db, worker_id, ends
        self._connections, self._assistants, self._tools = connections, assistants, tools
        self._writes, self._files = Writes(db, tools), files
        self._life_s, self._within_s = life_s, within_s
        self._courtesies: set[asyncio.Task[None]] = set()

    def prepare(self) -> None:
        """At the beginning of a worker, beside everything else."""
        self._in_background(self._prepare())

    async def answer(self, turn: Turn, claimed_at: float) -> None:
        """``claimed_at`` is the database's time of the claim."""
        if not turn.unanswered or turn.answered_by == PERSON:  # answered before, or a person took over since
            await self._end(turn, [], hand_over=False)
            return
        if late := await self._find_lateness(turn, claimed_at):
            await self._leave_to_person(turn, late)
            return
        if turn.unsent:
            turn = await self._db(take_back_unsent, self._worker_id, turn)
        begun = time.monotonic()
        replies = await self._answer(turn)
        if is_traced():
            _trace(turn, replies, time.monotonic() - begun)

    async def _answer(self, turn: Turn) -> Sequence[NewMessage]:
        """The replies that were stored, paid from one purse whoever composed them."""
        purse, replies = TurnPurse(self._db), []
        try:
            replies = [*await self._answer_from(purse, turn)]
        finally:
            await purse.close(said=bool(replies))
        return replies

    async def _answer_from(self, purse: TurnPurse, turn: Turn) -> Sequence[NewMessage]:
        """Choose · reserve · decide what a button asked · compose · finish."""
        assistant = self._assistants.find(turn)
        if assistant is None or turn.crashes >= MOST_CRASHES:
            return await self._give_to_person(turn, "no_assistant" if assistant is None else "poison", purse)
        if turn.stopped or turn.refused or not _may_answer(turn):
            await self._end(turn, [], hand_over=turn.to.kind is not AddressKind.GROUP)
            return []
        await self._show_reading(turn)
        for line in turn.unanswered:
            crash_on("turn", line.content)
        begun = time.monotonic()
        try:
            await self._open(purse, turn)
            if decided := await self._writes.decide(turn):
                turn = turn._replace(opening=decided.text, pressed=decided.pressed)
            if decided and (decided.failed or not turn.asked):
                composed = _tell_decided(turn, decided)
            else:
                composed = await self._compose(turn, assistant, purse)
            replies = [await self._reply(turn, content, place) for place, content in enumerate(composed.messages)]
        except Exception as failed:  # noqa: BLE001 -- whatever an assistant does, the person gets an answer
            return await self._failed(turn, failed, assistant.tries, purse, time.monotonic() - begun)
        return await self._finish(turn, composed, replies, time.monotonic() - begun)

    async def _compose(self, turn: Turn, assistant: Composer, purse: TurnPurse) -> Answer:
        connected = await self._connections.get(turn.channel_id)
        urgent = _is_urgent(turn)
        files, waited = ((), 0.0) if urgent else await self._files.read(turn)
        question = _question(turn, reacts="reaction" in connected.capabilities.kinds)
        question = msgspec.structs.replace(question, files=files, waited_s=waited)
        runs = TurnTools(self._tools, turn, connected.capabilities.kinds)
        if turn.flood_rules and not urgent and (flooded := await self._find_flood(turn)):
            return flooded
        if purse.exceeded and not urgent:
            return _limited(turn, purse.exceeded, Usage())
        try:
            async with asyncio.timeout(assistant.deadline_s):
                return await assistant.compose(question, runs, purse)
        except BudgetSpent as spent:
            return _limited(turn, spent.code, purse.usage)

    async def _find_flood(self, turn: Turn) -> Answer | None:
        """What is said to whoever writes too much, or nothing."""
        group = turn.to.kind is AddressKind.GROUP
        taking_in = partial(take_in, group=group)
        count = len(turn.unanswered)
        verdict, subject = await self._db(taking_in, turn.tenant_id, turn.contact_id, turn.flood_rules, count)
        if verdict is FloodVerdict.ANSWER:
            return None
        FLOODS.labels(subject).inc(count)
        log.warning(Event.FLOODED, turn=turn.id, channel=turn.channel_id, code=subject, replies=int(verdict.speaks))
        sentences = (_sentences(turn).flood,) if verdict.speaks else ()
        said = (_said_itself(turn, *sentences),) if sentences or turn.opening else ()
        return Answer(said, note=f"flood_of_{subject}", disclosed=bool(said) and _discloses(turn))

    async def _open(self, purse: TurnPurse, turn: Turn) -> None:
        """The built-in script counts nowhere. A provider with a window is one that charges for messages."""
        if turn.live is None:
            return
        connected = await self._connections.get(turn.channel_id)
        live, billed = turn.live, connected.window_seconds is not None
        await purse.open(SpendingAsked(turn.tenant_id, live.id, turn.contact_id, turn.to, live.settings, billed))

    async def close(self) -> None:
        for task in tuple(self._courtesies):
            task.cancel()
        await asyncio.gather(*self._courtesies, return_exceptions=True)

    async def _finish(
        self, turn: Turn, composed: Answer, replies: Sequence[NewMessage], seconds: float
    ) -> Sequence[NewMessage]:
        record = _record(turn, composed, replies, seconds)
        end = await self._end(turn, replies, hand_over=composed.hand_over, record=record, beside=composed)
        ours = end is TurnEnd.KEPT
        TURNS.labels("answered" if ours else end.value).inc()
        log.info(Event.TURN_ANSWERED, turn=turn.id, replies=len(replies) if ours else 0, reviewed=end.value)
        if ours and composed.hand_over:
            log.info(Event.CONVERSATION_HANDED_OVER, turn=turn.id, channel=turn.channel_id)
        return replies if ours else []

    async def _end(
        self,
        turn: Turn,
        replies: Sequence[NewMessage],
        *,
        hand_over: bool,
        record: AnswerRecord | None = None,
        beside: Answer | None = None,
    ) -> TurnEnd:
        """Offered until the store takes it: a turn that was taken already is no longer ours, and says so.

        What came of its answer ``beside`` the replies is kept with them.
        """
        noted = (beside.called, beside.summary) if beside else ()
        while True:
            try:
                return await self._ends.submit(Finished(turn, replies, hand_over, record, *noted))
            except StoreUnavailable:
                await asyncio.sleep(OFFER_AGAIN_S)

    async def _failed(
        self, turn: Turn, failed: Exception, tries: int, purse: TurnPurse, seconds: float
    ) -> Sequence[NewMessage]:
        code = failed.code if isinstance(failed, HailgateError) else type(failed).__name__
        TURNS.labels("failed").inc()
        log.warning(Event.TURN_FAILED, turn=turn.id, attempt=turn.spent + 1, code=code)
        if turn.spent + 1 < tries:
            await self._db(postpone_turn, self._worker_id, turn, TRY_AGAIN_S, code[:60])
            return []
        return await self._give_to_person(turn, code, purse, seconds)

    async def _find_lateness(self, turn: Turn, now: float) -> str | None:
        """Why nothing is composed any more: free text would be refused, or nobody waits for a machine's answer."""
        if turn.last_inbound_at is None:
            return None
        if now > turn.last_inbound_at + self._within_s:
            return "too_old"
        try:
            connected = await self._connections.get(turn.channel_id)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 -- whoever composes meets it again, and tells it
            return None
        length = connected.window_seconds
        return None if window.is_open(turn.last_inbound_at, now, length, turn.free_until) else "window_closed"

    async def _leave_to_person(self, turn: Turn, code: str) -> None:
        """Without a word: what cannot be sent, or comes too late, is no apology either."""
        TURNS.labels("given_to_person").inc()
        log.warning(Event.CONVERSATION_HANDED_OVER, turn=turn.id, channel=turn.channel_id, code=code)
        await self._end(turn, [], hand_over=True)

    async def _give_to_person(
        self, turn: Turn, code: str, purse: TurnPurse, seconds: float = 0.0
    ) -> Sequence[NewMessage]:
        """What its calls took is on record and counted, though nothing came of them; so is the apology."""
        TURNS.labels("given_to_person").inc()
        log.error(Event.TURN_FAILED, turn=turn.id, attempt=turn.spent + 1, code=code)
        replies = await self._apology(turn, purse)
        told = bool(replies) and _discloses(turn)
        uid = replies[0].uid if replies else None
        record = AnswerRecord("failed", code, turn.answered_by, _version_of(turn), told, purse.usage, seconds, uid)
        end = await self._end(turn, replies, hand_over=True, record=record)
        return replies if end is TurnEnd.KEPT else []

    async def _apology(self, turn: Turn, purse: TurnPurse) -> list[NewMessage]:
        """None where the channel cannot send: a person is asked all the same."""
        try:
            await self._open(purse, turn)
            return [await self._reply(turn, _said_itself(turn, _sentences(turn).apology), 0)]
        except StoreUnavailable:
            raise
        except Exception as failed:  # noqa: BLE001 -- or the turn would come back for ever
            log.error(Event.PROVIDER_ERROR, channel=turn.channel_id, error=type(failed).__name__)
            return []

    async def _reply(self, turn: Turn, content: Outbound, place: int) -> NewMessage:
        connected = await self._connections.get(turn.channel_id)
        check_content(content, connected.capabilities)
        return NewMessage(
            uid=uuid7(),
            tenant_id=turn.tenant_id,
            channel_id=turn.channel_id,
            to=turn.to,
            kind=kind_of(content),
            content=encode_content(content),
            sender=turn.answered_by,
            answered_by=turn.answered_by,
            life_s=self._life_s,
            cause=turn.id,
            ordinal=place,
            conversation_id=turn.conversation_id,
        )

    async def _show_reading(self, turn: Turn) -> None:
        """A courtesy, never a duty: nothing waits for it and nothing is tried again."""
        try:
            connected = await self._connections.get(turn.channel_id)
        except Exception as failed:  # noqa: BLE001 -- whoever composes meets it again, and tells it
            log.debug(Event.PROVIDER_ERROR, turn=turn.id, error=type(failed).__name__)
            return
        if connected.marks_read and isinstance(connected.provider, MarksRead):
            self._in_background(self._mark_read(turn, connected.provider))

    def _in_background(self, courtesy: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(courtesy)
        self._courtesies.add(task)
        task.add_done_callback(self._courtesies.discard)

    async def _prepare(self) -> None:
        with suppress(StoreUnavailable):
            await self._assistants.prepare(self._db)

    async def _mark_read(self, turn: Turn, provider: MarksRead) -> None:
        last = next((line.provider_id for line in reversed(turn.unanswered) if line.kind != CALL), None)
        if not last:
            return
        try:
            async with asyncio.timeout(MARK_READ_S):
                await provider.mark_read(last, typing=True)
        except Exception as failed:  # noqa: BLE001 -- nobody waits for it
            log.debug(Event.PROVIDER_ERROR, turn=turn.id, error=type(failed).__name__)


def _is_urgent(turn: Turn) -> bool:
    """What brings a person at once: nothing is waited for, and no limit stands in its way."""
    if turn.live is None:
        return False
    settings = turn.live.settings
    words = settings.emergency_words if settings.is_scripted else settings.emergency_words + settings.person_words
    return has_word(map(said_in, turn.unanswered), words)


def _tell_decided(turn: Turn, decided: Decided) -> Answer:
    said = _said_itself(turn)
    return Answer((said,), hand_over=decided.failed, note=decided.note, disclosed=_discloses(turn))


def _limited(turn: Turn, code: str, usage: Usage) -> Answer:
    """The person is told once: a person goes on from here."""
    log.warning(Event.ASSISTANT_LIMITED, turn=turn.id, channel=turn.channel_id, code=code)
    said = _said_itself(turn, _sentences(turn).limit)
    return Answer((said,), hand_over=True, note=code, usage=usage, disclosed=_discloses(turn))


def _trace(turn: Turn, replies: Sequence[NewMessage], seconds: float) -> None:
    """In the trace of the last message that was answered; each reply is a trace of its own that comes from there."""
    *others, last = (as_uuid(line.uid) for line in turn.unanswered)
    facts = {"turn": turn.id, "channel": turn.channel_id, "tenant": turn.tenant_id}
    tell_span("turn", last, seconds, {**facts, "replies": len(replies)}, follows=others)
    for reply in replies:
        tell_span("accept", reply.uid, 0.0, {**facts, "message": str(reply.uid)}, follows=(last,))


def _question(turn: Turn, *, reacts: bool) -> Question:
    """What is to be answered comes last, also where something of ours was written after it."""
    asked = turn.asked
    ids = {line.id for line in asked}
    before = [line for line in turn.lines if line.id not in ids]
    ttl = turn.live.settings.context_ttl_s if turn.live else None
    context = before if ttl is None else _current_context(before, asked[0].at, ttl)
    history = (*map(said_in, context), *_opening_line(turn), *map(said_in, asked))
    question = Question(history, len(asked), _discloses(turn), reacts, turn.summary, turn.patterns)
    return msgspec.structs.replace(question, opening=turn.opening)


def _opening_line(turn: Turn) -> Sequence[ConversationLine]:
    """What the answer begins with, so that it is not said twice."""
    if not turn.opening:
        return ()
    return (ConversationLine(by_person=False, kind="text", text=turn.opening, id=max(turn.pressed)),)


def _current_context(lines: Sequence[Line], now: float, ttl: float) -> Sequence[Line]:
    """The lines since the conversation was last silent for ``ttl`` seconds."""
    later = now
    for place in reversed(range(len(lines))):
        if later - lines[place].at > ttl:
            return lines[place + 1 :]
        later = lines[place].at
    return lines


def _may_answer(turn: Turn) -> bool:
    """Not where it is switched off, and in a group only where its owner says so and somebody calls it."""
    if turn.live is None or turn.to.kind is not AddressKind.GROUP:
        return turn.live is None or turn.live.active
    settings = turn.live.settings
    called = has_word(map(said_in, turn.unanswered), settings.mention_words or (turn.live.name,))
    return turn.live.active and settings.in_groups and called


def _record(turn: Turn, composed: Answer, replies: Sequence[NewMessage], seconds: float) -> AnswerRecord:
    outcome = "handed_over" if composed.hand_over else "answered" if replies else "silent"
    uid = replies[0].uid if replies else None
    return AnswerRecord(
        outcome, composed.note, turn.answered_by, _version_of(turn), composed.disclosed, composed.usage, seconds, uid
    )


def _version_of(turn: Turn) -> int | None:
    return turn.live.version_id if turn.live else None


def _sentences(turn: Turn) -> Sentences:
    return sentences_of(turn.live.settings.language if turn.live else "en")


def _discloses(turn: Turn) -> bool:
    """Whether what is said now is the first that a person hears of an assistant."""
    return not turn.disclosed


def _said_itself(turn: Turn, *sentences: str) -> Text:
    """Sentences that no assistant composed. They say what it is, too, where they are the first."""
    disclosure = disclosure_of(turn.live.settings if turn.live else BUILT_IN_SETTINGS) if _discloses(turn) else ""
    return Text(TextBody("\n\n".join(filter(None, (disclosure, turn.opening, *sentences)))))
