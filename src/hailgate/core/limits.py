"""Rates, kept exactly with one number of state: the generic cell rate algorithm.

The state is the theoretical arrival time (`tat`, seconds since the epoch): the moment at which everything
granted so far would have been used up at an even pace. It starts at 0.0 and, once spent from, is never
further ahead of now than the burst is long. Within any stretch of T seconds at most `burst + T / interval`
grants are given.
"""

from typing import Self

from msgspec import Struct

# A float of seconds since the epoch resolves a quarter of a microsecond; a shorter interval would round away.
SHORTEST_INTERVAL = 1e-4

# The clocks of two processes on one machine differ by less than this many seconds.
CLOCK_SKEW = 60.0


class Limit(Struct, frozen=True):
    """One grant per `interval` seconds at an even pace, and up to `burst` at once after a rest."""

    interval: float
    burst: int

    def __post_init__(self) -> None:
        if not self.interval >= SHORTEST_INTERVAL:
            raise ValueError(f"interval must be at least {SHORTEST_INTERVAL} s")
        if self.burst < 1:
            raise ValueError("burst must be at least 1")

    @classmethod
    def per_second(cls, rate: float, burst: int) -> Self:
        return cls(interval=1 / rate, burst=burst)


def available(limit: Limit, tat: float, now: float) -> int:
    """How many grants may be spent now."""
    if tat <= now:
        return limit.burst
    if _is_absurd(limit, tat, now):
        return 1
    ready = ready_at(limit, tat)
    if now < ready:
        return 0
    return int(min(limit.burst, (now - ready) / limit.interval + 1))


def spend(limit: Limit, tat: float, now: float, count: int) -> float:
    """The new state after `count` grants, of which no more than `available` may be given."""
    return min(max(tat, now) + count * limit.interval, now + limit.burst * limit.interval)


def ready_at(limit: Limit, tat: float) -> float:
    """The first moment at which a grant is available."""
    return tat - (limit.burst - 1) * limit.interval


def _is_absurd(limit: Limit, tat: float, now: float) -> bool:
    # Spending never leads so far ahead: the clock has been set back since, and without this rule the
    # channel would stand still until it is as late again. One grant brings the state back to earth.
    return tat > now + limit.burst * limit.interval + CLOCK_SKEW
