"""Slots are shared out so that whoever is slow holds nothing that others need."""

import heapq
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.slots import FEWEST, NEW_AT_ONCE, QUICK_LATELY_S, Pace, Slots, open_room

AT_ONCE = 512
QUARTER = AT_ONCE // 4
SLOW_S = 0.5


class Played:
    """Channels whose calls take a fixed time, on a clock of their own, with more to send than they can."""

    def __init__(self, at_once=AT_ONCE) -> None:
        self.slots, self.now = Slots(at_once, SLOW_S), 0.0
        self._ids, self._ends, self.completed = itertools.count(), [], {}

    def offer(self, takes, wanted=10_000):
        """Each channel wants this many more; those served first come last the next time."""
        room = self.slots.room(self.now)
        for channel, seconds in takes.items():
            count = min(room.of(channel), wanted)
            room.take(channel, count)
            for _ in range(count):
                self.begin(channel, seconds)
        return room

    def begin(self, channel, seconds):
        item = next(self._ids)
        self.slots.begin(item, channel, self.now)
        heapq.heappush(self._ends, (self.now + seconds, item, channel))

    def run(self, takes, seconds, step=0.05):
        until = self.now + seconds
        while self.now < until:
            self.offer(takes)
            self.now += step
            while self._ends and self._ends[0][0] <= self.now:
                _, item, channel = heapq.heappop(self._ends)
                self.slots.end(item, self.now)
                self.completed[channel] = self.completed.get(channel, 0) + 1

    def in_flight(self, channel):
        return sum(end[2] == channel for end in self._ends)


@pytest.mark.parametrize("slow", [1.0, 5.0, 15.0, 1e9])
@pytest.mark.parametrize("many", [1, 300])
def test_whoever_is_slow_leaves_a_quick_channel_what_it_needs(slow, many):
    played = Played()
    played.run({"quick": 0.05}, 2.0)
    crowd = {f"slow {n}": slow for n in range(many)}
    played.run(crowd | {"quick": 0.05}, 30.0)
    before = played.completed["quick"]
    played.run(crowd | {"quick": 0.05}, 1.0)
    assert sum(played.in_flight(name) for name in crowd) <= 2 * QUARTER
    assert played.completed["quick"] - before >= 20 * NEW_AT_ONCE


@pytest.mark.parametrize("slow", [1.0, 5.0, 15.0])
def test_a_slow_channel_still_gets_what_it_can_complete(slow):
    played = Played()
    played.run({"quick": 0.05, "slow": slow}, 60.0)
    assert played.completed["slow"] >= 20 / slow * NEW_AT_ONCE
    assert played.in_flight("slow") >= QUARTER // 2


def test_a_slow_channel_alone_may_hold_most():
    played = Played()
    played.run({"slow": 5.0}, 120.0)
    assert played.in_flight("slow") == AT_ONCE - QUARTER


def test_a_channel_that_never_answers_holds_a_quarter_at_most():
    played = Played()
    played.run({"silent": 1e9}, 600.0)
    assert played.in_flight("silent") <= QUARTER


def test_a_thousand_a_second_at_two_hundred_milliseconds_fit():
    played = Played()
    played.run({"busy": 0.2}, 3.0)
    before = played.completed["busy"]
    played.run({"busy": 0.2}, 4.0)
    assert (played.completed["busy"] - before) / 4 >= 1_000


def test_a_channel_with_nothing_in_flight_finds_room_whatever_others_hold():
    played = Played()
    played.run({"idle": 0.05}, 1.0)
    played.run({f"busy {n}": 0.2 for n in range(5)} | {f"slow {n}": 15.0 for n in range(300)}, 60.0)
    assert played.slots.room(played.now).of("idle") >= NEW_AT_ONCE


def test_a_hanging_call_does_not_make_its_channel_slow():
    played = Played()
    played.run({"busy": 0.1}, 2.0)
    played.begin("busy", 20.0)
    played.run({"busy": 0.1}, 10.0)
    assert played.slots.room(played.now).limits["busy"][0] is Pace.QUICK
    assert played.in_flight("busy") > QUARTER


def test_a_channel_that_becomes_quick_again_is_quick():
    played = Played()
    played.run({"healed": 15.0}, 60.0)
    played.run({"healed": 0.05}, 40.0)
    assert played.slots.room(played.now).limits["healed"][0] in {Pace.QUICK, Pace.IDLE}


def test_slow_ones_leave_room_for_a_minute_after_somebody_was_quick():
    played = Played()
    played.run({"quick": 0.05, "slow": 5.0}, 20.0)
    played.now += QUICK_LATELY_S + 1
    assert played.slots.room(played.now).left[Pace.SLOW] > QUARTER


def test_whoever_is_new_gets_a_few():
    assert Slots(AT_ONCE, SLOW_S).room(0.0).of("new") == NEW_AT_ONCE


def test_what_is_full_and_what_has_room_are_told_apart():
    played = Played()
    played.run({"quick": 0.05}, 1.0)
    played.offer({f"new {n}": 100.0 for n in range(200)})
    room = played.slots.room(played.now)
    assert not room.takes_new
    assert "quick" in room.with_room
    assert set(room.full) == {f"new {n}" for n in range(64)}


@pytest.mark.parametrize("at_once", range(1, FEWEST))
def test_too_few_slots_are_not_divided(at_once):
    slots = Slots(at_once, SLOW_S)
    assert slots.room(0.0).of("any") == at_once
    slots.begin(1, "any", 0.0)
    assert slots.room(0.0).of("any") == slots.room(0.0).of("other") == at_once - 1


def test_an_open_room_is_for_whoever_comes():
    room = open_room(10)
    room.take(1, 4)
    assert (room.of(1), room.of(2), room.full) == (6, 6, [])


def test_what_ends_twice_or_was_never_begun_changes_nothing():
    slots = Slots(AT_ONCE, SLOW_S)
    slots.begin(1, "a", 0.0)
    slots.begin(1, "a", 5.0)
    for _ in range(2):
        slots.end(1, 1.0)
    slots.end(2, 1.0)
    assert (slots.free, slots.held) == (AT_ONCE, frozenset())


calls = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from([0.01, 0.4, 2.0, 30.0, 1e9]), st.floats(0, 5)), max_size=60
)


@given(calls, st.integers(1, 64))
def test_never_more_is_in_flight_than_there_are_slots(told, at_once):
    played = Played(at_once)
    for channel, seconds, wait in told:
        played.run({channel: seconds}, wait / 10)
        assert 0 <= played.slots.free <= at_once
        room = played.slots.room(played.now)
        assert all(0 <= room.of(one) <= room.total for one in range(21))


def test_an_idle_channel_alone_takes_what_the_quick_may_have():
    played = Played()
    played.run({"only": 0.01}, 1.0)
    assert played.slots.room(played.now).limits["only"][0] is Pace.IDLE
    assert played.slots.room(played.now).of("only") == AT_ONCE // 2


def test_idle_channels_leave_the_first_few_to_each_other():
    played = Played()
    names = [f"idle {n}" for n in range(10)]
    played.run(dict.fromkeys(names, 0.01), 1.0)
    played.now += 1.0
    room = played.offer(dict.fromkeys(names, 10.0))
    assert sum(played.in_flight(name) for name in names) <= AT_ONCE // 2
    assert all(played.in_flight(name) >= NEW_AT_ONCE for name in names)
    assert room.total >= AT_ONCE // 2
