"""Rows are locked by their id, so that nobody waits for somebody who waits for them; and the page of locks is whole."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hailgate

from .test_interleavings import VERBS

PACKAGE = Path(hailgate.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "locks.md"
LOCK = re.compile(r"\{locked\((?P<how>[^{}()]*)\)[^{}]*\}")
BY_ID = re.compile(r"ORDER BY (?:\w+\.)?id$")
# Conditions that no two rows of a table fulfil; a place is all columns of a unique key.
ONE_ROW = re.compile(r"\b(?:uid|id|queue|contact_id|conversation_id) = %s|WHERE \{place\}")


def statements() -> Iterator[tuple[str, str]]:
    """Where, and each string that locks."""
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text("utf-8")
        if "{locked(" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.JoinedStr) and "{locked(" in (
                    written := ast.get_source_segment(text, node) or ""
                ):
                    plain = "".join(re.sub(r'"\s*f?"', "", written).split("\n"))
                    yield f"{file.relative_to(PACKAGE)}:{node.lineno}", re.sub(r"\s+", " ", plain)


@pytest.mark.parametrize(("place", "statement"), [*statements()])
def test_several_rows_are_locked_in_the_order_of_their_ids(place, statement):
    for lock in LOCK.finditer(statement):
        before = re.sub(r"\{every_tenant\([^{}]*\)\}|LIMIT \S+", "", statement[: lock.start()]).strip()
        skips = "skip=True" in lock["how"]
        assert skips or BY_ID.search(before) or ONE_ROW.search(before), f"{place} locks in no order: {statement}"


def test_the_verbs_that_are_interleaved_are_those_on_the_page():
    _, pairs = PAGE.read_text("utf-8").split("## The pairs")
    listed = re.findall(r"^\| ([a-z ]+) \|", pairs, re.MULTILINE)
    assert listed == ["verb", *(verb.__name__.replace("_", " ") for verb in VERBS)]
