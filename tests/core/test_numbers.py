"""Two spellings of one number: proven in the ranges of a country's plan, and only there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.numbers import proven_spellings, source_of, suspected_spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5511987654321", "551187654321"),
        ("5551981234567", "555181234567"),
        ("5215512345678", "525512345678"),
        ("5216641234567", "526641234567"),
        ("5491112345678", "541112345678"),
        ("5493511234567", "543511234567"),
    ],
)
def test_a_countrys_plan_proves_two_spellings_of_one_line_both_ways(one, other):
    assert proven_spellings(one) == {other}
    assert proven_spellings(other) == {one}
    assert source_of(one, other) == source_of(other, one) is not None


# Each of the 67 areas, from São Paulo to Maranhão.
AREAS = [
    *range(11, 20), 21, 22, 24, 27, 28, *range(31, 36), 37, 38, *range(41, 50), 51, 53, 54, 55, *range(61, 70),
    71, 73, 74, 75, 77, 79, *range(81, 90), *range(91, 100),
]  # fmt: skip


@pytest.mark.parametrize("area", AREAS)
def test_a_ninth_digit_is_proven_in_each_area_and_never_of_a_fixed_line(area):
    assert proven_spellings(f"55{area}987654321") == {f"55{area}87654321"}
    assert proven_spellings(f"55{area}87654321") == {f"55{area}987654321"}
    for first in "2345":
        assert proven_spellings(f"55{area}{first}7654321") == frozenset()
        assert proven_spellings(f"55{area}9{first}7654321") == frozenset()


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("551132345678", "a fixed line in São Paulo"),
        ("5511932345678", "a mobile number whose eight digits would be a fixed line"),
        ("551178654321", "a trunked radio in São Paulo, which never got a 9"),
        ("5521970123456", "a mobile number whose eight digits would be a trunked radio"),
        *(
            (f"55{area}87654321", f"no area {area}")
            for area in (10, 20, 23, 25, 26, 29, 36, 39, 52, 56, 60, 72, 76, 78, 90)
        ),
        ("521512345678", "Mexico has no number that begins with 1"),
        ("5215512345", "too short"),
        ("549511234567", "too short"),
        ("15551234567", "no rule for North America"),
        ("4915112345678", "no rule for Germany"),
    ],
)
def test_elsewhere_nothing_is_proven(number, why):
    assert proven_spellings(number) == frozenset(), why


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5511912340016", "551112340016"),
        ("551112340016", "5511912340016"),
        ("5521932345678", "552132345678"),
        ("541115123456", "54911123456"),
        ("22997123456", "2290197123456"),
        ("2250712345678", "22512345678"),
        ("4401632960001", "441632960001"),
    ],
)
def test_what_is_not_proven_may_be_suspected(one, other):
    assert other in suspected_spellings(one)
    assert other not in proven_spellings(one)
    assert source_of(one, other) is None


@given(st.from_regex(r"\A(55|52|54|1|44|229)[0-9]{6,11}\Z"))
def test_a_proof_holds_both_ways_and_never_names_the_number_itself(number):
    for other in proven_spellings(number):
        assert number in proven_spellings(other)
        assert other != number
    assert number not in suspected_spellings(number)
    assert not suspected_spellings(number) & proven_spellings(number)
