"""Answers that come compressed although plain ones were asked for: some proxies do it to all."""

import zlib

from hailgate.providers.guarded_body import UnreadableAnswer

PLAIN = "identity"
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
# As zlib names it: the window of 15 bits, and gzip or zlib as the first bytes tell.
_GZIP_OR_ZLIB = 15 + 32


class Unpacker:
    """Of one answer. Raises UnreadableAnswer for what is no such stream."""

    def __init__(self, encoding: str) -> None:
        if encoding.strip().lower() not in _ENCODINGS:
            raise UnreadableAnswer
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = False

    def unpack(self, chunk: bytes, most: int) -> bytes:
        """At most so many bytes, however many more there are in it."""
        self._begun = True
        try:
            return self._stream.decompress(chunk, most)
        except zlib.error as broken:
            raise UnreadableAnswer from broken

    @property
    def whole(self) -> bool:
        return self._stream.eof or not self._begun
