"""A dead letter is changed within the rules of its kind, and goes out once with what it says now."""

import pytest

from hailgate.core.content import content_as_json
from hailgate.core.delivery import Action
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.messaging.deadletters.edit import edit_and_send_again
from hailgate.messaging.models import Receipt
from hailgate.messaging.store.ids import uuid7
from messaging.acting import attempt, claim, claim_one, decided, fresh, send, tell

NEW = {"type": "text", "text": {"body": "Your order is ready."}}


@pytest.fixture
def stop(wide, worker, clock):
    def stop(action=Action.BURY):
        message = send(wide)
        attempt(worker, one := claim_one(worker))
        tell(worker, decided(one, action))
        return message

    return stop


def test_it_goes_out_with_what_it_says_now(wide, worker, stop):
    message = stop()
    edit_and_send_again(wide.tenant_id, message.uid, NEW)
    [one] = claim(worker)
    assert one.message_id == message.id
    assert content_as_json(one.content)["text"]["body"] == "Your order is ready."
    receipts = Receipt.objects.filter(tenant_id=wide.tenant_id, message_id=message.id).values_list("event", flat=True)
    assert set(receipts) >= {"revived", "edited"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"type": "text"},
        {"type": "text", "text": {"body": ""}},
        {"type": "text", "text": {"body": "x" * 5_000}},
        {"type": "text", "text": {"body": "a\0b"}},
        {"type": "location", "location": {"latitude": 1, "longitude": 2}},
        {"type": "sms", "sms": {}},
        {"type": "text", "text": {"body": "x", "colour": "red"}},
    ],
)
def test_what_breaks_the_rules_of_its_kind_is_refused_and_changes_nothing(wide, worker, stop, given):
    message = stop()
    before = fresh(message).content
    with pytest.raises(InputError):
        edit_and_send_again(wide.tenant_id, message.uid, given)
    assert fresh(message).content == before
    assert claim(worker) == []


def test_what_may_have_arrived_is_not_changed(wide, worker, stop):
    message = stop(Action.PARK)
    with pytest.raises(Conflict) as refused:
        edit_and_send_again(wide.tenant_id, message.uid, NEW)
    assert refused.value.code == "not_editable"
    assert claim(worker) == []


def test_of_two_who_change_it_the_second_is_told(wide, stop):
    message = stop()
    edit_and_send_again(wide.tenant_id, message.uid, NEW)
    with pytest.raises(Conflict):
        edit_and_send_again(wide.tenant_id, message.uid, {"type": "text", "text": {"body": "Too late."}})
    assert "ready" in fresh(message).content


def test_a_strangers_message_is_not_there(wide, stop, stranger):
    with pytest.raises(NotFound):
        edit_and_send_again(stranger.id, stop().uid, NEW)
    with pytest.raises(NotFound):
        edit_and_send_again(wide.tenant_id, uuid7(), NEW)
