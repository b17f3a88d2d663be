"""The circuit breaker of a channel: stop knocking at a provider that is down, and look once in a while.

    closed ──5 provider faults in a row, or nearly half of late──▶ open ──cool-down──▶ one probe ──good──▶ closed
                                                                     ▲                      │
                                                                     └─────────bad──────────┘

Only faults of the provider count (`SendError.breaker_failure`); a refusal or a throttle is an answer, and
an answer is a success here.

A provider that fails every other call is asked twice for each message, however patiently: it gets short rests instead,
and what waits costs one call each once it is well. Its probes may fail by chance; five in a row say that it is down.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`failures` in a row open the breaker for `cooldown` seconds.

    So does a `share` of failures among about the last `window` answers, for `rest` seconds. From calls that fail by
    chance, a third of them costs 1.5 calls for each message, half of them 2; a lower share is left to the budget of
    retries.
    """

    failures: int = 5
    cooldown: float = 60.0
    share: float = 0.45
    window: int = 30
    rest: float = 15.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed while `opened_at` is None. `probe_at` is when the last probe of an open breaker was allowed.

    `failures` are those in a row, `share` is that of late, in which each answer weighs a little more than the one
    before it.
    """

    failures: int = 0
    opened_at: float | None = None
    probe_at: float | None = None
    share: float = 0.0


def permits(breaker: Breaker, now: float, policy: BreakerPolicy) -> int | None:
    """How many attempts may start now: None for any number, 1 for a probe, 0 for none.

    A probe that never reports, because its worker died, allows another after one cool-down.
    """
    if breaker.opened_at is None:
        return None
    since = breaker.opened_at if breaker.probe_at is None else breaker.probe_at
    # A moment far in the future was written before the clock was set back; it must not hold the channel.
    return 1 if abs(now - since) >= cooldown(breaker, policy) else 0


def cooldown(breaker: Breaker, policy: BreakerPolicy) -> float:
    """Seconds from opening, or from a probe, to the next probe."""
    return policy.cooldown if breaker.failures >= policy.failures else policy.rest


def probed(breaker: Breaker, now: float) -> Breaker:
    """The permitted probe has been given out."""
    return breaker if breaker.opened_at is None else replace(breaker, probe_at=now)


def failed(breaker: Breaker, now: float, policy: BreakerPolicy) -> Breaker:
    """A fault of the provider: opens the breaker at either limit, and an open one cools down anew."""
    failures = breaker.failures + 1
    share = breaker.share + (1 - breaker.share) / policy.window
    opens = breaker.opened_at is not None or failures >= policy.failures or share >= policy.share
    return Breaker(failures, opened_at=now if opens else None, share=share)


def succeeded(breaker: Breaker, policy: BreakerPolicy) -> Breaker:
    """The provider answered, which closes any breaker. What led to an open one is half forgotten."""
    if breaker.opened_at is not None:
        return Breaker(share=min(breaker.share, policy.share) / 2)
    return Breaker(share=breaker.share - breaker.share / policy.window)
