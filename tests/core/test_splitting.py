"""A long text in parts: parted where it hurts least, each part fits, and no word is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.content.splitting import split_text


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("short", 10, ["short"]),
        ("  ", 10, []),
        ("one two\n\nthree four", 12, ["one two", "three four"]),
        ("a\n\nb\n\nc d e f", 8, ["a\n\nb", "c d e f"]),
        ("one two\nthree four", 12, ["one two", "three four"]),
        ("One two. Three four", 12, ["One two.", "Three four"]),
        ("one two three", 8, ["one two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("Intro:\n```\na b\n```", 14, ["Intro:", "```\na b\n```"]),
        ("exactly ten", 11, ["exactly ten"]),
    ],
    ids=["fits", "nothing", "paragraph", "last that fits", "line", "sentence", "word", "no end", "code", "full"],
)
def test_a_text_is_parted_where_it_hurts_least(text, limit, parts):
    assert split_text(text, limit) == parts


PIECES = st.sampled_from(["word", ".", " ", "\n", "\n\n", "```", "。", "\u00a0", "é"])


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=80), st.integers(1, 20))
def test_every_part_fits_and_no_word_is_lost(text, limit):
    parts = split_text(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
