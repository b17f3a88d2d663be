"""Model processes: both vendors' protocols through the real child, which knows nothing of its parent."""

import base64
import json
import os
import sys

import pytest

from hailgate.assistant.model_processes import INHERITED, ModelProcesses
from hailgate.assistant.model_protocol import ModelCall, ModelFile, SaidLine, Task, ToolOffer, ToolTold
from hailgate.assistant.settings import ModelChoice
from hailgate.core.errors import AssistantError

from .ai_server import GOOD, run_ai_server

pytest.importorskip("pydantic_ai", reason="needs the extra `ai`")


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def processes():
    """One child for all: its first import takes seconds."""
    running = ModelProcesses(most=1)
    yield running
    await running.close()


@pytest.fixture
async def server():
    async with run_ai_server() as running:
        yield running


def call(server, vendor="openai", **changes):
    path = "" if vendor == "anthropic" else "/v1"
    choice = ModelChoice(vendor=vendor, model="m", api_key="key-1", base_url=f"http://{server.target}{path}")
    given = {
        "id": 0, "choice": choice, "instructions": "You are the desk of a clinic.", "temperature": 0.2,
        "lines": (SaidLine(True, "Hi"), SaidLine(False, "Hello"), SaidLine(True, "Are you open?")), "max_tokens": 50,
        "timeout_s": 60.0, "private_targets": (server.target,),
    }  # fmt: skip
    return ModelCall(**{**given, **changes})


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "compatible"])
async def test_each_vendor_answers_in_its_own_protocol(processes, server, vendor):
    reply = await processes.call(call(server, vendor))
    assert (reply.reply, reply.route, reply.reason) == ("We are open.", "assistant", "hours")
    assert (reply.input_tokens, reply.output_tokens) in {(11, 5), (12, 6)}
    assert server.keys == ["key-1"]
    assert "You are the desk of a clinic." in str(server.asked)
    assert len(server.asked) == 1


async def test_a_model_speaks_markdown_and_people_read_marks(processes, server):
    server.plan = [json.dumps({"reply": "**Open** from _8_ | see [us](https://clinic.example)"})]
    said = (SaidLine(False, "*Hello* ~you~"), SaidLine(True, "Are you *open*?"))
    reply = await processes.call(call(server, lines=said))
    assert reply.reply == "*Open* from _8_ | see us (https://clinic.example)"
    assert [line["content"] for line in server.asked[0]["messages"]][-2:] == ["**Hello** ~~you~~", "Are you *open*?"]


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_a_summary_is_asked_for_in_plain_words_and_without_the_assistants_own(processes, server, vendor):
    server.plan = ["Ana wants Monday."]
    asked = call(server, vendor, task=Task.SUMMARY, lines=(SaidLine(True, "person: Monday?"),), instructions="Short.")
    assert (await processes.call(asked)).reply == "Ana wants Monday."
    assert "`route`" not in str(server.asked)
    assert "never an instruction" in str(server.asked)


@pytest.mark.parametrize(
    ("planned", "code"),
    [
        (401, "model_unauthorized"),
        (429, "model_throttled"),
        (500, "model_unavailable"),
        ("nonsense", "model_garbled"),
        ("", "model_garbled"),
        ('{"reply": ""}', "model_empty"),
    ],
)
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_each_failure_has_its_word_and_is_called_once(processes, server, vendor, planned, code):
    server.plan = [planned]
    with pytest.raises(AssistantError) as failed:
        await processes.call(call(server, vendor))
    assert failed.value.code == code
    assert len(server.asked) == 1


async def test_an_address_inside_is_refused_unless_it_is_listed(processes, server):
    with pytest.raises(AssistantError) as failed:
        await processes.call(call(server, private_targets=()))
    assert (failed.value.code, server.asked) == ("address_refused", [])


async def test_a_vendor_that_nobody_knows_is_said_to_be_unknown(processes, server):
    with pytest.raises(AssistantError) as failed:
        await processes.call(call(server, choice=ModelChoice(vendor="oracle-of-delphi", model="m", api_key="k")))
    assert failed.value.code == "vendor_unsupported"


READY = "print('{\"id\": 0}', flush=True)\n"
SLEEPER = READY + "import sys, time\nfor line in sys.stdin: time.sleep(60)"
# It answers whatever it is asked, but to somebody else.
GOSSIP = READY + "import sys, json\nfor line in sys.stdin: print(json.dumps({'id': 999_999}), flush=True)"
ENDER = READY + "import sys\nsys.stdin.readline()"
STARTER = "import time\ntime.sleep(60)"
TELLER = READY + (
    "import os, sys, json\n"
    "for line in sys.stdin:\n"
    "    told = {'id': json.loads(line)['id'], 'reply': ' '.join(os.environ)}\n"
    "    print(json.dumps(told), flush=True)"
)


def running(program):
    return ModelProcesses(most=1, command=(sys.executable, "-c", program))


async def test_a_process_that_hangs_is_ended_and_the_next_call_has_a_new_one(monkeypatch, server):
    monkeypatch.setattr("hailgate.assistant.model_processes.GRACE_S", 0.05)
    processes = running(SLEEPER)
    for _ in range(2):
        with pytest.raises(AssistantError) as failed:
            await processes.call(call(server, timeout_s=0.3))
        assert failed.value.code == "model_hung"
    await processes.close()


async def test_a_process_that_answers_others_meanwhile_is_busy_and_not_ended(monkeypatch, server):
    monkeypatch.setattr("hailgate.assistant.model_processes.GRACE_S", 0.05)
    processes = running(GOSSIP)
    for _ in range(2):
        with pytest.raises(AssistantError) as failed:
            await processes.call(call(server, timeout_s=2.0))
        assert failed.value.code == "model_timeout"
    assert processes._children[0].alive
    await processes.close()


async def test_a_process_that_ends_answers_for_its_calls(server):
    processes = running(ENDER)
    with pytest.raises(AssistantError) as failed:
        await processes.call(call(server))
    assert failed.value.code == "model_process_ended"
    await processes.close()


async def test_a_process_that_starts_slowly_is_waited_for_by_the_next_call_too(monkeypatch, server):
    processes = running(STARTER)
    ids = []
    for patience in (60.0, 60.0, 0.0):
        monkeypatch.setattr("hailgate.assistant.model_processes.STARTS_IN_S", patience)
        with pytest.raises(AssistantError) as failed:
            await processes.call(call(server, timeout_s=0.05))
        assert failed.value.code == "model_starting"
        ids.append(processes._children[0]._process.pid)
    assert len(set(ids)) == 1
    assert not processes._children[0].alive
    await processes.close()


async def test_a_process_inherits_no_setting_and_no_key(monkeypatch, server):
    monkeypatch.setenv("HAILGATE_SECRET_KEYS", "hush")
    processes = running(TELLER)
    known = set((await processes.call(call(server))).reply.split())
    assert known <= {*INHERITED, "LC_CTYPE"}
    assert "HAILGATE_SECRET_KEYS" in os.environ
    await processes.close()


OFFER = ToolOffer("hours", "When we are open.", {"type": "object", "properties": {"day": {"type": "string"}}})


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_a_model_may_ask_for_a_tool_and_goes_on_with_what_it_is_told(processes, server, vendor):
    server.plan = [{"name": "hours", "arguments": {"day": "monday"}}, GOOD]
    first = await processes.call(call(server, vendor, tools=(OFFER,)))
    (asked,) = first.asked
    assert (asked.name, json.loads(asked.arguments), first.reply) == ("hours", {"day": "monday"}, "")
    told = (ToolTold(asked.id, "From 8 to 12."),)
    second = await processes.call(call(server, vendor, tools=(OFFER,), resume=first.resume, told=told))
    assert second.reply == "We are open."
    assert "From 8 to 12." in str(server.asked[1])
    assert "Are you open?" in str(server.asked[1])


PICTURE = ModelFile("image/png", b"\x89PNG" + bytes(2_000_000))
PDF = ModelFile("application/pdf", b"%PDF-1.4 " + bytes(100))


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_a_model_is_shown_pictures_and_documents_beside_the_words(processes, server, vendor):
    await processes.call(call(server, vendor, files=(PICTURE, PDF)))
    asked = str(server.asked[0]["messages"][-1]["content"])
    assert "Are you open?" in asked
    for file in (PICTURE, PDF):
        assert base64.b64encode(file.data).decode() in asked


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
async def test_a_file_is_shown_again_after_a_tool_and_travels_once(processes, server, vendor):
    server.plan = [{"name": "hours", "arguments": {"day": "monday"}}, GOOD]
    asking = call(server, vendor, tools=(OFFER,), files=(PICTURE,))
    first = await processes.call(asking)
    assert len(first.resume) < 10_000
    told = (ToolTold(first.asked[0].id, "From 8 to 12."),)
    await processes.call(call(server, vendor, tools=(OFFER,), files=(PICTURE,), resume=first.resume, told=told))
    assert str(server.asked[1]).count(base64.b64encode(PICTURE.data).decode()) == 1
