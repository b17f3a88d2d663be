"""What becomes of a delivery whose attempt failed: retry, snooze, bury or park.

The class of the error says what to do (`SendError.disposition`) and whose trouble it is (`SendError.blame`); this
module says when, and when it is enough. What blames the message ends after a number of attempts. What blames the
provider ends only with the message's life, or where it has lasted for ten minutes while other messages of the channel
went through. Waiting times follow "full jitter" over the floor that the provider asked for: the floor is kept exactly,
and what failed together does not come back together.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from msgspec import Struct

from hailgate.core.errors import Blame, Disposition, Scope, SendError

# A provider that asks for more is asked again after an hour: absurd values have been seen.
LONGEST_RETRY_AFTER = 3600.0

# For so long a message meets nothing but its provider's trouble, while others pass, before its followers go on.
RIDDEN_OUT_S = 600.0
# Of trouble that lasts, the longest pause: a backlog is tried again within minutes once all is well.
LONGEST_PAUSE_S = 120.0
# The first pause after what is to be tried over minutes.
PATIENT_BASE = 15.0

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
    orders too: pause the channel (until a check passes where it `heals`), suppress the recipient, tell the breaker,
    count the attempt against the message. `pair_refusals` is how often this recipient was written to too fast by now,
    None where this was something else.
    """

    action: Action
    due_at: float | None
    code: str
    detail: str
    pauses_channel: bool
    suppresses: bool
    breaker_failure: bool
    not_before: float = 0.0
    spends: bool = False
    pair_refusals: int | None = None
    heals: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a message whose attempt just failed. Times are in seconds since the epoch.

    `spent` counts the attempts before that blamed the message. `failing_since` is when the first of its attempts
    failed, None where this one is. `passing_since` is when its channel got the first other message through after it had
    let none pass, `well` that it has by now done so for many in a row. `refusals` is how often its recipient was
    written to too fast.
    """

    spent: int = 0
    failing_since: float | None = None
    passing_since: float | None = None
    well: bool = False
    refusals: int = 0
    expires_at: float | None = None

    def lasted(self, now: float) -> float:
        return max(0.0, now - self.failing_since) if self.failing_since is not None else 0.0

    def lasted_alone(self, now: float) -> float:
        """Seconds for which the trouble has been this message's alone: while all failed, it only waited with them.

        0.0 where a part of all calls fails: it has only had no luck yet.
        """
        if self.failing_since is None or self.passing_since is None or not self.well:
            return 0.0
        return max(0.0, now - max(self.failing_since, self.passing_since))


class ProviderWaits(Struct, frozen=True, kw_only=True):
    """What a provider's documentation asks of who was refused.

    `longest` is the longest wait in seconds that it names after an error: no `SendError.least_wait` holds for longer. A
    recipient who was written to too fast is left alone for `pair_base` ** X seconds, X one more after each
    refusal; 0.0 where its documentation says nothing, and a throttle's usual pause is made.
    """

    longest: float = LONGEST_RETRY_AFTER
    pair_base: float = 0.0

    def __post_init__(self) -> None:
        if self.pair_base and self.pair_base < 2:
            raise ValueError("pair_base must be at least 2")


# Of a provider whose documentation says nothing of it.
USUAL_WAITS = ProviderWaits()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds, but for `max_attempts`. `throttle_pause` stands in for a Retry-After that was not sent.

    `waits` are those of the provider that refused.
    """

    max_attempts: int = 8
    base: float = 2.0
    cap: float = 3600.0
    throttle_pause: float = 60.0
    waits: ProviderWaits = USUAL_WAITS


def decide(error: SendError, past: Past, now: float, policy: RetryPolicy, random: Callable[[], float]) -> Decision:
    """Decide about the attempt that just failed; `random` gives [0, 1)."""
    if error.disposition in {Disposition.BURY, Disposition.PARK}:
        return _decision(Action(error.disposition), error, past, now, policy)
    if error.disposition is Disposition.RETRY and (given_up := _find_end(error, past, now, policy)):
        return _give_up(error, past, now, policy, given_up)
    due_at = now + _floor_of(error, past, policy) + random() * _spread(error, past, now, policy)
    return _due(error, past, now, policy, due_at)


def decide_repeatable(
    error: SendError, past: Past, now: float, policy: RetryPolicy, random: Callable[[], float]
) -> Decision:
    """The same for a call that harms nobody when it is repeated: its schedule has no caps by the provider's code."""
    if error.disposition in {Disposition.BURY, Disposition.PARK}:
        return _decision(Action(error.disposition), error, past, now, policy)
    if error.disposition is Disposition.RETRY and past.spent + 1 >= policy.max_attempts:
        reason = f"Gave up after {past.spent + 1} attempts."
        return _give_up(error, past, now, policy, ("attempts_exhausted", reason))
    due_at = now + _floor_of(error, past, policy) + random() * _backoff(policy.base, past.spent + 1, policy.cap)
    return _due(error, past, now, policy, due_at)


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


def _find_end(error: SendError, past: Past, now: float, policy: RetryPolicy) -> tuple[str, str] | None:
    """Why it is not tried again, as a code and a sentence."""
    if error.blame is Blame.MESSAGE:
        spent = past.spent + 1
        allowed = min(policy.max_attempts, error.max_attempts or policy.max_attempts)
        if spent >= allowed and past.lasted(now) >= error.patience:
            return "attempts_exhausted", f"Gave up after {spent} attempts."
    alone = past.lasted_alone(now)
    if error.blame is Blame.PROVIDER and alone >= RIDDEN_OUT_S:
        return "trouble_lasted", f"It failed for {alone / 60:.0f} minutes, while other messages of the channel passed."
    return None


def _floor_of(error: SendError, past: Past, policy: RetryPolicy) -> float:
    """Seconds that are kept exactly: the provider's wish, or its rule, or ours where a throttle names none."""
    floor = _floor(error, policy.waits)
    if (refusals := _count_refusals(error, past, policy)) is not None:
        return max(floor, min(policy.waits.pair_base**refusals, policy.cap))
    return floor or (policy.throttle_pause if error.disposition is Disposition.SNOOZE else 0.0)


def _count_refusals(error: SendError, past: Past, policy: RetryPolicy) -> int | None:
    """With this one, no further than the pauses grow; None where no recipient was written to too fast."""
    base = policy.waits.pair_base
    if not base or error.disposition is not Disposition.SNOOZE or error.scope is not Scope.PAIR:
        return None
    return min(past.refusals + 1, math.ceil(math.log(policy.cap, base)))


def _floor(error: SendError, waits: ProviderWaits) -> float:
    """The wait that the provider asked for, in its answer or in its documentation; 0.0 where it asked for none."""
    wish = error.retry_after
    asked = min(wish, LONGEST_RETRY_AFTER) if wish is not None and wish > 0 else 0.0
    return max(asked, _rule(error, waits))


def _rule(error: SendError, waits: ProviderWaits) -> float:
    return min(error.least_wait, waits.longest)


def _spread(error: SendError, past: Past, now: float, policy: RetryPolicy) -> float:
    """The seconds over which those that failed together are tried again: as long as the trouble has lasted so far."""
    if error.disposition is Disposition.SNOOZE:
        return policy.base
    if error.blame is not Blame.MESSAGE:
        return min(max(policy.base, past.lasted(now)), LONGEST_PAUSE_S, policy.cap)
    first = max(policy.base, PATIENT_BASE) if error.patience else policy.base
    return _backoff(first, past.spent + 1, policy.cap)


def _backoff(first: float, attempt: int, cap: float) -> float:
    """`first` seconds after attempt 1, twice as long after each further one, up to the cap."""
    return float(min(first * 2.0 ** min(max(attempt - 1, 0), _MOST_DOUBLINGS), cap))


def _due(error: SendError, past: Past, now: float, policy: RetryPolicy, due_at: float) -> Decision:
    if past.expires_at is not None and due_at >= past.expires_at:
        reason = "The message would have expired before the next attempt."
        return _give_up(error, past, now, policy, ("expired", reason))
    return replace(_decision(Action(error.disposition), error, past, now, policy), due_at=due_at)


def _give_up(error: SendError, past: Past, now: float, policy: RetryPolicy, why: tuple[str, str]) -> Decision:
    """``why`` is a code and a sentence."""
    code, reason = why
    decision = _decision(Action.BURY, error, past, now, policy)
    return replace(decision, code=code, detail=f"{reason} The last error: {error.detail}")


def _decision(action: Action, error: SendError, past: Past, now: float, policy: RetryPolicy) -> Decision:
    return Decision(
        action=action,
        due_at=None,
        code=error.code,
        detail=error.detail,
        pauses_channel=error.pauses_channel,
        suppresses=error.suppresses,
        breaker_failure=error.breaker_failure,
        not_before=now + _rule(error, policy.waits) if action is Action.BURY and error.least_wait else 0.0,
        spends=action is Action.RETRY and error.blame is Blame.MESSAGE,
        pair_refusals=_count_refusals(error, past, policy),
        heals=error.heals,
    )
