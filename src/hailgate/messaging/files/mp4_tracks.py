"""MP4 tracks: what kinds of them a file has, told while it streams by (ISO/IEC 14496-12).

The brand of an MP4 says who wrote it, not what is in it: telephones record sound as `isom` and `mp42`. Each track names
its kind in `moov/trak/mdia/hdlr`, at the beginning of the file or at its end.
"""

from typing import Final

SOUND: Final = "soun"
PICTURE: Final = "vide"

_INSIDE: Final = frozenset({b"moov", b"trak", b"mdia"})
_HEADER: Final = 8
_LONG_HEADER: Final = 16
# Version and flags, a reserved word, and then the kind.
_HANDLER: Final = 12
_MOST_TRACKS: Final = 64


class Mp4Tracks:
    """Bytes are given in order, in any pieces; of each box no more than its header is held."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self._held = bytearray()
        self._skip = 0
        self._found = 0
        self._lost = False

    def add(self, chunk: bytes) -> None:
        if self._lost:
            return
        skipped = min(self._skip, len(chunk))
        self._skip -= skipped
        self._held += chunk[skipped:]
        while not self._skip and self._read_box():
            pass

    def _read_box(self) -> bool:
        """Read the next box's header, and go past it, into it or over it; False where more bytes are needed first."""
        held = self._held
        if self._lost or len(held) < _HEADER:
            return False
        size, kind, header = int.from_bytes(held[:4]), bytes(held[4:8]), _HEADER
        if size == 1:
            if len(held) < _LONG_HEADER:
                return False
            size, header = int.from_bytes(held[8:16]), _LONG_HEADER
        if kind in _INSIDE:
            del held[:header]
            return True
        if kind == b"hdlr" and not self._read_handler(header):
            return False
        self._pass(size, header)
        return True

    def _read_handler(self, header: int) -> bool:
        end = header + _HANDLER
        if len(self._held) < end:
            return False
        self.kinds.add(self._held[end - 4 : end].decode("latin-1"))
        self._found += 1
        return True

    def _pass(self, size: int, header: int) -> None:
        """A box without a size goes to the end, one smaller than its own header is no box: nothing more is read."""
        if size < header or self._found >= _MOST_TRACKS:
            self._lost = True
            self._held.clear()
            return
        held = min(size, len(self._held))
        del self._held[:held]
        self._skip = size - held
