"""Rates are kept over every stretch of time, and readiness is told to the moment."""

import math
from itertools import accumulate, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.limits import CLOCK_SKEW, SHORTEST_INTERVAL, Limit, available, ready_at, spend

NOW = 1_767_225_600.0
PAIR = Limit(interval=6.0, burst=45)

limits = st.builds(Limit, interval=st.floats(min_value=SHORTEST_INTERVAL, max_value=3600), burst=st.integers(1, 1000))
waits = st.floats(min_value=0, max_value=1000)


@st.composite
def spent_limits(draw):
    """A limit with the state that a history of honest spending leaves, and the moment of its last grant."""
    limit, tat, now = draw(limits), 0.0, NOW
    for wait in draw(st.lists(waits, max_size=20)):
        now += wait
        tat = spend(limit, tat, now, draw(st.integers(0, available(limit, tat, now))))
    return limit, tat, now


def test_a_rested_limit_grants_its_burst():
    assert available(PAIR, 0.0, NOW) == 45


def test_after_the_burst_the_even_pace_holds():
    tat = spend(PAIR, 0.0, NOW, 45)

    assert [available(PAIR, tat, NOW + wait) for wait in (0, 5.9, 6, 11.9, 12, 270, 9999)] == [
        0,
        0,
        1,
        1,
        2,
        45,
        45,
    ]


def test_a_grant_not_spent_costs_nothing():
    assert available(PAIR, spend(PAIR, 0.0, NOW, 0), NOW) == 45


def test_a_rate_per_second_reads_as_such():
    assert Limit.per_second(80, burst=80) == Limit(interval=0.0125, burst=80)


@pytest.mark.parametrize(
    ("interval", "burst"),
    [(0.0, 1), (-1.0, 1), (math.nan, 1), (SHORTEST_INTERVAL / 2, 1), (1.0, 0), (1.0, -3)],
)
def test_a_limit_that_limits_nothing_or_everything_is_refused(interval, burst):
    with pytest.raises(ValueError, match="must be at least"):
        Limit(interval, burst)


@given(limits, st.lists(waits, min_size=1, max_size=30))
def test_no_stretch_of_time_holds_more_than_burst_and_pace_allow(limit, pauses):
    times = list(accumulate(pauses, initial=NOW))
    tat, granted = 0.0, [0]
    for now in times:
        count = available(limit, tat, now)
        tat = spend(limit, tat, now, count)
        granted.append(granted[-1] + count)

    for start, end in combinations(range(len(times)), 2):
        allowed = limit.burst + (times[end] - times[start]) / limit.interval
        # The float of a time is exact to a quarter of a microsecond; the shortest intervals feel it.
        assert granted[end + 1] - granted[start] <= allowed + 1e-6 * len(times) / limit.interval


@given(spent_limits())
def test_ready_is_exactly_when_a_grant_becomes_available(spent):
    limit, tat, _ = spent
    ready = ready_at(limit, tat)

    assert available(limit, tat, ready) >= 1
    assert available(limit, tat, math.nextafter(ready, -math.inf)) == 0


@given(spent_limits(), waits)
def test_waiting_never_takes_a_grant_away(spent, wait):
    limit, tat, now = spent

    assert 0 <= available(limit, tat, now) <= available(limit, tat, now + wait) <= limit.burst


@given(spent_limits())
def test_spending_takes_what_it_spends(spent):
    limit, tat, now = spent
    before = available(limit, tat, now)
    rested = spend(limit, tat, now, before)

    assert available(limit, rested, now - 1e-6) == 0
    assert rested <= now + limit.burst * limit.interval


@pytest.mark.parametrize("set_back", [CLOCK_SKEW * 2, 3600.0, 10 * 365 * 86_400.0])
def test_a_clock_set_back_does_not_stop_the_channel(set_back):
    tat = spend(PAIR, 0.0, NOW, 45)
    now = NOW - set_back

    assert available(PAIR, tat, now) == 1
    tat = spend(PAIR, tat, now, 1)
    assert available(PAIR, tat, now) == 0
    assert available(PAIR, tat, now + 6) == 1


def test_clocks_a_little_apart_do_not_loosen_the_limit():
    assert available(PAIR, spend(PAIR, 0.0, NOW, 45), NOW - CLOCK_SKEW) == 0
