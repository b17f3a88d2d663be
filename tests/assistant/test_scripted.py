"""The scripted assistant: a short script, nothing invented, an end in a person's hands where one is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.assistant import BUILT_IN, make_assistant
from hailgate.assistant.contract import ConversationLine, Question
from hailgate.assistant.fake_models import FakeModels
from hailgate.assistant.scripted import ANSWER_LENGTH, BUILT_IN_SETTINGS, QUOTE_LENGTH, THANKS
from hailgate.assistant.sentences import SENTENCES
from hailgate.assistant.settings import AssistantSettings, ScriptRule, parse_settings
from hailgate.core.content import check_content
from hailgate.core.errors import InputError
from hailgate.core.patterns import StandingPattern
from hailgate.providers.cloud import SPEC

GREETING_BACK = BUILT_IN_SETTINGS.script[1].reply
PASSING_ON = "I am passing you on to a person. Somebody will write to you here."
NOT_HEARD = THANKS["audio"]


def person(text=None, kind="text"):
    return ConversationLine(by_person=True, kind=kind, text=text)


def us(text):
    return ConversationLine(by_person=False, kind="text", text=text)


async def test_an_emergency_comes_before_every_rule():
    script = [{"pattern": "pain", "reply": "Take a rest."}]
    settings = parse_settings(
        {"vendor": "scripted", "script": script, "emergency_words": "chest pain", "language": "pt"}
    )
    composed = await make_assistant("clinic", settings, FakeModels()).compose(Question((person("My chest pain"),), 1))
    assert (told(composed), composed.hand_over, composed.note) == (SENTENCES["pt"].emergency, True, "emergency")


def scripted(*rules, **settings):
    given = AssistantSettings(vendor="scripted", script=rules, **settings)
    return make_assistant("clinic", given, FakeModels())


@pytest.mark.parametrize("assistant", [BUILT_IN["scripted"], scripted(ScriptRule("hi", "Hello."))], ids=["ours", "own"])
async def test_its_first_answer_says_that_it_is_automated(assistant):
    first = await assistant.compose(Question((person("hi"),), 1, first=True))
    later = await assistant.compose(Question((person("hi"),), 1))
    assert told(first) == f"{SENTENCES['en'].disclosure}\n\n{told(later)}"
    assert (first.disclosed, later.disclosed) == (True, False)


async def test_it_says_so_in_the_owners_words_or_its_language():
    question = Question((person("hi"),), 1, first=True)
    for settings, words in (({"language": "pt"}, SENTENCES["pt"].disclosure), ({"disclosure": "A robot."}, "A robot.")):
        assert told(await scripted(ScriptRule("hi", "Oi."), **settings).compose(question)) == f"{words}\n\nOi."


async def answer(*asked, before=()):
    return await BUILT_IN["scripted"].compose(Question((*before, *asked), len(asked)))


def told(answer) -> str:
    (message,) = answer.messages
    return message.text.body


@pytest.mark.parametrize(
    ("text", "reply", "hand_over"),
    [
        ("Are you open today?", "You wrote:\n> Are you open today?", False),  # whose hours it would be nobody knows
        ("I want a HUMAN.", PASSING_ON, True),
        ("May I speak to a doctor?", PASSING_ON, True),
        ("Hi", GREETING_BACK, False),
        ("¡¡ hello there", GREETING_BACK, False),
        ("Good morning", GREETING_BACK, False),
        ("hi, is a person there?", PASSING_ON, True),
        ("hidden treasure", "You wrote:\n> hidden treasure", False),
        ("personal matters", "You wrote:\n> personal matters", False),
        ("reopened", "You wrote:\n> reopened", False),
        ("say hello to her", "You wrote:\n> say hello to her", False),
    ],
)
async def test_the_script(text, reply, hand_over):
    composed = await answer(person(text))
    assert (told(composed), composed.hand_over) == (reply, hand_over)


async def test_everything_that_was_asked_is_looked_at():
    assert (await answer(person("hello"), person("a human please"))).hand_over


async def test_what_was_answered_before_is_not_looked_at():
    composed = await answer(person("thanks"), before=(person("a human please"), us("Of course.")))
    assert told(composed) == "You wrote:\n> thanks"


async def test_several_messages_are_quoted_in_their_order():
    assert told(await answer(person("one"), person("two"))) == "You wrote:\n> one\n> two"


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ([person("Yes", "interactive")], "You chose: Yes"),
        ([person("Yes, I will come", "button")], "You chose: Yes, I will come"),
        ([person("9:00", "interactive"), person("and bring tea")], "You wrote:\n> and bring tea\nYou chose: 9:00"),
        ([person(kind="interactive")], "Thank you for the form."),
        ([person(kind="image")], "Thank you for the picture."),
        ([person("My knee", "image"), person(kind="image")], "Thank you for the picture."),
        ([person(kind="audio")], NOT_HEARD),
        ([person(kind="audio"), person(kind="sticker")], f"{NOT_HEARD}\nThank you for the sticker."),
        ([person(kind="location")], "Thank you for the location."),
        ([person("Please", "order")], "Thank you for the order."),
        ([person(kind="call")], THANKS["call"]),
        ([person(kind="unsupported")], THANKS["unsupported"]),
    ],
)
async def test_what_is_no_text_is_answered_by_what_it_is(asked, reply):
    composed = await answer(*asked)
    assert (told(composed), composed.hand_over) == (reply, False)


async def test_a_choice_and_a_caption_are_words_too():
    assert (await answer(person("Talk to a person", "interactive"))).hand_over
    assert told(await answer(person("Hello?", "image"))) == GREETING_BACK


async def test_what_was_taken_back_is_not_answered():
    assert (await answer(person(kind="text"))).messages == ()


async def test_a_flood_of_messages_gets_a_short_answer():
    assert len(told(await answer(*[person("x" * 5000)] * 50))) == ANSWER_LENGTH


async def test_text_beside_an_image_is_answered():
    assert told(await answer(person(kind="image"), person("hello"))) == GREETING_BACK


async def test_a_long_message_is_quoted_in_part():
    body = told(await answer(person("x" * 5000)))
    assert body == f"You wrote:\n> {'x' * QUOTE_LENGTH}…"


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
async def test_whatever_is_written_the_answer_can_be_sent(texts):
    composed = await answer(*map(person, texts))
    for message in composed.messages:
        check_content(message, SPEC.capabilities)


async def test_a_script_of_ones_own():
    script = [ScriptRule("tea", "With milk?"), ScriptRule(".", "Pardon?", hand_over=True)]
    composed = await scripted(*script).compose(Question((person("tea"),), 1))
    assert (told(composed), composed.hand_over) == ("With milk?", False)


def test_the_built_in_assistant_is_found_by_its_name():
    assert {name: assistant.name for name, assistant in BUILT_IN.items()} == {"scripted": "scripted"}


def test_what_was_said_does_not_show():
    assert "hush" not in repr(Question((person("hush"), us("hush")), 1))


GREETING = StandingPattern("greeting", "en", "Hello {{name}}, welcome to {{place}}!")
SAYS = ScriptRule(r"my name is (?P<name>\w+)", say="greeting", values={"place": "the clinic"})


async def test_a_rule_says_a_pattern_filled_from_its_groups_and_values():
    said = ConversationLine(by_person=True, kind="text", text="Hi, my name is Ana")
    answer = await scripted(SAYS).compose(Question((said,), 1, patterns=(GREETING,)))
    assert [message.text.body for message in answer.messages] == ["Hello Ana, welcome to the clinic!"]


async def test_a_variable_that_nothing_fills_is_named():
    said = ConversationLine(by_person=True, kind="text", text="hello")
    rule = ScriptRule("hello", say="greeting", values={"place": "the clinic"})
    with pytest.raises(InputError, match="name: is missing"):
        await scripted(rule).compose(Question((said,), 1, patterns=(GREETING,)))
