"""What the business writes on its own telephone stands in the thread as ours, and takes it from the assistant."""

import msgspec
import pytest

from hailgate.core.content import content_as_json
from hailgate.core.events import Change, EchoedMessage, MessageChange
from hailgate.core.status import Status
from hailgate.messaging.models import Conversation, Direction, Work, WorkKind

from .acting import account_of, apply, change_channel, messages, phone, told, wrote


@pytest.fixture
def assisted(channel):
    change_channel(channel, answered_by="scripted")
    return channel


def echoed(channel, to=1, body="I am on my way", **given) -> EchoedMessage:
    like = wrote(channel, to, body=body, message_id=given.pop("message_id", "own.1"))
    return EchoedMessage(**msgspec.structs.asdict(like) | given)


def thread(channel) -> list[tuple[int, str, str]]:
    return [
        (row.direction, row.sender, content_as_json(row.content).get("text", {}).get("body", ""))
        for row in messages(channel.tenant_id)
    ]


def conversation(channel) -> Conversation:
    return Conversation.objects.get(tenant_id=channel.tenant_id)


def turns(channel) -> int:
    return Work.objects.filter(tenant_id=channel.tenant_id, kind=WorkKind.TURN).count()


def test_it_stands_between_what_the_person_wrote(assisted):
    batch = (wrote(assisted, 1, body="Where?"), echoed(assisted), wrote(assisted, 1, body="Good"))
    assert apply(assisted, *batch) == "2 message, 1 echo"
    assert thread(assisted) == [
        (Direction.INBOUND, "contact", "Where?"),
        (Direction.OUTBOUND, "telephone", "I am on my way"),
        (Direction.INBOUND, "contact", "Good"),
    ]
    assert conversation(assisted).last_message_id == messages(assisted.tenant_id)[-1].id
    assert turns(assisted) == 0


def test_a_repeat_has_no_effect(assisted):
    apply(assisted, echoed(assisted))
    assert apply(assisted, echoed(assisted)) == "1 repeated"
    assert len(thread(assisted)) == 1


def test_it_opens_no_window_and_asks_nobody_to_answer(assisted):
    apply(assisted, echoed(assisted))
    assert conversation(assisted).last_inbound_at is None
    assert turns(assisted) == 0


def test_the_assistant_leaves_the_conversation_to_the_person(assisted):
    apply(assisted, wrote(assisted, 1))
    before = conversation(assisted)
    assert (before.answered_by, turns(assisted)) == ("scripted", 1)
    apply(assisted, echoed(assisted))
    after = conversation(assisted)
    assert (after.answered_by, after.version) == ("person", before.version + 1)
    assert after.answered_id == after.last_inbound_id


def test_its_statuses_are_known_by_its_id(channel):
    apply(channel, echoed(channel))
    apply(channel, told(channel, Status.READ, "own.1"))
    (row,) = messages(channel.tenant_id)
    assert row.status == Status.READ


def test_it_can_be_taken_back_there_and_nowhere_else(channel):
    apply(channel, echoed(channel))
    taken_back = MessageChange(account_of(channel), "c.1", "own.1", Change.DELETION, phone(1), 10.0)
    apply(channel, taken_back)  # not theirs to take back
    assert thread(channel)[0][2] == "I am on my way"
    apply(channel, msgspec.structs.replace(taken_back, message_id="c.2", author=None))
    (row,) = messages(channel.tenant_id)
    assert content_as_json(row.content)["type"] == "deleted"


def test_the_business_takes_back_nothing_of_a_person(channel):
    apply(channel, wrote(channel, 1, body="Mine", message_id="in.1"))
    apply(channel, MessageChange(account_of(channel), "c.1", "in.1", Change.DELETION, None, 10.0))
    assert thread(channel)[0][2] == "Mine"
