"""Decisions about failed attempts: what, when, and when it is enough."""

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core import errors
from hailgate.core.delivery import (
    LONGEST_RETRY_AFTER,
    Action,
    RetryPolicy,
    decide,
    parse_retry_after,
)
from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelUnauthorized,
    Disposition,
    LeaseLost,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    Scope,
    SendError,
    TemplateUnavailable,
)

NOW = 1_767_225_600.0
POLICY = RetryPolicy()
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SendError)]

fractions = st.floats(min_value=0, max_value=1, exclude_max=True)
anything = st.none() | st.floats()
wishes = st.floats(min_value=0, exclude_min=True)


def errors_that(*dispositions, retry_after=anything):
    return st.builds(
        lambda kind, **said: kind(**said),
        st.sampled_from([kind for kind in KINDS if kind.disposition in dispositions]),
        retry_after=retry_after,
        scope=st.sampled_from(Scope),
        max_attempts=st.none() | st.integers(0, 20),
    )


send_errors = errors_that(*Disposition)
attempts = st.integers(1, 10) | st.integers(1, 10**6)
expiries = st.none() | st.floats(min_value=NOW - 1e5, max_value=NOW + 1e5)


def decided(error, attempt=1, expires_at=None, policy=POLICY, fraction=0.0):
    return decide(error, attempt, NOW, expires_at, policy, lambda: fraction)


def waited(error, attempt=1, fraction=0.0):
    return decided(error, attempt, fraction=fraction).due_at - NOW


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (ProviderUnavailable(), Action.RETRY),
        (LeaseLost(), Action.RETRY),
        (ProviderThrottled(), Action.SNOOZE),
        (ChannelUnauthorized(), Action.SNOOZE),
        (ChannelDisconnected(), Action.SNOOZE),
        (Rejected(), Action.BURY),
        (RecipientUnreachable(), Action.BURY),
        (TemplateUnavailable(), Action.BURY),
        (RecipientOptedOut(), Action.BURY),
        (OutcomeUnknown(), Action.PARK),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SendError) else value,
)
def test_the_class_of_the_error_says_what_to_do(error, action):
    decision = decided(error)

    assert (decision.action, decision.code, decision.detail) == (action, error.code, error.detail)
    assert (decision.due_at is None) is (action in {Action.BURY, Action.PARK})


@given(send_errors, attempts, expiries, fractions)
def test_the_orders_of_the_error_are_passed_on_whatever_is_decided(error, attempt, expires_at, fraction):
    decision = decided(error, attempt, expires_at, fraction=fraction)

    assert (decision.pauses_channel, decision.suppresses, decision.breaker_failure) == (
        error.pauses_channel,
        error.suppresses,
        error.breaker_failure,
    )


# How long


@pytest.mark.parametrize(("attempt", "longest"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 128)])
def test_retries_back_off_with_full_jitter(attempt, longest):
    assert waited(ProviderUnavailable(), attempt) == 0
    assert waited(ProviderUnavailable(), attempt, fraction=0.5) == longest / 2
    assert waited(ProviderUnavailable(), attempt, fraction=math.nextafter(1, 0)) == pytest.approx(longest)


def test_jitter_never_grows_beyond_the_cap():
    policy = RetryPolicy(max_attempts=10**9)

    assert decided(ProviderUnavailable(), 10**6, policy=policy, fraction=0.5).due_at == NOW + policy.cap / 2


@pytest.mark.parametrize(
    ("error", "attempt", "pause"),
    [
        (ProviderThrottled(retry_after=7.0), 1, 7.0),
        (ProviderThrottled(retry_after=7.0, scope=Scope.PAIR), 3, 7.0),
        (ProviderThrottled(), 1, 60.0),
        (ProviderThrottled(retry_after=0.0), 1, 60.0),
        (ProviderThrottled(retry_after=-5.0), 1, 60.0),
        (ProviderThrottled(retry_after=math.nan), 1, 60.0),
        (ProviderThrottled(retry_after=math.inf), 1, 3600.0),
        (ProviderThrottled(retry_after=10 * 365 * 86_400.0), 1, 3600.0),
        (ProviderThrottled(scope=Scope.PAIR), 1, 4.0),
        (ProviderThrottled(scope=Scope.PAIR), 2, 16.0),
        (ProviderThrottled(scope=Scope.PAIR), 5, 1024.0),
        (ProviderThrottled(scope=Scope.PAIR), 6, 3600.0),
        (ProviderThrottled(scope=Scope.PAIR), 10**6, 3600.0),
        (ProviderThrottled(scope=Scope.CHANNEL), 9, 60.0),
        (ChannelUnauthorized(), 1, 60.0),
        (ProviderUnavailable(retry_after=7.0), 1, 7.0),
        (ProviderThrottled(least_wait=86_400.0), 1, 86_400.0),
        (ProviderThrottled(least_wait=86_400.0, retry_after=7.0), 1, 86_400.0),
        (ProviderThrottled(least_wait=60.0, retry_after=math.inf), 1, 3600.0),
        (ProviderThrottled(least_wait=math.inf), 1, 86_400.0),
        (ProviderUnavailable(retry_after=-7.0), 1, 0.0),
    ],
)
def test_the_pause_before_the_jitter(error, attempt, pause):
    assert decided(error, attempt, policy=RetryPolicy(max_attempts=10**9)).due_at == NOW + pause


@given(errors_that(Disposition.RETRY, Disposition.SNOOZE, retry_after=wishes), attempts, expiries, fractions)
def test_nothing_is_due_before_the_floor_of_retry_after(error, attempt, expires_at, fraction):
    decision = decided(error, attempt, expires_at, fraction=fraction)

    if decision.due_at is not None:
        assert decision.due_at >= NOW + min(error.retry_after, LONGEST_RETRY_AFTER)


@given(send_errors, attempts, fractions)
def test_jitter_stays_within_its_bounds(error, attempt, fraction):
    earliest, decision = decided(error, attempt).due_at, decided(error, attempt, fraction=fraction)

    if decision.due_at is not None:
        longest = min(POLICY.base * 2.0 ** min(attempt - 1, 64), POLICY.cap)
        assert 0 <= decision.due_at - earliest <= longest


def test_a_providers_rule_holds_for_who_sends_it_again_by_hand():
    rule = RecipientUnreachable(least_wait=86_400.0)

    assert (decided(rule).action, decided(rule).not_before) == (Action.BURY, NOW + 86_400)
    assert decided(RecipientUnreachable()).not_before == 0


def test_what_expires_within_the_rest_that_a_rule_asks_for_is_buried_with_it():
    decision = decided(ProviderThrottled(least_wait=86_400.0), expires_at=NOW + 3600)

    assert (decision.code, decision.not_before) == ("expired", NOW + 86_400)


# When it is enough


@given(send_errors, attempts, expiries, fractions)
def test_nothing_is_due_at_or_past_its_expiry(error, attempt, expires_at, fraction):
    decision = decided(error, attempt, expires_at, fraction=fraction)

    if decision.due_at is not None and expires_at is not None:
        assert decision.due_at < expires_at


@pytest.mark.parametrize("expires_at", [NOW - 1, NOW, NOW + 1, NOW + 60])
def test_what_would_expire_before_the_next_attempt_is_buried(expires_at):
    decision = decided(ProviderThrottled("Slow down."), expires_at=expires_at)

    assert (decision.action, decision.code, decision.due_at) == (Action.BURY, "expired", None)
    assert decision.detail.endswith("Slow down.")


@pytest.mark.parametrize(
    ("attempt", "policy_max", "error_max", "action"),
    [
        (7, 8, None, Action.RETRY),
        (8, 8, None, Action.BURY),
        (9, 8, None, Action.BURY),
        (1, 8, 2, Action.RETRY),
        (2, 8, 2, Action.BURY),
        (1, 8, 1, Action.BURY),
        (7, 8, 20, Action.RETRY),
        (8, 8, 20, Action.BURY),
        (1, 1, None, Action.BURY),
    ],
)
def test_retries_end_with_the_attempts_of_policy_or_error(attempt, policy_max, error_max, action):
    error = ProviderUnavailable("The provider is down.", max_attempts=error_max)
    decision = decided(error, attempt, policy=RetryPolicy(max_attempts=policy_max))

    assert decision.action == action
    if action == Action.BURY:
        assert decision.code == "attempts_exhausted"
        assert decision.detail.endswith("The provider is down.")


@given(send_errors, attempts, expiries, fractions)
def test_retries_never_exceed_the_attempts_allowed(error, attempt, expires_at, fraction):
    if decided(error, attempt, expires_at, fraction=fraction).action == Action.RETRY:
        assert attempt < min(POLICY.max_attempts, error.max_attempts or POLICY.max_attempts)


@given(errors_that(Disposition.BURY, Disposition.PARK), attempts, expiries, fractions)
def test_what_cannot_succeed_is_never_tried_again(error, attempt, expires_at, fraction):
    assert decided(error, attempt, expires_at, fraction=fraction).action == error.disposition


@given(errors_that(Disposition.SNOOZE), attempts, fractions)
def test_a_throttle_spends_no_attempt(error, attempt, fraction):
    """However many attempts were made: without an expiry a snooze stays a snooze."""
    assert decided(error, attempt, fraction=fraction).action == Action.SNOOZE


@pytest.mark.parametrize("attempt", range(1, 8))
def test_what_failed_together_does_not_come_back_together(attempt):
    fractions_of_many = [n / 5000 for n in range(5000)]
    seconds = [int(waited(ProviderUnavailable(), attempt, fraction)) for fraction in fractions_of_many]
    busiest = max(seconds.count(second) for second in set(seconds))

    assert busiest <= 3 * len(seconds) / len(set(seconds))


# Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("007", 7.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("315360000", 3600.0),
        ("9" * 400, 3600.0),
        ("9" * 5000, 3600.0),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW - 30, usegmt=True), 0.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thursday, 01-Jan-26 00:00:30 GMT", 30.0),
        ("Thu Jan  1 00:00:30 2026", 30.0),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30.0),
        ("Thu, 01 Jan 2026 01:00:30 +0100", 30.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Thu, 01 Jan 2026 00:00:30 +99999999", None),
        ("Thu, 41 Jan 2026 00:00:30 GMT", None),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("1_000", None),
        ("٣", None),
        ("soon", None),
        ("7, 8", None),
        ("", None),
        ("  ", None),
        (None, None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_retry_after_is_read_as_seconds_or_date(value, seconds):
    assert parse_retry_after(value, NOW) == seconds


dates = st.floats(min_value=0, max_value=2**33).map(lambda at: formatdate(at, usegmt=True))
pieces = st.sampled_from(["Thu", ",", " ", "01", "Jan", "-", "26", "2026", "00:00:30", "GMT", "+9999", "T", "Z", "99"])


@given(st.none() | st.text() | dates | st.lists(pieces).map("".join))
def test_retry_after_is_total(value):
    seconds = parse_retry_after(value, NOW)

    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER


def test_actions_are_the_words_of_dispositions():
    assert {str(action) for action in Action} == {str(disposition) for disposition in Disposition}
