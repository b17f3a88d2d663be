"""Workers live by their lease, and what they held is taken over when it ends: whole, once, and fenced."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from hailgate.core.delivery import Action
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.models import Attempt, Hook, Worker, WorkKind, WorkState
from hailgate.messaging.outbound.failover import ABSURD_LEASES, declare_dead, find_ended, release_strays, sign_off
from hailgate.messaging.upkeep.purge import Housekeeping, RetentionPeriods
from hailgate.messaging.work import leases
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    apply,
    attempt,
    claim,
    claim_one,
    conversation_of,
    decided,
    deliver,
    execute,
    fresh,
    let_expire,
    new_worker,
    send,
    sent,
    tell,
    told,
    work,
    work_of,
)

READY, LEASED, PARKED = WorkState.READY, WorkState.LEASED, WorkState.PARKED


def row_of(worker) -> Worker:
    return Worker.objects.get(id=worker)


def take_over(worker) -> int | None:
    return declare_dead(worker, LEASE_S, HOLD_S)


def kill(worker) -> None:
    let_expire(worker)
    assert take_over(worker) is not None


# --- leases -----------------------------------------------------------------------------------------------------------


def test_a_new_worker_is_alive_for_one_lease(clock, worker):
    row = row_of(worker)
    assert (row.alive, row.expires_at.timestamp() - clock.now) == (True, LEASE_S)


def test_a_renewal_lasts_one_lease_from_now(clock, worker):
    clock.forward(10)
    assert leases.renew(worker, LEASE_S)
    assert row_of(worker).expires_at.timestamp() == clock.now + LEASE_S


def test_a_worker_that_was_declared_dead_can_never_renew(clock, worker):
    kill(worker)
    assert not leases.renew(worker, LEASE_S)
    assert not row_of(worker).alive


def test_a_worker_that_signed_off_can_never_renew(worker):
    sign_off(worker, HOLD_S)
    assert not leases.renew(worker, LEASE_S)


def test_only_others_whose_lease_has_ended_are_found(clock, worker):
    other = new_worker()
    clock.forward(LEASE_S + 1)
    leases.renew(worker, LEASE_S)
    assert find_ended(worker, LEASE_S) == [other]
    assert find_ended(other, LEASE_S) == []


def test_nobody_finds_itself(clock, worker):
    clock.forward(LEASE_S + 1)
    assert find_ended(worker, LEASE_S) == []


@pytest.mark.parametrize(
    ("ahead", "found"), [(LEASE_S, False), (ABSURD_LEASES * LEASE_S, False), (ABSURD_LEASES * LEASE_S + 1, True)]
)
def test_a_lease_that_lies_absurdly_far_ahead_is_pulled_in(clock, worker, ahead, found):
    """It was written by a clock that ran ahead; its worker could not be declared dead for as long."""
    other = new_worker(lease_s=ahead)
    assert (find_ended(worker, LEASE_S) == [other]) is found
    assert (take_over(other) is not None) is found


def test_a_worker_that_renewed_in_the_meantime_stays_alive(clock, worker):
    other = new_worker()
    clock.forward(LEASE_S + 1)
    assert find_ended(worker, LEASE_S) == [other]
    leases.renew(other, LEASE_S)
    assert take_over(other) is None
    assert row_of(other).alive


def test_a_worker_is_declared_dead_once(clock, worker):
    let_expire(worker)
    assert (take_over(worker), take_over(worker)) == (0, None)


def test_workers_that_ended_long_ago_are_forgotten(clock, worker):
    kill(worker)
    alive = new_worker()
    clock.forward(86_401)
    leases.renew(alive, LEASE_S)
    round_ = Housekeeping(RetentionPeriods())
    while round_.some():
        pass
    assert list(Worker.objects.values_list("id", flat=True)) == [alive]


# --- what becomes of the work -----------------------------------------------------------------------------------------


def test_a_row_without_an_attempt_is_ready_again(wide, worker):
    message = send(wide)
    claim_one(worker)
    kill(worker)
    row = work_of(message)
    assert (row.state, row.worker_id, row.tries) == (READY, None, 1)
    deliver(heir := new_worker(), claim_one(heir))


def test_a_row_with_an_attempt_is_parked_as_unknown(wide, worker, clock):
    """A byte may have left: never a blind second knock."""
    message = send(wide)
    attempt(worker, claim_one(worker))
    kill(worker)
    row = work_of(message)
    assert (row.state, row.code, row.attempting, row.hold_until) == (PARKED, "worker_lost", False, clock.now + HOLD_S)
    assert fresh(message).unknown
    assert fresh(conversation_of(message)).held_until == clock.now + HOLD_S
    assert claim(new_worker()) == []


def test_the_open_attempt_is_closed_as_lost(wide, worker, clock):
    attempt(worker, claim_one(worker) if send(wide) else None)
    kill(worker)
    (one,) = Attempt.objects.filter(tenant_id=wide.tenant_id)
    assert (one.outcome, one.code, one.finished_at.timestamp()) == ("park", "worker_lost", clock.now)


def test_a_row_with_an_attempt_that_a_status_has_proven_is_done(wide, worker):
    message = send(wide)
    follower = send(wide)
    attempt(worker, claim_one(worker))
    apply(wide, told(wide, Status.SENT, "wamid.x", tracker=f"{message.uid}.1"))
    kill(worker)
    assert work_of(message) is None
    assert (fresh(message).unknown, fresh(message).status) == (False, Status.SENT)
    assert work_of(follower).state == READY


def test_each_row_is_judged_by_itself(wide, worker):
    rows = [send(wide, to=to) for to in range(4)]
    claims = claim(worker)
    attempt(worker, *claims[:2])
    assert take_over(worker) is None  # it lives
    let_expire(worker)
    assert take_over(worker) == 4
    assert [WorkState(work_of(row).state) for row in rows] == [PARKED, PARKED, READY, READY]


def test_what_another_worker_holds_is_left_alone(wide, worker):
    send(wide, to=1)
    send(wide, to=2)
    mine = claim(worker, 1)
    heir = new_worker()
    (others,) = claim(heir)
    kill(worker)
    assert {row.id: (row.state, row.worker_id) for row in work(wide.tenant_id)} == {
        mine[0].id: (READY, None),
        others.id: (LEASED, heir),
    }


def test_a_turn_is_ready_again(answering, worker):
    from hailgate.messaging.inbound.turns import claim_turns
    from messaging.acting import wrote

    apply(answering, wrote(answering))
    assert len(claim_turns(worker, open_room(10)).claims) == 1
    kill(worker)
    (again,) = claim_turns(new_worker(), open_room(10)).claims
    assert again.crashes == 1
    assert work(answering.tenant_id, kind=WorkKind.TURN)[0].state == LEASED


def test_a_hook_that_it_held_is_free_again(hook, tenant, worker):
    Hook.objects.filter(tenant_id=tenant.id).update(ingest_worker=worker)
    kill(worker)
    assert Hook.objects.get(tenant_id=tenant.id).ingest_worker_id is None


def test_the_lock_file_of_the_dead_goes_too(worker, tmp_path):
    lock = tmp_path / "left.lock"
    lock.touch()
    assert take_over(new_worker(str(lock))) == 0
    assert not lock.exists()


@pytest.mark.parametrize("left", ["", "/nowhere/at/all.lock"])
def test_a_lock_file_that_is_not_there_hinders_nobody(worker, left):
    other = new_worker(left)
    let_expire(other)
    assert take_over(other) == 0


# --- fencing ----------------------------------------------------------------------------------------------------------


def test_a_worker_declared_dead_writes_no_attempt(wide, worker):
    send(wide)
    held = claim_one(worker)
    kill(worker)
    assert attempt(worker, held) == set()
    assert not Attempt.objects.filter(tenant_id=wide.tenant_id).exists()


@pytest.mark.parametrize("outcome", [sent, lambda claim: decided(claim, Action.BURY)], ids=["sent", "buried"])
def test_a_worker_declared_dead_writes_no_outcome(wide, worker, outcome):
    message = send(wide)
    held = claim_one(worker)
    attempt(worker, held)
    kill(worker)
    before = fresh(message).__dict__, work_of(message).__dict__
    assert tell(worker, outcome(held)) == [False]
    after = fresh(message).__dict__, work_of(message).__dict__
    assert _plain(before) == _plain(after)


def _plain(rows):
    return [{name: value for name, value in row.items() if name != "_state"} for row in rows]


def test_a_worker_declared_dead_finishes_no_turn(answering, worker):
    from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns, postpone_turn
    from messaging.acting import messages, new_message, wrote

    apply(answering, wrote(answering))
    (turn,) = claim_turns(worker, open_room(10)).claims
    kill(worker)
    assert finish_turns(worker, [Finished(turn, [new_message(answering)], hand_over=True)]) == ["dropped"]
    assert not postpone_turn(worker, turn, 2.0, "late")
    assert len(messages(answering.tenant_id)) == 1


def test_a_thawed_worker_writes_nothing_to_a_row_that_its_heir_holds(wide, worker):
    """Even with the same worker id, a lease number of the past is no longer valid."""
    message = send(wide)
    old = claim_one(worker)
    kill(worker)
    heir = new_worker()
    new = claim_one(heir)
    assert new.lease == old.lease + 1
    assert (attempt(worker, old), tell(worker, sent(old))) == (set(), [False])
    assert (attempt(heir, old), tell(heir, sent(old))) == (set(), [False])
    deliver(heir, new)
    assert fresh(message).status == Status.SENT


def test_a_dead_workers_bad_news_does_not_reach_the_channel(wide, worker):
    from hailgate.core.errors import ChannelUnauthorized
    from messaging.acting import channel_row, failed

    send(wide)
    held = claim_one(worker)
    attempt(worker, held)
    kill(worker)
    tell(worker, failed(held, ChannelUnauthorized(), 1.0))
    assert channel_row(wide).paused_at is None


# --- stopping on purpose ----------------------------------------------------------------------------------------------


def test_a_worker_that_signs_off_gives_its_rows_back_as_if_never_run(wide, worker):
    message = send(wide)
    claim_one(worker)
    sign_off(worker, HOLD_S)
    row = work_of(message)
    assert (row.state, row.tries, row.worker_id) == (READY, 0, None)
    assert (row_of(worker).alive, row_of(worker).ending) == (False, "stopped")


def test_what_was_still_being_sent_at_sign_off_is_unknown(wide, worker):
    message = send(wide)
    attempt(worker, claim_one(worker))
    sign_off(worker, HOLD_S)
    assert (work_of(message).state, fresh(message).unknown) == (PARKED, True)


# --- strays -----------------------------------------------------------------------------------------------------------


def test_a_claim_that_its_worker_never_heard_of_is_given_back(wide, worker):
    """Its COMMIT was not answered."""
    message = send(wide)
    claim_one(worker)
    assert release_strays(worker, frozenset()) == 1
    row = work_of(message)
    assert (row.state, row.tries) == (READY, 0)


def test_what_the_worker_knows_of_is_no_stray(wide, worker):
    send(wide)
    held = claim_one(worker)
    assert release_strays(worker, frozenset({held.id})) == 0


def test_what_is_being_sent_is_no_stray(wide, worker):
    send(wide)
    attempt(worker, claim_one(worker))
    assert release_strays(worker, frozenset()) == 0


def test_strays_of_others_are_theirs(wide, worker):
    send(wide)
    claim_one(worker)
    assert release_strays(new_worker(), frozenset()) == 0


def test_a_dead_worker_gives_nothing_back(wide, worker):
    """What it held was taken over; by now it may be another's who is sending it."""
    send(wide)
    claim_one(worker)
    execute(f"UPDATE messaging_worker SET alive = FALSE WHERE id = {worker}")
    assert release_strays(worker, frozenset()) == 0


# --- the lock that the kernel drops -----------------------------------------------------------------------------------

HOLDER = """
    import sys, time
    sys.path.insert(0, sys.argv[2])
    import os
    from pathlib import Path
    from hailgate.messaging.work.leases import LockFile
    print(LockFile(Path(sys.argv[1])).path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path):
    """A real process that holds a lock file as a worker does, and the file's path."""
    running = subprocess.Popen(
        [sys.executable, "-c", f"import django; django.setup()\n{textwrap.dedent(HOLDER)}", str(tmp_path), "src"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    with running:
        yield running, running.stdout.readline().strip()
        running.kill()


def test_a_killed_process_is_found_at_once_and_a_frozen_one_by_its_lease(clock, worker, process):
    """No lease is waited out: the clock stands still."""
    running, path = process
    other = new_worker(path)
    assert find_ended(worker, LEASE_S) == []
    running.send_signal(signal.SIGSTOP)
    assert find_ended(worker, LEASE_S) == []
    running.kill()
    running.wait()
    assert find_ended(worker, LEASE_S) == [other]
    assert take_over(other) == 0


def test_a_lock_file_is_private_and_goes_when_released(store, tmp_path):
    lock = leases.LockFile(tmp_path / "workers")
    assert (lock.path.stat().st_mode & 0o777, (tmp_path / "workers").stat().st_mode & 0o777) == (0o600, 0o700)
    assert not leases.process_is_gone(leases.socket.gethostname(), str(lock.path))
    lock.release()
    assert not lock.path.exists()


@pytest.mark.parametrize("host", ["another-host", ""])
def test_of_processes_elsewhere_the_kernel_knows_nothing(store, tmp_path, host):
    (tmp_path / "free.lock").touch()
    assert not leases.process_is_gone(host, str(tmp_path / "free.lock"))


def test_a_missing_lock_file_proves_nothing(store, tmp_path):
    assert not leases.process_is_gone(leases.socket.gethostname(), str(tmp_path / "none.lock"))
