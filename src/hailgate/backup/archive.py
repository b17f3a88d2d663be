"""The archive inside a backup: a tar stream whose members are parts of bounded size.

A member is called after what it belongs to and its number: ``tables/messaging_message/00000001``. So neither writing
nor reading needs to know how long a table or a file is, or holds more than one part in memory.
"""

import io
import tarfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from hailgate.core.errors import InputError

PART_BYTES = 4 << 20


class BackupPart(NamedTuple):
    """``name`` is of what it belongs to."""

    name: str
    data: bytes


def write_archive(parts: Iterable[BackupPart]) -> Iterator[bytes]:
    """The stream, in chunks; nothing for a part whose chunk is still in hand."""
    buffer = io.BytesIO()
    number, last = 0, ""
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, data in parts:
            number, last = (number + 1 if name == last else 1), name
            member = tarfile.TarInfo(f"{name}/{number:08}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
            yield _taken(buffer)
    yield _taken(buffer)


def read_archive(stream: BinaryIO) -> Iterator[BackupPart]:
    """Raises InputError for what is no archive of ours."""
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                data = tar.extractfile(member)
                if data is None:
                    raise InputError("holds something that is no part of a backup", field="file")
                yield BackupPart(member.name.rpartition("/")[0], data.read())
    except tarfile.TarError:
        raise InputError("is no backup of Hailgate", field="file") from None


def _taken(buffer: io.BytesIO) -> bytes:
    data = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return data
