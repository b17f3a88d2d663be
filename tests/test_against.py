"""What two trees cost is compared by pairs that were measured one after the other."""

import pytest
from benchmarks.against import alternate, compare, interval
from hypothesis import given, settings
from hypothesis import strategies as st

ratios = st.lists(st.floats(0.5, 2.0), min_size=1, max_size=15)


def test_a_trend_of_the_machine_is_no_difference_of_the_trees():
    then = [500.0, 600.0, 900.0, 1200.0, 700.0]
    compared = compare(then, [1.02 * spent for spent in then])
    assert (compared.ratio, compared.low, compared.high) == pytest.approx((1.02, 1.02, 1.02))
    assert (compared.then, compared.now) == pytest.approx((700.0, 714.0))


def test_one_round_that_was_disturbed_moves_neither_the_ratio_nor_the_interval_far():
    compared = compare([500.0] * 9, [505.0] * 8 + [5_000.0])
    assert compared.ratio == pytest.approx(1.01)
    assert compared.high < 1.02


def test_rounds_that_differ_widen_the_interval():
    low, high = interval([0.9, 1.1, 0.95, 1.05, 1.0, 0.92, 1.08, 0.97, 1.03])
    assert low < 1.0 < high
    assert high - low > 0.05


@settings(max_examples=15)
@given(ratios)
def test_the_interval_holds_the_median_and_stays_within_what_was_measured(measured):
    low, high = interval(measured)
    assert min(measured) <= low <= compare([1.0] * len(measured), measured).ratio <= high <= max(measured)
    assert interval(measured) == (low, high)


class Recorded:
    def __init__(self, name, order) -> None:
        self.name, self.order = name, order

    def spend(self, contender):
        self.order.append(f"{self.name} {contender}")
        return 1.0 if self.name == "then" else 2.0


def test_each_round_of_one_tree_is_next_to_that_of_the_other_and_who_begins_changes():
    order = []
    told = list(alternate(Recorded("then", order), Recorded("now", order), ["a", "b"], 2))
    assert told == [("a", 1.0, 2.0), ("b", 1.0, 2.0)] * 2
    assert order == ["then a", "now a", "then b", "now b", "now a", "then a", "now b", "then b"]
