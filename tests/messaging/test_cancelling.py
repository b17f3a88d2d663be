"""Taking a message back: until its attempt is on record, and never after."""

import threading
from uuid import UUID

import pytest
from django.db import connections

from hailgate.core.delivery import Action
from hailgate.core.errors import Conflict, NotFound, OutcomeUnknown, Rejected
from hailgate.core.status import Status
from hailgate.messaging.models import Receipt, WorkState
from hailgate.messaging.outbound.accept import accept_messages
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.messaging.outbound.revive import send_again
from messaging.acting import (
    HOLD_S,
    apply,
    attempt,
    change,
    claim,
    claim_one,
    decided,
    deliver_all,
    failed,
    fresh,
    messages,
    new_message,
    new_worker,
    send,
    send_all,
    sent,
    tell,
    told,
    work,
    work_of,
    wrote,
)

READY, WAITING, LEASED = WorkState.READY, WorkState.WAITING, WorkState.LEASED


def cancel(message) -> bool:
    return cancel_message(message.tenant_id, message.uid)


def end(message) -> tuple[int, str]:
    after = fresh(message)
    return after.status, after.code


CANCELLED = (Status.FAILED, "cancelled")


# --- in time ----------------------------------------------------------------------------------------------------------


def test_a_cancelled_message_fails_with_its_code_and_a_line_in_its_timeline(wide, worker, clock):
    message = send(wide)
    assert cancel(message)
    assert (end(message), work_of(message)) == (CANCELLED, None)
    told = Receipt.objects.get(tenant_id=wide.tenant_id, message_id=message.id)
    assert (told.event, told.code, told.at.timestamp()) == ("failed", "cancelled", clock.now)
    assert claim(worker) == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_those_behind_it_go_on_in_order(wide, worker, clock, place):
    rows = [send(wide, body=str(number)) for number in range(4)]
    cancel(rows[place])
    left = [row.id for row in rows if row is not rows[place]]
    assert [work_of(row).state for row in rows if row.id in left] == [READY, WAITING, WAITING]
    assert [one.message_id for one in deliver_all(worker)] == left


def test_a_message_of_tomorrow_can_be_cancelled(wide, worker, clock):
    message = send(wide, send_at=clock.now + 86_400)
    assert cancel(message)
    clock.forward(90_000)
    assert (claim(worker), work(wide.tenant_id)) == ([], [])


def test_a_message_that_waits_for_its_next_attempt_can_be_cancelled(wide, worker, clock):
    message, follower = send(wide), send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, decided(one, Action.RETRY, clock.now + 60))
    assert cancel(message)
    assert [one.message_id for one in deliver_all(worker)] == [follower.id]


def test_a_claimed_message_without_an_attempt_is_taken_from_under_its_worker(wide, worker):
    message, follower = send(wide), send(wide)
    one = claim_one(worker)
    assert cancel(message)
    assert attempt(worker, one) == set()
    assert tell(worker, sent(one)) == [False]
    assert end(message) == CANCELLED
    assert [one.message_id for one in deliver_all(worker)] == [follower.id]


def test_cancelling_again_changes_nothing(wide):
    message = send(wide)
    assert [cancel(message), cancel(message)] == [True, False]
    assert Receipt.objects.filter(tenant_id=wide.tenant_id).count() == 1


def test_a_cancelled_message_cannot_be_revived(wide, worker):
    message = send(wide)
    row = work_of(message)
    cancel(message)
    assert send_again(wide.tenant_id, [row.id]) == []
    assert claim(worker) == []


def test_evidence_that_it_was_sent_after_all_stands_above(wide, worker, clock):
    """An attempt that was thought to have failed had reached the provider."""
    message = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, decided(one, Action.RETRY, clock.now + 60))
    cancel(message)
    apply(wide, told(wide, Status.DELIVERED, "wamid.1", tracker=f"{message.uid}.1"))
    assert fresh(message).status == Status.DELIVERED


# --- too late ---------------------------------------------------------------------------------------------------------


def under_way(channel, worker, clock):
    attempt(worker, claim_one(worker))


def taken(channel, worker, clock):
    deliver_all(worker)


def parked(channel, worker, clock):
    under_way_one = claim_one(worker)
    attempt(worker, under_way_one)
    tell(worker, failed(under_way_one, OutcomeUnknown()))


def dead(channel, worker, clock):
    refused = claim_one(worker)
    attempt(worker, refused)
    tell(worker, failed(refused, Rejected("No.")))


def proven(channel, worker, clock):
    """A status overtook the outcome of its own attempt, which asks for another."""
    one = claim_one(worker)
    attempt(worker, one)
    apply(channel, told(channel, Status.DELIVERED, "wamid.1", tracker=f"{one.uid}.1"))
    tell(worker, decided(one, Action.RETRY, clock.now + 60))


@pytest.mark.parametrize(
    ("happened", "words"),
    [
        (under_way, "is being sent at this moment"),
        (taken, "has taken the message"),
        (parked, "may or may not have taken"),
        (dead, "has failed already"),
        (proven, "has taken the message"),
    ],
)
def test_too_late_is_said_and_nothing_is_changed(wide, worker, clock, happened, words):
    message = send(wide)
    happened(wide, worker, clock)
    before, rows = end(message), work(wide.tenant_id)
    with pytest.raises(Conflict, match=words) as refused:
        cancel(message)
    assert refused.value.code == "not_cancellable"
    assert end(message) == before
    assert [(row.id, row.state) for row in work(wide.tenant_id)] == [(row.id, row.state) for row in rows]


def test_what_a_person_wrote_cannot_be_cancelled(wide):
    apply(wide, wrote(wide))
    [inbound] = messages(wide.tenant_id)
    with pytest.raises(Conflict, match="a person wrote"):
        cancel(inbound)


def test_a_foreign_message_is_not_found(wide, stranger):
    message = send(wide)
    for tenant_id, uid in [(stranger.id, message.uid), (wide.tenant_id, UUID(int=1))]:
        with pytest.raises(NotFound):
            cancel_message(tenant_id, uid)
    assert work_of(message).state == READY


def test_a_message_after_a_parked_one_can_be_cancelled_while_it_is_held(wide, worker, clock):
    send(wide)
    follower = send(wide)
    parked(wide, worker, clock)
    assert cancel(follower)
    clock.forward(HOLD_S + 1)
    assert claim(worker) == []


# --- races ------------------------------------------------------------------------------------------------------------


def test_each_message_is_either_cancelled_or_sent(wide, postgresql):
    """Workers claim, attempt and deliver while others cancel the same messages."""
    rows = send_all(wide, [new_message(wide, to=number % 10) for number in range(60)])
    came_to = {"sent": set(), "cancelled": set()}
    ended = threading.Event()

    def deliver() -> None:
        mine = new_worker()
        while not ended.is_set():
            claims = claim(mine, 5)
            held = attempt(mine, *claims) if claims else set()
            attempted = [one for one in claims if one.id in held]
            came_to["sent"] |= {one.message_id for one in attempted}
            tell(mine, *map(sent, attempted))
        connections.close_all()

    def take_back() -> None:
        for row in rows[::-1]:
            try:
                if cancel(row):
                    came_to["cancelled"].add(row.id)
            except Conflict:
                pass
        connections.close_all()

    workers = [threading.Thread(target=deliver) for _ in range(2)]
    callers = [threading.Thread(target=take_back) for _ in range(2)]
    for thread in (*workers, *callers):
        thread.start()
    for thread in callers:
        thread.join()
    while work(wide.tenant_id):
        ended.wait(0.02)
    ended.set()
    for thread in workers:
        thread.join()
    assert came_to["sent"] | came_to["cancelled"] == {row.id for row in rows}
    assert not came_to["sent"] & came_to["cancelled"]
    assert {end(row) for row in rows if row.id in came_to["cancelled"]} <= {CANCELLED}


def test_a_key_that_was_cancelled_still_answers_its_caller(wide):
    """The caller asks again under the same key: it gets the message that it took back, and no second one."""
    from hailgate.messaging.outbound.new_message import Idempotency

    wanted = new_message(wide, idempotency=Idempotency("a" * 40, "b" * 40))
    accept_messages([wanted])
    [message] = messages(wide.tenant_id)
    cancel(message)
    again = new_message(wide, idempotency=Idempotency("a" * 40, "b" * 40))
    assert [accepted.uid for accepted in accept_messages([again])] == [message.uid]
    assert (len(messages(wide.tenant_id)), work(wide.tenant_id)) == (1, [])


def test_a_proven_message_is_not_called_cancelled(wide, worker):
    message = send(wide)
    change(message, status=Status.READ.value)
    with pytest.raises(Conflict):
        cancel(message)
    assert fresh(message).status == Status.READ
