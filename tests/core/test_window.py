"""The service window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.window import closes_at, is_open

DAY = 86_400.0
moments = st.floats(min_value=0, max_value=4e9)


@pytest.mark.parametrize(
    ("last_inbound_at", "now", "length", "is_it_open", "closing"),
    [
        (1000.0, 1000.0, DAY, True, 1000.0 + DAY),
        (1000.0, 999.0 + DAY, DAY, True, 1000.0 + DAY),
        (1000.0, 1000.0 + DAY, DAY, False, 1000.0 + DAY),
        (1000.0, 900.0, DAY, True, 1000.0 + DAY),
        (None, 1000.0, DAY, False, None),
        (None, 1000.0, None, True, None),
        (1000.0, 1e9, None, True, None),
    ],
    ids=[
        "just written",
        "last second",
        "closed",
        "clock behind",
        "never wrote",
        "no window",
        "no window, long ago",
    ],
)
def test_the_window_is_open_for_its_length_after_the_last_inbound_message(
    last_inbound_at, now, length, is_it_open, closing
):
    assert is_open(last_inbound_at, now, length) is is_it_open
    assert closes_at(last_inbound_at, length) == closing


@pytest.mark.parametrize(
    ("last_inbound_at", "free_until", "closing"),
    [(1000.0, 1000.0 + 3 * DAY, 1000.0 + 3 * DAY), (1000.0, 5.0, 1000.0 + DAY), (None, 5000.0, 5000.0)],
    ids=["a free entry point outlasts a day", "one that is over", "who came by an advertisement and wrote nothing"],
)
def test_a_free_entry_point_keeps_the_window_open_till_its_told_end(last_inbound_at, free_until, closing):
    assert closes_at(last_inbound_at, DAY, free_until) == closing
    assert is_open(last_inbound_at, closing - 1, DAY, free_until)
    assert not is_open(last_inbound_at, closing, DAY, free_until)


@given(moments, moments, st.floats(min_value=0, max_value=1e7))
def test_a_window_is_open_exactly_until_it_closes(last_inbound_at, now, length):
    assert is_open(last_inbound_at, now, length) is (now < closes_at(last_inbound_at, length))
