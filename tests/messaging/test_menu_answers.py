"""Answers to numbered menus: "2" comes back as the reply to the list whose second row it names."""

import msgspec
import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import content_as_json, encode_content, parse_outbound
from hailgate.core.events import EchoedMessage
from hailgate.core.status import Status
from messaging.acting import (
    Number,
    apply,
    change,
    change_channel,
    conversation_of,
    deliver_all,
    messages,
    new_message,
    phone,
    send,
    send_all,
    wrote,
)

DAY_S = 86_400.0
GROUP = Address(AddressKind.GROUP, "120363041234567890@g.us")
ROWS = [{"id": "nine", "title": "9:00"}, {"id": "ten", "title": "10:00", "description": "late"}]
LIST = {
    "type": "list", "body": {"text": "When?"}, "action": {"button": "Choose", "sections": [{"rows": ROWS}]},
}  # fmt: skip
YES_NO = [{"id": "b1", "title": "Yes"}, {"id": "b2", "title": "No"}]
BUTTONS = {
    "type": "button", "body": {"text": "Sure?"},
    "action": {"buttons": [{"type": "reply", "reply": each} for each in YES_NO]},
}  # fmt: skip
POLL = {
    "type": "poll", "body": {"text": "Days?"},
    "action": {"options": ["Monday", "Tuesday", "Friday, late"], "selectable_count": 2},
}  # fmt: skip

# By provider: of its hook, and what its channel needs beside that.
SETTINGS = {
    "evolution": ({"instance": "desk", "jwt_key": "a webhook key of some length"}, {"api_key": "a-key"}),
    "wppconnect": ({"session": "desk"}, {"secret_key": "a-secret"}),
    "twilio": ({"auth_token": "a-token"}, {"account_sid": f"AC{'0' * 32}"}),
}


def connect(tenant, provider="evolution", **more) -> Number:
    from hailgate.messaging.channels.hooks import add_hook
    from hailgate.messaging.channels.registry import add_channel, get_channel

    hook, own = SETTINGS[provider]
    settings = hook | own
    made = add_hook(tenant.id, provider, hook)
    add_channel(tenant.id, provider, "desk", "15550100302", settings | more, hook=made.id)
    view = get_channel(tenant.id, "desk")
    channel = Number(view.id, tenant.id, "person", "desk")
    change_channel(channel, paused_at=None, paused_reason="", rate_interval=1e-4, rate_burst=1000, pair_burst=0)
    return channel


@pytest.fixture
def desk(tenant) -> Number:
    return connect(tenant)


def ask(channel, question=LIST, to=1, worker=None):
    content = encode_content(parse_outbound({"type": "interactive", "interactive": question}))
    [asked] = send_all(channel, [new_message(channel, to)._replace(kind="interactive", content=content)])
    if worker is not None:
        deliver_all(worker)
    return asked


def answer(channel, *sender, body="2", **given) -> tuple[dict, str]:
    """What is stored of an answer, and what it says it answers."""
    apply(channel, wrote(channel, *sender, body=body, **given))
    stored = messages(channel.tenant_id, direction=1)[-1]
    return content_as_json(stored.content), stored.context_id


def test_a_number_comes_back_as_the_row_of_the_list_with_the_words_beside_it(desk, worker):
    asked = ask(desk, worker=worker)
    content, context = answer(desk, body=" 2 ")
    assert content == {
        "type": "interactive",
        "interactive": {"type": "list_reply", "list_reply": {"id": "ten", "title": "10:00", "description": "late"}},
        "text": {"body": " 2 "},
    }
    assert context == f"wamid.{asked.uid}"
    assert messages(desk.tenant_id, direction=1)[-1].kind == "interactive"


@pytest.mark.parametrize(
    ("question", "body", "chosen"),
    [
        (LIST, "1", "nine"), (LIST, "10:00", "ten"), (BUTTONS, "2", "b2"), (BUTTONS, "Yes", "b1"),
        (LIST, "3", None), (LIST, "0", None), (LIST, "02", None), (LIST, "2.", None), (LIST, "2 please", None),
        (LIST, "10", None), (BUTTONS, "yes", None), (LIST, "٢", None), (LIST, "", None),
    ],
)  # fmt: skip
def test_exactly_a_number_or_a_title_is_an_answer(desk, worker, question, body, chosen):
    ask(desk, question, worker=worker)
    content, _ = answer(desk, body=body)
    reply = content.get("interactive", {})
    assert reply.get(reply.get("type"), {}).get("id") == chosen
    assert content["text"]["body"] == body


@pytest.mark.parametrize(
    ("body", "chosen"),
    [
        ("2", ["Tuesday"]), ("Friday, late", ["Friday, late"]), ("3, 1", ["Monday", "Friday, late"]),
        ("Tuesday,1", ["Monday", "Tuesday"]), ("1,2,3", None), ("1,1", None), ("1, Monday", None), ("1, 4", None),
        ("1 2", None), (",", None), ("perhaps Monday", None),
    ],
)  # fmt: skip
def test_a_poll_sent_as_words_is_answered_by_numbers_and_titles(tenant, worker, body, chosen):
    desk = connect(tenant, "twilio")
    ask(desk, POLL, worker=worker)
    content, _ = answer(desk, body=body)
    reply = content.get("interactive", {}).get("poll_reply")
    assert (reply and reply["options"]) == chosen
    assert content["text"]["body"] == body


def test_what_names_two_choices_is_text(desk, worker):
    rows = [
        {"id": "a", "title": "2"},
        {"id": "b", "title": "Two"},
        {"id": "c", "title": "Same"},
        {"id": "d", "title": "Same"},
    ]
    ask(desk, LIST | {"action": {"button": "Choose", "sections": [{"rows": rows}]}}, worker=worker)
    assert [answer(desk, body=body)[0]["type"] for body in ("2", "Same", "Two")] == ["text", "text", "interactive"]


def test_only_the_newest_message_of_the_business_is_answered(desk, worker):
    ask(desk, worker=worker)
    assert answer(desk)[0]["type"] == "interactive"
    assert answer(desk, body="1")[0]["type"] == "interactive"  # what the person writes does not end it
    send(desk, body="Anything else?")
    assert answer(desk)[0]["type"] == "text"


def test_what_failed_was_seen_by_nobody(desk, worker):
    ask(desk, worker=worker)
    change(send(desk, body="never arrived"), status=Status.FAILED)
    assert answer(desk)[0]["type"] == "interactive"


def test_what_was_typed_on_the_telephone_is_newer_even_within_one_webhook(desk, worker):
    ask(desk, worker=worker)
    typed = EchoedMessage(**msgspec.structs.asdict(wrote(desk, body="by hand")))
    change_channel(desk, answered_by="person")
    apply(desk, typed, wrote(desk, body="2"))
    assert content_as_json(messages(desk.tenant_id, direction=1)[-1].content)["type"] == "text"


def test_a_question_that_waits_was_asked_of_nobody_yet(desk, worker):
    ask(desk)
    assert answer(desk)[0]["type"] == "text"


@pytest.mark.parametrize(("after", "kind"), [(DAY_S - 1, "interactive"), (DAY_S + 1, "text")])
def test_it_is_open_for_a_day(desk, worker, clock, after, kind):
    ask(desk, worker=worker)
    clock.forward(after)
    assert answer(desk)[0]["type"] == kind


def test_an_answer_to_something_else_is_text(desk, worker):
    asked = ask(desk, worker=worker)
    assert answer(desk, context_id="another")[0]["type"] == "text"
    assert answer(desk, context_id=f"wamid.{asked.uid}")[0]["type"] == "interactive"


def test_a_group_answers_in_text(desk, worker):
    ask(desk, to=GROUP, worker=worker)
    assert answer(desk, GROUP, author=phone(3))[0]["type"] == "text"


def test_another_person_answers_nothing(desk, worker):
    ask(desk, to=1, worker=worker)
    assert answer(desk, 2)[0]["type"] == "text"


def test_what_was_shown_as_a_list_has_no_numbers(tenant, worker):
    native = connect(tenant, native_menus="true")
    ask(native, worker=worker)
    assert answer(native)[0]["type"] == "text"


def test_each_provider_numbers_what_it_cannot_show(tenant, worker):
    browser = connect(tenant, "wppconnect")
    ask(browser, BUTTONS, worker=worker)
    assert answer(browser)[0]["interactive"]["button_reply"]["id"] == "b2"
    ask(browser, LIST, worker=worker)  # this one is sent as a list
    assert answer(browser)[0]["type"] == "text"


def test_the_cloud_api_shows_lists(wide, worker):
    ask(wide, worker=worker)
    assert answer(wide)[0]["type"] == "text"


def test_a_question_asked_before_two_were_joined_is_answered_after(desk, worker):
    asked, other = ask(desk, to=1, worker=worker), send(desk, to=2)
    change(other, status=Status.FAILED)
    change(conversation_of(asked), merged_into_id=other.conversation_id)
    assert answer(desk, 2)[0]["type"] == "interactive"
