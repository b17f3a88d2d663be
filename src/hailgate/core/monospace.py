"""Monospace: rows of cells in columns of even width, as a font shows them that gives every letter the same room."""

import unicodedata
from collections.abc import Sequence
from typing import Final

GAP: Final = "  "
_WITHOUT_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})


def align(rows: Sequence[Sequence[str]], rights: Sequence[bool]) -> list[str]:
    """Lines: the first row is a heading and gets a rule. ``rights`` says which columns stand to the right."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    head, *others = [_line(row, widths, rights) for row in rows]
    return [head, "-" * width_of(GAP.join("-" * width for width in widths)), *others] if others else [head]


def width_of(text: str) -> int:
    """In columns: letters of Chinese, Japanese and Korean, and emoji, take two."""
    return sum(_width(sign) for sign in text)


def _width(sign: str) -> int:
    if unicodedata.category(sign) in _WITHOUT_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _line(row: Sequence[str], widths: Sequence[int], rights: Sequence[bool]) -> str:
    return GAP.join(map(_padded, row, widths, rights)).rstrip()


def _padded(cell: str, width: int, right: bool) -> str:
    room = " " * (width - width_of(cell))
    return room + cell if right else cell + room
