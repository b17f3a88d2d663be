"""Files inside webhooks, in base64: found, left out or decoded as the pieces of a body go by. Pure."""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterator
from typing import Final

from hailgate.core.errors import InputError
from hailgate.core.form_stream import FormScanner
from hailgate.core.json_stream import LONGEST_KEY, BodySegment, JsonScanner

# Longer than any text of WhatsApp's (65,536 characters, each of them perhaps an escape of six bytes).
LONGEST_STRING: Final = 512 << 10
SKIMMED: Final = b"hailgate:skimmed"
"""Stands for a string that was left out."""

_UNICODE = re.compile(rb"\\u00([0-7][0-9a-fA-F])")
_PERCENT = re.compile(rb"%([0-7][0-9a-fA-F])")
_LONGEST_ESCAPE: Final = 6
_PREFIX = b"data:"
# A mark of byte order, and space.
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"


class BodyScanner:
    """JSON or a form, which the first sign tells."""

    def __init__(self) -> None:
        self._scanner: JsonScanner | FormScanner | None = None

    def feed(self, piece: bytes) -> Iterator[BodySegment]:
        if self._scanner is None and (begun := piece.lstrip(_BEFORE_JSON)):
            self._scanner = JsonScanner() if begun[:1] in {b"{", b"[", b'"'} else FormScanner()
        if self._scanner is None:
            yield BodySegment(None, piece)
        else:
            yield from self._scanner.feed(piece)


class Skimmer:
    """The same body without the strings that are too long for anything but a file."""

    def __init__(self, longest: int = LONGEST_STRING) -> None:
        self._scanner, self._longest = BodyScanner(), longest
        self._value = bytearray()
        self._left_out = False

    def feed(self, piece: bytes) -> bytes:
        kept = bytearray()
        for pointer, text in self._scanner.feed(piece):
            if pointer is None:
                if text:
                    kept += self._end_value() + text
            elif not self._left_out:
                self._value += text
                self._left_out = len(self._value) > self._longest
        return bytes(kept)

    def end(self) -> bytes:
        return self._end_value()

    def _end_value(self) -> bytes:
        value = SKIMMED if self._left_out else bytes(self._value)
        self._value.clear()
        self._left_out = False
        return value


async def find_string(pieces: AsyncIterator[bytes], pointer: str) -> AsyncIterator[bytes]:
    """The raw text of the string at this pointer, as it goes by; nothing where there is none."""
    scanner = BodyScanner()
    async for piece in pieces:
        for found, text in scanner.feed(piece):
            if found == pointer:
                yield text


async def decode_base64(texts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a string in base64, with or without `data:…;base64,` before it. Raises InputError.

    It may be escaped as in JSON or as in a form: neither one's sign of escape is one of base64.
    """
    rest = b""
    async for text in _without_prefix(_unescaped(texts)):
        rest += text
        whole = len(rest) - len(rest) % 4
        yield _decoded(rest[:whole])
        rest = rest[whole:]
    yield _decoded(rest)


async def _without_prefix(texts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    head, begun = b"", False
    async for text in texts:
        if begun:
            yield text
            continue
        head += text
        begun = not head.startswith(_PREFIX[: len(head)]) or b"," in head or len(head) > LONGEST_KEY
        if begun:
            yield head.partition(b",")[2] if head.startswith(_PREFIX) else head
    if not begun:
        yield head


async def _unescaped(texts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What JSON and forms may write for the signs of base64; an escape that was cut waits for its rest."""
    held = b""
    async for text in texts:
        whole = held + text
        late = max(0, len(whole) - _LONGEST_ESCAPE + 1)
        cut = max(whole.rfind(b"\\", late), whole.rfind(b"%", late))
        held = whole[cut:] if cut >= 0 else b""
        yield _plain(whole[:cut] if cut >= 0 else whole)
    yield _plain(held)


def _plain(text: bytes) -> bytes:
    """Without escapes, and without the breaks of lines that some write into base64."""
    if b"%" in text:
        text = _PERCENT.sub(_sign, text).translate(None, b"\r\n")
    if b"\\" not in text:
        return text
    for written, sign in ((b"\\/", b"/"), (b"\\n", b""), (b"\\r", b"")):
        text = text.replace(written, sign)
    return _UNICODE.sub(_sign, text)


def _sign(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 16)])


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InputError("The file in the webhook is not in base64.", code="file_refused") from None
