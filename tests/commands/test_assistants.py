"""Assistants by hand: made, drafted, tried, put live, taken back and switched off; a key never shows."""

import asyncio
import threading

import pytest

from assistant.ai_server import run_ai_server

KEY = "sk-very-secret"


@pytest.fixture
def server():
    """An AI server in a thread of its own: commands block this one."""
    started, stop, found = threading.Event(), asyncio.Event(), []

    async def serve():
        async with run_ai_server() as running:
            found.extend((running, asyncio.get_running_loop()))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    running, loop = found
    yield running
    loop.call_soon_threadsafe(stop.set)
    thread.join()


@pytest.fixture
def clinic(ask, tenant, server):
    return ask(
        "assistant", "add", "clinic", "--set", "vendor=compatible", "--set", "model=m", "--set", f"api_key={KEY}",
        "--set", f"base_url=http://{server.target}/v1", "--set", "instructions=You are the desk of a clinic.",
        "--set", "timeout_s=20",
    )  # fmt: skip


@pytest.fixture
def targets(monkeypatch, server):
    from hailgate.settings import ENV

    monkeypatch.setattr("hailgate.settings.ENV", ENV.model_copy(update={"private_targets": (server.target,)}))


def test_a_new_one_is_live_and_shows_no_key(ask, run, clinic):
    assert (clinic["name"], clinic["version"]) == ("clinic", 1)
    [row] = ask("assistant", "list")
    assert (row["active"], row["version"], row["vendor"]) == (True, 1, "compatible")
    assert KEY not in run("assistant", "show", "clinic").output + run("assistant", "list").output


def test_a_draft_is_published_and_taken_back(ask, clinic):
    assert ask("assistant", "set", "clinic", "--set", "temperature=0") == {
        "name": "clinic",
        "version": 2,
        "live": False,
    }
    assert ask("assistant", "list")[0]["version"] == 1
    ask("assistant", "publish", "clinic")
    assert ask("assistant", "show", "clinic")["temperature"] == 0
    ask("assistant", "publish", "clinic", "1")
    assert ask("assistant", "list")[0]["version"] == 1


def test_it_is_switched_off_and_on(ask, clinic):
    assert ask("assistant", "switch", "clinic", "off") == {"name": "clinic", "active": False}
    assert ask("assistant", "list")[0]["active"] is False


def test_a_channel_is_answered_by_it(ask, channel, clinic):
    assert ask("channel", "answered-by", channel.name, "clinic")["answered_by"] == "clinic"


def test_a_channel_says_what_becomes_of_answers_outside_the_window(ask, run, channel):
    assert ask("channel", "outside-window", channel.name, "wait")["outside_window"] == "wait"
    refused = run("channel", "outside-window", channel.name, "template")
    assert (refused.exit_code, "name the template" in refused.output) == (1, True)
    told = ask("channel", "outside-window", channel.name, "template", "--template", "call_back", "--language", "pt_BR")
    assert told["outside_window"] == "template"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "clinic2", "--set", "vendor=openai", "--set", "model=m"), "api_key"),
        (("add", "Person", "--set", "vendor=scripted"), "name"),
        (("set", "clinic", "--set", "temperature=9"), "temperature"),
        (("publish", "clinic", "9"), "version 9"),
        (("show", "nobody"), "clinic"),
    ],
)
def test_what_is_wrong_is_named(run, clinic, arguments, sentence):
    result = run("assistant", *arguments)
    assert result.exit_code == 1
    assert sentence in result.output
    assert KEY not in result.output


def test_one_question_is_tried_through_the_real_process(ask, clinic, server, targets):
    pytest.importorskip("pydantic_ai", reason="needs the extra `ai`")
    tried = ask("assistant", "try", "clinic", "Are you open?")
    assert tried["reply"].endswith("We are open.")
    assert (tried["hand_over"], tried["input_tokens"], server.keys) == (False, 11, [KEY])


def test_a_check_says_of_each_model_whether_it_answers(run, clinic, server, targets):
    pytest.importorskip("pydantic_ai", reason="needs the extra `ai`")
    assert run("assistant", "check", "clinic").exit_code == 0
    server.plan = [401]
    refused = run("assistant", "check", "clinic")
    assert (refused.exit_code, "model_unauthorized" in refused.output) == (1, True)
