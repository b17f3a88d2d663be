"""Who may send how much: retries beside fresh messages, and tenants that somebody has limited."""

import pytest

from hailgate.core import retry_budget
from hailgate.core.delivery import Action
from hailgate.core.errors import ProviderUnavailable
from hailgate.core.slots import open_room
from hailgate.messaging.models import Allowance, Allowed
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.work.rows import RETRIED
from messaging.acting import (
    add_number,
    attempt,
    change_channel,
    channel_row,
    claim,
    decided,
    deliver,
    deliver_all,
    failed,
    new_message,
    new_worker,
    send_all,
    tell,
    work_of,
)


def flood(channel, count, *, first=0, **given):
    """One message each to so many people."""
    return send_all(channel, [new_message(channel, to=first + place, **given) for place in range(count)])


def fail(worker, channel, clock, count, *, first=0, after=1.0, **given):
    """So many messages that were tried once, and are due again after a while."""
    messages = flood(channel, count, first=first, **given)
    claims = claim(worker, count)
    assert len(claims) == count
    attempt(worker, *claims)
    tell(worker, *(decided(one, Action.RETRY, clock.now + after) for one in claims))
    return messages


def is_retry(one):
    return one.priority >= RETRIED


def split(claims):
    """Fresh ones, and retries."""
    return sum(not is_retry(one) for one in claims), sum(map(is_retry, claims))


def second(tenant, hook):
    """Another channel of the tenant whose limits nobody reaches."""
    other = add_number(tenant, hook, 8)
    change_channel(other, rate_interval=1e-4, rate_burst=100_000, pair_burst=0)
    return other


@pytest.fixture
def brisk(wide, monkeypatch):
    """80 a second, of which the burst is large enough to see shares of it; its trouble is never quite over."""
    monkeypatch.setattr(retry_budget, "WELL_AFTER", 10_000)
    change_channel(wide, rate_interval=1 / 80, rate_burst=100_000, successes=0)
    return wide


# --- retries ----------------------------------------------------------------------------------------------------------


def test_retries_have_a_fifth_of_a_claim_beside_fresh_messages(brisk, worker, clock):
    fail(worker, brisk, clock, 20)
    flood(brisk, 50, first=100)
    clock.forward(1)
    assert split(claim(worker, 40)) == (32, 8)


def test_one_retry_at_least_runs_with_a_queue_of_fresh_messages(brisk, worker, clock):
    fail(worker, brisk, clock, 3)
    flood(brisk, 50, first=100)
    clock.forward(1)
    assert split(claim(worker, 2)) == (1, 1)


def test_what_fresh_messages_do_not_need_is_for_retries(brisk, worker, clock):
    fail(worker, brisk, clock, 20)
    flood(brisk, 5, first=100)
    clock.forward(1)
    assert split(claim(worker, 20)) == (5, 15)


def test_the_budget_of_retries_is_spent_and_comes_back(brisk, worker, clock):
    fail(worker, brisk, clock, 100)
    clock.forward(1)
    claimed = claim_deliveries(worker, open_room(100))
    assert split(claimed.claims) == (0, 30)
    deliver(worker, *claimed.claims)
    waiting = claim_deliveries(worker, open_room(100))
    assert waiting.claims == []
    assert waiting.again_at == pytest.approx(clock.now + 2.0)
    clock.forward(2.0)
    assert split(claim(worker, 100)) == (0, 1)


def test_fresh_messages_earn_retries(brisk, worker, clock):
    fail(worker, brisk, clock, 100)
    clock.forward(1)
    deliver(worker, *claim(worker, 100))
    flood(brisk, 50, first=200)
    assert split(claim(worker, 50)) == (50, 0)
    assert split(claim(worker, 50)) == (0, 10)


def test_retries_that_the_budget_holds_back_hide_no_fresh_message(brisk, worker, clock):
    fail(worker, brisk, clock, 200)
    clock.forward(1)
    deliver(worker, *claim(worker, 100))
    bulk = flood(brisk, 1, first=900, priority=1)
    assert [one.uid for one in claim(worker, 1)] == [bulk[0].uid]


def test_a_channel_whose_retries_have_to_wait_has_had_its_turn(tenant, hook, brisk, worker, clock):
    other = second(tenant, hook)
    fail(worker, brisk, clock, 60)
    clock.forward(1)
    deliver(worker, *claim(worker, 100))
    before = channel_row(brisk).claimed_at
    clock.forward(0.5)
    flood(other, 1, first=500)
    deliver_all(worker)
    assert channel_row(brisk).claimed_at > before


def test_bulk_stays_bulk_when_it_is_tried_again(brisk, worker, clock):
    (bulk,) = fail(worker, brisk, clock, 1, priority=1)
    (interactive,) = fail(worker, brisk, clock, 1, first=10, after=2.0)
    clock.forward(3)
    assert [one.uid for one in claim(worker, 2)] == [interactive.uid, bulk.uid]


@pytest.mark.parametrize("priority", [0, 1])
def test_what_is_sent_again_by_hand_is_a_fresh_message(brisk, worker, clock, priority):
    (message,) = fail(worker, brisk, clock, 1, priority=priority)
    clock.forward(1)
    (one,) = claim(worker)
    attempt(worker, one)
    tell(worker, decided(one, Action.BURY))
    send_again(None, [work_of(message).id])
    assert (work_of(message).priority, work_of(message).attempts) == (priority, 0)


def test_a_throttled_message_is_not_a_retry(brisk, worker, clock):
    (message,) = flood(brisk, 1)
    (one,) = claim(worker)
    attempt(worker, one)
    tell(worker, decided(one, Action.SNOOZE, clock.now + 1))
    assert work_of(message).priority == 0


def test_a_probe_of_a_provider_that_is_down_is_a_message_that_was_not_tried(brisk, worker, clock):
    messages = flood(brisk, BREAKER.failures)
    claims = claim(worker)
    attempt(worker, *claims)
    tell(worker, *(failed(one, ProviderUnavailable(), clock.now + 1) for one in claims))
    (fresh,) = flood(brisk, 1, first=100)
    clock.forward(BREAKER.cooldown)
    assert [one.uid for one in claim(worker)] == [fresh.uid]
    assert len(messages) == BREAKER.failures


# --- tenants ----------------------------------------------------------------------------------------------------------


def allow(tenant_id, *, interval=1.0, burst=1):
    Allowance.objects.create(tenant_id=tenant_id, allowed=Allowed.SEND, interval=interval, burst=burst)


def test_a_tenants_channels_together_keep_its_limit(tenant, hook, wide, worker, clock):
    other = second(tenant, hook)
    allow(tenant.id, burst=5)
    flood(wide, 10)
    flood(other, 10, first=100)
    assert len(claim(worker)) == 5
    assert claim(worker) == claim(new_worker()) == []
    clock.forward(1)
    assert len(claim(worker)) == 1


def test_channels_of_a_limited_tenant_take_turns(tenant, hook, wide, worker, clock):
    other = second(tenant, hook)
    allow(tenant.id)
    flood(wide, 10)
    flood(other, 10, first=100)
    seen = []
    for _ in range(6):
        seen += [one.channel_id for one in claim(worker)]
        clock.forward(1)
    assert sorted(seen) == sorted([wide.id, other.id] * 3)


def test_a_tenants_limit_says_when_more_is_due(tenant, wide, worker, clock):
    allow(tenant.id, interval=7.0)
    flood(wide, 3)
    assert len(claim(worker)) == 1
    waiting = claim_deliveries(worker, open_room(10))
    assert (waiting.claims, waiting.again_at) == ([], pytest.approx(clock.now + 7.0))


def test_a_tenants_limit_is_nobody_elses(tenant, stranger, wide, worker, clock):
    allow(stranger.id)
    flood(wide, 10)
    assert len(claim(worker)) == 10


def test_what_a_tenant_may_hand_in_does_not_limit_what_it_sends(tenant, wide, worker, clock):
    Allowance.objects.create(tenant_id=tenant.id, allowed=Allowed.ACCEPT, interval=1.0, burst=1)
    flood(wide, 10)
    assert len(claim(worker)) == 10


def test_a_limit_that_nobody_set_costs_no_statement(wide, worker, django_executes):
    flood(wide, 3)
    with django_executes() as statements:
        claim(worker)
    assert not [said for said in statements if "messaging_allowance" in said and "messaging_channel" not in said]
