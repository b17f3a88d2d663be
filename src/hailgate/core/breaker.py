"""The circuit breaker of a channel: stop knocking at a provider that is down, and look once in a while.

    closed ──5 provider faults in a row──▶ open ──cool-down──▶ one probe ──good──▶ closed
                                            ▲                      │
                                            └─────────bad──────────┘

Only faults of the provider count (`SendError.breaker_failure`); a refusal or a throttle is an answer, and
an answer is a success here.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`failures` in a row open the breaker; `cooldown` is in seconds."""

    failures: int = 5
    cooldown: float = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed while `opened_at` is None. `probe_at` is when the last probe of an open breaker was allowed."""

    failures: int = 0
    opened_at: float | None = None
    probe_at: float | None = None


def permits(breaker: Breaker, now: float, policy: BreakerPolicy) -> int | None:
    """How many attempts may start now: None for any number, 1 for a probe, 0 for none.

    A probe that never reports, because its worker died, allows another after one cool-down.
    """
    if breaker.opened_at is None:
        return None
    since = breaker.opened_at if breaker.probe_at is None else breaker.probe_at
    # A moment far in the future was written before the clock was set back; it must not hold the channel.
    return 1 if abs(now - since) >= policy.cooldown else 0


def probed(breaker: Breaker, now: float) -> Breaker:
    """The permitted probe has been given out."""
    return breaker if breaker.opened_at is None else replace(breaker, probe_at=now)


def failed(breaker: Breaker, now: float, policy: BreakerPolicy) -> Breaker:
    """A fault of the provider: opens the breaker at the limit, and an open one cools down anew."""
    failures = breaker.failures + 1
    if breaker.opened_at is None and failures < policy.failures:
        return Breaker(failures)
    return Breaker(failures, opened_at=now)


def succeeded(breaker: Breaker) -> Breaker:  # noqa: ARG001 - a good answer closes any breaker
    """The provider answered."""
    return Breaker()
