"""Opening a backup: every part passes once, counted and hashed, and the whole is held against its manifest at the end.

What is read before the end may yet turn out to be damaged: whoever uses it does so in a transaction.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pyrage import x25519

from hailgate.backup.archive import BackupPart, read_archive
from hailgate.backup.encryption import decrypted
from hailgate.backup.making import HEAD, MANIFEST, MANIFEST_ENDING, TABLES, hash_file
from hailgate.backup.manifest import FORMAT, Head, Manifest
from hailgate.backup.tables import StoredTable, list_tables
from hailgate.core.errors import InputError

Decoded = TypeVar("Decoded")


class OpenBackup:
    """A backup as it is read. ``head`` is known before the first part; ``manifest`` once all have passed."""

    def __init__(self, parts: Iterator[BackupPart]) -> None:
        self._parts = parts
        self._plain = hashlib.sha256()
        self._tables: dict[str, StoredTable] | None = None
        self.head = self._read_head()
        self.manifest: Manifest | None = None

    def parts(self) -> Iterator[BackupPart]:
        """All but the head. Raises InputError where they are not what the manifest says."""
        for part in self._parts:
            if part.name == MANIFEST:
                self.manifest = _decode(part.data, Manifest)
                continue
            self._pass(part)
            yield part
        self._check()

    @property
    def told(self) -> Manifest:
        """The manifest, after the last part."""
        if self.manifest is None:
            raise InputError("ends before its manifest", field="file")
        return self.manifest

    def tables(self) -> dict[str, StoredTable]:
        """By name. Raises ConfigurationError where this version does not know the schema."""
        if self._tables is None:
            self._tables = {table.name: table for table in list_tables(self.head.schema)}
        return self._tables

    def rows_of(self, part: BackupPart) -> tuple[StoredTable, list[list[Any]]]:
        """Of a part of a table."""
        table = self.tables().get(part.name.removeprefix(f"{TABLES}/"))
        if table is None:
            raise InputError("holds a table that its schema does not have", field="file")
        try:
            return table, table.unpack(part.data)
        except (zlib.error, msgspec.MsgspecError):
            raise InputError("holds rows that cannot be read", field="file") from None

    def _read_head(self) -> Head:
        part = next(self._parts, None)
        if part is None or part.name != HEAD:
            raise InputError("is no backup of Hailgate", field="file")
        self._pass(part)
        head = _decode(part.data, Head)
        if head.format != FORMAT:
            raise InputError(f"is of a format that this version does not know: {head.format}", field="file")
        return head

    def _pass(self, part: BackupPart) -> None:
        self._plain.update(part.name.encode() + b"\0" + part.data)

    def _check(self) -> None:
        if self.told.plain_sha256 != self._plain.hexdigest():
            raise InputError("is not what its manifest says", field="file")
        for name, told in self.told.tables.items():
            if self.tables()[name].content != told:
                raise InputError(f"has other rows in {name} than its manifest says", field="file")


@contextmanager
def opened(path: Path, identities: Sequence[x25519.Identity]) -> Iterator[OpenBackup]:
    """Raises InputError where it cannot be opened, or its head be read; OSError."""
    with path.open("rb") as source, decrypted(source, identities) as plain:
        yield OpenBackup(read_archive(plain))


def verify_closed(path: Path) -> Manifest:
    """Whether the file is the one that was written, by the manifest beside it. Raises InputError, OSError."""
    beside = path.with_name(path.name + MANIFEST_ENDING)
    manifest = _decode(beside.read_bytes(), Manifest)
    if hash_file(path) != manifest.sha256:
        raise InputError("is not the file that was written: its hash is another than in its manifest", field="file")
    return manifest


def verify_open(path: Path, identities: Sequence[x25519.Identity]) -> Manifest:
    """Whether all of it can be read and is what its manifest says. Raises InputError, OSError."""
    with opened(path, identities) as backup:
        for part in backup.parts():
            if part.name.startswith(f"{TABLES}/"):
                backup.rows_of(part)
    return backup.told


def _decode(data: bytes, into: type[Decoded]) -> Decoded:
    try:
        return msgspec.json.decode(data, type=into)
    except msgspec.MsgspecError:
        raise InputError("holds a manifest that cannot be read", field="file") from None
