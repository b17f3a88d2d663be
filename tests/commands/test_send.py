"""Sending from the command line: the same store, the same rules, and what became of it."""

import json

import pytest

import given
from hailgate.commands.timeline import show_timeline
from hailgate.core.status import Status
from hailgate.messaging.models import Attempt, Message, Receipt, Work


def test_a_message_is_accepted_with_its_delivery(ask, channel) -> None:
    sent = ask("send", "--channel", channel.name, "--to", "+1 (555) 010-0042", "--text", "Hello")
    message = Message.objects.get(tenant_id=channel.tenant_id, uid=sent["id"])
    assert (message.address, message.content) == (given.PERSON, '{"type":"text","text":{"body":"Hello"}}')
    assert Work.objects.filter(tenant_id=channel.tenant_id, message_id=message.pk).count() == 1
    assert sent["status"] == "queued"
    assert [event["event"] for event in sent["timeline"]] == ["queued"]


def test_the_text_may_come_from_a_pipe(ask, channel) -> None:
    sent = ask("send", "--channel", channel.name, "--to", given.PERSON, "--text", "-", typed="Piped")
    assert "Piped" in Message.objects.get(tenant_id=channel.tenant_id, uid=sent["id"]).content


def test_markdown_is_sent_with_marks_where_it_is_asked_for(ask, channel) -> None:
    to = ("send", "--channel", channel.name, "--to", given.PERSON, "--text", "**Ready**")
    bodies = [
        json.loads(Message.objects.get(tenant_id=channel.tenant_id, uid=ask(*to, *asked)["id"]).content)["text"]["body"]
        for asked in ([], ["--markdown"])
    ]
    assert bodies == ["**Ready**", "*Ready*"]


@pytest.mark.parametrize(
    ("channel_name", "to", "text", "code"),
    [
        ("nowhere", given.PERSON, "Hello", "unknown_channel"),
        ("front desk", "12", "Hello", "invalid_address"),
        ("front desk", given.PERSON, "   ", "invalid_content"),
        ("front desk", given.PERSON, "x" * 5_000, "invalid_content"),
    ],
)
def test_what_the_api_refuses_is_refused_here(run, channel, *, channel_name, to, text, code) -> None:
    refused = run("send", "--channel", channel_name, "--to", to, "--text", text, "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["code"] == code
    assert Message.objects.filter(tenant_id=channel.tenant_id).count() == 0


@pytest.mark.parametrize(("status", "code"), [(Status.SENT, 0), (Status.READ, 0), (Status.FAILED, 1)])
def test_waiting_ends_with_what_became_of_it(run, channel, monkeypatch, status, code) -> None:
    def deliver(_: float) -> None:
        Message.objects.filter(tenant_id=channel.tenant_id).update(status=status.value)

    monkeypatch.setattr("hailgate.commands.send.time.sleep", deliver)
    waited = run("send", "--channel", channel.name, "--to", given.PERSON, "--text", "Hello", "--wait", "60")
    assert waited.exit_code == code
    assert f"is {status.word}" in waited.stdout


def test_the_timeline_tells_attempts_and_receipts_in_the_apis_words(ask, channel) -> None:
    sent = ask("send", "--channel", channel.name, "--to", given.PERSON, "--text", "Hello")
    known = Message.objects.select_related("channel", "conversation")
    message = known.get(tenant_id=channel.tenant_id, uid=sent["id"])
    ours = {"tenant_id": channel.tenant_id, "message_id": message.pk}
    start = message.accepted_at.timestamp()
    Attempt.objects.create(
        **ours, number=1, lease=1, started_at=start + 1, finished_at=start + 2, outcome="retry", code="throttled"
    )
    Attempt.objects.create(**ours, number=2, lease=2, started_at=start + 3)
    Receipt.objects.create(**ours, event="delivered", at=start + 4)
    assert [(told["event"], told["attempt"], told["code"]) for told in show_timeline(message)] == [
        ("queued", None, None),
        ("sending", 1, None),
        ("retried", 1, "throttled"),
        ("sending", 2, None),
        ("delivered", None, None),
    ]


def test_the_timeline_of_a_message_says_what_it_waits_for(ask, run, channel) -> None:
    sent = ask("send", "--channel", channel.name, "--to", given.PERSON, "--text", "Hello")
    ask("channel", "pause", channel.name)
    told = ask("timeline", sent["id"])
    assert (told["status"], told["timeline"][-1]["event"]) == ("queued", "waiting")
    assert told["timeline"][-1]["code"] == "channel_paused"
    assert "channel_paused" in run("timeline", sent["id"]).stdout


@pytest.mark.parametrize("id_", ["x", "6f1c1b3e-0000-4000-8000-000000000000"])
def test_a_message_that_is_not_there_has_no_timeline(run, channel, id_) -> None:
    assert "no message of this id" in run("timeline", id_).stderr


def test_what_is_still_queued_when_the_time_is_up_is_not_yet_done(run, channel) -> None:
    line = ("send", "--channel", channel.name, "--to", given.PERSON, "--text", "Hello")
    assert run(*line, "--wait", "0").exit_code == 3
    assert run(*line).exit_code == 0


@pytest.mark.parametrize("piped", [True, False])
def test_any_kind_of_message_may_be_sent(ask, channel, piped) -> None:
    content = json.dumps({"type": "location", "location": {"latitude": 52.5, "longitude": 13.4}, "metadata": {"a": 1}})
    words = ("--content", "-") if piped else ("--content", content)
    sent = ask("send", "--channel", channel.name, "--to", given.PERSON, *words, typed=content)
    message = Message.objects.get(tenant_id=channel.tenant_id, uid=sent["id"])
    assert (message.kind, message.metadata) == ("location", '{"a":1}')


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "Say either --text or --content"),
        (("--text", "a", "--content", "{}"), 2, "Say either --text or --content"),
        (("--content", "hello"), 1, "--content needs JSON"),
        (("--content", "[]"), 1, "one JSON object"),
        (("--content", '{"type": "text", "to": "1"}'), 1, "without `channel` and `to`"),
        (("--content", '{"type": "smoke"}'), 1, "--content: Invalid enum value"),
    ],
)
def test_content_that_will_not_do_is_refused_in_a_sentence(run, channel, words, code, sentence) -> None:
    refused = run("send", "--channel", channel.name, "--to", given.PERSON, *words)
    assert (refused.exit_code, sentence in refused.stderr) == (code, True), refused.stderr
