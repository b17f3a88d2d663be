"""Answering: the assistant composes, the turn is reviewed; whatever the assistant does, the person gets an answer."""

import asyncio
from functools import partial

import pytest

from hailgate.assistant.contract import Answer
from hailgate.assistant.fake_models import FakeModels
from hailgate.assistant.sentences import sentences_of
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Text, TextBody, content_as_json
from hailgate.core.errors import AssistantError, OutcomeUnknown, ProviderUnavailable, StoreUnavailable
from hailgate.core.slots import open_room
from hailgate.messaging.assistants.registry import add_assistant
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turns import claim_turns, finish_turns
from hailgate.messaging.models import PERSON, Conversation, Direction, WorkKind
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.store.sql import atomic_cursor, now
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline import turns as module
from hailgate.pipeline.assistants import Assistants
from hailgate.pipeline.bridge import Gate
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.tools import Tools
from hailgate.pipeline.turn_files import TurnFiles
from hailgate.pipeline.turns import Turns
from messaging.acting import apply, change, change_channel, messages, work, wrote

WITHIN_S = 3600.0


def given_now() -> float:
    with atomic_cursor() as cursor:
        return now(cursor)


FALLBACK = f"{sentences_of('en').disclosure}\n\n{sentences_of('en').apology}"


def say(*texts, hand_over=False) -> Answer:
    return Answer(tuple(Text(TextBody(text)) for text in texts), hand_over)


class Planned:
    """An assistant that does what the test wants, in turn: an answer, an error, or something to wait for."""

    name = "planned"
    reads_history = True
    deadline_s = 30.0
    tries = 2

    def __init__(self) -> None:
        self.questions, self.plan = [], []

    async def compose(self, question, *_given):
        self.questions.append(question)
        step = self.plan.pop(0) if self.plan else say("Yes.")
        if isinstance(step, Exception):
            raise step
        return await step() if callable(step) else step


def install(monkeypatch, *assistants):
    """As the built-in assistants, for whoever looks one up."""
    for place in ("hailgate.pipeline.assistants", "hailgate.messaging.inbound.turns"):
        monkeypatch.setattr(f"{place}.BUILT_IN", {each.name: each for each in assistants})


class Counter:
    """Where people are answered: one worker's turns, in one conversation."""

    targets = ()
    files = None

    def __init__(self, db, worker, played, channel) -> None:
        self.models = FakeModels()
        self.db, self.worker, self.played, self.channel = db, worker, played, channel
        self.assistant = Planned()
        self._connections = Connections(db, per_host=10, connect=5.0, total=20.0)
        self.turns = self.new_turns(db)

    def new_turns(self, db) -> Turns:
        ends = Gate(db, partial(finish_turns, self.worker))
        return Turns(
            self.db,
            self.worker,
            ends=ends,
            connections=self._connections,
            assistants=Assistants(self.models),
            tools=Tools(self.db, self.targets),
            files=TurnFiles(self.db, self.files),
            life_s=3600.0,
            within_s=WITHIN_S,
        )

    async def hear(self, body="Are you there?", **given) -> None:
        def write():
            apply(self.channel, wrote(self.channel, body=body, **given), debounce=Debounce(0.0, 0.0))

        await self.db(write)

    async def claim(self):
        (turn,) = (await self.db(claim_turns, self.worker, open_room(10))).claims
        return turn

    async def answer(self) -> None:
        await self.turns.answer(await self.claim(), await self.db(given_now))

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
    install(monkeypatch, counter.assistant)
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
    await counter.turns.answer(turn._replace(lines=()), await counter.db(given_now))
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
    await counter.turns.answer(turn, await counter.db(given_now))
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
    monkeypatch.setattr(counter.assistant, "deadline_s", 0.01)

    async def for_ever():
        await asyncio.Event().wait()

    counter.assistant.plan = [for_ever]
    await counter.hear()
    await counter.answer()
    assert await counter.open_turns() == 1


async def test_a_late_answer_of_an_assistant_that_failed_is_not_sent_too(counter, clock, monkeypatch):
    monkeypatch.setattr(counter.assistant, "deadline_s", 0.01)
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
    install(monkeypatch)
    await counter.hear()
    await counter.answer()
    assert (await counter.replies(), (await counter.conversation()).answered_by) == ([FALLBACK], PERSON)


async def test_a_turn_that_kills_its_process_leaves_the_person_to_a_person(counter):
    await counter.hear()
    await counter.db(lambda: change(work(counter.channel.tenant_id, kind=WorkKind.TURN)[0], tries=MOST_CRASHES))
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
    await counter.new_turns(away).answer(await counter.claim(), await counter.db(given_now))
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
    await counter.turns._show_reading(turn)
    assert counter.turns._courtesies == set()


async def test_closing_ends_courtesies_that_take_too_long(counter):
    class Slow:
        async def mark_read(self, *_, **__):
            await asyncio.Event().wait()

    counter.played.provider = Slow()
    await counter.hear()
    await counter.turns._show_reading(await counter.claim())
    assert len(counter.turns._courtesies) == 1
    await asyncio.sleep(0)
    await counter.turns.close()
    assert counter.turns._courtesies == set()


# --- what comes too late ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("age", [WITHIN_S + 1, 25 * 3600.0, 6 * 86_400.0])
async def test_what_is_too_old_is_left_to_a_person_without_a_word(counter, clock, age):
    """An outage's backlog: a reply would be refused outside the window, or surprise whoever has found another way."""
    await counter.hear(at=clock.now - age)
    await counter.answer()
    assert (counter.assistant.questions, await counter.replies()) == ([], [])
    assert await counter.db(lambda: Conversation.objects.get(tenant_id=counter.channel.tenant_id).answered_by) == PERSON
    assert await counter.db(lambda: work(counter.channel.tenant_id, kind=WorkKind.TURN)) == []


async def test_what_was_written_a_while_ago_is_answered(counter, clock):
    await counter.hear(at=clock.now - WITHIN_S + 1)
    await counter.answer()
    assert await counter.replies() == ["Yes."]


async def test_nothing_is_composed_for_a_window_that_has_closed(counter, clock):
    counter.played.change(window_seconds=600.0)
    await counter.hear(at=clock.now - 601)
    await counter.answer()
    assert (counter.assistant.questions, await counter.replies()) == ([], [])


async def test_a_new_message_after_old_ones_is_answered_with_them(counter, clock):
    await counter.hear("Old.", at=clock.now - 25 * 3600.0)
    await counter.hear("New.", at=clock.now)
    await counter.answer()
    assert (len(counter.assistant.questions), await counter.replies()) == (1, ["Yes."])


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "given", "answers"),
    [
        ("clinic, are you open?", {"in_groups": "1"}, True),
        ("Clinic!", {"in_groups": "1"}, True),
        ("Are you open?", {"in_groups": "1"}, False),
        ("clinic, are you open?", {}, False),
        ("@15550100000 open?", {"in_groups": "1", "mention_words": "@15550100000"}, True),
        ("clinic, open?", {"in_groups": "1", "mention_words": "@15550100000"}, False),
    ],
)
async def test_in_a_group_it_answers_where_it_may_and_is_called(counter, tenant, body, given, answers):
    script = '[{"pattern": ".", "reply": "Yes."}]'
    await counter.db(add_assistant, tenant.pk, "clinic", {"vendor": "scripted", "script": script, **given})
    await counter.db(lambda: change_channel(counter.channel, answered_by="clinic"))
    group = Address(AddressKind.GROUP, "120363000000000000@g.us")

    def write():
        apply(counter.channel, wrote(counter.channel, group, body=body), debounce=Debounce(0.0, 0.0))

    await counter.db(write)
    await counter.answer()
    assert bool(await counter.replies()) == answers
    assert (await counter.conversation()).answered_by == "clinic"
