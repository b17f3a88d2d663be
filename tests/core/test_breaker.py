"""The breaker opens on the fifth fault in a row, lets one probe through per cool-down, and never jams."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core import errors
from hailgate.core.breaker import Breaker, BreakerPolicy, failed, permits, probed, succeeded
from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable, SendError

NOW = 1_767_225_600.0
POLICY = BreakerPolicy()


def after_failures(count, now=NOW):
    breaker = Breaker()
    for _ in range(count):
        breaker = failed(breaker, now, POLICY)
    return breaker


@pytest.mark.parametrize(("failures", "permitted"), [(0, None), (1, None), (4, None), (5, 0), (6, 0), (100, 0)])
def test_it_opens_on_the_fifth_failure(failures, permitted):
    assert permits(after_failures(failures), NOW, POLICY) == permitted


def test_a_success_in_between_starts_the_count_anew():
    breaker = failed(succeeded(after_failures(4)), NOW, POLICY)

    assert breaker == Breaker(failures=1)


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
    assert succeeded(probed(after_failures(5), NOW + 60)) == Breaker()
    assert permits(Breaker(), NOW + 60, POLICY) is None


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

    assert {kind for kind in kinds if kind.breaker_failure} == {ProviderUnavailable, OutcomeUnknown}


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
            breaker, streak = failed(breaker, NOW + wait, POLICY), streak + 1
        if report == "good":
            breaker, streak = succeeded(breaker), 0
        assert (breaker.opened_at is None) is (streak < 5)
