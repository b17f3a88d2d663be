"""What was given up or may have been sent: listed with its reason, and sent again by hand."""

import json

import pytest

import given
from hailgate.accounts.models import AuditEntry
from hailgate.messaging.models import Message, Work, WorkState

DEAD, PARKED = WorkState.DEAD, WorkState.PARKED


@pytest.fixture
def stop(ask, channel):
    """Accept a message and let it end as a dead or unknown letter; returns its id."""

    def stop(state: WorkState, code: str, detail: str = "") -> str:
        sent = ask("send", "--tenant", "clinic", "--channel", channel.name, "--to", given.PERSON, "--text", "Hello")
        message = Message.objects.get(tenant_id=channel.tenant_id, uid=sent["id"])
        rows = Work.objects.filter(tenant_id=channel.tenant_id, message_id=message.pk)
        rows.update(state=state.value, code=code, detail=detail, attempts=3)
        return sent["id"]

    return stop


def test_what_is_on_its_way_is_no_dead_letter(ask, run, channel) -> None:
    ask("send", "--channel", channel.name, "--to", given.PERSON, "--text", "Hello")
    assert ask("deadletters", "list") == []
    assert "There are none." in run("deadletters", "list").stdout


@pytest.mark.parametrize(
    ("state", "code", "shown", "reason"),
    [
        (DEAD, "expired", "dead", "was not sent before it expired. Code 131009."),
        (DEAD, "rejected", "dead", "refuses this message for good. Code 131009."),
        (PARKED, "worker_lost", "unknown", "The worker ended while it was sending"),
        (DEAD, "a_code_of_the_provider", "dead", "Code 131009."),
    ],
)
def test_a_reason_is_told_in_plain_words(ask, stop, *, state, code, shown, reason) -> None:
    stop(state, code, "Code 131009.")
    [row] = ask("deadletters", "list")
    assert (row["state"], row["code"], row["attempts"]) == (shown, code, 3)
    assert reason in row["reason"]


def test_one_is_shown_with_all_that_happened(ask, run, stop) -> None:
    letter = stop(DEAD, "expired")
    shown = ask("deadletters", "show", letter)
    assert [event["event"] for event in shown["timeline"]] == ["queued"]
    assert letter in run("deadletters", "show", letter).stdout


def test_neither_text_nor_number_is_shown(run, stop) -> None:
    letter = stop(PARKED, "worker_lost")
    for command in (("list",), ("show", letter)):
        shown = run("deadletters", *command).output
        assert "Hello" not in shown
        assert given.PERSON not in shown


def test_named_letters_are_sent_again_and_no_others(ask, stop) -> None:
    chosen, other = stop(PARKED, "worker_lost"), stop(DEAD, "expired")
    assert ask("deadletters", "revive", chosen) == {"revived": 1}
    assert [row["id"] for row in ask("deadletters", "list")] == [other]


def test_all_dead_leaves_the_unknown_to_a_decision_about_each(ask, stop) -> None:
    stop(DEAD, "expired")
    unknown = stop(PARKED, "worker_lost")
    assert ask("deadletters", "revive", "--all-dead") == {"revived": 1}
    assert [row["id"] for row in ask("deadletters", "list")] == [unknown]


def test_a_list_is_narrowed_and_so_is_what_is_sent_again(ask, stop) -> None:
    expired, rejected = stop(DEAD, "expired"), stop(DEAD, "rejected")
    assert [row["id"] for row in ask("deadletters", "list", "--code", "expired")] == [expired]
    assert ask("deadletters", "list", "--until", "2020-01-01") == []
    assert ask("deadletters", "list", "--state", "unknown") == []
    assert ask("deadletters", "revive", "--all-dead", "--code", "expired", "--since", "2020-01-01T12:00:00") == {
        "revived": 1
    }
    assert [row["id"] for row in ask("deadletters", "list")] == [rejected]


def test_causes_are_counted_with_what_to_do(ask, run, stop) -> None:
    for _ in range(2):
        stop(DEAD, "expired")
    stop(PARKED, "worker_lost")
    first, second = ask("deadletters", "causes")
    assert (first["code"], first["count"], second["state"]) == ("expired", 2, "unknown")
    assert "before you send it again" in second["advice"]
    assert "worker_lost" in run("deadletters", "causes").stdout


@pytest.mark.parametrize("arguments", [(), ("--all-dead", "0190"), ("not-an-id",), ("0190", "--code", "expired")])
def test_what_to_revive_must_be_clear(run, channel, arguments) -> None:
    assert run("deadletters", "revive", *arguments).exit_code == 1


def test_letters_of_another_tenant_stay_hidden(ask, run, stop, stranger) -> None:
    letter = stop(DEAD, "expired")
    assert ask("deadletters", "list", "--tenant", "stranger") == []
    assert run("deadletters", "revive", letter, "--tenant", "stranger").exit_code == 1


def test_letters_are_exported_in_both_forms(run, stop, channel):
    first, second = stop(DEAD, "rejected"), stop(PARKED, "outcome_unknown")
    table = run("deadletters", "export")
    assert table.exit_code == 0
    assert [line.split(",")[0] for line in table.stdout.splitlines()] == ["id", first, second]
    lines = run("deadletters", "export", "--json", "--state", "unknown").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [second]


def test_what_is_done_from_the_command_line_is_on_record(ask, run, stop, channel):
    run("deadletters", "revive", stop(DEAD, "rejected"))
    run("channel", "pause", channel.name)
    entries = AuditEntry.objects.filter(tenant_id=channel.tenant_id, actor_kind="command").order_by("id")
    assert [entry.action for entry in entries][-2:] == ["message.revived", "channel.paused"]


def test_one_is_dismissed_once_and_on_record(ask, stop) -> None:
    letter = stop(DEAD, "rejected")
    assert ask("deadletters", "dismiss", letter) == {"dismissed": 1}
    assert ask("deadletters", "list") == []
    entry = ask("audit")[0]
    assert (entry["action"], entry["subject"]) == ("message.dismissed", f"message:{letter}")


@pytest.mark.parametrize(("word", "sent"), [("--sent", True), ("--not-sent", False)])
def test_an_unknown_one_is_settled_on_record(ask, stop, word, sent) -> None:
    letter = stop(PARKED, "outcome_unknown")
    assert ask("deadletters", "settle", letter, word) == {"id": letter, "sent": sent}
    assert len(ask("deadletters", "list", "--state", "dead")) == (0 if sent else 1)
    assert ask("audit")[0]["action"] == "message.settled"


@pytest.mark.parametrize(
    ("given_as", "typed"),
    [(("--text", "-"), "Another try"), (("--content", "-"), '{"type": "text", "text": {"body": "Another try"}}')],
)
def test_one_is_changed_and_sent_again_on_record(ask, stop, channel, given_as, typed) -> None:
    letter = stop(DEAD, "rejected")
    assert ask("deadletters", "edit", letter, *given_as, typed=typed) == {"id": letter, "revived": 1}
    message = Message.objects.get(tenant_id=channel.tenant_id, uid=letter)
    assert "Another try" in message.content
    entry = ask("audit")[0]
    assert (entry["action"], entry["subject"]) == ("message.edited", f"message:{letter}")
    assert "Another" not in str(entry)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "either --text or --content"),
        (("--text", "a", "--content", "-"), "either --text or --content"),
        (("--content", "-"), "must be an object of JSON"),
        (("--text", ""), "text"),
    ],
)
def test_a_change_that_cannot_be_meant_is_refused(run, stop, options, sentence) -> None:
    refused = run("deadletters", "edit", stop(DEAD, "rejected"), *options, typed="[1]")
    assert refused.exit_code == 1
    assert sentence in refused.stderr
