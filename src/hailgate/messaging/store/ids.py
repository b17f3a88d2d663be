"""Ids for the outside: UUIDs of version 7 (RFC 9562), which sort roughly by time and are otherwise random."""

import os
import time
from collections import deque
from typing import Final
from uuid import UUID

RANDOM_BYTES: Final = 16
_AT_ONCE: Final = 256

# Asking the system each time costs more than the rest of an id. Taking one out is atomic, whatever thread does it.
_drawn: deque[bytes] = deque()
os.register_at_fork(after_in_child=_drawn.clear)


def random_bytes() -> bytes:
    """16 bytes of the system's randomness."""
    try:
        return _drawn.popleft()
    except IndexError:
        fresh = os.urandom(RANDOM_BYTES * _AT_ONCE)
        _drawn.extend(fresh[start : start + RANDOM_BYTES] for start in range(RANDOM_BYTES, len(fresh), RANDOM_BYTES))
        return fresh[:RANDOM_BYTES]


def uuid7() -> UUID:
    milliseconds = time.time_ns() // 1_000_000
    randoms = int.from_bytes(random_bytes())
    above, below = randoms >> 64 & (1 << 12) - 1, randoms & (1 << 62) - 1
    return UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | above << 64 | 2 << 62 | below)
