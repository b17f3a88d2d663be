"""Silence: a channel that is cut off is noticed, and a quiet night, Sunday or shop is not."""

import random
from itertools import pairwise

import pytest

from hailgate.core.silence import LEAST_GAP_S, LEAST_S, WEEK_S, WEEKS, Gap, too_quiet_from

HOUR_S, DAY_S = 3600.0, 86_400.0
DAYS = 92


def office(hour: float, weekday: int) -> float:
    """A practice: busy on five days, a few in the evening, next to nobody at the weekend."""
    if weekday > 4:
        return 0.03
    return 6.0 if 8 <= hour < 18 else 0.3 if 7 <= hour < 22 else 0.03


def shop(hour: float, _weekday: int) -> float:
    return 15.0 if 9 <= hour < 23 else 0.5


def line(hour: float, _weekday: int) -> float:
    """A number that a few people a day write to."""
    return 10 / 14 if 8 <= hour < 22 else 0.05


def rarely(_hour: float, _weekday: int) -> float:
    return 3 / 24


SERIES = {"office": office, "shop": shop, "line": line, "rarely": rarely}
BUSIEST = 16.0


def record(rate, seed: int, until: float = DAYS * DAY_S) -> list[float]:
    """When people wrote: chance, at the rate of each hour; the same for the same seed."""
    dice, moment, came_in = random.Random(seed), 0.0, []
    while (moment := moment + dice.expovariate(BUSIEST / HOUR_S)) < until:
        hour, weekday = moment % DAY_S / HOUR_S, int(moment // DAY_S) % 7
        if dice.random() < rate(hour, weekday) / BUSIEST:
            came_in.append(moment)
    return came_in


def gaps_of(came_in: list[float]) -> list[Gap]:
    return [gap for gap in map(Gap._make, pairwise(came_in)) if gap.length > LEAST_GAP_S]


def due_after(gaps: list[Gap], last: float) -> float:
    return too_quiet_from(last, [gap for gap in gaps if gap.begun > last - WEEKS * WEEK_S and gap.ended <= last])


@pytest.mark.parametrize("name", SERIES)
def test_what_is_usual_raises_an_alarm_once_a_month_at_most(name):
    months = false = 0.0
    for seed in range(3):
        gaps = gaps_of(record(SERIES[name], seed))
        months += (DAYS - 28) / 30
        later = [gap for gap in gaps if gap.begun > 28 * DAY_S and gap.length > LEAST_S]
        false += sum(gap.ended > due_after(gaps, gap.begun) for gap in later)
    assert false / months <= 1.0


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_cut_is_found_within_twice_the_longest_gap_of_four_weeks(name, seed):
    cut = 65 * DAY_S + 11 * HOUR_S  # late in the morning, in the middle of a week
    came_in = record(SERIES[name], seed, until=cut)
    last = came_in[-1]
    longest = max(b - a for a, b in pairwise(at for at in came_in if at > last - WEEKS * WEEK_S))
    assert LEAST_S <= due_after(gaps_of(came_in), last) - last <= max(LEAST_S, 2 * longest)


@pytest.mark.parametrize("name", ["office", "shop"])
def test_a_cut_in_the_middle_of_a_busy_day_is_found_within_hours(name):
    cut = 65 * DAY_S + 11 * HOUR_S
    came_in = record(SERIES[name], 1, until=cut)
    assert due_after(gaps_of(came_in), came_in[-1]) - cut < 3 * HOUR_S


def test_the_same_hours_of_another_day_are_other_hours():
    nights = [Gap(day * DAY_S + 20 * HOUR_S, (day + 1) * DAY_S + 8 * HOUR_S) for day in range(28)]
    noon = 28 * DAY_S + 12 * HOUR_S
    assert too_quiet_from(noon, nights) == noon + LEAST_S
    evening = 28 * DAY_S + 21 * HOUR_S
    assert too_quiet_from(evening, nights) == evening + 24 * HOUR_S
    sunday = Gap(20 * DAY_S, 21 * DAY_S)
    assert too_quiet_from(noon, [sunday]) == noon + LEAST_S
