"""Statuses arrive in any order, twice, or not at all, and end in the same place."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.status import Status, advance, join

statuses = st.sampled_from(Status)
histories = st.lists(statuses)


def test_the_chain_is_fixed_since_its_ranks_are_stored():
    assert [(status.value, status.word) for status in Status] == [
        (0, "queued"),
        (1, "sent"),
        (2, "failed"),
        (3, "delivered"),
        (4, "read"),
        (5, "played"),
    ]


@pytest.mark.parametrize(
    ("current", "reported", "end"),
    [
        (Status.READ, Status.DELIVERED, Status.READ),
        (Status.SENT, Status.READ, Status.READ),
        (Status.FAILED, Status.DELIVERED, Status.DELIVERED),
        (Status.DELIVERED, Status.FAILED, Status.DELIVERED),
        (Status.SENT, Status.FAILED, Status.FAILED),
        (Status.FAILED, Status.SENT, Status.FAILED),
        (Status.PLAYED, Status.READ, Status.PLAYED),
    ],
    ids=lambda status: status.word,
)
def test_a_late_status_never_undoes_a_further_one(current, reported, end):
    assert advance(current, reported) is end


def test_a_message_without_history_is_queued():
    assert join([]) is Status.QUEUED


@given(histories, st.randoms(use_true_random=False))
def test_any_order_with_repeats_joins_to_the_same_end(history, random):
    told = history + random.choices(history, k=len(history)) if history else []
    random.shuffle(told)

    assert reduce(advance, told, Status.QUEUED) is join(history)


@given(histories, st.data())
def test_gaps_do_not_change_the_end(history, data):
    end = join(history)
    kept = data.draw(st.lists(st.sampled_from(history), unique=True)) if history else []

    assert join([*kept, end]) is end


@given(histories, statuses)
def test_a_status_never_moves_back(history, reported):
    assert advance(join(history), reported) >= join(history)


@given(histories, histories, histories)
def test_histories_join_in_any_grouping(one, two, three):
    assert join([join(one), join([join(two), join(three)])]) is join(one + two + three)
