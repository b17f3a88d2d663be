"""The look round: what no event brings about."""

import pytest

from hailgate.core.delivery import Action
from hailgate.core.errors import OutcomeUnknown
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turns import claim_turns
from hailgate.messaging.models import Receipt, WorkKind, WorkState
from hailgate.messaging.outbound.expire import bury_expired
from hailgate.messaging.upkeep.pull_in import longest_retry, pull_in
from hailgate.messaging.work.sweep import promote_all
from messaging.acting import (
    HOLD_S,
    apply,
    attempt,
    change_channel,
    claim,
    claim_one,
    decided,
    deliver,
    failed,
    fresh,
    send,
    tell,
    work,
    work_of,
    wrote,
)

DAY = 86_400.0
DAYS = 3 * DAY
DEBOUNCE = Debounce(1.5, 8.0)


def look_round() -> int:
    return pull_in(DEBOUNCE.most, HOLD_S, DAY)


# --- clocks that were set back ----------------------------------------------------------------------------------------


def test_a_retry_put_off_by_a_clock_that_ran_ahead_is_due_now(wide, worker, clock):
    send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    clock.forward(DAYS)
    tell(worker, decided(one, Action.RETRY, clock.now + 60))
    clock.forward(-DAYS)
    assert claim(worker) == []
    assert look_round() == 1
    assert claim_one(worker).id == one.id


def test_the_longest_honest_retry_keeps_its_time(wide, worker, clock):
    message = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, decided(one, Action.RETRY, clock.now + longest_retry(DAY)))
    assert look_round() == 0
    assert work_of(message).due_at == clock.now + longest_retry(DAY)


@pytest.mark.parametrize("turned", [0.0, -DAYS], ids=["not yet", "after the clock was set back"])
def test_only_what_was_scheduled_may_be_far(wide, worker, clock, turned):
    message = send(wide, send_at=clock.now + DAYS)
    if turned:
        clock.forward(DAYS)
        promote_all()
    clock.forward(turned)
    assert (look_round(), claim(worker)) == (0, [])
    clock.forward(DAYS)
    promote_all()
    assert claim_one(worker).message_id == message.id


def test_a_turn_put_off_by_a_clock_that_ran_ahead_is_due_now(answering, worker, clock):
    clock.forward(DAYS)
    apply(answering, wrote(answering), debounce=DEBOUNCE)
    clock.forward(-DAYS)
    assert look_round() == 1
    assert len(claim_turns(worker, open_room(10)).claims) == 1


def test_a_hold_set_by_a_clock_that_ran_ahead_ends_now(wide, worker, clock):
    send(wide)
    follower = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    clock.forward(DAYS)
    tell(worker, failed(one, OutcomeUnknown()))
    clock.forward(-DAYS)
    assert look_round() == 2
    promote_all()
    assert claim_one(worker).message_id == follower.id


def test_nothing_honest_is_pulled_in_and_nothing_is_locked(wide, answering, worker, clock, django_executes):
    apply(answering, wrote(answering), debounce=DEBOUNCE)
    send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, failed(one, OutcomeUnknown()))
    with django_executes() as statements:
        assert look_round() == 0
    assert all(statement.startswith("SELECT") for statement in statements)


# --- messages whose time ran out --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stuck", [{"paused_at": 1.0}, {"active": False}, {}], ids=["paused", "switched off", "waiting"]
)
def test_what_nobody_claims_in_time_is_dead_and_says_why(wide, clock, stuck):
    change_channel(wide, **stuck)
    head, follower = send(wide, life_s=60), send(wide, life_s=60)
    assert bury_expired() == 0
    clock.forward(60)
    assert bury_expired() == 2
    for message in (head, follower):
        after = fresh(message)
        assert (after.status, after.code) == (Status.FAILED, "expired")
        assert (work_of(message).state, work_of(message).attempts) == (WorkState.DEAD, 0)
        (told,) = Receipt.objects.filter(tenant_id=wide.tenant_id, message_id=message.id)
        assert (told.event, told.code, told.at.timestamp()) == ("failed", "expired", clock.now)


def test_followers_of_what_expired_go_on(wide, worker, clock):
    send(wide, life_s=60)
    follower = send(wide, life_s=600)
    clock.forward(60)
    bury_expired()
    assert claim_one(worker).message_id == follower.id


def test_what_is_being_sent_does_not_expire(wide, worker, clock):
    message = send(wide, life_s=60)
    one = claim_one(worker)
    attempt(worker, one)
    clock.forward(60)
    assert bury_expired() == 0
    tell(worker, decided(one, Action.BURY))
    assert fresh(message).code == "a_code"


def test_what_is_parked_waits_for_evidence_however_long(wide, worker, clock):
    message = send(wide, life_s=60)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, failed(one, OutcomeUnknown()))
    clock.forward(600)
    assert bury_expired() == 0
    assert work_of(message).state == WorkState.PARKED


def test_more_than_one_look_round_can_bury_is_buried_in_several(wide, worker, clock):
    for to in range(5):
        send(wide, to=to, life_s=60)
    alive = send(wide, to=9)
    clock.forward(60)
    assert [bury_expired(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    deliver(worker, claim_one(worker))
    assert fresh(alive).status == Status.SENT


def test_what_expired_together_is_told_in_the_order_of_its_acceptance(wide, clock):
    accepted = [send(wide, to=1 + place % 3, life_s=60).id for place in range(8)]
    clock.forward(60)
    assert bury_expired() == 8
    told = Receipt.objects.filter(tenant_id=wide.tenant_id, event="failed").order_by("id")
    assert list(told.values_list("message_id", flat=True)) == accepted


def test_a_scheduled_message_that_expires_before_its_time_is_dead(wide, clock):
    message = send(wide, send_at=clock.now + 3600, expires_at=clock.now + 60)
    clock.forward(60)
    assert bury_expired() == 1
    assert fresh(message).code == "expired"


def test_turns_do_not_expire(answering, clock):
    apply(answering, wrote(answering), debounce=DEBOUNCE)
    clock.forward(DAYS)
    assert bury_expired() == 0
    assert len(work(answering.tenant_id, kind=WorkKind.TURN)) == 1
