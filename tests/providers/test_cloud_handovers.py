"""Threads of a number that Meta's own agent or a second app shares: what is told says whose a thread is."""

import pytest

from hailgate.core.events import EchoedMessage, Ignored, InboundMessage, MessageStatus, ThreadOwnerChange

from .test_cloud_told import METADATA, NUMBER, PERSON, parse

SAID = {"from": PERSON, "id": "wamid.1", "timestamp": "1767225600", "type": "text", "text": {"body": "Hello"}}


def owners(field, value):
    return [event for event in parse(field, value) if isinstance(event, ThreadOwnerChange)]


def test_a_message_in_standby_is_the_same_message_and_says_that_another_owns_the_thread():
    told, owner = parse("standby", {"metadata": METADATA, "messages": [SAID]})
    [same] = parse("messages", {"metadata": METADATA, "messages": [SAID]})
    assert type(told) is InboundMessage
    assert told.effect_key() == same.effect_key()
    assert (owner.ours, owner.at, [one.value for one in owner.chat]) == (False, 1767225600.0, [PERSON])


def test_what_the_other_responder_said_is_an_echo_of_theirs():
    echo = {**SAID, "from": NUMBER, "to": PERSON}
    told, owner = parse("standby", {"metadata": METADATA, "message_echoes": [echo]})
    assert (type(told), told.responder, owner.ours) == (EchoedMessage, True, False)


def test_an_echo_of_the_telephone_is_not():
    [told] = parse("smb_message_echoes", {"metadata": METADATA, "message_echoes": [{**SAID, "to": PERSON}]})
    assert not told.responder


def test_a_status_in_standby_says_nothing_of_the_owner():
    status = {"id": "wamid.1", "status": "delivered", "timestamp": "1767225650", "recipient_id": PERSON}
    [told] = parse("standby", {"metadata": METADATA, "statuses": [status]})
    assert type(told) is MessageStatus


@pytest.mark.parametrize(("kind", "ours"), [("control_passed", True), ("control_taken", False)])
@pytest.mark.parametrize(
    "person",
    [
        {"sender": {"phone_number": f"+{PERSON}"}},
        {"from": PERSON},
        {"wa_id": PERSON},
        {"contacts": [{"wa_id": PERSON, "user_id": "US.1"}]},
    ],
    ids=["sender", "from", "wa_id", "contacts"],
)
def test_who_is_told_of_a_handover_owns_the_thread_or_has_lost_it(kind, ours, person):
    handover = {"type": kind, kind: {"new_owner_role": "escalation"}, "timestamp": "1767225600", **person}
    [owner] = owners("messaging_handovers", {"metadata": METADATA, **handover})
    assert (owner.ours, owner.role, owner.at) == (ours, "escalation", 1767225600.0)
    assert owner.chat[0].value == PERSON


def test_handovers_may_come_as_a_list_in_milliseconds():
    handover = {"type": "control_taken", "from": PERSON, "timestamp": 1767225600000}
    [owner] = owners("messaging_handovers", {"metadata": METADATA, "messaging_handovers": [handover]})
    assert owner.at == 1767225600.0


@pytest.mark.parametrize("value", [{}, {"metadata": METADATA}, {"metadata": METADATA, "type": "control_taken"}])
def test_a_handover_of_nobody_knows_whom_is_noted(value):
    [event] = parse("messaging_handovers", value)
    assert type(event) is Ignored
