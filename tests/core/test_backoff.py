"""Waits grow up to their limit, differ, and begin anew."""

from hailgate.core.backoff import Backoff


def test_waits_double_up_to_the_most_and_begin_anew():
    backoff = Backoff(0.5, 3.0)
    for _ in range(2):
        for ceiling in (0.5, 1.0, 2.0, 3.0, 3.0):
            assert ceiling / 2 <= backoff.wait() <= ceiling
        backoff.reset()


def test_two_who_wait_are_not_in_step():
    assert len({Backoff(1.0, 1.0).wait() for _ in range(20)}) > 1
