"""A worker's lease: kept by a thread of its own, checked before each first byte, lost once and for ever."""

import threading
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from psycopg_pool import PoolTimeout

from hailgate.core.errors import LeaseLost
from hailgate.messaging.models import Worker
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.work import leases
from hailgate.pipeline import lease as module
from hailgate.pipeline.lease import DARING, Lease
from messaging.acting import HOLD_S, let_expire

LEASE_S = 10.0


class Watch:
    """A monotonic clock that is turned."""

    def __init__(self, monkeypatch) -> None:
        self.at = 1000.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.at))


@pytest.fixture
def watch(monkeypatch) -> Watch:
    return Watch(monkeypatch)


class Holder:
    """What a life does with a lease; ``lost`` is set when it is told of the loss."""

    def __init__(self, folder) -> None:
        self.folder, self.told, self.lost = folder, 0, threading.Event()
        self.leases: list[Lease] = []

    def take(self, renew_s=3600.0, lease_s=LEASE_S) -> Lease:
        lease = Lease(lease_s, renew_s, self.folder, self.on_lost)
        self.leases.append(lease)
        lease.begin()
        return lease

    def on_lost(self) -> None:
        self.told += 1
        self.lost.set()


@pytest.fixture
def holder(store, tmp_path):
    holder = Holder(tmp_path)
    yield holder
    for lease in holder.leases:
        if not lease._stopping.is_set():
            lease.end()


def row_of(lease) -> Worker:
    return Worker.objects.get(id=lease.worker_id)


def kill(lease) -> None:
    let_expire(lease.worker_id)
    assert declare_dead(lease.worker_id, LEASE_S, HOLD_S) is not None


class Renewals:
    """Counts renewals as they happen, so that nobody has to wait for a while."""

    def __init__(self, monkeypatch) -> None:
        self.count, self._renew, self._again = 0, leases.renew, threading.Condition()
        self.faults: list[Exception] = []
        monkeypatch.setattr(leases, "renew", self)

    def __call__(self, worker_id, lease_s):
        with self._again:
            self.count += 1
            self._again.notify_all()
            fault = self.faults.pop(0) if self.faults else None
        if fault:
            raise fault
        return self._renew(worker_id, lease_s)

    def wait_for(self, more: int) -> None:
        with self._again:
            wanted = self.count + more
            assert self._again.wait_for(lambda: self.count >= wanted, timeout=10)


@pytest.fixture
def renewals(monkeypatch) -> Renewals:
    return Renewals(monkeypatch)


# --- while it lives ---------------------------------------------------------------------------------------------------


def test_a_lease_is_a_worker_and_a_lock(holder):
    lease = holder.take()
    row = row_of(lease)
    assert row.alive
    assert not leases.process_is_gone(row.host, row.lock_file)
    lease.check()


def test_a_lease_is_renewed_again_and_again(holder, renewals):
    lease = holder.take(renew_s=0.001)
    before = row_of(lease).expires_at
    renewals.wait_for(3)
    assert row_of(lease).expires_at > before
    lease.check()


@pytest.mark.parametrize(("waited", "dares"), [(0.0, True), (LEASE_S * DARING - 0.01, True), (LEASE_S * DARING, False)])
def test_no_send_begins_after_most_of_the_lease_without_a_renewal(holder, watch, waited, dares):
    """The rest of it covers the way to the socket."""
    lease = holder.take()
    watch.at += waited
    if dares:
        lease.check()
    else:
        with pytest.raises(LeaseLost):
            lease.check()


def test_a_renewal_counts_from_its_beginning(holder, watch, renewals, monkeypatch):
    """What the store took to answer is not ours."""
    lease = holder.take()

    def slow(worker_id, lease_s):
        watch.at += 5.0
        return True

    monkeypatch.setattr(leases, "renew", slow)
    begun = watch.at
    lease._renew()
    watch.at = begun + LEASE_S * DARING
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_pool_that_is_used_up_costs_no_lease(postgresql, holder, renewals):
    """The lease has a connection of its own: a busy process is not a dead one."""
    pool, taken = connection.pool, []
    try:
        with pytest.raises(PoolTimeout):
            while True:  # whatever other threads of this process hold
                taken.append(pool.getconn(timeout=0.2))
        lease = Lease(LEASE_S, 0.001, holder.folder, holder.on_lost)
        lease.worker_id = 1
        lease._thread.start()
        renewals.wait_for(1)
        assert holder.lost.wait(10)  # it was told that there is no such worker: so it was heard
        lease.end()
    finally:
        for one in taken:
            pool.putconn(one)


# --- when it is lost --------------------------------------------------------------------------------------------------


def test_a_worker_that_was_declared_dead_learns_it_at_its_next_renewal(holder, renewals):
    lease = holder.take(renew_s=0.001)
    kill(lease)
    assert holder.lost.wait(10)
    with pytest.raises(LeaseLost):
        lease.check()
    lease.end()
    assert (lease.lost, holder.told) == (True, 1)


def test_a_lost_lease_stays_lost(holder, watch, renewals):
    lease = holder.take(renew_s=0.001)
    kill(lease)
    holder.lost.wait(10)
    Worker.objects.filter(id=lease.worker_id).update(alive=True)
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_store_that_is_away_for_a_while_costs_no_lease(holder, renewals):
    renewals.faults = [OperationalError(), OperationalError()]
    lease = holder.take(renew_s=0.001)
    renewals.wait_for(4)
    assert not lease.lost
    lease.check()


def test_a_store_that_is_away_for_too_long_ends_all_sends_and_its_return_begins_them_again(holder, watch, renewals):
    lease = holder.take()
    renewals.faults = [OperationalError()]
    watch.at += LEASE_S
    lease._renew()
    with pytest.raises(LeaseLost):
        lease.check()
    lease._renew()
    lease.check()


def test_a_bug_while_renewing_ends_the_lease_instead_of_leaving_it_to_chance(holder, renewals):
    renewals.faults = [ZeroDivisionError()]
    lease = holder.take(renew_s=0.001)
    assert holder.lost.wait(10)
    with pytest.raises(LeaseLost):
        lease.check()


# --- its end ----------------------------------------------------------------------------------------------------------


def test_at_its_end_nothing_is_left_behind(holder):
    lease = holder.take(renew_s=0.001)
    lock = row_of(lease).lock_file
    lease.end()
    assert not lease._thread.is_alive()
    assert not any(holder.folder.iterdir())
    assert not leases.process_is_gone(leases.socket.gethostname(), lock)


def test_a_lease_that_never_began_ends_too(holder):
    lease = Lease(LEASE_S, 1.0, holder.folder, holder.on_lost)
    lease.end()
    assert not any(holder.folder.iterdir())
