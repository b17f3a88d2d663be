"""Large forms (`application/x-www-form-urlencoded`), read as their pieces go by. Pure.

A field's pointer is its name behind a slash, as that of a string at the top of a JSON document.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

from hailgate.core.json_stream import LONGEST_KEY, BodySegment, escape_key

_NAME_END = re.compile(rb"[=&]")


class FormScanner:
    """Tells values from everything else. They stay encoded; of a name that comes twice both bear one pointer."""

    def __init__(self) -> None:
        self._name = bytearray()
        self._pointer = ""
        self._in_value = False

    def feed(self, piece: bytes) -> Iterator[BodySegment]:
        at = plain_from = 0
        while at < len(piece):
            if self._in_value:
                end = piece.find(b"&", at)
                self._in_value = end < 0
                end = len(piece) if end < 0 else end
                yield BodySegment(None, piece[plain_from:at])
                yield BodySegment(self._pointer, piece[at:end])
                at = plain_from = end
            elif found := _NAME_END.search(piece, at):
                self._read_name(piece[at : found.start()])
                self._end_name(found[0])
                at = found.end()
            else:
                self._read_name(piece[at:])
                break
        yield BodySegment(None, piece[plain_from:])

    def _read_name(self, part: bytes) -> None:
        self._name += part[: LONGEST_KEY - len(self._name)]

    def _end_name(self, sign: bytes) -> None:
        self._in_value = sign == b"="
        self._pointer = "/" + escape_key(unquote_plus(self._name.decode("utf-8", "replace")))
        self._name.clear()
