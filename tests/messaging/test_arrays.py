"""Arrays in PostgreSQL's binary form say what psycopg's would have said."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hailgate.messaging.store.arrays import Packed, packed, packed_keys
from hailgate.messaging.store.sql import atomic_cursor, fetch_value, on_postgresql

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
VALUES = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "float8": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "text": texts,
    "uuid": st.uuids(),
    "bytea": st.binary(max_size=20),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_packed_comes_back(name, store):
    if not on_postgresql():
        pytest.skip("SQLite knows no arrays")

    @settings(max_examples=25)
    @given(st.lists(st.none() | VALUES[name], min_size=1, max_size=6))
    def comes_back(values):
        with atomic_cursor() as cursor:
            found = fetch_value(cursor, f"SELECT %b::{name}[]", [packed(name, values)])
        assert [bytes(each) if isinstance(each, memoryview) else each for each in found] == values

    comes_back()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bigint", [1, 2**63]),
        ("smallint", [2**15]),
        ("bigint", ["1"]),
        ("text", [7]),
        ("text", ["\ud800"]),
        ("uuid", ["0" * 32]),
        ("boolean", ["yes"]),
        ("float8", [10**400]),
    ],
)
def test_what_does_not_fit_is_left_to_be_refused(name, values):
    assert packed(name, values) == values


def test_the_first_key_says_what_the_others_are():
    kinds = [packed_keys([1]), packed_keys(["1"]), packed_keys([UUID(int=1)])]
    assert [kind.type for kind in kinds if isinstance(kind, Packed)] == [1016, 1009, 2951]
    assert packed_keys([]) == []
