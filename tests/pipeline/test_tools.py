"""Tools of a turn: signed, scoped, bounded; a write is made once, when the person's button says so."""

import asyncio
import hashlib
import hmac
import json
import time

import pytest
from aiohttp import web

from hailgate.accounts.seal import sealer
from hailgate.assistant.model_protocol import ModelReply
from hailgate.assistant.sentences import SENTENCES
from hailgate.assistant.tools import Tool, ToolCallAsked, ToolParameter
from hailgate.core.content import content_as_json
from hailgate.core.content.inbound import ButtonReply, Chosen, InboundReply
from hailgate.core.errors import AssistantError
from hailgate.core.kinds import NO_LIMITS
from hailgate.messaging.assistants.registry import add_assistant, draft_version, publish_version
from hailgate.messaging.assistants.tool_calls import LIFE_S
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.models import PERSON, Conversation, Direction, ToolCall
from hailgate.pipeline import tools as module
from hailgate.pipeline.tools import Tools
from hailgate.providers import fake
from messaging.acting import apply, messages, wrote
from pipeline.test_turns import Counter, given_now

EN = SENTENCES["en"]
SECRET = "a secret of sixteen"


class Clinic:
    """A tenant's own server, which books once for each key."""

    def __init__(self) -> None:
        self.calls, self.booked, self.status, self.port = [], {}, 200, 0

    async def book(self, request: web.Request) -> web.Response:
        body = await request.read()
        at, _, digest = request.headers["Hailgate-Signature"].partition(",v1=")
        signed = at.removeprefix("t=").encode() + b"." + body
        assert hmac.compare_digest(digest, hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest())
        self.calls.append(json.loads(body))
        self.booked[request.headers["Idempotency-Key"]] = self.calls[-1]["arguments"]
        return web.Response(status=self.status, text="Booked.")


@pytest.fixture
async def clinic():
    clinic = Clinic()
    app = web.Application()
    app.router.add_post("/book", clinic.book)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    clinic.port = runner.addresses[0][1]
    yield clinic
    await runner.cleanup()


def book_tool(clinic, **changes):
    return {
        "name": "book", "mode": "writes", "url": f"http://127.0.0.1:{clinic.port}/book", "secret": SECRET,
        "parameters": {"at": {}}, "confirm": "Book {at}?", **changes,
    }  # fmt: skip


KINDS = dict(fake.SPEC.capabilities.kinds)
SETTINGS = {"vendor": "openai", "model": "m", "api_key": "k", "messages_per_contact": "0"}


class ToolDesk(Counter):
    """A conversation whose assistant has the clinic's tool and a model that asks for it."""

    clock = None

    async def answer(self) -> None:
        """Nothing leaves here: so much later that nothing is taken back for what is written next."""
        await super().answer()
        self.clock.forward(60.0)

    def plan(self, *replies) -> None:
        self.models._plan = replies

    async def press(self, choice_id: str, title: str = "Yes", to=1) -> None:
        def write():
            reply = InboundReply(ButtonReply(Chosen(choice_id, title)))
            event = wrote(self.channel, to)
            event = type(event)(**{name: getattr(event, name) for name in event.__struct_fields__} | {"content": reply})
            apply(self.channel, event, debounce=Debounce(0.0, 0.0))

        await self.db(write)

    async def buttons(self) -> list[str]:
        (asked,) = await self.all_buttons()
        return asked

    async def all_buttons(self) -> list[list[str]]:
        rows = await self.db(lambda: messages(self.channel.tenant_id, direction=Direction.OUTBOUND))
        asked = [content_as_json(row.content)["interactive"]["action"] for row in rows if row.kind == "interactive"]
        return [[button["reply"]["id"] for button in action["buttons"]] for action in asked]

    async def said(self) -> list[str]:
        rows = await self.db(lambda: messages(self.channel.tenant_id, direction=Direction.OUTBOUND))
        return [content_as_json(row.content)["text"]["body"] for row in rows if row.kind == "text"]

    async def calls(self):
        kept = ToolCall.objects.filter(tenant_id=self.channel.tenant_id).order_by("id")
        return await self.db(lambda: list(kept.values_list("name", "state", "code")))


def asking(at="Monday"):
    return ModelReply(id=0, asked=(ToolCallAsked("c", "book", json.dumps({"at": at})),), resume="on")


@pytest.fixture
async def tool_desk(desk, tenant, clock, clinic):
    desk.played.change(kinds=KINDS | {"interactive.button": NO_LIMITS})
    channel = await desk.db(lambda: desk.played.add_channel(tenant, "tools", answered_by="clinic"))
    await desk.db(add_assistant, tenant.pk, "clinic", SETTINGS | {"tools": json.dumps([book_tool(clinic)])})
    ToolDesk.targets = (f"127.0.0.1:{clinic.port}",)
    counter = ToolDesk(desk.db, desk.worker, desk.played, channel)
    counter.clock = clock
    counter.plan(asking())
    yield counter
    await counter.close()


async def test_a_write_waits_for_the_persons_button_and_is_made_once(tool_desk, clinic):
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    assert (clinic.calls, await tool_desk.calls()) == ([], [("book", "asked", "")])
    for _ in range(2):
        await tool_desk.press(yes)
        await tool_desk.answer()
    (call,) = clinic.calls
    talk = await tool_desk.conversation()
    assert (call["arguments"], call["conversation"]) == ({"at": "Monday"}, str(talk.uid))
    assert (await tool_desk.said(), await tool_desk.calls()) == ([EN.done, EN.expired], [("book", "done", "")])
    assert list(clinic.booked) == [call["key"]]


PRICE = ModelReply(id=0, reply="It is 10 euros.")


async def test_what_was_asked_beside_the_button_is_answered_in_the_same_message(tool_desk, clinic):
    tool_desk.plan(asking(), PRICE)
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.press(yes)
    await tool_desk.hear("What does it cost?")
    await tool_desk.answer()
    assert (len(clinic.booked), await tool_desk.said()) == (1, [f"{EN.done}\n\nIt is 10 euros."])
    shown = [line.text for line in tool_desk.models.calls[-1].lines]
    assert shown[-3:] == ["Yes", EN.done, "What does it cost?"]
    assert (await tool_desk.conversation()).answered_id == (await tool_desk.conversation()).last_inbound_id


async def test_a_model_that_fails_after_a_write_hides_nothing_of_it(tool_desk, clinic):
    tool_desk.plan(asking(), AssistantError("", code="model_refused"))
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.hear("What does it cost?")
    await tool_desk.press(yes)
    await tool_desk.answer()
    assert (len(clinic.booked), await tool_desk.said()) == (1, [f"{EN.done}\n\n{EN.apology}"])
    assert (await tool_desk.conversation()).answered_by == PERSON


async def test_who_writes_on_while_the_tool_runs_hears_what_came_of_it(tool_desk, clinic):
    """Its answer is dropped for the newer message: the next one says it, and never that the question is closed."""
    tool_desk.plan(asking(), PRICE)
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.press(yes)
    turn = await tool_desk.claim()
    await tool_desk.hear("What does it cost?")
    await tool_desk.turns.answer(turn, await tool_desk.db(given_now))
    assert await tool_desk.said() == []
    await tool_desk.answer()
    assert (len(clinic.booked), await tool_desk.said()) == (1, [f"{EN.done}\n\nIt is 10 euros."])


async def test_buttons_of_two_calls_are_both_decided(tool_desk, clinic):
    tool_desk.plan(asking(), asking("Tuesday"))
    for body in ("Book me in", "And once more"):
        await tool_desk.hear(body)
        await tool_desk.answer()
    (first, _), (_, second) = await tool_desk.all_buttons()
    await tool_desk.press(first)
    await tool_desk.press(second, "No")
    await tool_desk.answer()
    assert list(clinic.booked.values()) == [{"at": "Monday"}]
    assert await tool_desk.said() == [f"{EN.done} {EN.declined}"]


async def test_a_write_that_is_declined_is_never_made(tool_desk, clinic):
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, no = await tool_desk.buttons()
    for choice in (no, yes):
        await tool_desk.press(choice)
        await tool_desk.answer()
    assert (clinic.calls, await tool_desk.said()) == ([], [EN.declined, EN.expired])


async def test_a_button_is_good_for_ten_minutes(tool_desk, clinic, clock):
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    clock.forward(LIFE_S + 1)
    await tool_desk.press(yes)
    await tool_desk.answer()
    assert (clinic.calls, await tool_desk.said()) == ([], [EN.expired])


async def test_a_button_of_another_conversation_decides_nothing(tool_desk, clinic):
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.press(yes, to=2)
    await tool_desk.answer()
    assert (clinic.calls, await tool_desk.said()) == ([], [f"{EN.disclosure}\n\n{EN.expired}"])


async def test_a_worker_that_died_on_the_way_is_followed_by_one_with_the_same_key(tool_desk, clinic, monkeypatch):
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.press(yes)
    turn = await tool_desk.claim()
    await tool_desk.turns._writes.decide(turn)
    written = await tool_desk.db(lambda: ToolCall.objects.get(tenant_id=turn.tenant_id).arguments)
    assert written == ""  # nothing of a person's stays where it is needed no more
    kept = sealer().seal('{"at": "Monday"}')
    await tool_desk.db(
        lambda: ToolCall.objects.filter(tenant_id=turn.tenant_id).update(state="running", arguments=kept)
    )
    await tool_desk.turns._writes.decide(turn)
    assert (len(clinic.calls), len(clinic.booked)) == (2, 1)


async def test_a_write_that_fails_is_told_and_brings_a_person(tool_desk, clinic):
    clinic.status = 500
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.press(yes)
    await tool_desk.answer()
    assert (await tool_desk.said(), await tool_desk.calls()) == ([EN.undone], [("book", "failed", "tool_refused")])
    assert (await tool_desk.conversation()).answered_by == PERSON


async def test_a_tool_that_the_version_no_longer_has_is_not_called(tool_desk, clinic, tenant):
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.db(draft_version, tenant.pk, "clinic", {"tools": "[]"})
    await tool_desk.db(publish_version, tenant.pk, "clinic")
    await tool_desk.press(yes)
    await tool_desk.answer()
    assert (clinic.calls, await tool_desk.calls()) == ([], [("book", "failed", "unknown_tool")])


async def test_a_channel_without_buttons_is_offered_no_write(tool_desk, clinic):
    tool_desk.played.change(kinds=KINDS)
    tool_desk.plan(asking(), ModelReply(id=0, reply="I cannot book."))
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    assert (tool_desk.models.calls[0].tools, await tool_desk.calls()) == ((), [("book", "failed", "unknown_tool")])


async def test_an_emergency_goes_before_a_button(tool_desk, clinic, tenant):
    await tool_desk.db(draft_version, tenant.pk, "clinic", {"emergency_words": "chest pain"})
    await tool_desk.db(publish_version, tenant.pk, "clinic")
    await tool_desk.hear("Book me in")
    await tool_desk.answer()
    yes, _ = await tool_desk.buttons()
    await tool_desk.press(yes)
    await tool_desk.hear("chest pain")
    await tool_desk.answer()
    assert (clinic.calls, (await tool_desk.conversation()).answered_by) == ([], PERSON)


# --- running ----------------------------------------------------------------------------------------------------------


async def test_an_address_inside_is_refused_unless_the_owner_lists_it(tool_desk, clinic, db):
    tool = Tool(name="book", url=f"http://127.0.0.1:{clinic.port}/book", secret=SECRET)
    await tool_desk.hear()
    talk = await tool_desk.conversation()
    refused = await Tools(db).run(tool, {}, talk.id, 1, 0)
    assert (refused.code, clinic.calls) == ("url_refused", [])
    allowed = await Tools(db, ToolDesk.targets).run(tool, {}, talk.id, 1, 0)
    assert (allowed.text, allowed.code) == ("Booked.", "")


FUNCTIONS = """
def greet(name, scope):
    print("not a result")
    return {"hello": name, "to": scope["contact"]}

def spin(scope):
    while True:
        pass

def fail(scope):
    raise ValueError("no")

def tell(scope):
    import os
    return sorted(os.environ)

def rank(scope):
    import os
    from pathlib import Path
    group = Path("/proc/self/autogroup")
    return [os.nice(0), group.read_text().split()[-1] if group.exists() else "19"]
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """A package of tools, as somebody would install it."""
    (tmp_path / "clinic_tools.py").write_text(FUNCTIONS)
    info = tmp_path / "clinic_tools-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clinic-tools\nVersion: 1\n")
    names = "".join(f"{name} = clinic_tools:{name}\n" for name in ("greet", "spin", "fail", "tell", "rank"))
    (info / "entry_points.txt").write_text(f"[hailgate.tools]\n{names}")
    own = module.surroundings()
    monkeypatch.setattr(module, "surroundings", lambda: {**own, "PYTHONPATH": str(tmp_path)})


async def run_function(tool_desk, db, name, arguments=None, **given):
    await tool_desk.hear()
    talk = await tool_desk.conversation()
    tool = Tool(name=name, function=name, parameters={"name": ToolParameter()}, **given)
    return await Tools(db).run(tool, arguments or {}, talk.id, 1, 0)


async def test_a_function_gets_its_arguments_and_the_scope_of_the_turn(tool_desk, db, functions):
    result = await run_function(tool_desk, db, "greet", {"name": "Ada"}, timeout_s=10)
    talks = Conversation.objects.select_related("contact")
    talk = await tool_desk.db(lambda: talks.get(tenant_id=tool_desk.channel.tenant_id))
    assert json.loads(result.text) == {"hello": "Ada", "to": str(talk.contact.uid)}


async def test_a_function_that_never_returns_is_ended_with_its_time(tool_desk, db, functions):
    begun = time.monotonic()
    result = await run_function(tool_desk, db, "spin", timeout_s=1)
    assert result.code == "tool_timeout"
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("name", ["fail", "nowhere"])
async def test_a_function_that_fails_or_is_not_installed_says_so(tool_desk, db, functions, name):
    result = await run_function(tool_desk, db, name, timeout_s=10)
    assert (result.text, result.code) == ("The tool failed.", "tool_failed")


async def test_a_function_knows_no_setting_and_no_key(tool_desk, db, functions, monkeypatch):
    monkeypatch.setenv("HAILGATE_SECRET_KEYS", "hush")
    result = await run_function(tool_desk, db, "tell", timeout_s=10)
    assert "HAILGATE_SECRET_KEYS" not in result.text
    assert "PATH" in json.loads(result.text)


async def test_a_function_has_the_least_share_of_the_processors(tool_desk, db, functions):
    """Also where each session is a group of its own, within which alone a nice value counts: sched(7), autogroups."""
    result = await run_function(tool_desk, db, "rank", timeout_s=10)
    assert json.loads(result.text) == [19, "19"]


async def test_others_are_answered_while_a_function_spins(tool_desk, db, functions):
    """It has a process of its own with the least priority: nobody's answer waits for it."""
    tool_desk.plan(ModelReply(id=0, reply="Yes."))
    await tool_desk.hear()
    talk = await tool_desk.conversation()
    spinning = asyncio.create_task(Tools(db).run(Tool(name="spin", function="spin", timeout_s=5), {}, talk.id, 1, 0))
    await asyncio.sleep(0)
    await tool_desk.answer()
    assert await tool_desk.said() == [f"{EN.disclosure}\n\nYes."]
    assert not spinning.done()
    assert (await spinning).code == "tool_timeout"
