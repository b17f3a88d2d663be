"""`hailgate channel pair` and its like."""

import json

import pytest

from hailgate.commands import pairing
from hailgate.core.sessions import SessionState
from pairing import CODE, see, show_code


@pytest.fixture
def looks(monkeypatch):
    """What happens while the command waits, one step for each look."""
    steps = []

    def wait(_seconds):
        if steps:
            steps.pop(0)()

    monkeypatch.setattr(pairing.time, "sleep", wait)
    return steps


def test_the_code_is_shown_until_the_phone_has_taken_it(run, channel, looks):
    looks += [lambda: show_code(channel), lambda: see(channel, SessionState.OPEN, number=channel.number)]
    result = run("channel", "pair", channel.name)
    assert result.exit_code == 0, result.output
    assert "Scan it on the phone" in result.stdout
    assert "Session: open." in result.stdout
    assert "No worker is running" in result.stderr


def test_for_programs_each_change_is_a_line(run, channel, looks):
    looks += [
        lambda: show_code(channel, typed=True),
        lambda: see(channel, SessionState.OPEN, number=channel.number),
    ]
    result = run("channel", "pair", channel.name, "--phone", "+15550100000", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["state"] for line in lines] == ["unpaired", "pairing", "open"]
    assert (lines[1]["code"], lines[1]["typed"]) == (CODE, True)


def test_a_phone_that_does_not_come_is_told(run, channel, looks):
    result = run("channel", "pair", channel.name, "--wait", "0.01")
    assert result.exit_code != 0
    assert "Nobody paired a phone in time" in result.stderr


@pytest.mark.parametrize(
    ("command", "wish"),
    [
        (["connect"], "open"),
        (["disconnect"], "close"),
        (["disconnect", "--log-out"], "log_out"),
        (["disconnect", "--delete"], "delete"),
    ],
)
def test_a_session_is_opened_closed_and_logged_out(ask, channel, command, wish):
    name, *options = command
    assert ask("channel", name, channel.name, *options)["wish"] == wish


def test_another_phone_is_confirmed(ask, channel):
    assert ask("channel", "confirm-number", channel.name)["confirmed"] is False
    ask("channel", "connect", channel.name)
    see(channel, SessionState.OPEN, number="15559999999")
    assert ask("channel", "session", channel.name)["unconfirmed"] == "15559999999"
    assert ask("channel", "confirm-number", channel.name)["confirmed"] is True
    assert ask("channel", "show", channel.name)["number"] == "15559999999"


def test_what_was_done_is_on_record_without_the_code(ask, run, channel, looks):
    looks += [lambda: show_code(channel), lambda: see(channel, SessionState.OPEN, number=channel.number)]
    run("channel", "pair", channel.name)
    entries = ask("audit")
    assert {"session.wished", "session.code_shown"} <= {entry["action"] for entry in entries}
    assert CODE not in json.dumps(entries)
