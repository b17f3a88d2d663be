"""What a turn spends: reserved before its message and each call of a model, settled after, never beyond a budget."""

import pytest

from hailgate.assistant.model_protocol import ModelReply
from hailgate.assistant.sentences import SENTENCES
from hailgate.assistant.tools import ToolCallAsked
from hailgate.core.errors import AssistantError, InputError
from hailgate.messaging.assistants.budgets import BudgetKey, list_standing_budgets, set_budget
from hailgate.messaging.assistants.floods import set_flood_rule
from hailgate.messaging.assistants.registry import add_assistant, draft_version, publish_version
from hailgate.messaging.inbound.turns import HISTORY_LENGTH
from hailgate.messaging.models import PERSON, TurnAnswer
from hailgate.messaging.outbound.assistant_stop import stop_assistants
from messaging.acting import change_channel
from pipeline.test_turns import Counter, given_now

EN = SENTENCES["en"]
ROOM = 100_000


def reply(text="Yes.", *, tokens=100):
    return ModelReply(id=0, reply=text, input_tokens=tokens - 10, output_tokens=10)


@pytest.fixture
async def counter(desk, tenant, clock):
    channel = await desk.db(lambda: desk.played.add_channel(tenant, "answered", answered_by="clinic"))
    counter = Counter(desk.db, desk.worker, desk.played, channel)
    await desk.db(add_assistant, tenant.pk, "clinic", {"vendor": "openai", "model": "one", "api_key": "k"})
    yield counter
    await counter.close()


def play(counter, *plan):
    counter.models._plan = plan


async def budget(counter, tenant, subject, unit, most):
    period = "turn" if subject == "turn" else "day"
    await counter.db(set_budget, tenant.pk, BudgetKey(subject, period, unit), str(most))


async def spent(counter, tenant):
    return {each.limit.unit: each.spent for each in await counter.db(list_standing_budgets, tenant.pk)}


async def kept(counter, tenant):
    return await counter.db(lambda: TurnAnswer.objects.get(tenant_id=tenant.pk))


async def test_an_answer_is_settled_by_what_its_calls_took(counter, tenant):
    await budget(counter, tenant, "tenant", "tokens", ROOM)
    await budget(counter, tenant, "tenant", "messages", 5)
    play(counter, AssistantError("", code="model_throttled"), reply(tokens=120))
    await counter.hear()
    await counter.answer()
    assert await spent(counter, tenant) == {"tokens": 120, "messages": 1}


async def test_a_call_that_may_have_been_paid_counts_as_reserved(counter, tenant):
    await budget(counter, tenant, "tenant", "tokens", ROOM)
    play(counter, AssistantError("", code="model_timeout"), reply(tokens=120))
    await counter.hear()
    await counter.answer()
    assert (await spent(counter, tenant))["tokens"] > 120 + 600


async def test_where_there_is_no_room_no_model_is_asked_and_the_person_is_told_once(counter, tenant):
    await budget(counter, tenant, "tenant", "tokens", 10)
    await counter.hear()
    await counter.answer()
    assert counter.models.calls == []
    assert await counter.replies() == [f"{EN.disclosure}\n\n{EN.limit}"]
    assert (await counter.conversation()).answered_by == PERSON
    found = await kept(counter, tenant)
    assert (found.note, found.disclosed) == ("tokens_per_tenant_day", True)


async def test_a_turn_that_has_spent_its_own_budget_asks_no_second_time(counter, tenant):
    await budget(counter, tenant, "turn", "tokens", 1_500)
    play(counter, AssistantError("", code="model_timeout"), reply())
    await counter.hear()
    await counter.answer()
    assert len(counter.models.calls) == 1
    found = await kept(counter, tenant)
    assert (found.note, found.model, found.calls) == ("tokens_per_turn", "one", 1)


async def test_a_budget_that_ends_before_it_is_shortened_leaves_the_answer_cut(counter, tenant):
    await budget(counter, tenant, "turn", "tokens", 1_500)
    play(counter, reply("Yes, we are open. " * 100, tokens=900))
    await counter.hear()
    await counter.answer()
    assert (await kept(counter, tenant)).note == "cut"


async def test_a_summary_is_paid_with_its_turn_and_shown_to_the_next(counter, tenant, clock):
    await counter.db(draft_version, tenant.pk, "clinic", {"context_messages": "2"})
    await counter.db(publish_version, tenant.pk, "clinic")
    await budget(counter, tenant, "tenant", "tokens", ROOM)
    play(counter, reply(), reply(), reply("They want Monday.", tokens=70), reply())
    for question in ("Are you open?", "And on Monday?", "What does it cost?"):
        await counter.hear(question)
        await counter.answer()
        clock.forward(60.0)  # nothing leaves here: what an answer leaves unsent is not taken back for the next
    assert await spent(counter, tenant) == {"tokens": 370}
    assert "They want Monday." in counter.models.calls[-1].lines[0].text
    await counter.hear("Thank you.")
    assert (await counter.claim()).summary.text == "They want Monday."


async def test_an_answer_without_words_gives_its_message_back(counter, tenant):
    await budget(counter, tenant, "tenant", "messages", 5)
    await counter.hear()
    turn = await counter.claim()
    await counter.hand_over(PERSON)
    await counter.turns.answer(turn, await counter.db(given_now))
    assert (await counter.replies(), (await spent(counter, tenant))["messages"]) == ([], 0)


@pytest.mark.parametrize("room", [5, 0])
async def test_whatever_is_said_counts_also_where_there_is_no_room(counter, tenant, room):
    """An apology, and the sentence that says that there is no room."""
    await budget(counter, tenant, "tenant", "messages", room)
    play(counter, AssistantError("", code="model_refused"))
    await counter.hear()
    await counter.answer()
    assert len(await counter.replies()) == 1
    assert (await spent(counter, tenant))["messages"] == 1


async def test_what_a_failed_turn_took_is_on_record_and_counted(counter, tenant):
    """The first call was paid, the next one ended it."""
    await budget(counter, tenant, "tenant", "tokens", ROOM)
    wanted = ToolCallAsked("c", "nothing", "{}")
    asked = ModelReply(id=0, asked=(wanted,), resume="on", input_tokens=90, output_tokens=30)
    refused = AssistantError("", code="model_refused")
    play(counter, asked, refused, refused)
    await counter.hear()
    await counter.answer()
    found = await kept(counter, tenant)
    assert (found.outcome, found.note, found.vendor, found.model) == ("failed", "model_refused", "openai", "one")
    assert (found.calls, found.input_tokens, found.output_tokens) == (len(counter.models.calls), 90, 30)
    assert await spent(counter, tenant) == {"tokens": 120}


async def test_an_answer_that_cannot_be_sent_was_paid_all_the_same(counter, tenant, monkeypatch):
    play(counter, reply(tokens=120))
    checks = iter([InputError("It cannot be sent."), None])

    def check(*_given):
        if wrong := next(checks):
            raise wrong

    monkeypatch.setattr("hailgate.pipeline.turns.check_content", check)
    await counter.hear()
    await counter.answer()
    found = await kept(counter, tenant)
    assert (found.outcome, found.calls, found.input_tokens + found.output_tokens) == ("failed", 1, 120)


async def test_who_floods_is_told_in_a_message_that_counts(counter, tenant):
    await budget(counter, tenant, "tenant", "messages", 5)
    await counter.db(set_flood_rule, tenant.pk, "contact", 1, 3600.0)
    for body in ("one", "two"):
        await counter.hear(body)
    await counter.answer()
    assert await counter.replies() == [f"{EN.disclosure}\n\n{EN.flood}"]
    await counter.hear("three")
    await counter.answer()
    assert (len(await counter.replies()), (await spent(counter, tenant))["messages"]) == (1, 1)


async def test_a_stopped_tenants_models_are_not_asked(counter, tenant):
    await counter.db(stop_assistants, tenant.pk)
    await counter.hear()
    await counter.answer()
    assert (counter.models.calls, await counter.replies()) == ([], [])
    assert (await counter.conversation()).answered_by == PERSON


@pytest.mark.parametrize("unit", ["messages", "tokens"])
async def test_an_emergency_is_answered_also_where_there_is_no_room(counter, tenant, unit):
    await counter.db(draft_version, tenant.pk, "clinic", {"emergency_words": "chest pain"})
    await counter.db(publish_version, tenant.pk, "clinic")
    await budget(counter, tenant, "tenant", unit, 0)
    await counter.hear("I have chest pain")
    await counter.answer()
    assert await counter.replies() == [f"{EN.disclosure}\n\n{EN.emergency}"]
    assert (counter.models.calls, (await counter.conversation()).answered_by) == ([], PERSON)
    assert (await spent(counter, tenant))[unit] == (1 if unit == "messages" else 0)


async def test_an_emergency_at_the_beginning_of_a_long_burst_brings_a_person(counter, tenant):
    await counter.db(draft_version, tenant.pk, "clinic", {"emergency_words": "chest pain"})
    await counter.db(publish_version, tenant.pk, "clinic")
    await counter.hear("I have chest pain")
    for number in range(2 * HISTORY_LENGTH + 5):
        await counter.hear(f"and {number}")
    await counter.answer()
    assert await counter.replies() == [f"{EN.disclosure}\n\n{EN.emergency}"]
    assert (counter.models.calls, (await counter.conversation()).answered_by) == ([], PERSON)


# --- floods -----------------------------------------------------------------------------------------------------------


async def hear_and_answer(counter, *bodies):
    for body in bodies:
        await counter.hear(body)
        await counter.answer()


async def test_who_floods_is_told_once_and_no_model_is_asked(counter, tenant):
    await counter.db(set_flood_rule, tenant.pk, "contact", 1, 3600.0)
    await hear_and_answer(counter, "one", "two", "three")
    assert len(counter.models.calls) == 1
    assert len([text for text in await counter.replies() if text.endswith(EN.flood)]) == 1
    assert len(await counter.replies()) == 2
    assert (await counter.conversation()).answered_by == "clinic"


async def test_who_floods_first_is_told_by_whom_and_only_once(counter, tenant):
    await counter.db(set_flood_rule, tenant.pk, "tenant", 1, 3600.0)
    for body in ("one", "two"):
        await counter.hear(body)
    await counter.answer()
    assert await counter.replies() == [f"{EN.disclosure}\n\n{EN.flood}"]
    assert (await kept(counter, tenant)).disclosed


async def test_an_apology_that_is_the_first_says_that_it_is_automated(counter, tenant):
    play(counter, AssistantError("", code="model_refused"))
    await counter.hear()
    await counter.answer()
    assert await counter.replies() == [f"{EN.disclosure}\n\n{EN.apology}"]
    assert (await kept(counter, tenant)).disclosed


async def test_a_word_for_a_person_opens_no_budget_of_a_script(counter, tenant):
    script = '[{"pattern": ".", "reply": "Yes."}]'
    await counter.db(add_assistant, tenant.pk, "script", {"vendor": "scripted", "script": script})
    await counter.db(lambda: change_channel(counter.channel, answered_by="script"))
    await budget(counter, tenant, "tenant", "messages", 0)
    await counter.hear("I am a person")
    await counter.answer()
    assert await counter.replies() == [f"{EN.disclosure}\n\n{EN.limit}"]


async def test_who_asks_for_a_person_is_heard_in_a_flood(counter, tenant):
    await counter.db(set_flood_rule, tenant.pk, "contact", 1, 3600.0)
    await hear_and_answer(counter, "one", "two", "a person, please")
    assert (await counter.conversation()).answered_by == PERSON
