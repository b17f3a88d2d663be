"""The breaker opens on the fifth fault in a row, lets one probe through per cool-down, and never jams."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core import errors
from hailgate.core.breaker import Breaker, BreakerPolicy, cooldown, failed, permits, probed, succeeded
from hailgate.core.errors import AddressRefuses, OutcomeUnknown, ProviderUnavailable, SendError

NOW = 1_767_225_600.0
POLICY = BreakerPolicy()
# Whoever looks at nothing but faults in a row.
STREAKS = BreakerPolicy(share=1.0)


def after_failures(count, now=NOW):
    breaker = Breaker()
    for _ in range(count):
        breaker = failed(breaker, now, POLICY)
    return breaker


@pytest.mark.parametrize(("failures", "permitted"), [(0, None), (1, None), (4, None), (5, 0), (6, 0), (100, 0)])
def test_it_opens_on_the_fifth_failure(failures, permitted):
    assert permits(after_failures(failures), NOW, POLICY) == permitted


def test_a_success_in_between_starts_the_count_anew():
    breaker = failed(succeeded(after_failures(4), POLICY), NOW, POLICY)

    assert (breaker.failures, breaker.opened_at) == (1, None)


@pytest.mark.parametrize(("wait", "permitted"), [(0, 0), (59.9, 0), (60, 1), (3600, 1)])
def test_after_the_cool_down_one_probe_is_permitted(wait, permitted):
    assert permits(after_failures(5), NOW + wait, POLICY) == permitted


def test_while_the_probe_is_out_nothing_else_is_permitted():
    breaker = probed(after_failures(5), NOW + 60)

    assert permits(breaker, NOW + 61, POLICY) == 0


def test_a_probe_that_never_reports_allows_another_after_one_cool_down():
    breaker = probed(after_failures(5), NOW + 60)

    assert permits(breaker, NOW + 119.9, POLICY) == 0
    assert permits(breaker, NOW + 120, POLICY) == 1


def test_a_good_probe_closes_it():
    closed = succeeded(probed(after_failures(5), NOW + 60), POLICY)

    assert (closed.failures, closed.opened_at, closed.probe_at) == (0, None, None)
    assert permits(closed, NOW + 60, POLICY) is None


def test_a_bad_probe_starts_the_cool_down_anew():
    breaker = failed(probed(after_failures(5), NOW + 60), NOW + 65, POLICY)

    assert permits(breaker, NOW + 124.9, POLICY) == 0
    assert permits(breaker, NOW + 125, POLICY) == 1


def test_a_closed_breaker_has_no_probes():
    assert probed(after_failures(4), NOW) == after_failures(4)


@pytest.mark.parametrize("set_back", [61.0, 3600.0, 10 * 365 * 86_400.0])
def test_a_clock_set_back_does_not_keep_it_open(set_back):
    now = NOW - set_back

    assert permits(after_failures(5), now, POLICY) == 1
    assert permits(probed(after_failures(5), now), now, POLICY) == 0


def test_only_faults_of_the_provider_count():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SendError)]

    assert {kind for kind in kinds if kind.breaker_failure} == {ProviderUnavailable, AddressRefuses, OutcomeUnknown}


steps = st.lists(st.tuples(st.floats(min_value=0, max_value=100), st.sampled_from(["good", "bad", "silent"])))


@given(steps)
def test_at_most_one_probe_starts_per_cool_down(told):
    """Whatever attempts report, and whoever reports late: open means one probe in 60 s."""
    breaker, now, probes = after_failures(5), NOW, []
    for wait, report in told:
        now += wait
        if permits(breaker, now, POLICY) == 1:
            breaker = probed(breaker, now)
            probes.append(now)
        if report == "bad":
            breaker = failed(breaker, now, POLICY)
        if report == "good":
            breaker, probes = after_failures(5, now), []

    assert all(later - earlier >= POLICY.cooldown for earlier, later in pairwise(probes))


@given(steps)
def test_it_is_closed_until_five_faults_in_a_row(told):
    breaker, streak = Breaker(), 0
    for wait, report in told:
        if report == "bad":
            breaker, streak = failed(breaker, NOW + wait, STREAKS), streak + 1
        if report == "good":
            breaker, streak = succeeded(breaker, STREAKS), 0
        assert (breaker.opened_at is None) is (streak < 5)


# --- a provider that fails now and then -------------------------------------------------------------------------------


def after(answers, breaker=None):
    """One letter for each: ``+`` good, ``-`` bad."""
    breaker = breaker or Breaker()
    for answer in answers:
        breaker = failed(breaker, NOW, POLICY) if answer == "-" else succeeded(breaker, POLICY)
    return breaker


def opens_by(answers, breaker=None):
    breaker = breaker or Breaker()
    for answer in answers:
        breaker = after(answer, breaker)
        if breaker.opened_at is not None:
            return True
    return False


@pytest.mark.parametrize(
    ("pattern", "opens"),
    [("-+", True), ("--+", True), ("--+-+", True), ("-++", False), ("----++++++++++", False), ("++++++++++-", False)],
)
def test_a_share_of_nearly_half_opens_it_and_a_third_does_not(pattern, opens):
    assert opens_by(pattern * 40) is opens


def test_few_answers_say_nothing_of_a_share():
    assert not opens_by("-+" * 10)


def test_a_share_costs_a_short_rest_and_five_bad_probes_a_long_one():
    opened = Breaker(1, opened_at=NOW, share=0.5)
    assert [cooldown(after("-" * probes, opened), POLICY) for probes in (0, 3, 4)] == [15, 15, 60]
    assert permits(opened, NOW + 14.9, POLICY) == 0
    assert permits(opened, NOW + 15, POLICY) == 1


def test_a_good_probe_forgets_half_so_that_one_more_fault_does_not_open_it():
    opened = after("-" * 500)
    closed = after("+", opened)
    assert not opens_by("----", closed)
    assert opens_by("-+" * 30, closed)


def test_a_clock_set_back_does_not_lengthen_a_rest():
    opened = Breaker(1, opened_at=NOW, share=0.5)
    assert permits(opened, NOW - 3600, POLICY) == 1
