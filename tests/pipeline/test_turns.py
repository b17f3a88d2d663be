"""Answering: the assistant composes, the turn is reviewed; whatever the assistant does, the person gets an answer."""

import asyncio
from functools import partial

import pytest

from hailgate import assistant
from hailgate.assistant.contract import Answer
from hailgate.core.content import Text, TextBody, content_as_json
from hailgate.core.errors import AssistantError, OutcomeUnknown, ProviderUnavailable, StoreUnavailable
from hailgate.messaging.answering import claim_turns, finish_turns
from hailgate.messaging.applying import Debounce
from hailgate.messaging.conversations import hand_over
from hailgate.messaging.models import PERSON, Conversation, Direction, WorkKind
from hailgate.messaging.queue import MOST_TRIES
from hailgate.pipeline import turns as module
from hailgate.pipeline.bridge import Gate
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.turns import FALLBACK, Turns
from messaging.acting import apply, change, change_channel, messages, work, wrote


def say(*texts, hand_over=False) -> Answer:
    return Answer(tuple(Text(TextBody(text)) for text in texts), hand_over)


class Planned:
    """An assistant that does what the test wants, in turn: an answer, an error, or something to wait for."""

    name = "planned"
    reads_history = True

    def __init__(self) -> None:
        self.questions, self.plan = [], []

    async def compose(self, question):
        self.questions.append(question)
        step = self.plan.pop(0) if self.plan else say("Yes.")
        if isinstance(step, Exception):
            raise step
        return await step() if callable(step) else step


class Counter:
    """Where people are answered: one worker's turns, in one conversation."""

    def __init__(self, db, worker, played, channel) -> None:
        self.db, self.worker, self.played, self.channel = db, worker, played, channel
        self.assistant = Planned()
        self._connections = Connections(db, per_host=10, connect=5.0, total=20.0)
        self.turns = self.new_turns(db)

    def new_turns(self, db) -> Turns:
        ends = Gate(db, partial(finish_turns, self.worker))
        return Turns(self.db, self.worker, ends=ends, connections=self._connections, life_s=3600.0)

    async def hear(self, body="Are you there?", **given) -> None:
        def write():
            apply(self.channel, wrote(self.channel, body=body, **given), debounce=Debounce(0.0, 0.0))

        await self.db(write)

    async def claim(self):
        (turn,) = (await self.db(claim_turns, self.worker, 10)).turns
        return turn

    async def answer(self) -> None:
        await self.turns.answer(await self.claim())

    async def replies(self) -> list[str]:
        rows = await self.db(lambda: messages(self.channel.tenant_id, direction=Direction.OUTBOUND))
        return [content_as_json(row.content)["text"]["body"] for row in rows]

    async def open_turns(self) -> int:
        return len(await self.db(lambda: work(self.channel.tenant_id, kind=WorkKind.TURN)))

    async def conversation(self) -> Conversation:
        return await self.db(lambda: Conversation.objects.get(tenant_id=self.channel.tenant_id))

    async def hand_over(self, to) -> None:
        talk = await self.conversation()
        assert await self.db(hand_over, talk.tenant_id, str(talk.uid), to)

    async def close(self) -> None:
        await self.turns.close()
        await self._connections.close()


@pytest.fixture
async def counter(desk, tenant, clock, monkeypatch):
    channel = await desk.db(lambda: desk.played.add_channel(tenant, "answered", answered_by="planned"))
    counter = Counter(desk.db, desk.worker, desk.played, channel)
    monkeypatch.setattr(assistant, "ASSISTANTS", (counter.assistant,))
    yield counter
    await counter.close()


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_a_question_is_answered_and_its_turn_ends(counter):
    await counter.hear("Are you open?")
    await counter.answer()
    (question,) = counter.assistant.questions
    assert [said.text for said in question.asked] == ["Are you open?"]
    assert (await counter.replies(), await counter.open_turns()) == (["Yes."], 0)


async def test_an_answer_may_have_several_parts_or_none(counter):
    counter.assistant.plan = [say("one", "two"), say()]
    for _ in range(2):
        await counter.hear()
        await counter.answer()
    assert (await counter.replies(), await counter.open_turns()) == (["one", "two"], 0)


async def test_an_assistant_may_pass_the_person_on(counter):
    counter.assistant.plan = [say("A person will come.", hand_over=True)]
    await counter.hear()
    await counter.answer()
    assert (await counter.conversation()).answered_by == PERSON
    assert await counter.replies() == ["A person will come."]


async def test_the_assistant_sees_what_was_said_and_by_whom(counter):
    await counter.hear("one")
    await counter.answer()
    await counter.hear("two")
    await counter.answer()
    said = [(line.by_person, line.text) for line in counter.assistant.questions[1].history]
    assert said == [(True, "one"), (False, "Yes."), (True, "two")]


async def test_a_turn_about_nothing_ends_without_asking(counter, clock):
    """Its messages were answered by the turn before it."""
    await counter.hear()
    turn = await counter.claim()
    await counter.turns.answer(turn._replace(lines=()))
    assert (counter.assistant.questions, await counter.open_turns()) == ([], 0)


# --- people take over -------------------------------------------------------------------------------------------------


async def test_a_person_who_takes_over_while_it_is_composed_has_the_last_word(counter):
    composing, go_on = asyncio.Event(), asyncio.Event()

    async def slowly():
        composing.set()
        await go_on.wait()
        return say("Too late.")

    counter.assistant.plan = [slowly]
    await counter.hear()
    answering = asyncio.create_task(counter.answer())
    await composing.wait()
    await counter.hand_over(PERSON)
    go_on.set()
    await answering
    assert (await counter.replies(), await counter.open_turns()) == ([], 0)


async def test_after_a_person_took_over_the_assistant_says_nothing_whatever_is_written(counter):
    """The turn was called for before; what the person wrote since is for a person."""
    await counter.hear("first")
    await counter.hand_over(PERSON)
    await counter.hear("second")
    await counter.answer()
    assert (await counter.replies(), await counter.open_turns()) == ([], 0)
    assert (await counter.conversation()).answered_by == PERSON


async def test_what_came_while_it_passed_the_person_on_gets_no_apology(counter):
    counter.assistant.plan = [say("A person will come.", hand_over=True)]
    await counter.hear("first")
    turn = await counter.claim()
    await counter.hear("second")
    await counter.turns.answer(turn)
    await counter.answer()
    assert (await counter.replies(), await counter.open_turns()) == (["A person will come."], 0)


# --- assistants that fail ---------------------------------------------------------------------------------------------


class Bug(Exception):  # noqa: N818 -- nobody expects it
    pass


@pytest.mark.parametrize(
    "failure",
    [AssistantError(), Bug(), TimeoutError(), say(" "), say("x" * 5000), say("nul\0")],
    ids=["says so", "bug", "time-out", "empty", "too long", "unstorable"],
)
async def test_an_assistant_that_fails_is_asked_once_more(counter, clock, failure):
    counter.assistant.plan = [failure]
    await counter.hear()
    await counter.answer()
    assert (await counter.replies(), await counter.open_turns()) == ([], 1)
    clock.forward(module.TRY_AGAIN_S)
    await counter.answer()
    assert (await counter.replies(), await counter.open_turns()) == (["Yes."], 0)
    assert (await counter.conversation()).answered_by == "planned"


@pytest.mark.parametrize("failure", [AssistantError(), Bug(), say("")], ids=["says so", "bug", "empty"])
async def test_an_assistant_that_fails_twice_leaves_the_person_to_a_person(counter, clock, failure):
    counter.assistant.plan = [failure, failure]
    await counter.hear()
    await counter.answer()
    clock.forward(module.TRY_AGAIN_S)
    await counter.answer()
    assert (await counter.replies(), await counter.open_turns()) == ([FALLBACK], 0)
    assert (await counter.conversation()).answered_by == PERSON


async def test_an_assistant_that_takes_too_long_has_failed(counter, monkeypatch):
    monkeypatch.setattr(module, "COMPOSE_S", 0.01)

    async def for_ever():
        await asyncio.Event().wait()

    counter.assistant.plan = [for_ever]
    await counter.hear()
    await counter.answer()
    assert await counter.open_turns() == 1


async def test_a_late_answer_of_an_assistant_that_failed_is_not_sent_too(counter, clock, monkeypatch):
    monkeypatch.setattr(module, "COMPOSE_S", 0.01)
    late = asyncio.Event()

    async def late_answer():
        try:
            await late.wait()
        except asyncio.CancelledError:
            return say("late")

    counter.assistant.plan = [late_answer, say("in time")]
    await counter.hear()
    await counter.answer()
    clock.forward(module.TRY_AGAIN_S)
    if await counter.open_turns():
        await counter.answer()
    assert len(await counter.replies()) == 1


async def test_an_assistant_that_nobody_installed_leaves_the_person_to_a_person(counter, monkeypatch):
    monkeypatch.setattr(assistant, "ASSISTANTS", ())
    await counter.hear()
    await counter.answer()
    assert (await counter.replies(), (await counter.conversation()).answered_by) == ([FALLBACK], PERSON)


async def test_a_turn_that_kills_its_process_leaves_the_person_to_a_person(counter):
    await counter.hear()
    await counter.db(lambda: change(work(counter.channel.tenant_id, kind=WorkKind.TURN)[0], tries=MOST_TRIES))
    await counter.answer()
    assert counter.assistant.questions == []
    assert await counter.replies() == [FALLBACK]


async def test_where_nothing_can_be_sent_a_person_is_asked_all_the_same(counter, clock):
    """The channel's settings cannot be read: no reply, but no turn that comes back for ever either."""
    await counter.hear()
    await counter.db(lambda: change_channel(counter.channel, config="sealed:lost:gAAAA"))
    await counter.answer()
    clock.forward(module.TRY_AGAIN_S)
    await counter.answer()
    assert (await counter.replies(), await counter.open_turns()) == ([], 0)
    assert (await counter.conversation()).answered_by == PERSON


# --- the store --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
async def test_an_end_is_offered_until_the_store_takes_it_and_made_once(counter, monkeypatch, after):
    monkeypatch.setattr(module, "OFFER_AGAIN_S", 0.0)
    failures = [StoreUnavailable(), StoreUnavailable()]

    async def away(function, *arguments):
        if after and failures:
            await counter.db(function, *arguments)
        if failures:
            raise failures.pop()
        return await counter.db(function, *arguments)

    await counter.hear()
    await counter.new_turns(away).answer(await counter.claim())
    assert (await counter.replies(), await counter.open_turns()) == (["Yes."], 0)


# --- courtesies -------------------------------------------------------------------------------------------------------


async def settled(counter) -> None:
    await asyncio.gather(*counter.turns._courtesies, return_exceptions=True)


async def test_the_person_sees_that_they_were_read_and_that_somebody_types(counter):
    await counter.hear("one", message_id="in.a")
    await counter.hear("two", message_id="in.b")
    await counter.answer()
    await settled(counter)
    assert counter.played.provider.marked_read == [("in.b", True)]


async def test_a_channel_may_keep_that_to_itself(counter):
    await counter.db(lambda: change_channel(counter.channel, marks_read=False))
    await counter.hear()
    await counter.answer()
    await settled(counter)
    assert counter.played.provider.marked_read == []


@pytest.mark.parametrize("error", [ProviderUnavailable(), OutcomeUnknown(), Bug(), StoreUnavailable()])
async def test_a_courtesy_that_fails_costs_no_answer_and_is_nobodys_news(counter, error):
    class Rude:
        async def mark_read(self, *_, **__):
            raise error

    counter.played.provider = Rude()
    await counter.hear()
    await counter.answer()
    (courtesy,) = counter.turns._courtesies or [None]
    await settled(counter)
    assert courtesy is None or courtesy.exception() is None
    assert await counter.replies() == ["Yes."]


async def test_a_channel_that_cannot_be_read_shows_no_courtesy(counter):
    await counter.hear()
    turn = await counter.claim()
    await counter.db(lambda: change_channel(counter.channel, config="sealed:lost:gAAAA"))
    counter.turns._show_reading(turn)
    (courtesy,) = counter.turns._courtesies
    await asyncio.wait([courtesy])
    assert courtesy.exception() is None


async def test_closing_ends_courtesies_that_take_too_long(counter):
    class Slow:
        async def mark_read(self, *_, **__):
            await asyncio.Event().wait()

    counter.played.provider = Slow()
    await counter.hear()
    counter.turns._show_reading(await counter.claim())
    await asyncio.sleep(0)
    await counter.turns.close()
    assert counter.turns._courtesies == set()
