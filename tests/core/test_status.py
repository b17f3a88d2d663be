"""What counts as further: the ranks that the store raises a message's status by."""

import pytest

from hailgate.core.status import Status


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
    assert max(current, reported) is end
