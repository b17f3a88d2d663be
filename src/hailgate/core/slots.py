"""Slots: what one process has in flight, shared out so that nobody who is slow can hold what others need.

A channel's share follows what it completes, never its rate times its time-out. With a quarter of all slots as measure:

    quick    completes soon: together half of the slots, one of them all of it
    idle     usually quick, with nothing in flight: a quarter is kept for the first few of each, and what the quick have
             left beyond that is for whoever comes first
    new      nobody knows yet: a few each, of that quarter, and with the slow and the silent no more than a half
    slow     completes, but late: together a quarter while anybody is quick, else three
    silent   has something in flight, and nothing came back since: together a quarter, that of the slow

Pure but for what it remembers; times are monotonic seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

# Of a channel's usual time, what the last completion counts for.
WEIGHT = 0.2
# While somebody was quick within this time, the slow ones leave room.
QUICK_LATELY_S = 60.0
# What a channel that nobody knows may begin with.
NEW_AT_ONCE = 4
# Too few to be divided.
FEWEST = 8
# Channels that are remembered while they have nothing in flight.
MOST_REMEMBERED = 10_000


class Pace(StrEnum):
    QUICK = "quick"
    IDLE = "idle"
    SLOW = "slow"
    SILENT = "silent"
    NEW = "new"


_NONE_HELD = dict.fromkeys(Pace, 0)
# Not known to be quick.
UNPROVEN = frozenset({Pace.SLOW, Pace.SILENT, Pace.NEW})


@dataclass
class _Channel:
    begun: dict[int, float] = field(default_factory=dict)
    usual_s: float | None = None
    completed_at: float = float("-inf")

    def pace(self, now: float, slow_s: float) -> Pace:
        oldest = next(iter(self.begun.values()), now)
        if now - oldest > slow_s and self.completed_at < oldest:
            return Pace.SILENT
        if self.usual_s is None:
            return Pace.NEW
        if self.usual_s > slow_s:
            return Pace.SLOW
        return Pace.QUICK if self.begun else Pace.IDLE


@dataclass
class Room:
    """What may be begun now: ``total`` slots, of them so many ``left`` for each pace, and the ``limits`` of channels.

    ``unproven`` is for all who are not known to be quick together, ``for_idle`` what the first of the idle ones leaves
    to the others. A snapshot, which ``take`` uses up; channels that are not listed are new.
    """

    total: int
    unproven: int
    left: dict[Pace, int]
    limits: dict[int, tuple[Pace, int]]
    new_limit: int
    for_idle: int = 0

    def of(self, channel: int) -> int:
        """How many slots this channel may take now."""
        pace, limit = self.limits.get(channel, (Pace.NEW, self.new_limit))
        if pace is Pace.IDLE:  # it is quick from the first one on
            limit = max(limit, self.left[Pace.QUICK] - self.for_idle)
        shared = self.unproven if pace in UNPROVEN else self.total
        return max(0, min(limit, self.left[pace], shared, self.total))

    def at_most(self, total: int) -> Self:
        self.total = min(self.total, total)
        return self

    def take(self, channel: int, count: int) -> None:
        pace, limit = self.limits.get(channel, (Pace.NEW, self.new_limit))
        self.limits[channel] = pace, limit - count
        self.left[pace] -= count
        self.left[Pace.QUICK] -= count if pace is Pace.IDLE else 0
        self.unproven -= count if pace in UNPROVEN else 0
        self.total -= count

    @property
    def full(self) -> list[int]:
        """Channels that are known to have no room."""
        return [channel for channel in self.limits if not self.of(channel)]

    @property
    def keeps_back(self) -> bool:
        """Whether anybody has to wait for a slot, though there are some."""
        return not self.takes_new or bool(self.full)

    @property
    def takes_new(self) -> bool:
        return min(self.left[Pace.NEW], self.unproven, self.total) > 0

    @property
    def with_room(self) -> list[int]:
        return [channel for channel in self.limits if self.of(channel)]


def open_room(total: int) -> Room:
    """For whoever shares with nobody."""
    return Room(total, total, dict.fromkeys(Pace, total), {}, total)


class Slots:
    """``at_once`` of them; a channel whose completions usually take more than ``slow_s`` seconds is slow."""

    def __init__(self, at_once: int, slow_s: float) -> None:
        self._at_once, self._slow_s = at_once, slow_s
        self._quarter = at_once // 4
        self._idle_at_once = max(NEW_AT_ONCE, self._quarter // 16)
        self._channels: dict[int, _Channel] = {}
        self._places: dict[int, int] = {}
        self._quick_at = float("-inf")

    @property
    def held(self) -> frozenset[int]:
        """The ids of what is in flight."""
        return frozenset(self._places)

    @property
    def free(self) -> int:
        return self._at_once - len(self._places)

    def __contains__(self, item: int) -> bool:
        return item in self._places

    def begin(self, item: int, channel: int, now: float) -> None:
        if item not in self._places:
            self._places[item] = channel
            self._channels.setdefault(channel, _Channel()).begun[item] = now

    def end(self, item: int, now: float) -> None:
        channel = self._places.pop(item, None)
        if channel is None:
            return
        known = self._channels[channel]
        took = min(now - known.begun.pop(item), 2 * self._slow_s)
        known.usual_s = took if known.usual_s is None else known.usual_s + WEIGHT * (took - known.usual_s)
        known.completed_at = now
        if known.usual_s <= self._slow_s:
            self._quick_at = now
        if len(self._channels) > MOST_REMEMBERED:
            self._forget_one()

    def room(self, now: float) -> Room:
        """What may be begun now."""
        if self._at_once < FEWEST:
            return open_room(self.free)
        paces = {id_: channel.pace(now, self._slow_s) for id_, channel in self._channels.items()}
        held = _NONE_HELD.copy()
        for id_, pace in paces.items():
            held[pace] += len(self._channels[id_].begun)
        somebody_is_quick = now - self._quick_at <= QUICK_LATELY_S
        left = self._left(held, somebody_is_quick=somebody_is_quick)
        limits = {id_: (pace, self._limit(self._channels[id_], pace, left, held)) for id_, pace in paces.items()}
        for_unproven = 2 * self._quarter if somebody_is_quick else self._at_once
        new_limit = NEW_AT_ONCE if left[Pace.NEW] > self._quarter else 1
        unproven = for_unproven - sum(held[pace] for pace in UNPROVEN)
        idle = sum(pace is Pace.IDLE for pace in paces.values())
        for_idle = min(self._quarter, self._idle_at_once * (idle - 1))
        return Room(self.free, unproven, left, limits, new_limit, for_idle)

    def _left(self, held: Mapping[Pace, int], *, somebody_is_quick: bool) -> dict[Pace, int]:
        quarter = self._quarter
        for_slow = quarter if somebody_is_quick else self._at_once - quarter
        return {
            Pace.QUICK: self._at_once - 2 * quarter - held[Pace.QUICK],
            Pace.IDLE: self.free,
            Pace.NEW: (2 if somebody_is_quick else 3) * quarter - held[Pace.NEW] - held[Pace.SILENT],
            # Whoever completes something does not wait for those who do not.
            Pace.SLOW: for_slow - held[Pace.SLOW] - min(held[Pace.SILENT], quarter // 2),
            Pace.SILENT: quarter - held[Pace.SLOW] - held[Pace.SILENT],
        }

    def _limit(self, channel: _Channel, pace: Pace, left: Mapping[Pace, int], held: Mapping[Pace, int]) -> int:
        """Of one channel: where there are several, no single one takes all that those of its pace have."""
        mine = len(channel.begun)
        if pace is Pace.NEW:
            return NEW_AT_ONCE - mine
        if pace is Pace.IDLE:
            return self._idle_at_once
        if pace is Pace.QUICK:
            return left[pace]
        others = held[Pace.SLOW] + held[Pace.SILENT] - mine
        return left[pace] if not others else (left[pace] + mine + others) // 2 - mine

    def _forget_one(self) -> None:
        for id_, channel in self._channels.items():
            if not channel.begun:
                del self._channels[id_]
                return
