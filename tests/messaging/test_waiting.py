"""What a message waits for is told for each thing that may hold it back, with the moment at which that ends."""

import pytest

from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable
from hailgate.core.slots import open_room
from hailgate.core.wait_reasons import Wait
from hailgate.messaging.channels.admin import pause_channel
from hailgate.messaging.models import Allowance, Allowed, Message
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.outbound.timeline import tell_timeline
from hailgate.messaging.outbound.waits import tell_waiting
from messaging.acting import (
    HOLD_S,
    attempt,
    change,
    change_channel,
    claim,
    deliver,
    failed,
    new_message,
    send,
    send_all,
    tell,
    work_of,
)


def waits(message):
    """Each reason, and when it ends."""
    row = Message.objects.select_related("channel", "conversation").get(tenant_id=message.tenant_id, id=message.id)
    _, reasons = tell_waiting(row)
    return dict(reasons)


def about(moment):
    return pytest.approx(moment, abs=0.01)


def fail_once(worker, message, due_at):
    (one,) = claim(worker)
    attempt(worker, one)
    tell(worker, failed(one, ProviderUnavailable(), due_at))
    return message


def test_a_message_that_nothing_holds_back_waits_for_nothing(wide, clock):
    assert waits(send(wide)) == {}


def test_one_that_is_being_sent_or_was_waits_for_nothing(wide, worker, clock):
    message = send(wide)
    (one,) = claim(worker)
    assert waits(message) == {}
    deliver(worker, one)
    assert waits(message) == {}


def test_its_time_has_not_come(wide, clock):
    assert waits(send(wide, send_at=clock.now + 60)) == {Wait.SCHEDULED: clock.now + 60}


def test_an_earlier_message_of_its_conversation_is_not_done(wide, clock):
    send(wide)
    assert waits(send(wide)) == {Wait.ANOTHER: None}


def test_a_parked_message_holds_its_conversation_for_a_while(wide, worker, clock):
    send(wide)
    follower = send(wide)
    (one,) = claim(worker)
    attempt(worker, one)
    tell(worker, failed(one, OutcomeUnknown()))
    assert waits(follower) == {Wait.HELD: about(clock.now + HOLD_S)}


def test_a_retry_waits_for_its_moment(wide, worker, clock):
    message = fail_once(worker, send(wide), clock.now + 7)
    assert waits(message) == {Wait.RETRY: clock.now + 7}
    clock.forward(7)
    assert waits(message) == {}


def test_a_retry_waits_for_the_budget(wide, worker, clock):
    message = fail_once(worker, send(wide), clock.now + 1)
    clock.forward(1)
    change_channel(wide, retry_tat=clock.now + 60)
    assert waits(message) == {Wait.BUDGET: about(clock.now + 2)}


def test_its_recipient_has_had_enough(wide, worker, clock):
    change_channel(wide, pair_interval=6.0, pair_burst=1)
    send(wide)
    deliver(worker, *claim(worker))
    message = send(wide)
    assert waits(message) == {Wait.PAIR: about(clock.now + 6)}
    assert claim(worker) == []  # which puts it off, and says the same
    assert waits(message) == {Wait.PAIR: about(clock.now + 6)}


def test_its_channel_is_paused_or_switched_off(wide, clock):
    message = send(wide)
    pause_channel(wide.tenant_id, wide.uid)
    assert waits(message) == {Wait.PAUSED: None}
    change_channel(wide, paused_at=None, active=False)
    assert waits(message) == {Wait.OFF: None}


def test_its_provider_is_down(wide, worker, clock):
    messages = send_all(wide, [new_message(wide, to=place) for place in range(BREAKER.failures)])
    claims = claim(worker)
    attempt(worker, *claims)
    tell(worker, *(failed(one, ProviderUnavailable(), clock.now + 1) for one in claims))
    assert waits(send(wide, to=100)) == {Wait.BREAKER: clock.now + BREAKER.cooldown}
    assert waits(messages[0]) == {Wait.RETRY: clock.now + 1, Wait.BREAKER: clock.now + BREAKER.cooldown}
    clock.forward(BREAKER.cooldown)
    assert waits(messages[0]) == {}


def test_its_channel_rests_by_the_providers_wish(wide, clock):
    message = send(wide)
    change_channel(wide, ready_at=clock.now + 30)
    assert waits(message) == {Wait.REST: clock.now + 30}


def test_others_are_before_it_at_the_channels_rate(wide, worker, clock):
    change_channel(wide, rate_interval=2.0, rate_burst=1)
    send_all(wide, [new_message(wide, to=place) for place in range(4)])
    claim_deliveries(worker, open_room(10))
    last = send(wide, to=50)
    assert waits(last) == {Wait.RATE: about(clock.now + 2 + 3 * 2)}


def test_what_is_not_due_yet_is_not_before_it(wide, worker, clock):
    """However much more urgent it is."""
    change_channel(wide, rate_interval=2.0, rate_burst=1)
    put_off, last = send(wide, to=1, priority=0), send(wide, to=2, priority=1)
    assert waits(last) == {Wait.RATE: about(clock.now + 2)}
    change(work_of(put_off), due_at=clock.now + 60)
    assert waits(last) == {}


def test_its_tenant_sends_at_a_rate_of_its_own(tenant, wide, worker, clock):
    Allowance.objects.create(tenant_id=tenant.id, allowed=Allowed.SEND, interval=9.0, burst=1)
    send(wide)
    deliver(worker, *claim(worker))
    message = send(wide, to=2)
    assert waits(message) == {Wait.TENANT: about(clock.now + 9)}
    claim_deliveries(worker, open_room(10))
    assert waits(message) == {Wait.TENANT: about(clock.now + 9)}


def test_the_timeline_ends_with_what_it_waits_for(wide, clock):
    message = send(wide)
    pause_channel(wide.tenant_id, wide.uid)
    row = Message.objects.select_related("channel", "conversation").get(tenant_id=wide.tenant_id, id=message.id)
    *_, last = tell_timeline(row)
    assert (last.event, last.code, last.next_at) == ("waiting", "channel_paused", None)
    assert last.at.timestamp() == about(clock.now)
    assert "paused" in last.detail


@pytest.mark.parametrize("wait", list(Wait))
def test_every_reason_has_a_sentence(wait):
    assert wait.sentence.endswith(".")
