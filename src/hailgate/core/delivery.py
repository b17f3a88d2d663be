"""What becomes of a delivery whose attempt failed: retry, snooze, bury or park.

The class of the error says what to do (`SendError.disposition`); this module says when, and when it is
enough. Waiting times follow "full jitter" over the floor that the provider asked for: the floor is kept
exactly, and what failed together does not come back together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from hailgate.core.errors import Disposition, Scope, SendError

# A provider that asks for more is asked again after an hour: absurd values have been seen.
LONGEST_RETRY_AFTER = 3600.0

# No provider documents a longer rest than a day after an error, as Meta does for its cap on marketing.
LONGEST_RULE = 86_400.0

# Meta's advice for a pair that is written to too often: 4**n seconds after the n-th refusal.
PAIR_BASE = 4.0

# Beyond this many doublings any cap is reached, and a float is still far from its end.
_MOST_DOUBLINGS = 64


class Action(StrEnum):
    """What to do with the row; the words of `Disposition`, decided."""

    RETRY = "retry"
    SNOOZE = "snooze"
    BURY = "bury"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Decision:
    """`due_at` is set for a retry and a snooze; a snooze spends no attempt.

    `not_before` is the earliest moment at which what was buried may be sent, if a person revives it. The flags are
    orders too: pause the channel, suppress the recipient, tell the breaker.
    """

    action: Action
    due_at: float | None
    code: str
    detail: str
    pauses_channel: bool
    suppresses: bool
    breaker_failure: bool
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds, but for `max_attempts`. `throttle_pause` stands in for a Retry-After that was not sent."""

    max_attempts: int = 8
    base: float = 2.0
    cap: float = 3600.0
    throttle_pause: float = 60.0


def decide(  # noqa: PLR0917 - the six facts of a decision, in the order of their telling
    error: SendError,
    attempt: int,
    now: float,
    expires_at: float | None,
    policy: RetryPolicy,
    random: Callable[[], float],
) -> Decision:
    """Decide about the attempt that just failed; `attempt` counts from 1, `random` gives [0, 1)."""
    if error.disposition in {Disposition.BURY, Disposition.PARK}:
        return _decision(Action(error.disposition), error, now)
    if error.disposition is Disposition.RETRY and attempt >= _attempts_allowed(error, policy):
        return _give_up(error, now, "attempts_exhausted", f"Gave up after {attempt} attempts.")
    pause = _floor(error) or _pause_without_advice(error, attempt, policy)
    due_at = now + pause + random() * _backoff(attempt, policy)
    if expires_at is not None and due_at >= expires_at:
        return _give_up(error, now, "expired", "The message would have expired before the next attempt.")
    return _decision(Action(error.disposition), error, now, due_at)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait, from a Retry-After header: a number of seconds or an HTTP-date.

    At most an hour; a date that has passed is 0.0; None where the header is absent or makes no sense.
    """
    text = (value or "").strip()
    seconds = float(text) if _SECONDS.fullmatch(text) else _seconds_until(text, now)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


# RFC 9110 knows whole seconds only; some servers send a fraction.
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def _seconds_until(http_date: str, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(http_date)
        # An HTTP-date is GMT even where its form does not say so.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None


def _attempts_allowed(error: SendError, policy: RetryPolicy) -> int:
    return min(policy.max_attempts, error.max_attempts or policy.max_attempts)


def _floor(error: SendError) -> float:
    """The wait that the provider asked for, in its answer or in its documentation; 0.0 where it asked for none."""
    wish = error.retry_after
    asked = min(wish, LONGEST_RETRY_AFTER) if wish is not None and wish > 0 else 0.0
    return max(asked, _rule(error))


def _rule(error: SendError) -> float:
    return min(error.least_wait, LONGEST_RULE)


def _pause_without_advice(error: SendError, attempt: int, policy: RetryPolicy) -> float:
    if error.disposition is Disposition.RETRY:
        return 0.0
    if error.scope is Scope.PAIR:
        return _grow(PAIR_BASE, PAIR_BASE, attempt, policy)
    return policy.throttle_pause


def _backoff(attempt: int, policy: RetryPolicy) -> float:
    return _grow(policy.base, 2.0, attempt, policy)


def _grow(first: float, factor: float, attempt: int, policy: RetryPolicy) -> float:
    """`first` seconds after attempt 1, `factor` times as long after each further one, up to the cap."""
    steps = min(max(attempt - 1, 0), _MOST_DOUBLINGS)
    return float(min(first * factor**steps, policy.cap))


def _give_up(error: SendError, now: float, code: str, reason: str) -> Decision:
    return _decision(Action.BURY, error, now, code=code, detail=f"{reason} The last error: {error.detail}")


def _decision(
    action: Action, error: SendError, now: float, due_at: float | None = None, *, code: str = "", detail: str = ""
) -> Decision:
    return Decision(
        action=action,
        due_at=due_at,
        code=code or error.code,
        detail=detail or error.detail,
        pauses_channel=error.pauses_channel,
        suppresses=error.suppresses,
        breaker_failure=error.breaker_failure,
        not_before=now + _rule(error) if action is Action.BURY and error.least_wait else 0.0,
    )
