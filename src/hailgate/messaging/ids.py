"""Ids for the outside: UUIDs of version 7 (RFC 9562), which sort roughly by time and are otherwise random."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    milliseconds = time.time_ns() // 1_000_000
    randoms = secrets.randbits(74)
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | (randoms >> 62) << 64 | 2 << 62 | randoms & (1 << 62) - 1
    return UUID(int=value)
