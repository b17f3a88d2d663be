"""Answering: the assistant composes, the turn is reviewed, its replies and its end are one transaction."""

import asyncio
import time
from collections.abc import Sequence

from hailgate.assistant import find_assistant
from hailgate.assistant.contract import Answer, Question, Said
from hailgate.core.content import (
    Outbound,
    Text,
    TextBody,
    check_content,
    content_as_json,
    encode_content,
    kind_of,
    words_of,
)
from hailgate.core.errors import HailgateError, StoreUnavailable
from hailgate.messaging.answering import Finished, Line, Turn, postpone_turn
from hailgate.messaging.ids import uuid7
from hailgate.messaging.models import PERSON
from hailgate.messaging.queue import MOST_TRIES
from hailgate.messaging.sending import NewMessage
from hailgate.messaging.sql import as_uuid
from hailgate.pipeline.bridge import Db, Gate
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.faultpoints import swallow
from hailgate.providers.contract import MarksRead
from hailgate.telemetry import TURNS, Event, log
from hailgate.tracing import is_traced, tell_span

# A person should not wait longer for an answer than this before another person is asked to give it.
COMPOSE_S = 30.0
MARK_READ_S = 5.0
# One more try of an assistant that failed, then a person.
ATTEMPTS = 2
TRY_AGAIN_S = 2.0
OFFER_AGAIN_S = 0.3
FALLBACK = "Sorry, I cannot answer right now. A person will get back to you here."


class Turns:
    """Carries out turns for one worker."""

    def __init__(
        self, db: Db, worker_id: int, *, ends: Gate[Finished, bool], connections: Connections, life_s: float
    ) -> None:
        self._db, self._worker_id, self._ends = db, worker_id, ends
        self._connections, self._life_s = connections, life_s
        self._courtesies: set[asyncio.Task[None]] = set()

    async def answer(self, turn: Turn) -> None:
        if not turn.unanswered or turn.answered_by == PERSON:  # answered before, or a person took over since
            await self._end(turn, [], hand_over=False)
            return
        begun = time.monotonic()
        replies = await self._answer(turn)
        if is_traced():
            _trace(turn, replies, time.monotonic() - begun)

    async def _answer(self, turn: Turn) -> Sequence[NewMessage]:
        """The replies that were stored."""
        assistant = find_assistant(turn.answered_by)
        if assistant is None or turn.tries > MOST_TRIES:
            return await self._give_to_person(turn, "no_assistant" if assistant is None else "poison")
        self._show_reading(turn)
        for line in turn.unanswered:
            swallow("turn", line.content)
        try:
            async with asyncio.timeout(COMPOSE_S):
                composed = await assistant.compose(_question(turn))
            replies = [await self._reply(turn, content, place) for place, content in enumerate(composed.messages)]
        except Exception as failed:  # noqa: BLE001 -- whatever an assistant does, the person gets an answer
            return await self._failed(turn, failed)
        return await self._finish(turn, composed, replies)

    async def close(self) -> None:
        for task in tuple(self._courtesies):
            task.cancel()
        await asyncio.gather(*self._courtesies, return_exceptions=True)

    async def _finish(self, turn: Turn, composed: Answer, replies: Sequence[NewMessage]) -> Sequence[NewMessage]:
        ours = await self._end(turn, replies, hand_over=composed.hand_over)
        TURNS.labels("answered" if ours else "dropped").inc()
        log.info(
            Event.TURN_ANSWERED,
            turn=turn.id,
            replies=len(replies) if ours else 0,
            reviewed="kept" if ours else "dropped",
        )
        if ours and composed.hand_over:
            log.info(Event.CONVERSATION_HANDED_OVER, turn=turn.id, channel=turn.channel_id)
        return replies if ours else []

    async def _end(self, turn: Turn, replies: Sequence[NewMessage], *, hand_over: bool) -> bool:
        """Offered until the store takes it: a turn that was taken already is no longer ours, and says so."""
        while True:
            try:
                return await self._ends.submit(Finished(turn, replies, hand_over))
            except StoreUnavailable:
                await asyncio.sleep(OFFER_AGAIN_S)

    async def _failed(self, turn: Turn, failed: Exception) -> Sequence[NewMessage]:
        code = failed.code if isinstance(failed, HailgateError) else type(failed).__name__
        TURNS.labels("failed").inc()
        log.warning(Event.TURN_FAILED, turn=turn.id, attempt=turn.attempts + 1, code=code)
        if turn.attempts + 1 < ATTEMPTS:
            await self._db(postpone_turn, self._worker_id, turn, TRY_AGAIN_S, code[:60])
            return []
        return await self._give_to_person(turn, code)

    async def _give_to_person(self, turn: Turn, code: str) -> Sequence[NewMessage]:
        TURNS.labels("given_to_person").inc()
        log.error(Event.TURN_FAILED, turn=turn.id, attempt=turn.attempts + 1, code=code)
        replies = await self._apology(turn)
        return replies if await self._end(turn, replies, hand_over=True) else []

    async def _apology(self, turn: Turn) -> list[NewMessage]:
        """None where the channel cannot send: a person is asked all the same."""
        try:
            return [await self._reply(turn, Text(TextBody(FALLBACK)), 0)]
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

    def _show_reading(self, turn: Turn) -> None:
        """A courtesy, never a duty: nothing waits for it and nothing is tried again."""
        task = asyncio.create_task(self._mark_read(turn))
        self._courtesies.add(task)
        task.add_done_callback(self._courtesies.discard)

    async def _mark_read(self, turn: Turn) -> None:
        last = turn.unanswered[-1].provider_id
        try:
            connected = await self._connections.get(turn.channel_id)
            if not last or not connected.marks_read or not isinstance(connected.provider, MarksRead):
                return
            async with asyncio.timeout(MARK_READ_S):
                await connected.provider.mark_read(last, typing=True)
        except Exception as failed:  # noqa: BLE001 -- nobody waits for it
            log.debug(Event.PROVIDER_ERROR, turn=turn.id, error=type(failed).__name__)


def _trace(turn: Turn, replies: Sequence[NewMessage], seconds: float) -> None:
    """In the trace of the last message that was answered; each reply is a trace of its own that comes from there."""
    *others, last = (as_uuid(line.uid) for line in turn.unanswered)
    facts = {"turn": turn.id, "channel": turn.channel_id, "tenant": turn.tenant_id}
    tell_span("turn", last, seconds, {**facts, "replies": len(replies)}, follows=others)
    for reply in replies:
        tell_span("accept", reply.uid, 0.0, {**facts, "message": str(reply.uid)}, follows=(last,))


def _question(turn: Turn) -> Question:
    """What is to be answered comes last, also where something of ours was written after it."""
    asked = turn.unanswered
    before = (line for line in turn.lines if line.id <= turn.answered_id or not line.inbound)
    return Question(tuple(_said(line) for line in (*before, *asked)), len(asked))


def _said(line: Line) -> Said:
    return Said(by_person=line.inbound, kind=line.kind, text=words_of(content_as_json(line.content)))
