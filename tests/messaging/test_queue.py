"""Claiming: every limit kept exactly, in one transaction, for whoever claims."""

import threading
from collections import Counter

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from hailgate.core.delivery import Action
from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable
from hailgate.core.slots import open_room
from hailgate.messaging.channels.admin import resume_channel
from hailgate.messaging.models import WorkState
from hailgate.messaging.outbound import claim as claim_module
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.work.claim import MOST_CRASHES
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    Clock,
    add_number,
    attempt,
    change,
    change_channel,
    channel_row,
    claim,
    claim_one,
    conversation_of,
    decided,
    deliver,
    execute,
    failed,
    fresh,
    let_expire,
    new_message,
    new_worker,
    phone,
    send,
    send_all,
    sent,
    tell,
    work_of,
)


def flood(channel, count, *, first=0, **given):
    """One message each to so many people."""
    return send_all(channel, [new_message(channel, to=first + place, **given) for place in range(count)])


def limit(channel, *, interval=1.0, burst=1):
    change_channel(channel, rate_interval=interval, rate_burst=burst, pair_burst=0)


# --- what a claim holds -----------------------------------------------------------------------------------------------


def test_a_claim_holds_all_that_is_needed_to_send(wide, worker):
    message = send(wide, body="Your appointment is at 9.", context_id="wamid.before")
    one = claim_one(worker)
    assert (one.uid, one.message_id, one.conversation_id) == (message.uid, message.id, message.conversation_id)
    assert (one.content, one.context_id) == (message.content, "wamid.before")
    assert (one.to.kind, one.to.value) == ("phone", "15550000001")
    assert (one.kind, one.crashes, one.attempt_no, one.spent, one.suppressed) == ("text", 0, 1, 0, False)


def test_a_claimed_row_belongs_to_its_worker_until_it_tells_an_outcome(wide, worker):
    send(wide)
    claim_one(worker)
    assert claim(worker) == claim(new_worker()) == []


def test_each_claim_of_a_row_has_a_lease_number_of_its_own(wide, worker, clock):
    send(wide)
    leases = set()
    for _ in range(3):
        one = claim_one(worker)
        leases.add(one.lease)
        attempt(worker, one)
        tell(worker, decided(one, Action.RETRY, clock.forward(1)))
    assert len(leases) == 3


def test_no_more_than_asked_for_is_claimed(wide, worker):
    flood(wide, 10)
    assert len(claim(worker, 4)) == 4
    assert len(claim(worker, 100)) == 6


def test_a_worker_that_is_dead_claims_nothing(wide, worker):
    send(wide)
    let_expire(worker)
    declare_dead(worker, LEASE_S, HOLD_S)
    assert claim(worker) == []


def test_a_worker_that_nobody_registered_claims_nothing(wide):
    send(wide)
    assert claim(987_654) == []


@pytest.mark.parametrize("scope", ["all", "marketing"])
def test_a_claim_says_whether_its_recipient_wants_no_messages_at_all(wide, worker, scope):
    from hailgate.messaging.models import Suppression
    from hailgate.messaging.people.conversations import address_digest

    digest = address_digest(new_message(wide).to)
    Suppression.objects.create(tenant_id=wide.tenant_id, digest=digest, scope=scope, reason="stop", at=0.0)
    send(wide)
    assert claim_one(worker).suppressed is (scope == "all")


def test_a_suppression_of_another_tenant_says_nothing(wide, worker, stranger):
    from hailgate.messaging.models import Suppression
    from hailgate.messaging.people.conversations import address_digest

    digest = address_digest(new_message(wide).to)
    Suppression.objects.create(tenant_id=stranger.id, digest=digest, scope="all", reason="stop", at=0.0)
    send(wide)
    assert not claim_one(worker).suppressed


# --- the rate of a channel --------------------------------------------------------------------------------------------


def test_a_burst_is_spent_and_then_comes_back_at_the_rate(channel, worker, clock):
    limit(channel, interval=2.0, burst=3)
    flood(channel, 10)
    taken = []
    for seconds in (0.0, 0.0, 1.9, 0.2, 2.0, 100.0):
        clock.forward(seconds)
        taken.append(len(claim(worker)))
    assert taken == [3, 0, 0, 1, 1, 3]


@given(
    interval=st.sampled_from([0.05, 0.5, 3.0]),
    burst=st.integers(1, 5),
    steps=st.lists(st.tuples(st.floats(0, 4), st.integers(1, 6)), min_size=1, max_size=15),
)
@settings(max_examples=40)
def test_no_window_of_any_length_sees_more_than_the_limit(channel, worker, interval, burst, steps):
    """Within any stretch of T seconds at most burst + T / interval claims."""
    clock = Clock()
    execute("DELETE FROM messaging_work")
    limit(channel, interval=interval, burst=burst)
    change_channel(channel, rate_tat=0.0, ready_at=0.0)
    flood(channel, 40)
    grants = []
    for pause, wanted in steps:
        clock.forward(pause)
        grants += [clock.now] * len(claim(worker, wanted))
    for first, start in enumerate(grants):
        for last in range(first, len(grants)):
            assert last - first + 1 <= burst + (grants[last] - start) / interval + 1e-4


def test_what_nobody_claims_costs_no_rate(channel, worker, clock):
    limit(channel, burst=5)
    flood(channel, 2)
    claim(worker)
    flood(channel, 10, first=10)
    assert len(claim(worker)) == 3


def test_a_channel_at_its_limit_does_not_hold_up_another(tenant, hook, channel, worker, clock):
    limit(channel, burst=1)
    flood(channel, 3)
    claim(worker)
    other = add_number(tenant, hook, 1)
    message = send(other)
    assert [one.message_id for one in claim(worker)] == [message.id]


def test_two_workers_together_never_exceed_the_limit(postgresql, channel, clock):
    """Eight threads claim the same channel at once, while time goes on."""
    limit(channel, interval=1.0, burst=10)
    flood(channel, 200)
    claimed, together = [], threading.Barrier(8)

    def claim_all() -> None:
        try:
            worker = new_worker()
            together.wait(10)
            for _ in range(6):
                claimed.extend(claim_deliveries(worker, open_room(50)).claims)
        finally:
            connection.close()

    for expected in (10, 15):
        threads = [threading.Thread(target=claim_all) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(claimed) == len({one.id for one in claimed}) == expected
        clock.forward(5.0)


def test_two_workers_share_many_channels_without_taking_a_row_twice(postgresql, tenant, hook, clock):
    numbers = [add_number(tenant, hook, place) for place in range(6)]
    for number in numbers:
        limit(number, burst=4)
        flood(number, 10)
    claimed, together = [], threading.Barrier(4)

    def claim_all() -> None:
        try:
            worker = new_worker()
            together.wait(10)
            while taken := claim_deliveries(worker, open_room(5)).claims:
                claimed.extend(taken)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed += claim(new_worker())  # what a skipped lock left over
    assert len(claimed) == len({one.id for one in claimed}) == 24
    assert Counter(one.channel_id for one in claimed) == dict.fromkeys((number.id for number in numbers), 4)


# --- the pair limit ---------------------------------------------------------------------------------------------------


def test_a_pair_limit_snoozes_and_spends_no_attempt(channel, worker, clock):
    change_channel(channel, pair_interval=6.0, pair_burst=2)
    sent_one = [send(channel, body=str(place)) for place in range(3)]
    for _ in range(2):
        deliver(worker, claim_one(worker))
    assert claim(worker) == []
    row = work_of(sent_one[2])
    assert (row.state, row.code, row.attempts, row.tries) == (WorkState.READY, "pair_rate_limited", 0, 0)
    assert row.due_at == clock.now + 6.0
    clock.forward(6.0)
    deliver(worker, claim_one(worker))


def test_a_pair_limit_holds_back_one_conversation_only(channel, worker, clock):
    change_channel(channel, pair_interval=6.0, pair_burst=1)
    for to in (1, 1, 2, 2):
        send(channel, to=to)
    deliver(worker, *claim(worker))
    assert claim(worker) == []
    other = send(channel, to=3)
    assert claim_one(worker).message_id == other.id


def test_what_a_pair_limit_holds_back_costs_the_channel_no_rate(channel, worker, clock):
    change_channel(channel, pair_interval=60.0, pair_burst=1, rate_interval=60.0, rate_burst=2)
    for to in (1, 1, 2):
        send(channel, to=to)
    deliver(worker, claim(worker, 1)[0])
    assert claim_deliveries(worker, open_room(10)) == (
        [],
        clock.now,
        clock.now,
    )  # the one held back is put off: look again
    assert len(claim(worker)) == 1


def test_metas_pair_limit_is_a_burst_of_45_then_one_in_6_seconds(channel, worker, clock):
    change_channel(channel, rate_burst=1000)
    for place in range(60):
        send(channel, body=str(place))
    taken = 0
    while claims := claim(worker):
        deliver(worker, *claims)
        taken += len(claims)
    assert taken == 45
    for _ in range(3):
        clock.forward(6.0)
        deliver(worker, claim_one(worker))
        assert claim(worker) == []


# --- the breaker ------------------------------------------------------------------------------------------------------


def fail_each(worker, claims):
    for one in claims:
        attempt(worker, one)
        tell(worker, failed(one, ProviderUnavailable(), NEXT_DAY))


NEXT_DAY = Clock.__init__.__defaults__[0] + 86_400.0


def test_five_faults_open_the_breaker_and_nothing_more_is_claimed(wide, worker, clock):
    flood(wide, 10)
    fail_each(worker, claim(worker, BREAKER.failures))
    assert claim(worker) == []
    assert channel_row(wide).breaker_opened_at == clock.now


def test_an_open_breaker_lets_one_probe_through_in_each_cooldown(wide, worker, clock):
    flood(wide, 20)
    fail_each(worker, claim(worker, BREAKER.failures))
    probes = []
    for _ in range(3):
        clock.forward(BREAKER.cooldown)
        probes.append(len(claim(worker)))
        probes.append(len(claim(worker)))
    assert probes == [1, 0] * 3


def test_a_good_probe_closes_the_breaker_for_all(wide, worker, clock):
    flood(wide, 10)
    fail_each(worker, claim(worker, BREAKER.failures))
    clock.forward(BREAKER.cooldown)
    deliver(worker, claim_one(worker))
    assert len(claim(worker)) == 4
    assert channel_row(wide).breaker_opened_at is None


def test_a_bad_probe_opens_it_for_another_cooldown(wide, worker, clock):
    flood(wide, 10)
    fail_each(worker, claim(worker, BREAKER.failures))
    clock.forward(BREAKER.cooldown)
    fail_each(worker, claim(worker))
    clock.forward(BREAKER.cooldown - 1)
    assert claim(worker) == []
    clock.forward(1)
    assert len(claim(worker)) == 1


def test_a_probe_whose_worker_died_allows_another_after_a_cooldown(wide, worker, clock):
    flood(wide, 10)
    fail_each(worker, claim(worker, BREAKER.failures))
    clock.forward(BREAKER.cooldown)
    claim_one(worker)
    clock.forward(BREAKER.cooldown)
    assert len(claim(new_worker())) == 1


def test_a_breaker_concerns_its_own_channel(tenant, hook, wide, worker, clock):
    flood(wide, 5)
    fail_each(worker, claim(worker))
    message = send(add_number(tenant, hook, 1))
    assert claim_one(worker).message_id == message.id


def test_five_faults_among_many_good_answers_do_not_open_the_breaker(wide, worker, clock):
    """It counts faults in a row; a provider that refuses one in five is not down."""
    flood(wide, 50)
    claims = claim(worker)
    attempt(worker, *claims)
    outcomes = [
        sent(one) if place % 5 else failed(one, ProviderUnavailable(), NEXT_DAY) for place, one in enumerate(claims)
    ]
    for start in range(0, len(outcomes), 7):
        tell(worker, *outcomes[start : start + 7])
    assert channel_row(wide).breaker_opened_at is None


# --- pauses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", [{"paused_at": 1.0, "paused_reason": "x"}, {"active": False}])
def test_a_channel_that_is_paused_or_switched_off_is_not_claimed(wide, worker, column):
    send(wide)
    change_channel(wide, **column)
    assert claim(worker) == []


def test_a_resumed_channel_is_claimed_at_once(wide, worker, clock):
    send(wide)
    change_channel(wide, paused_at=1.0, breaker_failures=5, breaker_opened_at=clock.now, ready_at=clock.now + 60)
    assert resume_channel(wide.tenant_id, wide.uid)
    assert len(claim(worker)) == 1


def test_nobody_resumes_the_channel_of_another_tenant(wide, worker, stranger):
    change_channel(wide, paused_at=1.0)
    assert not resume_channel(stranger.id, wide.uid)
    assert channel_row(wide).paused_at is not None


# --- fairness ---------------------------------------------------------------------------------------------------------


def test_channels_share_what_a_worker_can_take(tenant, hook, worker, clock):
    numbers = [add_number(tenant, hook, place) for place in range(4)]
    for number in numbers:
        limit(number, burst=20)
        flood(number, 20)
    shares = Counter(one.channel_id for one in claim(worker, 40))
    assert shares == dict.fromkeys((number.id for number in numbers), 10)


def test_what_a_small_channel_leaves_goes_to_those_after_it(tenant, hook, worker, clock):
    small, large = add_number(tenant, hook, 1), add_number(tenant, hook, 2)
    limit(small, burst=2)
    limit(large, burst=40)
    flood(small, 20)
    flood(large, 40)
    assert Counter(one.channel_id for one in claim(worker, 30)) == {small.id: 2, large.id: 28}


@pytest.mark.parametrize("free", [1, 2, 3])
def test_with_less_room_than_channels_each_gets_its_turn(tenant, hook, worker, clock, free):
    """A flood on one number may cost the others their speed, never their turn."""
    numbers = [add_number(tenant, hook, place) for place in range(5)]
    for number in numbers:
        flood(number, 20)
    turns = Counter()
    for _ in range(10):
        turns.update(one.channel_id for one in claim(worker, free))
        clock.forward(0.01)
    assert set(turns) == {number.id for number in numbers}
    assert max(turns.values()) <= 2 * min(turns.values())


def test_more_channels_than_one_claim_looks_at_come_first_the_next_time(tenant, hook, worker, clock, monkeypatch):
    monkeypatch.setattr(claim_module, "CHANNELS_PER_CLAIM", 2)
    numbers = [add_number(tenant, hook, place) for place in range(5)]
    for number in numbers:
        flood(number, 5)
    served = set()
    for _ in range(3):
        served |= {one.channel_id for one in claim(worker, 4)}
        clock.forward(0.01)
    assert served == {number.id for number in numbers}


def test_a_person_who_waits_goes_before_a_campaign(wide, worker):
    flood(wide, 5, first=10, priority=1)
    interactive = send(wide, to=1, priority=0)
    assert claim(worker, 1)[0].message_id == interactive.id


def test_of_one_priority_the_oldest_goes_first(wide, worker):
    rows = flood(wide, 5)
    assert [one.message_id for one in claim(worker, 3)] == [row.id for row in rows[:3]]


@pytest.mark.parametrize("priorities", [(1, 0), (0, 1, 0), (1, 1, 0, 0), (0, 1, 1, 0, 1)], ids=str)
def test_no_priority_breaks_the_order_of_a_conversation(wide, worker, clock, priorities):
    """Not even where each of its messages is tried twice."""
    rows = [send(wide, to=1, priority=priority) for priority in priorities]
    flood(wide, 3, first=10, priority=0)
    left: list[int] = []
    while len(left) < len(rows):
        for one in claim(worker):
            if one.attempt_no == 1 and one.to == phone(1):
                attempt(worker, one)
                tell(worker, decided(one, Action.RETRY, clock.now + 0.5))
                continue
            deliver(worker, one)
            left += [one.message_id] * (one.to == phone(1))
        clock.forward(1.0)
    assert left == [row.id for row in rows]


# --- suspects ---------------------------------------------------------------------------------------------------------


def die(worker) -> int:
    """The worker's process ends; another takes its place."""
    let_expire(worker)
    declare_dead(worker, LEASE_S, HOLD_S)
    return new_worker()


@pytest.mark.parametrize(("tries", "together"), [(1, 32), (2, 8), (3, 1), (4, 1)])
def test_rows_whose_runs_told_no_outcome_are_claimed_apart_and_the_fewer_the_oftener(wide, worker, tries, together):
    for row in flood(wide, 40):
        change(work_of(row), tries=tries)
    flood(wide, 3, first=100)
    claims = claim(worker)
    assert {one.crashes for one in claims} == {tries}
    assert len(claims) == together


def test_those_that_ran_less_often_come_first_and_alone_with_their_like(wide, worker):
    rows = flood(wide, 9)
    for tries, some in ((3, rows[:3]), (1, rows[3:6]), (2, rows[6:])):
        for row in some:
            change(work_of(row), tries=tries)
    claimed = [claim(worker) for _ in range(5)]
    assert [[one.crashes for one in claims] for claims in claimed] == [[1] * 3, [2] * 3, [3], [3], [3]]


def test_a_long_queue_is_not_slow_after_a_kill(wide, worker, clock):
    """A kill from outside makes suspects of all that were claimed: a few claims clear them."""
    flood(wide, 100)
    claim(worker)
    heir = die(worker)
    claims = 0
    while taken := claim(heir):
        deliver(heir, *taken)
        claims += 1
    assert claims == 4


def test_tries_count_runs_without_an_outcome_and_are_set_back_by_one(wide, worker, clock):
    send(wide)
    for _ in range(2):
        claim_one(worker)
        worker = die(worker)
    third = claim_one(worker)
    assert third.crashes == 2
    attempt(worker, third)
    tell(worker, decided(third, Action.RETRY, clock.now))
    assert claim_one(worker).crashes == 0


@pytest.mark.parametrize("killers", [{2}, {0, 1}, {5, 77}, {0, 31, 32, 99}])
def test_killers_among_many_are_told_apart_after_five_runs_each(wide, worker, clock, killers):
    """A claim that takes a killer kills its worker; every innocent is delivered, and no killer runs more often."""
    rows = flood(wide, 100)
    deadly = {rows[place].id for place in killers}
    delivered, buried, kills = set(), set(), 0
    while claims := claim(worker):
        poison = [one for one in claims if one.crashes >= MOST_CRASHES]
        assert not poison or [one.message_id for one in claims] == [one.message_id for one in poison]
        if poison:
            buried |= {one.message_id for one in poison}
            tell(worker, *[decided(one, Action.BURY, code="poison")._replace(attempted=False) for one in poison])
        elif deadly & {one.message_id for one in claims}:
            kills += 1
            worker = die(worker)
        else:
            deliver(worker, *claims)
            delivered |= {one.message_id for one in claims}
    assert (delivered, buried) == ({row.id for row in rows} - deadly, deadly)
    assert kills <= MOST_CRASHES * len(killers)


# --- when to come back ------------------------------------------------------------------------------------------------


def test_nothing_to_do_is_known_without_a_transaction(wide, worker, django_executes):
    with django_executes() as statements:
        assert claim_deliveries(worker, open_room(10)).claims == []
    assert all(statement.startswith("SELECT") for statement in statements)


def test_come_back_when_the_next_row_is_due(wide, worker, clock):
    send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, decided(one, Action.RETRY, clock.now + 30))
    assert claim_deliveries(worker, open_room(10)) == ([], clock.now, clock.now + 30)


def test_come_back_when_the_channel_may_send_again(channel, worker, clock):
    limit(channel, interval=5.0, burst=1)
    flood(channel, 2)
    claim(worker)
    assert claim_deliveries(worker, open_room(10)).again_at == clock.now + 5.0


def test_come_back_when_a_probe_is_permitted(wide, worker, clock):
    flood(wide, 6)
    fail_each(worker, claim(worker, BREAKER.failures))
    assert claim_deliveries(worker, open_room(10)).again_at == clock.now + BREAKER.cooldown


def test_after_a_claim_there_may_be_more_at_once(wide, worker, clock):
    flood(wide, 2)
    assert claim_deliveries(worker, open_room(1)).again_at is None


def test_a_paused_channel_gives_no_time_to_come_back(wide, worker, clock):
    send(wide)
    change_channel(wide, paused_at=1.0)
    assert claim_deliveries(worker, open_room(10)).again_at is None


# --- clocks that were set back ----------------------------------------------------------------------------------------


def test_a_channel_whose_state_lies_absurdly_far_ahead_sends_again_at_once(channel, worker, clock):
    """Its last claim was made by a clock that ran days ahead."""
    change_channel(channel, rate_tat=clock.now + 3 * 86_400, ready_at=clock.now + 3 * 86_400)
    send(channel)
    assert len(claim(worker)) == 1


def test_what_was_parked_is_no_head_and_no_claim(wide, worker, clock):
    message = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, failed(one, OutcomeUnknown()))
    clock.forward(10 * HOLD_S)
    assert claim(worker) == []
    assert fresh(conversation_of(message)).held_until is not None


def test_a_cancelled_row_is_claimed_by_nobody(wide, worker):
    message = send(wide)
    change(work_of(message), state=WorkState.DEAD)
    assert claim(worker) == []


@pytest.mark.parametrize("column", ["content", "address"])
def test_a_row_that_can_no_longer_be_read_costs_nobody_elses_work(wide, worker, clock, column):
    """Its key was dropped too early. It is looked at again, since keys come back from a backup."""
    unreadable, other = send(wide, to=1), send(wide, to=2)
    plain = getattr(unreadable, column)
    change(unreadable, **{column: "sealed:lost:gAAAA"})
    assert [one.message_id for one in claim(worker)] == [other.id]
    row = work_of(unreadable)
    assert (row.state, row.code, row.tries) == (WorkState.READY, "unreadable", 0)
    assert "'lost'" in row.detail
    change(unreadable, **{column: plain})
    clock.forward(claim_module.UNREADABLE_S)
    assert claim_one(worker).message_id == unreadable.id
