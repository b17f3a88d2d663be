"""Tools: checked before anything runs, at most five a turn, and a write waits for the person's button."""

import asyncio
import json

import pytest

from hailgate.assistant.contract import ConversationLine, Question
from hailgate.assistant.fake_models import FakeModels
from hailgate.assistant.model_assistant import ModelAssistant
from hailgate.assistant.model_protocol import ModelReply
from hailgate.assistant.sentences import SENTENCES
from hailgate.assistant.settings import describe_settings, parse_settings
from hailgate.assistant.tool_use import read_press
from hailgate.assistant.tools import MOST_CALLS, Tool, ToolCallAsked, ToolParameter, ToolResult, check_arguments
from hailgate.core.errors import AssistantError, InputError

EN = SENTENCES["en"]
SECRET = "a secret of sixteen"
HOURS = {"name": "hours", "function": "hours", "parameters": {"day": {"enum": ["monday", "tuesday"]}}}
BOOK = {
    "name": "book", "mode": "writes", "url": "https://clinic.example/book", "secret": SECRET,
    "parameters": {"at": {}, "minutes": {"type": "integer", "minimum": 5, "maximum": 60, "required": False}},
    "confirm": "Book {at}?",
}  # fmt: skip
BASE = {"vendor": "openai", "model": "one", "api_key": "k"}


class Runs:
    """Takes note of what is run."""

    def __init__(self, role="person", *, confirms=True):
        self.role, self.confirms, self.ran = role, confirms, []

    async def run(self, tool, arguments, ordinal):
        self.ran.append((tool.name, dict(arguments), ordinal))
        return ToolResult("Open from 8 to 12.")


def asks(*calls, resume="so far"):
    asked = tuple(
        ToolCallAsked(f"c{place}", name, json.dumps(arguments) if isinstance(arguments, dict) else arguments)
        for place, (name, arguments) in enumerate(calls)
    )
    return ModelReply(id=0, asked=asked, resume=resume)


def says(text="Yes."):
    return ModelReply(id=0, reply=text)


def make(*plan, tools=(HOURS, BOOK), **changes):
    models = FakeModels(*plan)
    return models, ModelAssistant("clinic", parse_settings({**BASE, "tools": list(tools), **changes}), models)


async def ask(assistant, runs, text="Are you open?", **given):
    line = ConversationLine(by_person=True, kind="text", text=text)
    return await assistant.compose(Question((line,), 1, **given), runs)


def body_of(answer):
    (message,) = answer.messages
    return message.text.body if hasattr(message, "text") else message.interactive.body.text


async def test_a_read_runs_and_the_model_goes_on_with_its_result():
    models, assistant = make(asks(("hours", {"day": "monday"})), says("From 8 to 12."))
    runs = Runs()
    answer = await ask(assistant, runs)
    assert (body_of(answer), runs.ran) == ("From 8 to 12.", [("hours", {"day": "monday"}, 0)])
    assert (models.calls[1].resume, models.calls[1].told[0].text) == ("so far", "Open from 8 to 12.")
    assert [(call.name, call.code) for call in answer.called] == [("hours", "")]
    assert answer.usage.calls == 2


async def test_a_write_is_not_made_but_asked_for_with_a_button():
    models, assistant = make(asks(("book", {"at": "Monday 9:00"})))
    runs = Runs()
    answer = await ask(assistant, runs)
    (message,) = answer.messages
    choices = [button.reply for button in message.interactive.action.buttons]
    assert (runs.ran, len(models.calls)) == ([], 1)
    assert body_of(answer) == f"{EN.confirm}\n\nBook Monday 9:00?"
    token = answer.called[0].token
    assert [(read_press(choice.id), choice.title) for choice in choices] == [
        ((token, True), "Yes"),
        ((token, False), "No"),
    ]
    assert json.loads(answer.called[0].arguments) == {"at": "Monday 9:00"}


async def test_a_first_answer_that_asks_to_confirm_says_that_it_is_automated():
    _, assistant = make(asks(("book", {"at": "Monday"})))
    answer = await ask(assistant, Runs(), first=True)
    assert body_of(answer).startswith(EN.disclosure)
    assert answer.disclosed


async def test_a_question_to_confirm_is_reviewed_like_any_reply():
    _, assistant = make(asks(("book", {"at": "see evil.example"})))
    answer = await ask(assistant, Runs())
    assert (body_of(answer), answer.hand_over, answer.note) == (EN.person, True, "link")


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("cancel_all", {}), "unknown_tool"),
        (("hours", {"day": "sunday"}), "arguments"),
        (("hours", {"day": "monday", "tenant": "other"}), "arguments"),
        (("hours", {}), "arguments"),
        (("hours", "no JSON"), "arguments"),
        (("hours", '{"day": "' + "x" * 9000 + '"}'), "arguments"),
        (("book", {"at": "now", "minutes": 500}), "arguments"),
        (("book", {"at": "now", "minutes": "ten"}), "arguments"),
        (("book", {"at": "now", "minutes": True}), "arguments"),
        (("book", {"at": "x" * 201}), "arguments"),
    ],
)
async def test_what_the_tool_does_not_declare_is_not_run(call, code):
    _, assistant = make(asks(call), says())
    runs = Runs()
    answer = await ask(assistant, runs)
    assert (runs.ran, [each.code for each in answer.called]) == ([], [code])


async def test_a_person_is_asked_for_all_that_a_write_would_use():
    _, assistant = make(asks(("book", {"at": "Monday", "minutes": 30})))
    assert body_of(await ask(assistant, Runs())) == f"{EN.confirm}\n\nBook Monday?\nminutes: 30"


async def test_what_is_too_long_to_be_read_is_not_asked_for():
    wide = {**BOOK, "parameters": {"at": {"max_length": 2000}}}
    _, assistant = make(
        asks(("book", {"at": "x " * 500 + "and everything else"})), says("That is too long."), tools=(wide,)
    )
    answer = await ask(assistant, Runs(), first=True)
    assert (body_of(answer), answer.called[0].code) == (f"{EN.disclosure}\n\nThat is too long.", "arguments")
    assert not answer.called[0].token


async def test_a_tool_takes_no_answer_past_its_deadline():
    class Slow(Runs):
        async def run(self, *_):
            await asyncio.sleep(3600)

    class Late(FakeModels):
        now = 0.0

        async def call(self, one):
            self.now = 24.9
            return await super().call(one)

    models = Late(asks(("hours", {"day": "monday"})))
    settings = parse_settings({**BASE, "tools": [HOURS]})
    assistant = ModelAssistant("clinic", settings, models, clock=lambda: models.now)
    with pytest.raises(AssistantError) as failed:
        await asyncio.wait_for(ask(assistant, Slow()), 30)
    assert failed.value.code == "model_timeout"


async def test_a_turn_has_so_many_calls_and_then_a_person_goes_on():
    _, assistant = make(asks(("hours", {"day": "monday"})))
    runs = Runs()
    answer = await ask(assistant, runs)
    assert (len(runs.ran), answer.hand_over, answer.note) == (MOST_CALLS, True, "tools_spent")


@pytest.mark.parametrize(
    ("runs", "offered"),
    [
        (Runs(), ["hours", "book"]),
        (Runs(confirms=False), ["hours"]),
        (Runs("group"), []),
        (None, []),
    ],
    ids=["person", "no buttons", "group", "no tools"],
)
async def test_a_model_is_told_of_what_may_be_called_here(runs, offered):
    models, assistant = make(asks(("book", {"at": "now"})), says())
    answer = await ask(assistant, runs)
    assert [tool.name for tool in models.calls[0].tools] == offered
    assert bool(answer.called and answer.called[0].token) == ("book" in offered)


async def test_only_one_write_is_asked_for_at_a_time():
    _, assistant = make(asks(("book", {"at": "one"}), ("book", {"at": "two"})))
    answer = await ask(assistant, Runs())
    assert [(bool(call.token), call.code) for call in answer.called] == [(True, ""), (False, "waits")]


async def test_the_same_question_twice_brings_a_person():
    models, assistant = make()
    lines = [
        ConversationLine(by_person=True, kind="text", text="Are you open today?"),
        ConversationLine(by_person=False, kind="text", text="I do not know."),
        ConversationLine(by_person=True, kind="text", text="are you  open today?"),
    ]
    answer = await assistant.compose(Question(tuple(lines), 1))
    assert (answer.hand_over, answer.note, models.calls) == (True, "asked_twice", [])


@pytest.mark.parametrize(
    ("tool", "rule"),
    [
        ({**HOURS, "url": "https://x.example", "secret": SECRET}, "either url or function"),
        ({"name": "x"}, "either url or function"),
        ({**BOOK, "secret": "short"}, "secret"),
        ({**BOOK, "name": "Two words"}, "name"),
        ({**BOOK, "confirm": "Book {when}?"}, "when"),
        ({**BOOK, "mode": "deletes"}, "deletes"),
        ({**BOOK, "color": "red"}, "color"),
    ],
)
def test_a_tool_that_would_not_do_is_refused_with_its_rule(tool, rule):
    with pytest.raises(InputError, match=rule):
        parse_settings({**BASE, "tools": [tool]})


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(InputError):
        parse_settings({**BASE, "tools": [HOURS, HOURS]})


def test_the_secret_of_a_tool_is_never_shown():
    shown = describe_settings(parse_settings({**BASE, "tools": json.dumps([BOOK, HOURS])}))
    assert SECRET not in str(shown)
    assert [tool["secret"] for tool in shown["tools"]] == ["***", ""]


def test_arguments_that_may_be_left_out_may_be_left_out():
    tool = Tool(name="t", function="f", parameters={"a": ToolParameter(required=False)})
    assert check_arguments(tool, "") == {}
