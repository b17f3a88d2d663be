"""Patterns: variables are filled exactly once, and what is missing is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.errors import InputError
from hailgate.core.patterns import StandingPattern, check_pattern, choose_pattern, fill_pattern, variables_of

TEXT = "Hello {{name}}, on {{ day }} at {{time}}. Until then, {{name}}!"
VALUES = {"name": "Ana", "day": "Monday", "time": "10:00"}


def test_each_variable_stands_for_its_value_wherever_it_is():
    assert fill_pattern(TEXT, VALUES) == "Hello Ana, on Monday at 10:00. Until then, Ana!"
    assert variables_of(TEXT) == ("name", "day", "time")


@given(st.text(min_size=1, max_size=60).filter(str.strip))
def test_a_value_is_never_read_as_a_pattern(value):
    filled = fill_pattern("<{{name}}>{{day}}", {"name": value, "day": "{{name}}"})
    assert filled == f"<{value}>{{{{name}}}}"


@pytest.mark.parametrize("missing", list(VALUES))
@pytest.mark.parametrize("given_value", [None, "", "  "])
def test_a_missing_variable_is_named(missing, given_value):
    values = {**VALUES, missing: given_value} if given_value is not None else dict(VALUES)
    if given_value is None:
        del values[missing]
    with pytest.raises(InputError, match=f"pattern.values.{missing}: is missing") as refused:
        fill_pattern(TEXT, values, "pattern.values")
    assert refused.value.field == f"pattern.values.{missing}"


def test_one_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="it has: name, day, time") as refused:
        fill_pattern(TEXT, {**VALUES, "nmae": "Ana"})
    assert refused.value.field == "values.nmae"


def test_what_somebody_wrote_in_place_of_a_name_is_not_repeated():
    with pytest.raises(InputError) as refused:
        fill_pattern("Hello", {"My number is 15550100042": "x"})
    assert "15550100042" not in f"{refused.value.detail}{refused.value.field}"


@pytest.mark.parametrize(
    ("name", "language", "text", "field"),
    [
        ("Greeting", "en", "Hi", "name"),
        ("", "en", "Hi", "name"),
        ("greeting", "english", "Hi", "language"),
        ("greeting", "EN", "Hi", "language"),
        ("greeting", "en", "  ", "text"),
        ("greeting", "en", "x" * 4097, "text"),
        ("greeting", "en", "Hi {{First Name}}", "text"),
        ("greeting", "en", "Hi {{}}", "text"),
        ("greeting", "en", "Hi {{name", "text"),
    ],
)
def test_what_is_no_pattern_is_refused(name, language, text, field):
    with pytest.raises(InputError) as refused:
        check_pattern(name, language, text)
    assert refused.value.field == field


STANDING = [StandingPattern("greeting", "en", "Hi"), StandingPattern("greeting", "pt", "Oi")]


@pytest.mark.parametrize(("asked", "chosen"), [("en", "Hi"), ("pt", "Oi"), ("pt_BR", "Oi"), ("pt-BR", "Oi")])
def test_a_language_has_its_own_or_its_familys(asked, chosen):
    assert choose_pattern(STANDING, "greeting", asked).text == chosen


def test_the_only_one_needs_no_language():
    assert choose_pattern(STANDING[:1], "greeting", "").text == "Hi"


@pytest.mark.parametrize(("name", "language", "field"), [("bye", "en", "name"), ("greeting", "de", "language")])
def test_what_is_not_there_is_named(name, language, field):
    with pytest.raises(InputError) as refused:
        choose_pattern(STANDING, name, language)
    assert (refused.value.code, refused.value.field) == ("unknown_pattern", f"pattern.{field}")
