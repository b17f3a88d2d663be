"""Markdown as WhatsApp shows it: what a model writes arrives as marks, lists and tables that a telephone can show."""

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hailgate.console.inbox.formatting import render_formatting
from hailgate.core.monospace import align, width_of
from hailgate.markdown import LONGEST, PHONE_WIDTH, from_whatsapp, to_whatsapp

SMALL = "| Day | Open |\n|---|--:|\n| Mon | 8-18 |\n| **Tue** | 9 |"
WIDE = (
    "| Service | Price | How long |\n|---|---|---|\n| Check-up of `all` | 20 € | an hour, or a little more |\n"
    "| Visit | | |"
)


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**b** __b__ *i* _i_ ~~s~~ `c`", "*b* *b* _i_ _i_ ~s~ `c`"),
        ("***both***", "_*both*_"),
        ("**two\nlines**", "*two*\n*lines*"),
        ("foo**bar**baz", "foobarbaz"),
        ("snake_case and 2*3*4 and a * b", "snake_case and 2*3*4 and a * b"),
        ("# Hours **today**\ntext", "*Hours today*\ntext"),
        ("2**3**4 | 2*x*y", "2**3**4 | 2*x*y"),
        ("Intro:\n* a\n+ b\n", "Intro:\n- a\n- b"),
        ("Intro:\n\n- a\n\n- b", "Intro:\n\n- a\n\n- b"),
        ("- a\n  - b\n- c", "- a\n  - b\n- c"),
        ("1. a\n1. b", "1. a\n2. b"),
        ("3) a\n4) b", "3) a\n4) b"),
        ("> q\nlazy\n> > deeper", "> q\n> lazy\n> deeper"),
        ("a\n\n---\n\nb", "a\n\n———\n\nb"),
        ("```py\nx = '*'\n```", "```\nx = '*'\n```"),
        ("```so it is", "```\nso it is\n```"),
        ("~~~\n```\n~~~", "```\n'''\n```"),
        ("[our page](https://a.example/x)", "our page (https://a.example/x)"),
        ("[a.example/x](https://a.example/x) <https://b.example>", "https://a.example/x https://b.example"),
        ("[write](mailto:x@a.example) <x@a.example>", "write (x@a.example) x@a.example"),
        ("[call](tel:+15550100042)", "call (+15550100042)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("![map](https://a.example/m.png)", "map (https://a.example/m.png)"),
        ("see https://a.example/__init__.py?x=*1*.", "see https://a.example/__init__.py?x=*1*."),
        ("**https://a.example/_x_**", "*https://a.example/_x_*"),
        ("a<br>b &amp; \\*c\\*", "a\nb & *c*"),
        ("Title\n===\n    four spaces\n[x]: y", "Title\n===\nfour spaces\n[x]: y"),
        ("-", "-"),
        ("#", "#"),
        ("", ""),
        (SMALL, "```\nDay  Open\n---------\nMon  8-18\nTue     9\n```"),
        (WIDE, "*Check-up of `all`*\n- Price: 20 €\n- How long: an hour, or a little more\n\n*Visit*"),
    ],
)  # fmt: skip
def test_markdown_becomes_what_whatsapp_shows(markdown, shown):
    assert to_whatsapp(markdown) == shown


def test_a_table_is_a_list_only_where_a_phone_has_no_room_for_it():
    def table(cell):
        return to_whatsapp(f"| a | b |\n|---|---|\n| x | {cell} |")

    fits = PHONE_WIDTH - width_of("x  ")
    assert table("y" * fits).startswith("```")
    assert table("y" * (fits + 1)) == f"*x*\n- b: {'y' * (fits + 1)}"


def test_columns_are_even_where_letters_are_wide_or_have_no_width():
    lines = align([["a", "b"], ["日本", "c"], ["e\u0301", "d"]], [False, False])
    assert {width_of(line) for line in lines} == {7}


@pytest.mark.parametrize(
    "shown", ["*b* _i_ ~s~", "_*both*_ *_both_*", "*a b*\n```\nx *y* z\n```\nc", "2*3*4", "- *a*: b"]
)
def test_what_we_said_comes_back_the_same(shown):
    assert to_whatsapp(from_whatsapp(shown)) == shown


SIGNS = [
    "*",
    "**",
    "_",
    "~~",
    "`",
    "```",
    "#",
    "> ",
    "- ",
    "1. ",
    "|",
    "|-|-|",
    "[",
    "](",
    ")",
    "!",
    "<br>",
    "\\",
    "&lt;",
]
PIECES = st.sampled_from(
    [*SIGNS, "\n", "\n\n", " ", "    ", "a", "Word", "https://x.y/_z_", "<b>", "é", "日", "\u200d", "\x00"]
)
MARKDOWN = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=200)


@given(MARKDOWN)
@example("> " * 2000 + "end")
@example("- " * 2000 + "end")
@example("**" * 1000 + "x" + "**" * 1000)
@example("[" * 4000)
@example("\r\n> a\r\rb")
def test_whatever_is_written_there_is_an_answer_and_its_words_are_in_it(text):
    shown = to_whatsapp(text)
    assert bool(shown) == bool(text.strip())
    letters = {sign for sign in _without_language(text) if unicodedata.category(sign).startswith("L")}
    assert letters - set("brlt") <= set(unquote(shown))


def _without_language(text):
    return re.sub("(```|~~~).*", "", text)


PLAIN = st.text(st.sampled_from("abc dé9,.!?;:'\"()@€%/\n"), max_size=200)


@given(PLAIN)
def test_plain_words_stay_as_they_are(text):
    shown = to_whatsapp(text)
    assert to_whatsapp(shown) == shown
    assert shown.split() == text.split()


@given(MARKDOWN)
def test_no_tag_comes_out_of_it_on_a_page(text):
    html = str(render_formatting(to_whatsapp(text)))
    assert "<b>" not in html
    assert "<br>" not in html


def test_what_is_longer_than_a_message_stays_as_it_is():
    assert to_whatsapp("**a** " * LONGEST) == ("**a** " * LONGEST).strip()
