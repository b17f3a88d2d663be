"""How records lie in a file that may end anywhere: each says how long it is and shows whether it is whole.

A record is its length and a CRC-32, four bytes each in little endian, and then itself. The sum covers the length too:
zeros, which a file system may leave at the end of a file after a power cut, are no records.
"""

import struct
import zlib
from collections.abc import Iterable
from typing import Final

_HEAD: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")


def frame_records(records: Iterable[bytes]) -> bytes:
    return b"".join(_HEAD.pack(len(record), _sum(record)) + record for record in records)


def read_records(data: bytes) -> tuple[list[bytes], int]:
    """Those before the first that is not whole, in order, and how many bytes they take."""
    records: list[bytes] = []
    at = 0
    while at + _HEAD.size <= len(data):
        length, told = _HEAD.unpack_from(data, at)
        record = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(record) < length or _sum(record) != told:
            break
        records.append(record)
        at += _HEAD.size + length
    return records, at


def _sum(record: bytes) -> int:
    return zlib.crc32(record, zlib.crc32(_LENGTH.pack(len(record))))
