"""What becomes of a delivery whose attempt failed: retry, snooze, bury or park.

The class of the error says what to do (`SendError.disposition`) and whose trouble it is (`SendError.blame`); this
module says when, and when it is enough. What blames the message ends after a number of attempts. What blames the
provider ends only with the message's life, or where it has lasted for ten minutes while other messages of the channel
went through. Waiting times follow "full jitter" over the floor that the provider asked for: the floor is kept exactly,
and what failed together does not come back together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from hailgate.core.errors import Blame, Disposition, Scope, SendError

# A provider that asks for more is asked again after an hour: absurd values have been seen.
LONGEST_RETRY_AFTER = 3600.0

# No provider documents a longer rest than a day after an error, as Meta does for its cap on marketing.
LONGEST_RULE = 86_400.0

# A pair that is written to too often: 4**X seconds, X one more after each refusal (Cloud API, pair rate limits).
PAIR_BASE = 4.0
# 4**6 s are more than an hour.
MOST_REFUSALS = 6

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
    count the attempt against the message, slow down this recipient.
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
    refuses_pair: bool = False
    heals: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a message whose attempt just failed. Times are in seconds since the epoch.

    `spent` counts the attempts before that blamed the message. `failing_since` is when the first of its attempts
    failed, None where this one is. `passed_at` is when its channel last got another message through, `well` that
    it did so for many in a row. `refusals` is how often its recipient was written to too fast.
    """

    spent: int = 0
    failing_since: float | None = None
    passed_at: float | None = None
    well: bool = False
    refusals: int = 0
    expires_at: float | None = None

    def lasted(self, now: float) -> float:
        return max(0.0, now - self.failing_since) if self.failing_since is not None else 0.0

    @property
    def others_pass(self) -> bool:
        """Whether the trouble is this message's alone: where a part of all calls fails, it has only had no luck yet."""
        if self.failing_since is None or self.passed_at is None:
            return False
        return self.well and self.passed_at > self.failing_since


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds, but for `max_attempts`. `throttle_pause` stands in for a Retry-After that was not sent."""

    max_attempts: int = 8
    base: float = 2.0
    cap: float = 3600.0
    throttle_pause: float = 60.0


def decide(error: SendError, past: Past, now: float, policy: RetryPolicy, random: Callable[[], float]) -> Decision:
    """Decide about the attempt that just failed; `random` gives [0, 1)."""
    if error.disposition in {Disposition.BURY, Disposition.PARK}:
        return _decision(Action(error.disposition), error, now)
    if error.disposition is Disposition.RETRY and (given_up := _find_end(error, past, now, policy)):
        return _give_up(error, now, *given_up)
    due_at = now + _floor_of(error, past, policy) + random() * _spread(error, past, now, policy)
    return _due(error, past, now, due_at)


def decide_repeatable(
    error: SendError, past: Past, now: float, policy: RetryPolicy, random: Callable[[], float]
) -> Decision:
    """The same for a call that harms nobody when it is repeated: its schedule has no caps by the provider's code."""
    if error.disposition in {Disposition.BURY, Disposition.PARK}:
        return _decision(Action(error.disposition), error, now)
    if error.disposition is Disposition.RETRY and past.spent + 1 >= policy.max_attempts:
        return _give_up(error, now, "attempts_exhausted", f"Gave up after {past.spent + 1} attempts.")
    due_at = now + _floor_of(error, past, policy) + random() * _backoff(policy.base, past.spent + 1, policy.cap)
    return _due(error, past, now, due_at)


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
    lasted = past.lasted(now)
    if error.blame is Blame.MESSAGE:
        spent = past.spent + 1
        allowed = min(policy.max_attempts, error.max_attempts or policy.max_attempts)
        if spent >= allowed and lasted >= error.patience:
            return "attempts_exhausted", f"Gave up after {spent} attempts."
    if error.blame is Blame.PROVIDER and lasted >= RIDDEN_OUT_S and past.others_pass:
        return "trouble_lasted", f"It failed for {lasted / 60:.0f} minutes, while other messages of the channel passed."
    return None


def _floor_of(error: SendError, past: Past, policy: RetryPolicy) -> float:
    """Seconds that are kept exactly: the provider's wish, or its rule, or ours where a throttle names none."""
    floor = _floor(error)
    if _slows_pair(error):
        return max(floor, min(PAIR_BASE ** min(past.refusals + 1, MOST_REFUSALS), policy.cap))
    return floor or (policy.throttle_pause if error.disposition is Disposition.SNOOZE else 0.0)


def _slows_pair(error: SendError) -> bool:
    return error.disposition is Disposition.SNOOZE and error.scope is Scope.PAIR


def _floor(error: SendError) -> float:
    """The wait that the provider asked for, in its answer or in its documentation; 0.0 where it asked for none."""
    wish = error.retry_after
    asked = min(wish, LONGEST_RETRY_AFTER) if wish is not None and wish > 0 else 0.0
    return max(asked, _rule(error))


def _rule(error: SendError) -> float:
    return min(error.least_wait, LONGEST_RULE)


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


def _due(error: SendError, past: Past, now: float, due_at: float) -> Decision:
    if past.expires_at is not None and due_at >= past.expires_at:
        return _give_up(error, now, "expired", "The message would have expired before the next attempt.")
    return _decision(Action(error.disposition), error, now, due_at)


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
        spends=action is Action.RETRY and error.blame is Blame.MESSAGE,
        refuses_pair=_slows_pair(error),
        heals=error.heals,
    )
