"""Rows that a worker holds without knowing are given back; what it is about to send never is."""

import threading

from django.db import connection, transaction

from hailgate.messaging.models import WorkState
from hailgate.messaging.outbound.attempts import record_attempts
from hailgate.messaging.outbound.failover import release_strays
from messaging.acting import claim_one, send, work_of


def test_a_row_that_nobody_knows_of_is_given_back(wide, worker):
    message = send(wide)
    claim_one(worker)
    assert release_strays(worker, frozenset()) == 1
    assert work_of(message).state == WorkState.READY


def test_a_row_that_is_held_is_no_stray(wide, worker):
    message = send(wide)
    taken = claim_one(worker)
    assert release_strays(worker, frozenset({taken.id})) == 0
    assert work_of(message).state == WorkState.LEASED


def test_a_row_whose_attempt_is_just_being_committed_is_no_stray(wide, worker, postgresql):
    message = send(wide)
    taken = claim_one(worker)
    written, released = threading.Event(), threading.Event()

    def attempt_slowly() -> None:
        with transaction.atomic():
            record_attempts(worker, [taken])
            written.set()
            released.wait(0.5)  # the look for strays has to meet the open transaction
        connection.close()

    attempting = threading.Thread(target=attempt_slowly)
    attempting.start()
    written.wait(5)
    assert release_strays(worker, frozenset()) == 0
    released.set()
    attempting.join()
    row = work_of(message)
    assert (row.state, row.attempting) == (WorkState.LEASED, True)
