"""Work rows: one head per key, in order, never forgotten."""

import pytest
from django.db import IntegrityError

from hailgate.core.delivery import Action
from hailgate.core.errors import OutcomeUnknown
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.messaging.work import rows
from hailgate.messaging.work.sweep import promote_all, promote_lost_heads
from messaging.acting import (
    HOLD_S,
    attempt,
    change,
    claim,
    claim_one,
    conversation_of,
    decided,
    deliver,
    deliver_all,
    execute,
    failed,
    fresh,
    new_message,
    send,
    send_all,
    tell,
    work,
    work_of,
)

WAITING, READY, LEASED, PARKED, DEAD = WorkState


def states(channel) -> list[WorkState]:
    return [WorkState(row.state) for row in work(channel.tenant_id)]


def park(worker, *claims) -> None:
    attempt(worker, *claims)
    tell(worker, *(failed(claim, OutcomeUnknown()) for claim in claims))


# --- heads ------------------------------------------------------------------------------------------------------------


def test_the_first_row_of_a_conversation_is_ready_and_the_others_wait(channel):
    for body in "abc":
        send(channel, body=body)
    assert states(channel) == [READY, WAITING, WAITING]


def test_rows_that_arrive_in_one_batch_make_one_head(channel):
    send_all(channel, [new_message(channel, to=1 + place % 2) for place in range(6)])
    assert states(channel) == [READY, READY, WAITING, WAITING, WAITING, WAITING]


@pytest.mark.parametrize("state", [READY, LEASED], ids=["ready", "leased"])
def test_the_database_itself_refuses_a_second_head(channel, state):
    send(channel)
    second = send(channel)
    with pytest.raises(IntegrityError):
        change(work_of(second), state=state)
    execute("SELECT 1")


def test_a_finished_head_makes_the_next_ready_in_the_same_transaction(channel, worker):
    send(channel)
    send(channel)
    deliver(worker, claim_one(worker))
    assert states(channel) == [READY]


def test_rows_of_one_conversation_leave_in_the_order_of_their_acceptance(wide, worker):
    sent_ids = [send(wide, body=str(place)).id for place in range(10)]
    assert [claim.message_id for claim in deliver_all(worker)] == sent_ids


def test_conversations_do_not_wait_for_one_another(wide, worker):
    send_all(wide, [new_message(wide, to=place % 5) for place in range(20)])
    assert len(claim(worker)) == 5


def test_followers_wait_while_their_head_is_retried(wide, worker, clock):
    send(wide)
    send(wide)
    head = claim_one(worker)
    attempt(worker, head)
    tell(worker, decided(head, Action.RETRY, clock.now + 600))
    assert claim(worker) == []
    clock.forward(601)
    assert claim_one(worker).message_id == head.message_id


def test_a_dead_head_lets_its_followers_go_on(wide, worker):
    send(wide)
    follower = send(wide)
    head = claim_one(worker)
    attempt(worker, head)
    tell(worker, decided(head, Action.BURY))
    assert claim_one(worker).message_id == follower.id


def test_deliveries_and_turns_of_a_conversation_have_a_head_each(channel):
    message = send(channel)
    turn = rows.NewWork(channel.tenant_id, WorkKind.TURN, message.conversation_id, channel.id)
    with atomic_cursor() as cursor:
        rows.enqueue(cursor, [turn], 0.0)
    assert states(channel) == [READY, READY]


# --- schedules --------------------------------------------------------------------------------------------------------


def test_a_scheduled_row_holds_up_nobody_until_it_is_due(wide, worker, clock):
    send(wide, send_at=clock.now + 3600)
    now = send(wide)
    assert [claim.message_id for claim in deliver_all(worker)] == [now.id]


def test_a_scheduled_row_is_ready_after_its_time(wide, worker, clock):
    scheduled = send(wide, send_at=clock.now + 3600)
    clock.forward(3599)
    assert (promote_all(), claim(worker)) == (0, [])
    clock.forward(1)
    assert promote_all() == 1
    assert claim_one(worker).message_id == scheduled.id


def test_a_time_that_has_passed_is_no_schedule(wide, worker, clock):
    message = send(wide, send_at=clock.now - 1)
    assert claim_one(worker).message_id == message.id


def test_a_scheduled_row_that_came_due_goes_before_what_was_accepted_after_it(wide, worker, clock):
    scheduled = send(wide, send_at=clock.now + 10)
    clock.forward(11)
    later = send(wide)
    promote_all()
    assert [claim.message_id for claim in deliver_all(worker)] == [scheduled.id, later.id]


def test_many_blocked_conversations_do_not_keep_a_due_one_from_its_turn(wide, worker, clock):
    """Those whose head is stuck come up in each look round; they must not use up its limit."""
    for to in range(4):
        send(wide, to=to)
        send(wide, to=to, send_at=clock.now + 10)
    free = send(wide, to=9, send_at=clock.now + 10)
    clock.forward(11)
    with atomic_cursor() as cursor:
        assert rows.promote_due(cursor, clock.now, limit=2) == 1
    assert work_of(free).state == READY


# --- holds ------------------------------------------------------------------------------------------------------------


def test_a_parked_row_holds_its_conversation_then_lets_go(wide, worker, clock):
    send(wide)
    follower = send(wide)
    park(worker, claim_one(worker))
    assert states(wide) == [PARKED, WAITING]
    clock.forward(HOLD_S - 1)
    assert (promote_all(), claim(worker)) == (0, [])
    clock.forward(1)
    promote_all()
    assert claim_one(worker).message_id == follower.id
    assert states(wide) == [PARKED, LEASED]


def test_what_arrives_during_a_hold_waits_too(wide, worker, clock):
    send(wide)
    park(worker, claim_one(worker))
    late = send(wide)
    assert claim(worker) == []
    clock.forward(HOLD_S)
    promote_all()
    assert claim_one(worker).message_id == late.id


def test_what_arrives_after_a_hold_that_nobody_lifted_yet_keeps_its_place(wide, worker, clock):
    send(wide)
    first = send(wide)
    park(worker, claim_one(worker))
    clock.forward(HOLD_S)
    second = send(wide)
    promote_all()
    assert [claim.message_id for claim in deliver_all(worker)] == [first.id, second.id]


def test_a_hold_concerns_no_other_conversation(wide, worker):
    send(wide, to=1)
    park(worker, claim_one(worker))
    other = send(wide, to=2)
    assert claim_one(worker).message_id == other.id


def test_of_two_parked_rows_the_later_hold_counts(wide, worker, clock):
    first = send(wide)
    send(wide)
    park(worker, claim_one(worker))
    clock.forward(HOLD_S)
    promote_all()
    park(worker, claim_one(worker))
    assert fresh(conversation_of(first)).held_until == clock.now + HOLD_S


def test_a_revived_row_lifts_its_own_hold(wide, worker, clock):
    parked = send(wide)
    follower = send(wide)
    park(worker, claim_one(worker))
    assert len(send_again(wide.tenant_id, [work_of(parked).id])) == 1
    assert [claim.message_id for claim in deliver_all(worker)] == [parked.id, follower.id]


def test_a_scheduled_row_due_during_a_hold_waits_for_its_end(wide, worker, clock):
    send(wide)
    scheduled = send(wide, send_at=clock.now + 1)
    park(worker, claim_one(worker))
    clock.forward(2)
    assert (promote_all(), claim(worker)) == (0, [])
    clock.forward(HOLD_S)
    promote_all()
    assert claim_one(worker).message_id == scheduled.id


# --- the floor --------------------------------------------------------------------------------------------------------


def test_the_floor_finds_a_forgotten_head(channel, worker):
    message = send(channel)
    change(work_of(message), state=WAITING)
    assert promote_lost_heads() == 1
    assert work_of(message).state == READY


def test_the_floor_finds_nothing_where_all_is_well(wide, worker, clock):
    send(wide, to=1)
    park(worker, claim_one(worker))
    send(wide, to=1)
    send(wide, to=2)
    send(wide, to=2)
    send(wide, to=3, send_at=clock.now + 60)
    assert promote_lost_heads() == 0


def test_looking_for_what_is_due_takes_no_lock_where_nothing_is(channel, django_executes):
    send(channel)
    with django_executes() as statements:
        promote_all()
        promote_lost_heads()
    assert not any(statement.startswith(("UPDATE", "BEGIN", "SAVEPOINT")) for statement in statements)


# --- giving back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "due"), [(WAITING, 90.0), (READY, 0.0), (LEASED, 90.0), (PARKED, 90.0), (DEAD, 90.0)]
)
def test_only_what_waits_for_its_time_is_hastened(channel, state, due):
    """What is under way keeps the time that it was claimed at; what is over is not begun anew."""
    row = work_of(send(channel))
    change(row, state=state, due_at=90.0)
    with atomic_cursor() as cursor:
        rows.hasten(cursor, WorkKind.DELIVERY, [row.key])
    assert fresh(row).due_at == due


@pytest.mark.parametrize(("ran", "tries"), [(True, 1), (False, 0)])
def test_a_released_row_keeps_the_count_of_its_runs_only_if_it_may_have_run(channel, worker, ran, tries):
    message = send(channel)
    taken = claim_one(worker)
    with atomic_cursor() as cursor:
        rows.release(cursor, [taken.id], ran=ran)
    row = work_of(message)
    assert (row.state, row.tries, row.worker_id) == (READY, tries, None)


def test_next_due_is_the_first_that_is_not_due_yet(wide, worker, clock):
    for to, delay in ((1, 50), (2, 20)):
        send(wide, to=to)
        one = claim_one(worker)
        attempt(worker, one)
        tell(worker, decided(one, Action.RETRY, clock.now + delay))
    with atomic_cursor(read_only=True) as cursor:
        assert rows.next_due(cursor, WorkKind.DELIVERY, clock.now) == clock.now + 20
        assert rows.next_due(cursor, WorkKind.TURN, clock.now) is None


def test_what_waits_for_its_time_behind_nobody_is_not_next_due(wide, worker, clock):
    """It is made a head when its time comes, and only heads are claimed."""
    send(wide, to=3, send_at=clock.now + 5)
    with atomic_cursor(read_only=True) as cursor:
        assert rows.next_due(cursor, WorkKind.DELIVERY, clock.now) is None
