"""Limits are exact, also over several processes; with Redis away each counts for itself, and sign-in stays shut."""

import asyncio
import os
import secrets

import pytest

from hailgate.core.limits import Limit
from hailgate.edge.http.counters import Blocks, FixedWindow, RedisCounters, SharedAway, open_counters

REDIS = os.environ.get("HAILGATE_TEST_REDIS", "redis://127.0.0.1:6379/0")


@pytest.fixture
async def processes():
    """Four of them, each with a connection of its own."""
    counters = [open_counters(REDIS, patience=20.0) for _ in range(4)]
    try:
        await counters[0]._redis.ping()
    except Exception:  # noqa: BLE001
        pytest.skip("Redis does not answer: what needs it was skipped")
    yield counters
    for each in counters:
        await each.close()


@pytest.fixture
def name():
    return f"test-{secrets.token_hex(6)}"


class Clock:
    now = 1_000_020.0

    def __call__(self):
        return self.now


async def test_a_window_lets_exactly_its_number_pass_and_the_next_begins_anew():
    clock = Clock()
    window = FixedWindow("open", 60, 60.0, clock=clock)
    passed = [(await window.count("a")).left >= 0 for _ in range(70)]
    assert passed == [True] * 60 + [False] * 10
    assert (await window.count("b")).left == 59
    clock.now += 60
    assert (await window.count("a")).left == 59


async def test_how_it_stands_says_when_the_window_ends():
    clock = Clock()
    clock.now += 12.5
    assert (await FixedWindow("open", 60, 60.0, clock=clock).count("a")).reset_s == 60 - (clock.now % 60)


async def test_four_processes_let_exactly_the_number_pass_together(processes, name):
    windows = [FixedWindow(name, 60, 60.0, shared=each, clock=Clock()) for each in processes]
    standings = await asyncio.gather(*(window.count("a") for window in windows * 40))
    assert sum(standing.left >= 0 for standing in standings) == 60


async def test_four_processes_that_lease_blocks_are_never_above_and_short_by_a_block_each_at_most(processes, name):
    limit, still = Limit(1000.0, 200), Clock()
    blocks = [Blocks(each, still) for each in processes]
    waits = await asyncio.gather(*(each.take(name, limit, 1) for each in blocks * 100))
    taken = sum(wait == 0 for wait in waits)
    assert 200 - 4 * 20 <= taken <= 200
    assert max(waits) > 0


async def test_one_that_leases_blocks_lets_all_pass(processes, name):
    [one, *_] = processes
    blocks = Blocks(one, Clock())
    waits = [await blocks.take(name, Limit(1000.0, 50), 1) for _ in range(60)]
    assert sum(wait == 0 for wait in waits) == 50


async def test_a_batch_above_the_burst_is_borrowed(processes, name):
    [one, *_] = processes
    blocks = Blocks(one, Clock())
    assert await blocks.take(name, Limit(10.0, 5), 20) == 0
    assert await blocks.take(name, Limit(10.0, 5), 1) > 100


async def test_with_redis_away_each_counts_for_itself_and_what_must_be_shut_is():
    away = open_counters("redis://127.0.0.1:9/0")
    assert isinstance(away, RedisCounters)
    with pytest.raises(SharedAway):
        await away.count("a", 1.0)
    open_ = FixedWindow("open", 2, 60.0, shared=away, clock=Clock())
    assert [(await open_.count("a")).left for _ in range(3)] == [1, 0, -1]
    shut = FixedWindow("sign-in", 2, 60.0, shared=away, closed=True, clock=Clock())
    assert (await shut.count("a")).left < 0
    await away.close()
