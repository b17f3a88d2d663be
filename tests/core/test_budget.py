"""Retries cost at most a fifth of the first attempts and a floor, over every stretch of time, and starve nobody."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.limits import SHORTEST_INTERVAL, Limit, available
from hailgate.core.retry_budget import FLOOR_INTERVAL, FLOOR_SHARE, SHARE, divide, floor_of, spend

NOW = 1_767_225_600.0
FAST = Limit.per_second(80, 8)

rates = st.builds(Limit, interval=st.floats(SHORTEST_INTERVAL, 600), burst=st.integers(1, 1000))
rooms, counts = st.integers(1, 500), st.integers(0, 500)
# Seconds since the step before, first attempts, and retries that are due.
steps = st.lists(st.tuples(st.floats(0, 100), st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=25)


def played(floor, story):
    """Moment, first attempts and retries of each step of a channel that repeats all that it may."""
    tat, now, told = 0.0, NOW, []
    for wait, first, due in story:
        now += wait
        retries = min(due, available(floor, tat, now))
        tat = spend(floor, tat, now, first, retries)
        told.append((now, first, retries))
    return told


@given(rates, steps)
def test_within_any_stretch_retries_cost_a_fifth_of_the_first_attempts_and_the_floor(rate, story):
    floor = floor_of(rate)
    told = played(floor, story)
    for begin, end in combinations(range(len(told) + 1), 2):
        stretch = told[begin:end]
        lasted = stretch[-1][0] - stretch[0][0]
        earned = SHARE * sum(first for _, first, _ in stretch)
        retries = sum(retries for *_, retries in stretch)
        assert retries <= earned + floor.burst + lasted / floor.interval + 1e-3


@given(rates)
def test_the_floor_is_sixty_a_minute_at_most_and_a_tenth_of_a_slow_channel(rate):
    floor = floor_of(rate)
    assert floor.interval >= FLOOR_INTERVAL
    assert floor.interval * FLOOR_SHARE >= rate.interval * 0.999
    assert floor.burst == 1 or floor.burst * floor.interval <= 60


@given(rates, steps)
def test_whatever_was_spent_a_retry_is_allowed_again_after_one_interval(rate, story):
    floor = floor_of(rate)
    tat, now = 0.0, NOW
    for wait, first, due in story:
        now += wait
        tat = spend(floor, tat, now, first, min(due, available(floor, tat, now)))
    assert available(floor, tat, now + floor.interval * 1.001) >= 1


def test_first_attempts_earn_retries():
    floor = floor_of(FAST)
    tat = spend(floor, 0.0, NOW, 0, floor.burst)
    assert available(floor, tat, NOW) == 0
    assert available(floor, spend(floor, tat, NOW, 4, 0), NOW) == 0
    assert available(floor, spend(floor, tat, NOW, 5, 0), NOW) == 1
    assert available(floor, spend(floor, tat, NOW, 50, 0), NOW) == 10


def test_what_was_earned_long_ago_is_not_saved_up():
    floor = floor_of(FAST)
    tat = spend(floor, 0.0, NOW, 100_000, 0)
    assert available(floor, tat, NOW) == floor.burst


@given(rooms, counts, counts, st.booleans())
def test_no_room_is_wasted_and_none_given_twice(room, first, retries, probing):
    new, again = divide(room, first, retries, probing=probing)
    assert 0 <= new <= first
    assert 0 <= again <= retries
    assert new + again == min(room, first + retries)


@given(st.integers(5, 500), counts, counts)
def test_retries_never_take_more_than_their_share_from_fresh_messages(room, first, retries):
    new, _ = divide(room, first, retries)
    assert new >= min(first, room - int(room * SHARE))


@given(rooms, counts, st.integers(1, 500))
def test_retries_never_wait_for_a_queue_to_end(room, first, retries):
    _, again = divide(room, first, retries)
    assert again >= 1


@pytest.mark.parametrize(("first", "retries", "probe"), [(3, 3, (1, 0)), (0, 3, (0, 1)), (3, 0, (1, 0))])
def test_a_probe_is_a_message_that_has_not_been_tried_where_there_is_one(first, retries, probe):
    assert divide(1, first, retries, probing=True) == probe
