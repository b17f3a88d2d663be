"""A batch's columns as PostgreSQL takes arrays in its binary form, written in one go.

psycopg finds out what a list holds by looking at every element, three times, and sends small numbers as a small type,
which the server turns into the column's own, one by one. Here the column says what it holds.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import adapters
from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

_HEAD: Final = struct.Struct(">iiiii").pack  # dimensions, whether one is NULL, type of the elements, how many, from 1
_NULL: Final = b"\xff\xff\xff\xff"

Write = Callable[[Sequence[Any]], bytes | bytearray]


class _Lengths(dict[int, bytes]):
    """Of elements, as they stand before each."""

    def __missing__(self, length: int) -> bytes:
        written = length.to_bytes(4, "big")
        if length < 1024:
            self[length] = written
        return written


_LENGTHS: Final = _Lengths()


class _Kind(NamedTuple):
    """``array`` and ``element`` are PostgreSQL's numbers of the two types; ``write`` gives elements with lengths."""

    array: int
    element: int
    write: Write


def _fixed(code: str) -> Write:
    size = struct.calcsize(f">{code}")

    def write(values: Sequence[Any]) -> bytearray:
        written = bytearray(_packer(code, len(values))(*values))
        written[3 :: 4 + size] = bytes([size]) * len(values)
        return written

    return write


@lru_cache(512)
def _packer(code: str, times: int) -> Callable[..., bytes]:
    """With four zeros before each element, for its length."""
    return struct.Struct(">" + f"4x{code}" * times).pack


def _bytes(values: Iterable[bytes]) -> bytes:
    return b"".join([_LENGTHS[len(value)] + value for value in values])


def _texts(values: Iterable[str]) -> bytes:
    return _bytes(map(str.encode, values))


def _uuids(values: Iterable[UUID]) -> bytes:
    return b"".join([_LENGTHS[16] + value.int.to_bytes(16, "big") for value in values])


_BOOLEANS: Final = {value: _bytes([bytes([value])]) for value in (False, True)}
_KINDS: Final = {
    "bigint": _Kind(1016, 20, _fixed("q")),
    "integer": _Kind(1007, 23, _fixed("i")),
    "smallint": _Kind(1005, 21, _fixed("h")),
    "float8": _Kind(1022, 701, _fixed("d")),
    "boolean": _Kind(1000, 16, lambda values: b"".join(map(_BOOLEANS.__getitem__, values))),
    "text": _Kind(1009, 25, _texts),
    "uuid": _Kind(2951, 2950, _uuids),
    "bytea": _Kind(1001, 17, _bytes),
}
_NAMES: Final = {int: "bigint", str: "text", UUID: "uuid"}
_REFUSALS: Final = (struct.error, TypeError, AttributeError, KeyError, OverflowError, UnicodeEncodeError)


class Packed(NamedTuple):
    """An array that is ready to be sent."""

    type: int
    data: bytes


def packed(name: str, values: Sequence[Any]) -> "Packed | list[Any]":
    """``values`` as an array of PostgreSQL's type ``name``.

    What does not fit stays a list: psycopg or the server refuse it, and what they say of it is known everywhere.
    """
    kind = _KINDS[name]
    try:
        data = _HEAD(1, 1, kind.element, len(values), 1) + _written(kind.write, values)
    except _REFUSALS:
        return list(values)
    return Packed(kind.array, data)


def _written(write: Write, values: Sequence[Any]) -> bytes | bytearray:
    """Most columns of a batch hold one value only, which is written once."""
    if values and values[0] == values[-1] and values.count(values[0]) == len(values):
        return len(values) * (_NULL if values[0] is None else write(values[:1]))
    try:
        return write(values)
    except _REFUSALS:
        if None not in values:
            raise
        return b"".join([_NULL if value is None else write([value]) for value in values])


def packed_keys(values: Sequence[Any]) -> "Packed | list[Any]":
    """Keys of one type: integers, strings or UUIDs."""
    return packed(_NAMES.get(type(values[0]), "text"), values) if values else []


class _PackedDumper(Dumper):
    format = Format.BINARY

    def get_key(self, obj: Packed, format: PyFormat) -> DumperKey:  # noqa: A002, ARG002 -- psycopg's names
        return (Packed, obj.type)  # type: ignore[return-value]  # anything that can be hashed

    def upgrade(self, obj: Packed, format: PyFormat) -> Dumper:  # noqa: A002, ARG002
        dumper = _PackedDumper(Packed)
        dumper.oid = obj.type
        return dumper

    def dump(self, obj: Packed) -> bytes:
        return obj.data


def teach_psycopg() -> None:
    """Before the first connection, which takes what is known at its time."""
    adapters.register_dumper(Packed, _PackedDumper)
