"""The verbs of work rows against a model of them in plain Python, in any order, with deaths of workers in between.

After every step the store holds exactly what the model says: so there are never two heads of a key, nothing is
overtaken, no head is forgotten, a parked row holds its conversation and then lets go.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from hailgate.core import breaker, limits, retry_budget
from hailgate.core.delivery import Action
from hailgate.core.errors import OutcomeUnknown
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.inbound.statuses import News, record_statuses
from hailgate.messaging.models import Work, WorkState
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.outbound.claim import SUSPECTS_TOGETHER, claim_deliveries
from hailgate.messaging.outbound.failover import declare_dead, sign_off
from hailgate.messaging.outbound.parked import settle_parked
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.store.sql import atomic_cursor, on_postgresql
from hailgate.messaging.work.sweep import promote_all, promote_lost_heads
from messaging import acting

WAITING, READY, LEASED, PARKED, DEAD = WorkState
KEYS = range(4)
HOLD = acting.HOLD_S
RATE = limits.Limit(1e-4, 100_000)  # of the fixture `wide`: nobody reaches it


@dataclass(eq=False)
class Row:
    """What the model knows of one delivery."""

    id: int
    key: int
    tracker: str
    state: WorkState = WAITING
    due_at: float = 0.0
    hold_until: float = 0.0
    tries: int = 0
    worker: int | None = None
    attempting: bool = False
    knocked: bool = False
    proven: bool = False
    retried: bool = False

    @property
    def shown(self):
        return (self.state, self.due_at, self.tries, self.worker, self.attempting)


@dataclass
class Pace:
    """What the channel may send: its breaker, and its budget of retries. The arithmetic has tests of its own."""

    state: breaker.Breaker = field(default_factory=breaker.Breaker)
    retry_tat: float = 0.0
    successes: int = 0
    floor = retry_budget.floor_of(RATE)

    def share(self, due, limit, now) -> list[Row]:
        """Those of the due rows that are looked at: first the fresh ones, then as many retries as they leave."""
        permitted = breaker.permits(self.state, now, BREAKER)
        room = limit if permitted is None else min(limit, permitted)
        in_order = sorted(due, key=lambda row: (row.due_at, row.id))
        fresh = [row for row in in_order if not row.retried]
        allowed = RATE.burst if self.is_well else limits.available(self.floor, self.retry_tat, now)
        retried = [row for row in in_order if row.retried][:allowed]
        probing = self.state.opened_at is not None
        first, again = retry_budget.divide(room, len(fresh), len(retried), probing=probing)
        return fresh[:first] + retried[:again]

    def spend(self, taken, now) -> None:
        if taken:
            again = 0 if self.is_well else sum(row.retried for row in taken)
            self.retry_tat = retry_budget.spend(self.floor, self.retry_tat, now, len(taken) - again, again)
            self.state = breaker.probed(self.state, now)

    @property
    def is_well(self) -> bool:
        return self.successes >= retry_budget.WELL_AFTER

    def learn(self, now, *, faulty=False, sent=False) -> None:
        """From an attempt that was made."""
        self.successes = 0 if faulty else self.successes + sent
        self.state = breaker.failed(self.state, now, BREAKER) if faulty else breaker.succeeded(self.state, BREAKER)


@dataclass
class Model:
    now: float
    pace: Pace = field(default_factory=Pace)
    rows: dict[int, Row] = field(default_factory=dict)
    held: dict[int, float] = field(default_factory=dict)

    def of(self, key, *states):
        return [row for _, row in sorted(self.rows.items()) if row.key == key and row.state in states]

    def is_held(self, key) -> bool:
        return self.held.get(key, 0.0) > self.now

    def enqueue(self, row, due_at) -> None:
        waits = any(other.due_at <= self.now for other in self.of(row.key, WAITING))
        busy = self.of(row.key, READY, LEASED) or waits or self.is_held(row.key)
        row.due_at = due_at
        row.state = WAITING if busy or due_at > self.now else READY
        self.rows[row.id] = row

    def promote(self, key) -> None:
        due = [row for row in self.of(key, WAITING) if row.due_at <= self.now]
        if due and not self.of(key, READY, LEASED) and not self.is_held(key):
            due[0].state = READY

    def hold(self, key) -> None:
        until = [row.hold_until for row in self.of(key, PARKED)]
        self.held[key] = max(until, default=0.0)

    def finish(self, row) -> None:
        del self.rows[row.id]
        self.promote(row.key)

    def stop(self, row, state) -> None:
        row.state, row.worker, row.attempting = state, None, False
        if state in {DEAD, PARKED}:
            row.due_at = 0.0  # what it was due at is over; only a wait that a provider asked for outlives it

    def park(self, row) -> None:
        if row.proven:
            self.hold(row.key)
            self.finish(row)
            return
        self.stop(row, PARKED)
        row.hold_until = self.now + HOLD
        self.hold(row.key)
        self.promote(row.key)

    def sweep(self) -> None:
        for key in KEYS:
            if self.held.get(key, 0.0) <= self.now:
                self.held[key] = 0.0
            self.promote(key)


class Verbs(RuleBasedStateMachine):
    """One wide channel, four conversations, two workers at a time."""

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        empty()
        self.channel = CHANNEL
        self.clock = acting.Clock()
        self.model = Model(self.clock.now)

    @initialize()
    def begin(self):
        self.workers = [acting.new_worker(), acting.new_worker()]

    # --- what callers and time do -------------------------------------------------------------------------------------

    @rule(key=st.sampled_from(KEYS), delay=st.sampled_from([0, 0, 0, 0, 30, 200]))
    def enqueue(self, key, delay):
        message = acting.send(self.channel, to=key, send_at=self.clock.now + delay if delay else None)
        row = acting.work_of(message)
        self.model.enqueue(Row(row.id, key, f"{message.uid}.1"), self.clock.now + delay if delay else 0.0)

    @rule(key=st.sampled_from(KEYS), size=st.integers(2, 4))
    def enqueue_batch(self, key, size):
        batch = [acting.new_message(self.channel, to=(key + place % 2) % 4) for place in range(size)]
        for message, given in zip(acting.send_all(self.channel, batch), batch, strict=True):
            to = int(given.to.value[-7:])
            self.model.enqueue(Row(acting.work_of(message).id, to, f"{message.uid}.1"), 0.0)

    @rule(seconds=st.sampled_from([1.0, 31.0, HOLD, 1000.0]))
    def pass_time(self, seconds):
        self.model.now = self.clock.forward(seconds)

    @rule()
    def sweep(self):
        promote_all()
        assert promote_lost_heads() == 0
        self.model.sweep()

    # --- what workers do ----------------------------------------------------------------------------------------------

    @rule(target=claims, which=st.integers(0, 1), limit=st.integers(1, 4))
    def claim(self, which, limit):
        worker = self.workers[which]
        due = [row for row in self.model.rows.values() if row.state == READY and row.due_at <= self.clock.now]
        share = self.model.pace.share(due, limit, self.clock.now)
        for row in share:
            if row.proven:
                self.model.finish(row)
        suspects = [row for row in share if row.tries and not row.proven]
        fewest = min((row.tries for row in suspects), default=0)
        group = {row.id for row in suspects if row.tries == fewest}
        expected = {row.id for row in share if not row.proven}
        taken = claim_deliveries(worker, open_room(limit)).claims
        ids = {claim.id for claim in taken}
        if suspects:  # those that ran least often: together at first, in the end alone
            assert len(ids) == (len(group) if fewest in SUSPECTS_TOGETHER else 1)
            assert ids <= group
        else:
            assert ids == expected
        for id_ in ids:
            row = self.model.rows[id_]
            self.check_not_overtaking(row)
            row.state, row.worker, row.tries = LEASED, worker, row.tries + 1
        self.model.pace.spend([self.model.rows[id_] for id_ in ids], self.clock.now)
        return multiple(*((worker, claim) for claim in taken))

    def check_not_overtaking(self, row):
        """Nothing that was accepted before and could have gone is left behind, but what a person revived."""
        earlier = [other for other in self.model.of(row.key, READY, LEASED) if other.id < row.id]
        assert earlier == []

    @rule(held=claims)
    def attempt(self, held):
        worker, claim = held
        row = self.mine(worker, claim)
        assert acting.attempt(worker, claim) == ({claim.id} if row else set())
        if row:
            row.attempting = row.knocked = True

    @rule(held=consumes(claims))
    def take(self, held):
        worker, claim = held
        row = self.mine(worker, claim)
        assert acting.tell(worker, acting.sent(claim)) == [row is not None]
        if row:
            self.model.pace.learn(self.clock.now, sent=True)
            self.model.finish(row)

    @rule(held=consumes(claims), action=st.sampled_from([Action.RETRY, Action.SNOOZE]), delay=st.sampled_from([1, 60]))
    def postpone(self, held, action, delay):
        worker, claim = held
        row = self.mine(worker, claim)
        due_at = self.clock.now + delay
        assert acting.tell(worker, acting.decided(claim, action, due_at)) == [row is not None]
        if row:
            self.model.stop(row, READY)
            row.due_at, row.tries, row.retried = due_at, 0, row.retried or action is Action.RETRY
            self.model.pace.learn(self.clock.now)

    @rule(held=consumes(claims))
    def bury(self, held):
        worker, claim = held
        row = self.mine(worker, claim)
        assert acting.tell(worker, acting.decided(claim, Action.BURY)) == [row is not None]
        if row:
            self.model.stop(row, DEAD)
            self.model.promote(row.key)
            self.model.pace.learn(self.clock.now)

    @rule(held=consumes(claims))
    def park(self, held):
        worker, claim = held
        row = self.mine(worker, claim)
        assert acting.tell(worker, acting.failed(claim, OutcomeUnknown())) == [row is not None]
        if row:
            self.model.park(row)
            self.model.pace.learn(self.clock.now, faulty=True)

    def mine(self, worker, claim):
        row = self.model.rows.get(claim.id)
        fenced = row is None or row.worker != worker or row.state != LEASED or worker not in self.workers
        current = not fenced and Work.objects.get(tenant_id=self.channel.tenant_id, id=row.id).lease == claim.lease
        return row if current else None

    # --- what ends workers --------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1))
    def die(self, which):
        """Its lease runs out, and somebody takes its work over."""
        dead = self.workers[which]
        acting.let_expire(dead)
        assert declare_dead(dead, acting.LEASE_S, HOLD) is not None
        self.workers[which] = acting.new_worker()
        self.free(dead, ran=True)

    @rule(which=st.integers(0, 1))
    def stop(self, which):
        stopped = self.workers[which]
        sign_off(stopped, HOLD)
        self.workers[which] = acting.new_worker()
        self.free(stopped, ran=False)

    def free(self, worker, *, ran):
        for row in [row for row in self.model.rows.values() if row.worker == worker]:
            if row.attempting:
                self.model.park(row)
            else:
                self.model.stop(row, READY)
                row.tries = row.tries if ran else 0

    # --- what providers and people say --------------------------------------------------------------------------------

    @rule(place=st.integers(0, 20))
    def status_with_tracker(self, place):
        """Of a message that has been knocked for: also after it was put off, or sent again by hand."""
        known = [row for row in self.model.rows.values() if row.knocked]
        if not known:
            return
        row = known[place % len(known)]
        event = acting.told(self.channel, Status.DELIVERED, f"wamid.{row.id}", tracker=row.tracker)
        with atomic_cursor() as cursor:
            record_statuses(cursor, [News(self.channel.tenant_id, self.channel.id, event)], self.clock.now)
        row.proven = True

    @rule()
    def settle(self):
        proven = [row for row in self.model.rows.values() if row.state == PARKED and row.proven]
        assert settle_parked() == len(proven)
        for row in proven:
            del self.model.rows[row.id]
        for key in {row.key for row in proven}:
            self.model.hold(key)
            self.model.promote(key)

    @rule(place=st.integers(0, 20))
    def revive(self, place):
        """A person sends again what is dead or parked; never what is known to have arrived."""
        stopped = [row for row in self.model.rows.values() if row.state in {PARKED, DEAD}]
        if not stopped:
            return
        row = stopped[place % len(stopped)]
        assert send_again(self.channel.tenant_id, [row.id]) == ([] if row.proven else [row.id])
        if row.proven:
            return
        row.state, row.due_at, row.tries, row.retried = WAITING, 0.0, 0, False
        self.model.hold(row.key)
        self.model.promote(row.key)

    # --- what holds always --------------------------------------------------------------------------------------------

    @invariant()
    def the_store_is_as_the_model_says(self):
        columns = ("state", "due_at", "tries", "worker_id", "attempting")
        found = Work.objects.filter(tenant_id=self.channel.tenant_id).values_list("id", *columns)
        shown = {id_: (WorkState(state), *rest) for id_, state, *rest in found}
        assert shown == {row.id: row.shown for row in self.model.rows.values()}
        for key in KEYS:
            assert len(self.model.of(key, READY, LEASED)) <= 1

    def teardown(self):
        """Whatever happened: left alone for long enough, everything that is not stopped is delivered."""
        if not hasattr(self, "workers"):
            return
        for which in (0, 1):
            self.die(which)
        for _ in range(3):
            self.model.now = self.clock.forward(HOLD + 1000)
            promote_all()
            settle_parked()
            assert promote_lost_heads() == 0
            acting.deliver_all(self.workers[0])
        left = Work.objects.filter(tenant_id=self.channel.tenant_id).exclude(state__in=[PARKED, DEAD]).count()
        assert left == 0


CHANNEL = None
# Everything that a channel remembers of what it sent: left from one history to the next, it would steer that one.
AT_REST = {
    "rate_tat": 0.0, "retry_tat": 0.0, "ready_at": 0.0, "claimed_at": 0.0,
    "breaker_failures": 0, "breaker_opened_at": None, "breaker_probe_at": None, "paused_at": None,
    "successes": 0, "passed_at": None,
}  # fmt: skip


def empty() -> None:
    for table in ("work", "message", "attempt", "receipt", "earlystatus", "conversation", "contactaddress", "contact"):
        acting.execute(f"DELETE FROM messaging_{table}")
    acting.execute("DELETE FROM messaging_worker")
    acting.change_channel(CHANNEL, **AT_REST)


@pytest.mark.hypothesis
@pytest.mark.timeout(900)  # a failing history is told in its shortest form, which takes minutes to find
def test_the_verbs_do_what_the_model_says(wide):
    global CHANNEL  # noqa: PLW0603 -- Hypothesis makes the machines itself
    CHANNEL = wide
    if not on_postgresql():
        acting.execute("PRAGMA synchronous=OFF")
    examples = 20 if on_postgresql() else 80
    run_state_machine_as_test(Verbs, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))


# --- histories that were found once -----------------------------------------------------------------------------------


def retries_beside_fresh_ones(verbs):
    """Room for one goes to the retry; of room for two the retry has one, though the fresh ones were due before."""
    verbs.enqueue(key=0, delay=0)
    (held,) = verbs.claim(which=0, limit=1)
    verbs.postpone(held=held, action=Action.RETRY, delay=1)
    verbs.enqueue_batch(key=1, size=2)
    verbs.pass_time(seconds=1.0)
    assert len(list(verbs.claim(which=0, limit=1))) == 1
    verbs.enqueue_batch(key=2, size=4)
    assert len(list(verbs.claim(which=1, limit=2))) == 2


def a_retry_two_deaths_and_a_batch(verbs):
    verbs.enqueue_batch(key=0, size=2)
    held, _ = verbs.claim(which=0, limit=2)
    verbs.postpone(held=held, action=Action.RETRY, delay=1)
    verbs.die(which=0)
    verbs.die(which=1)
    verbs.pass_time(seconds=1.0)
    verbs.enqueue_batch(key=2, size=2)
    for limit in (1, 1, 2, 4):
        verbs.claim(which=0, limit=limit)


def more_retries_than_their_budget(verbs):
    """Four conversations that are put off once a second use up thirty retries, and then what each second adds."""
    verbs.enqueue_batch(key=0, size=2)
    verbs.enqueue_batch(key=2, size=2)
    counts = []
    for _ in range(14):
        claims = list(verbs.claim(which=0, limit=4))
        for held in claims:
            verbs.postpone(held=held, action=Action.RETRY, delay=1)
        counts.append(len(claims))
        verbs.pass_time(seconds=1.0)
    assert counts[:4] == [4, 4, 4, 4]
    assert min(counts) == 0


def unknown_outcomes_open_the_breaker(verbs):
    """After five in a row nothing goes out for a minute, and then a single probe."""
    for _ in range(5):
        verbs.enqueue(key=0, delay=0)
        (held,) = verbs.claim(which=0, limit=4)
        verbs.attempt(held=held)
        verbs.park(held=held)
        verbs.pass_time(seconds=HOLD)
        verbs.sweep()
    verbs.enqueue_batch(key=1, size=4)
    (probe,) = verbs.claim(which=0, limit=4)
    assert list(verbs.claim(which=0, limit=4)) == []
    verbs.take(held=probe)
    assert len(list(verbs.claim(which=0, limit=4))) > 1


@pytest.mark.parametrize(
    "history",
    [
        retries_beside_fresh_ones,
        a_retry_two_deaths_and_a_batch,
        more_retries_than_their_budget,
        unknown_outcomes_open_the_breaker,
    ],
)
def test_the_store_and_the_model_agree_on_what_was_found_once(wide, history):
    global CHANNEL  # noqa: PLW0603 -- as above
    CHANNEL = wide
    verbs = Verbs()
    verbs.begin()
    history(verbs)
    verbs.the_store_is_as_the_model_says()
    verbs.teardown()
