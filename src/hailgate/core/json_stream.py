"""Large JSON, read as its pieces go by: a webhook of 140 MB is held by nobody as a whole. Pure.

The scanner tells string values from everything else and knows where each one stands (a JSON pointer, RFC 6901). It
does not check the JSON: what is broken comes out as it went in, and fails where it is parsed.
"""

import re
from collections.abc import Collection, Iterator
from json import JSONDecodeError, loads
from typing import Final, NamedTuple

MOST_LEVELS: Final = 500
LONGEST_KEY: Final = 1_000

_STRUCTURE = re.compile(rb'[{}\[\],"]')
_END = re.compile(rb'["\\]')


class BodySegment(NamedTuple):
    """Raw text. ``pointer`` is that of a string value; keys, signs, numbers and the rest have none."""

    pointer: str | None
    text: bytes


class JsonScanner:
    def __init__(self) -> None:
        self._levels: list[str | int] = []  # the key or index of each open container
        self._key: bytearray | None = None  # of the key that is being read
        self._in_string = self._escaped = False
        self._wants_key = False
        self._lost = False  # too deep to be followed: everything is plain from here on

    def feed(self, piece: bytes) -> Iterator[BodySegment]:
        at = plain_from = 0
        while at < len(piece) and not self._lost:
            if self._in_string:
                begun, at = at, self._string_until(piece, at)
                if self._key is None and at > begun:
                    yield BodySegment(None, piece[plain_from:begun])
                    yield BodySegment(self._pointer(), piece[begun:at])
                    plain_from = at
                elif self._key is not None:
                    self._key += piece[begun:at][: LONGEST_KEY - len(self._key)]
                if at < len(piece):
                    self._close_string()
                    at += 1
            elif found := _STRUCTURE.search(piece, at):
                self._step(found[0])
                at = found.end()
            else:
                break
        yield BodySegment(None, piece[plain_from:])

    def _string_until(self, piece: bytes, at: int) -> int:
        """Where the string ends: at its quote, or at the end of the piece."""
        if self._escaped:
            self._escaped, at = False, at + 1
        while found := _END.search(piece, at):
            if found[0] == b'"':
                return found.start()
            at = found.end() + 1
            if at > len(piece):
                self._escaped = True
        return len(piece)

    def _close_string(self) -> None:
        self._in_string = False
        if self._key is not None and self._levels:
            self._levels[-1] = _unescape(bytes(self._key))
            self._key, self._wants_key = None, False

    def _step(self, sign: bytes) -> None:
        levels = self._levels
        if sign == b'"':
            self._in_string = True
            self._key = bytearray() if self._wants_key else None
        elif sign in b"{[":
            levels.append("" if sign == b"{" else 0)
            self._wants_key = sign == b"{"
            self._lost = len(levels) > MOST_LEVELS
        elif sign in b"}]":
            self._wants_key = False
            if levels:
                levels.pop()
        elif levels:
            last = levels[-1]
            self._wants_key = isinstance(last, str)
            if isinstance(last, int):
                levels[-1] = last + 1

    def _pointer(self) -> str:
        return "".join(f"/{escape_key(level)}" for level in self._levels)


class JsonMask:
    """The same JSON with `***` for the strings at these pointers."""

    def __init__(self, pointers: Collection[str]) -> None:
        self._scanner, self._pointers = JsonScanner(), frozenset(pointers)
        self._hiding = False

    def feed(self, piece: bytes) -> bytes:
        kept = bytearray()
        for pointer, text in self._scanner.feed(piece):
            if pointer not in self._pointers:
                self._hiding = self._hiding and not text
                kept += text
            elif not self._hiding:
                self._hiding = True
                kept += b"***"
        return bytes(kept)

    def end(self) -> bytes:
        return b""


def _unescape(key: bytes) -> str:
    try:
        return str(loads(b'"' + key + b'"'))
    except (JSONDecodeError, UnicodeDecodeError, RecursionError):
        return key.decode("utf-8", "replace")


def escape_key(level: str | int) -> str:
    """As a pointer names it (RFC 6901)."""
    return str(level).replace("~", "~0").replace("/", "~1")
