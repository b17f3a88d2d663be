"""An instant is a float in the store and an aware datetime in Python."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hailgate.accounts.fields import InstantField

FIELD = InstantField()


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_an_instant_comes_back_to_the_microsecond(at):
    stored = FIELD.get_prep_value(at)
    assert isinstance(stored, float)
    assert abs((FIELD.from_db_value(stored, None, None) - at).total_seconds()) <= 1e-6


def test_nothing_stays_nothing():
    assert FIELD.get_prep_value(None) is FIELD.from_db_value(None, None, None) is None


def test_a_number_is_taken_as_seconds():
    assert FIELD.get_prep_value(1.5) == 1.5
    assert FIELD.to_python(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert FIELD.to_python("x") == "x"
