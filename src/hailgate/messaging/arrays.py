"""A batch's columns as PostgreSQL takes arrays in its binary form, written in one go.

psycopg finds out what a list holds by looking at every element, three times, and sends small numbers as a small type,
which the server turns into the column's own, one by one. Here the column says what it holds.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import adapters
from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

_HEAD: Final = struct.Struct(">iiiii").pack  # dimensions, whether one is NULL, type of the elements, how many, from 1
_LENGTH: Final = struct.Struct(">i").pack
_NULL: Final = _LENGTH(-1)


class _Kind(NamedTuple):
    """``array`` and ``element`` are PostgreSQL's numbers of the two types; ``write`` adds an element's length."""

    array: int
    element: int
    write: Callable[[Any], bytes]


def _fixed(code: str) -> Callable[[Any], bytes]:
    element = struct.Struct(f">i{code}")
    size, write = element.size - 4, element.pack
    return lambda value: write(size, value)


def _bytes(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


_BOOLEANS: Final = {value: _bytes(bytes([value])) for value in (False, True)}
_KINDS: Final = {
    "bigint": _Kind(1016, 20, _fixed("q")),
    "integer": _Kind(1007, 23, _fixed("i")),
    "smallint": _Kind(1005, 21, _fixed("h")),
    "float8": _Kind(1022, 701, _fixed("d")),
    "boolean": _Kind(1000, 16, _BOOLEANS.__getitem__),
    "text": _Kind(1009, 25, lambda value: _bytes(value.encode())),
    "uuid": _Kind(2951, 2950, lambda value: _bytes(value.bytes)),
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
    write = kind.write
    try:
        elements = [_NULL if value is None else write(value) for value in values]
    except _REFUSALS:
        return list(values)
    return Packed(kind.array, _HEAD(1, 1, kind.element, len(elements), 1) + b"".join(elements))


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
