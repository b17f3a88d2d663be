"""Model assistant: never silence, never two answers, one deadline, one message."""

import pytest

from hailgate.assistant.contract import ConversationLine, Question
from hailgate.assistant.fake_models import FakeModels
from hailgate.assistant.model_assistant import DEADLINE_S, ModelAssistant
from hailgate.assistant.model_protocol import ModelReply, SaidLine
from hailgate.assistant.sentences import SENTENCES
from hailgate.assistant.settings import parse_settings
from hailgate.core.errors import AssistantError

BASE = {"vendor": "openai", "model": "one", "api_key": "k", "emergency_words": "chest pain", "person_words": "human"}
SECOND = {"second_vendor": "anthropic", "second_model": "two", "second_api_key": "k"}
EN = SENTENCES["en"]


def person(text, kind="text"):
    return ConversationLine(by_person=True, kind=kind, text=text)


def us(text):
    return ConversationLine(by_person=False, kind="text", text=text)


def failing(code):
    return AssistantError("It failed.", code=code)


def saying(reply="Yes.", **given):
    return ModelReply(id=0, reply=reply, **given)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def make(*plan, clock=None, **changes):
    models = FakeModels(*plan)
    return models, ModelAssistant("clinic", parse_settings({**BASE, **changes}), models, clock=clock or Clock())


async def ask(assistant, *lines, unanswered=1, first=False):
    return await assistant.compose(Question(tuple(lines), unanswered, first))


def text_of(answer):
    (message,) = answer.messages
    return message.text.body


async def test_a_model_answers_with_one_message():
    models, assistant = make(saying(input_tokens=7, output_tokens=3))
    answer = await ask(assistant, person("Open?"))
    assert (text_of(answer), answer.hand_over) == ("Yes.", False)
    assert (answer.usage.model, answer.usage.calls, answer.usage.input_tokens) == ("one", 1, 7)
    assert len(models.calls) == 1


async def test_the_first_answer_says_that_it_is_automated_in_the_same_message():
    _, assistant = make()
    answer = await ask(assistant, person("Open?"), first=True)
    assert text_of(answer) == f"{EN.disclosure}\n\nYes."
    assert answer.disclosed


@pytest.mark.parametrize(
    ("line", "said", "note"),
    [
        (person("I have CHEST PAIN"), EN.emergency, "emergency"),
        (person("I have chest pain", kind="image"), EN.emergency, "emergency"),
        (person("let me talk to a human"), EN.person, "asked_for_person"),
        (person(None, kind="audio"), EN.voice, "unheard"),
    ],
)
async def test_some_things_bring_a_person_without_any_model(line, said, note):
    models, assistant = make()
    answer = await ask(assistant, line)
    assert (text_of(answer), answer.hand_over, answer.note) == (said, True, note)
    assert models.calls == []


async def test_a_recording_among_texts_brings_a_person_too():
    models, assistant = make()
    answer = await ask(assistant, person("Listen:"), person(None, kind="audio"), unanswered=2)
    assert (answer.hand_over, models.calls) == (True, [])


async def test_a_reaction_is_no_question():
    models, assistant = make()
    assert (await ask(assistant, person(None, kind="reaction"))).messages == ()
    assert models.calls == []


@pytest.mark.parametrize(
    "code", ["model_throttled", "model_unavailable", "model_timeout", "model_garbled", "model_empty"]
)
async def test_a_model_that_failed_is_asked_once_more(code):
    models, assistant = make(failing(code), saying())
    assert text_of(await ask(assistant, person("Open?"))) == "Yes."
    assert [call.choice.model for call in models.calls] == ["one", "one"]


async def test_then_the_second_model_is_asked():
    models, assistant = make(failing("model_unavailable"), failing("model_unavailable"), saying(), **SECOND)
    answer = await ask(assistant, person("Open?"))
    assert [call.choice.model for call in models.calls] == ["one", "one", "two"]
    assert (answer.usage.vendor, answer.usage.calls) == ("anthropic", 3)


async def test_a_wrong_key_is_not_tried_twice():
    models, assistant = make(failing("model_unauthorized"), saying(), **SECOND)
    await ask(assistant, person("Open?"))
    assert [call.choice.model for call in models.calls] == ["one", "two"]


async def test_where_every_model_fails_the_last_reason_is_told():
    _, assistant = make(failing("model_unavailable"))
    with pytest.raises(AssistantError) as failed:
        await ask(assistant, person("Open?"))
    assert failed.value.code == "model_unavailable"


async def test_one_deadline_covers_all_tries():
    clock = Clock()
    models, assistant = make(failing("model_timeout"), clock=clock, timeout_s=20, **SECOND)
    call = models.call

    async def slow(one):
        clock.now += one.timeout_s
        return await call(one)

    models.call = slow
    with pytest.raises(AssistantError):
        await ask(assistant, person("Open?"))
    assert clock.now <= DEADLINE_S
    assert [call.timeout_s for call in models.calls] == [20, 5]


async def test_a_model_that_routes_to_a_person_hands_over_and_still_says_something():
    _, assistant = make(saying("A colleague will call you.", route="person"))
    answer = await ask(assistant, person("Complicated."))
    assert (text_of(answer), answer.hand_over) == ("A colleague will call you.", True)


@pytest.mark.parametrize("reply", ["see http://evil.example", "sk-abcdefghijklmnop", "call +1 555 010 0099"])
async def test_what_the_review_refuses_is_never_said_and_a_person_goes_on(reply):
    _, assistant = make(saying(reply))
    answer = await ask(assistant, person("Open?"))
    assert (text_of(answer), answer.hand_over) == (EN.person, True)
    assert answer.note in {"link", "secret", "number"}


async def test_too_long_an_answer_is_shortened_once_by_the_model():
    models, assistant = make(saying("A sentence here. " * 60), saying("In short: yes."), reply_limit=200)
    answer = await ask(assistant, person("Tell me all."))
    assert (text_of(answer), answer.note, answer.usage.calls) == ("In short: yes.", "", 2)
    assert "at most 200 characters" in models.calls[1].lines[-1].text


@pytest.mark.parametrize("second", [saying("Longer still. " * 60), failing("model_timeout")], ids=["long", "fails"])
async def test_what_stays_too_long_is_cut_after_a_sentence_and_noted(second):
    models, assistant = make(saying("A sentence here. " * 60), second, reply_limit=200)
    answer = await ask(assistant, person("Tell me all."))
    assert len(text_of(answer)) <= 200
    assert text_of(answer).endswith(".")
    assert (answer.note, len(models.calls)) == ("cut", 2)


async def test_the_disclosure_and_the_longest_answer_fit_into_one_message():
    _, assistant = make(saying("x" * 4000), reply_limit=4000, disclosure="d" * 300)
    assert len(text_of(await ask(assistant, person("All."), first=True))) <= 4096


async def test_thanks_get_a_reaction_where_the_owner_says_so():
    models, assistant = make(thanks_words="thanks,ok", thanks_reaction="👍")
    thanks = ConversationLine(by_person=True, kind="text", text="Thanks", message_id="in.1")
    answer = await assistant.compose(Question((thanks,), 1, reacts=True))
    (message,) = answer.messages
    assert (message.reaction.message_id, message.reaction.emoji, models.calls) == ("in.1", "👍", [])


@pytest.mark.parametrize("given", [{"first": True, "reacts": True}, {"reacts": False}], ids=["first", "no reactions"])
async def test_thanks_are_answered_in_words_where_a_reaction_will_not_do(given):
    _, assistant = make(thanks_words="thanks", thanks_reaction="👍")
    thanks = ConversationLine(by_person=True, kind="text", text="Thanks", message_id="in.1")
    assert "Yes." in text_of(await assistant.compose(Question((thanks,), 1, **given)))


async def test_a_model_reads_the_context_and_no_more():
    models, assistant = make(context_messages=2)
    await ask(
        assistant, person("one"), us("two"), person("three"), us("four"), person("five"), person("six"), unanswered=2
    )
    (call,) = models.calls
    assert call.lines == (SaidLine(True, "three"), SaidLine(False, "four"), SaidLine(True, "five\nsix"))


async def test_what_was_said_before_a_reset_word_is_forgotten():
    models, assistant = make()
    await ask(assistant, person("secret"), us("ok"), person("/reset"), us(EN.anew), person("Open?"))
    assert "secret" not in "".join(line.text for line in models.calls[0].lines)


async def test_a_reset_word_is_answered_without_a_model():
    models, assistant = make()
    assert text_of(await ask(assistant, person("x"), us("y"), person("/reset"))) == EN.anew
    assert models.calls == []
