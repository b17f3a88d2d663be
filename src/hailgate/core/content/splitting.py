"""A long text in parts that each fit into one message. Pure."""

import re
from typing import Final

# Where a text is parted best comes first: after a paragraph, a line, a sentence, a word.
_ENDS: Final = tuple(map(re.compile, (r"\n[^\S\n]*\n\s*", r"\n\s*", r"(?<=[.!?…。])\s+", r"\s+")))
_CODE: Final = "```"


def split_text(text: str, limit: int) -> list[str]:
    """Each of at most ``limit`` characters, none empty; nothing is lost but the spaces between them."""
    parts, rest = [], text.strip()
    while len(rest) > limit:
        end = _find_end(rest, limit)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*parts, rest] if rest else parts


def _find_end(text: str, limit: int) -> int:
    """Before a block of code that would be cut, where something stands before it."""
    room = text[: limit + 1]
    for pattern in _ENDS:
        ends = [found.start() for found in pattern.finditer(room) if 0 < found.start() <= limit]
        if whole := [end for end in ends if text.count(_CODE, 0, end) % 2 == 0]:
            return whole[-1]
    spaces = [found.start() for found in _ENDS[-1].finditer(room) if 0 < found.start() <= limit]
    return spaces[-1] if spaces else limit
