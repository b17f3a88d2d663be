"""Properties of a delivery that the AMQP client cannot read: left out, or read as far as it goes.

A sender may have written a time in microseconds, or a name that is not UTF-8. The client ends the connection over one,
the broker delivers it again, and what is behind it in the queue would never be read.
"""

import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pamqp import decode

_UNREADABLE = (ValueError, OverflowError, OSError, RecursionError)


def read_leniently() -> None:
    """For the whole process, which has one AMQP client. Harmless to repeat."""
    decode.METHODS |= {"shortstr": _short_string, "timestamp": _timestamp, "table": _table}
    decode.TABLE_MAPPING |= {b"T": _timestamp, b"F": _table}


def _short_string(value: bytes) -> tuple[int, str]:
    end = 1 + value[0]
    return end, value[1:end].decode(errors="replace")


def _timestamp(value: bytes) -> tuple[int, datetime | None]:
    return _or_nothing(decode.timestamp, value, 8, None)


def _table(value: bytes) -> tuple[int, Any]:
    """Without what is in it, where a part of it cannot be read."""
    (length,) = struct.unpack_from(">I", value)
    return _or_nothing(decode.field_table, value, 4 + length, {})


def _or_nothing(read: Callable[[bytes], tuple[int, Any]], value: bytes, size: int, nothing: Any) -> tuple[int, Any]:
    try:
        return read(value)
    except _UNREADABLE:
        return size, nothing
