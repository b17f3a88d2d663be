"""A worker is declared dead in the middle of a transaction of its own: nothing that it writes there is orphaned.

Whatever writes as a worker asks first whether that worker is alive. Here it pauses right after the answer, its lease
ends and another declares it dead: that one has to wait for the commit, and then takes over what was written. Two
connections, so PostgreSQL alone.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pytest
from django.db import connection

from hailgate.core.delivery import Action
from hailgate.core.slots import open_room
from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns, postpone_turn
from hailgate.messaging.models import Contact, ContactAddress, Join, Message, Work, Worker, WorkState
from hailgate.messaging.outbound.accept import accept_messages
from hailgate.messaging.outbound.attempts import record_attempts
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.outbound.failover import declare_dead, release_strays
from hailgate.messaging.outbound.outcomes import record_outcomes
from hailgate.messaging.people import joins
from hailgate.messaging.people.addresses import address_digest
from hailgate.messaging.people.byhand import join_by_hand, undo_join
from hailgate.messaging.work import leases
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    apply,
    attempt,
    claim_one,
    conversation_of,
    decided,
    execute,
    let_expire,
    new_message,
    phone,
    send,
    sent,
    work_of,
    wrote,
)

PATIENCE_S = 10.0
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple')"
)


class Stage(NamedTuple):
    worker: int
    channel: object
    answering: object


def claims_a_delivery(stage):
    send(stage.channel)
    return claim_deliveries, stage.worker, open_room(10)


def claims_a_turn(stage):
    apply(stage.answering, wrote(stage.answering))
    return claim_turns, stage.worker, open_room(10)


def records_an_attempt(stage):
    send(stage.channel)
    return record_attempts, stage.worker, [claim_one(stage.worker)]


def records_a_receipt(stage):
    return record_outcomes, stage.worker, HOLD_S, [sent(_attempted(stage))]


def records_a_retry(stage):
    return record_outcomes, stage.worker, HOLD_S, [decided(_attempted(stage), Action.RETRY, 1.0)]


def finishes_a_turn(stage):
    turn = _claimed_turn(stage)
    return finish_turns, stage.worker, [Finished(turn, [new_message(stage.answering)], hand_over=False)]


def postpones_a_turn(stage):
    return postpone_turn, stage.worker, _claimed_turn(stage), 2.0, "late"


def gives_strays_back(stage):
    send(stage.channel)
    claim_one(stage.worker)
    return release_strays, stage.worker, frozenset()


WRITERS = (
    claims_a_delivery, claims_a_turn, records_an_attempt, records_a_receipt, records_a_retry, finishes_a_turn,
    postpones_a_turn, gives_strays_back,
)  # fmt: skip


def _attempted(stage):
    send(stage.channel)
    claimed = claim_one(stage.worker)
    attempt(stage.worker, claimed)
    return claimed


def _claimed_turn(stage):
    apply(stage.answering, wrote(stage.answering))
    (turn,) = claim_turns(stage.worker, open_room(10)).claims
    return turn


@pytest.fixture
def stage(postgresql, wide, answering, worker) -> Stage:
    return Stage(worker, wide, answering)


@pytest.mark.parametrize("prepare", WRITERS)
def test_whoever_declares_a_worker_dead_waits_for_what_it_is_writing(stage, monkeypatch, prepare):
    write = prepare(stage)
    pause = Pause(monkeypatch)
    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(_alone, *write)
        assert pause.reached.wait(PATIENCE_S)
        let_expire(stage.worker)
        rescue = threads.submit(_alone, declare_dead, stage.worker, LEASE_S, HOLD_S)
        waited = _waits_for_a_lock(rescue)
        pause.over.set()
        writing.result(PATIENCE_S)
        rescue.result(PATIENCE_S)
    assert waited
    assert not Worker.objects.get(id=stage.worker).alive
    assert not Work.objects.filter(tenant_id=stage.channel.tenant_id, state=WorkState.LEASED).exists()
    assert not Work.objects.filter(tenant_id=stage.channel.tenant_id, worker_id=stage.worker).exists()


def test_a_renewal_does_not_wait_for_what_its_worker_is_writing(stage, monkeypatch):
    """A worker that is busy all the time would lose its lease."""
    write = claims_a_delivery(stage)
    pause = Pause(monkeypatch)
    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(_alone, *write)
        assert pause.reached.wait(PATIENCE_S)
        try:
            assert threads.submit(_alone, leases.renew, stage.worker, LEASE_S).result(PATIENCE_S)
        finally:
            pause.over.set()
        assert writing.result(PATIENCE_S).claims


class Pause:
    """Stops the first thread that asks whether a worker is alive, with the answer in hand."""

    def __init__(self, monkeypatch) -> None:
        self.reached, self.over = threading.Event(), threading.Event()
        self._ask = leases.fetch_value
        monkeypatch.setattr(leases, "fetch_value", self._ask_and_wait)

    def _ask_and_wait(self, cursor, statement, parameters=()):
        answer = self._ask(cursor, statement, parameters)
        if "FROM messaging_worker" in statement and not self.reached.is_set():
            self.reached.set()
            assert self.over.wait(PATIENCE_S)
        return answer


def _alone(function, *arguments):
    """On a connection of its own, which is closed at the end."""
    try:
        return function(*arguments)
    finally:
        connection.close()


def _waits_for_a_lock(rescue: Future) -> bool:
    """True as soon as the server says so; False once ``rescue`` has come through without waiting."""
    deadline = time.monotonic() + PATIENCE_S
    while not rescue.done() and time.monotonic() < deadline:
        if execute(WAITING)[0][0]:
            return True
    return False


# --- a person is parted from another ----------------------------------------------------------------------------------


@pytest.mark.parametrize("first_there", [False, True])
def test_what_is_accepted_while_two_people_are_parted_goes_to_whom_it_is_for(stage, monkeypatch, first_there):
    """Its sender has looked whose the number is, and waits for what the undo holds."""
    for number in (1, 2):
        send(stage.channel, number)
    theirs = _whose(stage.channel.tenant_id, phone(2))
    join = _one_by_hand(stage.channel)
    late = new_message(stage.answering if first_there else stage.channel, 2, "late")
    accepted = _accept_while_parting(monkeypatch, join, late)
    assert _whose(stage.channel.tenant_id, phone(2)) == conversation_of(accepted).contact_id == theirs
    assert work_of(accepted).key == accepted.conversation_id


def _whose(tenant_id: int, number) -> int:
    return ContactAddress.objects.get(tenant_id=tenant_id, digest=address_digest(number)).contact_id


def _one_by_hand(channel) -> Join:
    uids = Contact.objects.filter(tenant_id=channel.tenant_id).order_by("id").values_list("uid", flat=True)
    assert join_by_hand(channel.tenant_id, *uids, "somebody")
    return Join.objects.get(tenant_id=channel.tenant_id)


def _accept_while_parting(monkeypatch, join, message):
    """The undo stops with all its locks in hand until somebody waits for them."""
    reached, over = threading.Event(), threading.Event()
    part = joins.part_talks

    def pause_and_part(*given):
        reached.set()
        assert over.wait(PATIENCE_S)
        part(*given)

    monkeypatch.setattr(joins, "part_talks", pause_and_part)
    with ThreadPoolExecutor(2) as threads:
        parting = threads.submit(_alone, undo_join, join.tenant_id, join.uid, "somebody")
        assert reached.wait(PATIENCE_S)
        accepting = threads.submit(_alone, accept_messages, [message])
        waited = _waits_for_a_lock(accepting)
        over.set()
        assert parting.result(PATIENCE_S)
        accepting.result(PATIENCE_S)
    assert waited
    return Message.objects.get(tenant_id=join.tenant_id, uid=message.uid)
