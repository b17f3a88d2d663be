"""Decisions about failed attempts: what, when, and when it is enough."""

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core import errors
from hailgate.core.delivery import (
    LONGEST_PAUSE_S,
    LONGEST_RETRY_AFTER,
    RIDDEN_OUT_S,
    Action,
    Past,
    ProviderWaits,
    RetryPolicy,
    decide,
    decide_repeatable,
    parse_retry_after,
)
from hailgate.core.errors import (
    AddressRefuses,
    Blame,
    ChannelDisconnected,
    ChannelRefused,
    ChannelUnauthorized,
    Disposition,
    FileForgotten,
    FileUnavailable,
    LeaseLost,
    MessageFault,
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
WAITS = ProviderWaits(longest=86_400.0, pair_base=4.0)
POLICY = RetryPolicy(waits=WAITS)
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
        patience=st.sampled_from([0.0, 600.0]),
    )


send_errors = errors_that(*Disposition)
attempts = st.integers(1, 10) | st.integers(1, 10**6)
expiries = st.none() | st.floats(min_value=NOW - 1e5, max_value=NOW + 1e5)


def decided(error, attempt=1, expires_at=None, policy=POLICY, fraction=0.0, **past):
    """``attempt`` counts those that blamed the message."""
    return decide(error, Past(spent=attempt - 1, expires_at=expires_at, **past), NOW, policy, lambda: fraction)


def waited(error, attempt=1, fraction=0.0, **past):
    return decided(error, attempt, fraction=fraction, **past).due_at - NOW


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (ProviderUnavailable(), Action.RETRY),
        (AddressRefuses(), Action.RETRY),
        (FileUnavailable(), Action.RETRY),
        (LeaseLost(), Action.RETRY),
        (ChannelRefused(), Action.SNOOZE),
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

    orders = decision.pauses_channel, decision.suppresses, decision.breaker_failure, decision.heals
    assert orders == (error.pauses_channel, error.suppresses, error.breaker_failure, error.heals)


# How long


@pytest.mark.parametrize(("attempt", "longest"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 128)])
def test_retries_back_off_with_full_jitter(attempt, longest):
    assert waited(FileForgotten(), attempt) == 0
    assert waited(FileForgotten(), attempt, fraction=0.5) == longest / 2
    assert waited(FileForgotten(), attempt, fraction=math.nextafter(1, 0)) == pytest.approx(longest)


@pytest.mark.parametrize(
    ("lasted", "longest"), [(None, 2), (0, 2), (1, 2), (3, 3), (40, 40), (120, 120), (3600, LONGEST_PAUSE_S), (-9, 2)]
)
@pytest.mark.parametrize("error", [ProviderUnavailable(), FileUnavailable()])
def test_trouble_that_lasts_is_met_as_seldom_as_it_is_long(error, lasted, longest):
    """No longer than minutes: what waited is tried again soon after all is well."""
    since = None if lasted is None else NOW - lasted
    assert waited(error, failing_since=since) == 0
    assert waited(error, fraction=0.5, failing_since=since) == longest / 2


def test_what_is_to_be_tried_over_minutes_is_not_tried_within_seconds():
    """131053: the host of a link may be slow (error_codes.json, "limited")."""
    pauses = [waited(MessageFault(patience=600.0), attempt, fraction=0.5) for attempt in range(1, 7)]
    assert pauses == [7.5, 15, 30, 60, 120, 240]


def test_jitter_never_grows_beyond_the_cap():
    policy = RetryPolicy(max_attempts=10**9)

    assert decided(FileForgotten(), 10**6, policy=policy, fraction=0.5).due_at == NOW + policy.cap / 2


@pytest.mark.parametrize(
    ("error", "attempt", "pause"),
    [
        (ProviderThrottled(retry_after=7.0), 1, 7.0),
        (ProviderThrottled(), 1, 60.0),
        (ProviderThrottled(retry_after=0.0), 1, 60.0),
        (ProviderThrottled(retry_after=-5.0), 1, 60.0),
        (ProviderThrottled(retry_after=math.nan), 1, 60.0),
        (ProviderThrottled(retry_after=math.inf), 1, 3600.0),
        (ProviderThrottled(retry_after=10 * 365 * 86_400.0), 1, 3600.0),
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
    assert decided(error, attempt, policy=RetryPolicy(max_attempts=10**9, waits=WAITS)).due_at == NOW + pause


@pytest.mark.parametrize(
    ("refusals", "pause"), [(0, 4), (1, 16), (2, 64), (3, 256), (4, 1024), (5, 3600), (6, 3600), (10**6, 3600)]
)
def test_a_pair_that_is_written_to_too_fast_waits_four_times_as_long_each_time(refusals, pause):
    """Cloud API, pair rate limits: 4^X seconds, X one more after each refusal."""
    too_fast = ProviderThrottled(scope=Scope.PAIR)

    assert waited(too_fast, refusals=refusals) == pause
    assert decided(too_fast, refusals=refusals).pair_refusals == min(refusals + 1, 6)


@pytest.mark.parametrize(("base", "pauses"), [(2.0, [2, 4, 8, 16]), (10.0, [10, 100, 1000, 3600])])
def test_how_fast_a_pairs_pauses_grow_is_its_providers(base, pauses):
    policy = RetryPolicy(waits=ProviderWaits(pair_base=base))
    made = [decided(ProviderThrottled(scope=Scope.PAIR), policy=policy, refusals=count).due_at for count in range(4)]
    assert [due_at - NOW for due_at in made] == pauses


def test_where_a_provider_says_nothing_of_pairs_a_throttle_is_one_like_any_other():
    decision = decided(ProviderThrottled(scope=Scope.PAIR), policy=RetryPolicy(), refusals=3)
    assert (decision.due_at - NOW, decision.pair_refusals) == (60, None)


@pytest.mark.parametrize("error", [ProviderUnavailable(), Rejected(scope=Scope.PAIR), ProviderThrottled()])
def test_nothing_else_counts_as_written_to_too_fast(error):
    assert decided(error).pair_refusals is None


def test_a_rest_is_no_longer_than_its_providers_longest():
    """An hour where it says nothing: the most that is believed of a Retry-After."""
    error = RecipientUnreachable(least_wait=1e9)
    made = [RetryPolicy(waits=waits) for waits in (ProviderWaits(), ProviderWaits(longest=7_200.0))]
    assert [decided(error, policy=policy).not_before - NOW for policy in made] == [3_600, 7_200]


@pytest.mark.parametrize("base", [1.0, 1.9, -4.0])
def test_a_pause_that_hardly_grows_is_no_rule(base):
    with pytest.raises(ValueError, match="pair_base"):
        ProviderWaits(pair_base=base)


@pytest.mark.parametrize(("wish", "pause"), [(7.0, 64.0), (100.0, 100.0)])
def test_of_a_pairs_pause_and_the_providers_wish_the_longer_holds(wish, pause):
    assert waited(ProviderThrottled(scope=Scope.PAIR, retry_after=wish), refusals=2) == pause


@given(errors_that(Disposition.RETRY, Disposition.SNOOZE, retry_after=wishes), attempts, expiries, fractions)
def test_nothing_is_due_before_the_floor_of_retry_after(error, attempt, expires_at, fraction):
    decision = decided(error, attempt, expires_at, fraction=fraction)

    if decision.due_at is not None:
        assert decision.due_at >= NOW + min(error.retry_after, LONGEST_RETRY_AFTER)


@given(send_errors, attempts, fractions, st.none() | st.floats(0, 1e6))
def test_jitter_stays_within_its_bounds(error, attempt, fraction, lasted):
    since = None if lasted is None else NOW - lasted
    earliest = decided(error, attempt, failing_since=since).due_at
    decision = decided(error, attempt, fraction=fraction, failing_since=since)

    if decision.due_at is not None:
        longest = min(15.0 * 2.0 ** min(attempt - 1, 64), POLICY.cap)
        assert 0 <= decision.due_at - earliest <= max(longest, LONGEST_PAUSE_S)


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
def test_what_blames_the_message_ends_with_the_attempts_of_policy_or_error(attempt, policy_max, error_max, action):
    error = MessageFault("It failed.", max_attempts=error_max)
    decision = decided(error, attempt, policy=RetryPolicy(max_attempts=policy_max))

    assert decision.action == action
    assert decision.spends is (action is Action.RETRY)
    if action == Action.BURY:
        assert decision.code == "attempts_exhausted"
        assert decision.detail.endswith("It failed.")


@given(errors_that(Disposition.RETRY), attempts, expiries, fractions)
def test_retries_that_blame_the_message_never_exceed_the_attempts_allowed(error, attempt, expires_at, fraction):
    decision = decided(error, attempt, expires_at, fraction=fraction)

    if decision.action == Action.RETRY and error.blame is Blame.MESSAGE and not error.patience:
        assert attempt < min(POLICY.max_attempts, error.max_attempts or POLICY.max_attempts)


@pytest.mark.parametrize(
    ("lasted", "action"), [(None, Action.RETRY), (599, Action.RETRY), (600, Action.BURY), (9_999, Action.BURY)]
)
def test_a_count_alone_never_ends_what_is_to_be_tried_over_minutes(lasted, action):
    since = None if lasted is None else NOW - lasted
    assert decided(MessageFault(patience=600.0), 10**6, failing_since=since).action == action


TROUBLE = [ProviderUnavailable(), AddressRefuses(), ProviderUnavailable(max_attempts=2)]


@pytest.mark.parametrize("error", [*TROUBLE, FileUnavailable(), LeaseLost()])
def test_trouble_of_the_whole_channel_is_ridden_out_for_as_long_as_the_message_lives(error):
    decision = decided(error, 10**6, failing_since=NOW - 86_400.0, passing_since=None, well=True)

    assert (decision.action, decision.spends) == (Action.RETRY, False)


@pytest.mark.parametrize("error", TROUBLE)
@pytest.mark.parametrize(
    ("lasted", "action"), [(RIDDEN_OUT_S - 1, Action.RETRY), (RIDDEN_OUT_S, Action.BURY), (86_400.0, Action.BURY)]
)
def test_a_message_that_alone_meets_trouble_for_ten_minutes_lets_its_followers_go_on(error, lasted, action):
    decision = decided(error, failing_since=NOW - lasted, passing_since=NOW - 10**6, well=True)

    assert decision.action == action
    if action is Action.BURY:
        assert decision.code == "trouble_lasted"


@pytest.mark.parametrize("error", TROUBLE)
@pytest.mark.parametrize(("passing", "action"), [(1, Action.RETRY), (RIDDEN_OUT_S, Action.BURY)])
def test_the_ten_minutes_are_counted_while_others_pass(error, passing, action):
    """A message that waited out an outage of hours with all others is not ended by the first failure after it."""
    decision = decided(error, failing_since=NOW - 7200.0, passing_since=NOW - passing, well=True)

    assert decision.action == action


@pytest.mark.parametrize("error", TROUBLE)
def test_where_a_part_of_all_calls_fails_a_message_has_only_had_no_luck_yet(error):
    """Others pass, but not many in a row: nothing is given up in a brown-out."""
    decision = decided(error, failing_since=NOW - 86_400.0, passing_since=NOW - 43_200.0, well=False)

    assert decision.action == Action.RETRY


def test_our_own_trouble_with_a_file_is_not_the_messages_end():
    past = {"failing_since": NOW - 86_400.0, "passing_since": NOW - 43_200.0, "well": True}
    assert decided(FileUnavailable(), **past).action == Action.RETRY


# Calls that may be repeated


@pytest.mark.parametrize("error", [MessageFault(max_attempts=2), ProviderUnavailable(max_attempts=2), FileForgotten()])
def test_what_harms_nobody_when_repeated_has_a_schedule_of_its_own(error):
    """No cap by the provider's code, and no end by time."""
    policy = RetryPolicy(max_attempts=15)
    decisions = [decide_repeatable(error, Past(spent), NOW, policy, lambda: 0.5) for spent in range(15)]

    assert [decision.action for decision in decisions] == [Action.RETRY] * 14 + [Action.BURY]
    assert [decision.due_at - NOW for decision in decisions[:4]] == [1, 2, 4, 8]


def test_what_is_refused_for_good_is_not_repeated_either():
    assert decide_repeatable(Rejected(), Past(), NOW, POLICY, lambda: 0.5).action == Action.BURY


@given(errors_that(Disposition.BURY, Disposition.PARK), attempts, expiries, fractions)
def test_what_cannot_succeed_is_never_tried_again(error, attempt, expires_at, fraction):
    assert decided(error, attempt, expires_at, fraction=fraction).action == error.disposition


@given(errors_that(Disposition.SNOOZE), attempts, fractions)
def test_a_throttle_spends_no_attempt(error, attempt, fraction):
    """However many attempts were made: without an expiry a snooze stays a snooze."""
    assert decided(error, attempt, fraction=fraction).action == Action.SNOOZE


@pytest.mark.parametrize("lasted", [0, 1, 10, 100, 1000])
def test_what_failed_together_does_not_come_back_together(lasted):
    fractions_of_many = [n / 5000 for n in range(5000)]
    since = NOW - lasted
    seconds = [int(waited(ProviderUnavailable(), 1, fraction, failing_since=since)) for fraction in fractions_of_many]
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
