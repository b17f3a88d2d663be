"""What scenarios count: seconds, and how many fell into one."""

import pytest

from .latencies import is_undisturbed, p95, waits
from .ledgers import Delivery, Promise
from .turnstile import Standstill, busiest_second


@pytest.mark.parametrize(
    ("moments", "most"),
    [
        ([], 0),
        ([5.0], 1),
        ([0.0, 0.5, 0.99], 3),
        ([0.0, 1.0, 2.0], 1),
        ([0.9, 1.1, 1.2, 2.05], 3),  # over the edge of two seconds of the clock
        ([3.0, 0.1, 0.2], 2),
    ],
)
def test_the_busiest_second_begins_anywhere(moments, most):
    assert busiest_second(moments) == most


def test_a_second_that_begins_in_a_standstill_proves_nothing():
    queued = [5.0 + number / 1000 for number in range(30)]  # let in together, at the end of it
    steady = [5.1 + number / 10 for number in range(20)]
    assert busiest_second([*queued, *steady]) == 39
    assert busiest_second([*queued, *steady], [Standstill(4.7, 5.03)]) == 10


@pytest.mark.parametrize(("values", "found"), [([], 0.0), ([7.0], 7.0), (range(1, 101), 95), ([2, 1], 2)])
def test_p95_is_by_nearest_rank(values, found):
    assert p95(values) == found


def test_waits_go_from_asking_to_the_first_delivery():
    promises = [Promise("T-1", "c", 10.0), Promise("T-2", "c", 10.0), Promise("T-3", "c", 10.0)]
    deliveries = [Delivery("T-2", "c", 12.0), Delivery("T-1", "c", 11.0), Delivery("T-1", "c", 19.0)]
    assert waits(promises, deliveries) == [1.0, 2.0]


@pytest.mark.parametrize(("during", "undisturbed"), [(1.5, True), (1.64, True), (1.7, False)])
def test_half_as_much_again_and_the_noise_is_allowed(during, undisturbed):
    assert is_undisturbed(during, 1.0) is undisturbed
