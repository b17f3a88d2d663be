"""Making a backup while everything runs: the spool first, then rows and files as of one moment.

A webhook that is on its way from the spool to the database meanwhile is in both, and counts once.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from pyrage import x25519

from hailgate.backup.archive import PART_BYTES, BackupPart, write_archive
from hailgate.backup.encryption import encrypt
from hailgate.backup.manifest import FORMAT, Head, Manifest
from hailgate.backup.tables import FILE_COLUMNS, StoredTable, list_tables, read_schema
from hailgate.core.errors import NotFound, StoreUnavailable
from hailgate.messaging.files.storage import StoredFiles
from hailgate.messaging.store.sql import on_postgresql, one_moment
from hailgate.spool.record_framing import read_records

HEAD, KEYS, SPOOL, TABLES, FILES, MANIFEST = "head", "keys", "spool", "tables", "files", "manifest"
MANIFEST_ENDING = ".manifest.json"


class Sources(NamedTuple):
    """What a backup is made of. ``keys`` are the sealing keys, none where they are kept elsewhere.

    ``files`` is None where the store of files has a backup of its own.
    """

    version: str
    keys: Sequence[str]
    spool: Path
    files: StoredFiles | None


def make_backup(sources: Sources, place: Path, recipients: Sequence[x25519.Recipient]) -> Manifest:
    """Write the file, read it back, and lay its manifest beside it. Raises StoreUnavailable, OSError.

    Nothing stands at ``place`` before all of it is on the disk.
    """
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = place.with_name(place.name + ".part")
    stream = _Stream(sources)
    try:
        descriptor = os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            hashing = _HashingSink(sink.write)
            encrypt(stream.chunks(), hashing, recipients)  # type: ignore[arg-type]  # it writes, and no more is asked
            sink.flush()
            os.fsync(sink.fileno())
        written = hashing.digest.hexdigest()
        if (found := hash_file(unfinished)) != written:
            raise StoreUnavailable(f"The disk gave back something else than was written: {found[:12]}….")
        manifest = msgspec.structs.replace(stream.manifest, sha256=written, size=unfinished.stat().st_size)
        place.with_name(place.name + MANIFEST_ENDING).write_bytes(
            msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
        )
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def hash_file(path: Path) -> str:
    """SHA-256, read from the disk where the system lets us forget what it remembers."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Stream:
    """The plain stream; ``manifest`` is whole once all of it has gone by."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._files: list[str] = []
        head = Head(FORMAT, sources.version, time.time(), connection.vendor, read_schema())
        self.manifest = Manifest(head, keys=[key.partition(":")[0] for key in sources.keys])
        self._plain = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        yield from write_archive(self._parts())

    def _parts(self) -> Iterator[BackupPart]:
        for part in self._content():
            self._plain.update(part.name.encode() + b"\0" + part.data)
            yield part
        self._tell(plain_sha256=self._plain.hexdigest())
        yield BackupPart(MANIFEST, msgspec.json.encode(self.manifest))

    def _content(self) -> Iterator[BackupPart]:
        yield BackupPart(HEAD, msgspec.json.encode(self.manifest.head))
        if self._sources.keys:
            yield BackupPart(KEYS, "\n".join(self._sources.keys).encode())
        yield from self._spool()
        with one_moment():
            _be_patient()
            for table in list_tables(self.manifest.head.schema):
                yield from self._table(table)
        if self._sources.files is not None:
            yield from self._stored_files(self._sources.files)

    def _table(self, table: StoredTable) -> Iterator[BackupPart]:
        column = FILE_COLUMNS.get(table.name)
        for packed, rows in table.pack():
            if column in table.columns:  # an older version's table may lack it
                self._files += [name for row in rows if (name := row[table.columns.index(column)])]
            yield BackupPart(f"{TABLES}/{table.name}", packed)
        self._tell(tables=self.manifest.tables | {table.name: table.content})

    def _spool(self) -> Iterator[BackupPart]:
        for path in sorted(self._sources.spool.glob("*/*.segment")):
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # it is in the database by now
                continue
            self._tell(spooled=self.manifest.spooled + len(read_records(data)[0]))
            yield BackupPart(f"{SPOOL}/{path.parent.name}/{path.name}", data)

    def _stored_files(self, files: StoredFiles) -> Iterator[BackupPart]:
        with asyncio.Runner() as runner:
            for name in self._files:
                yield from self._stored_file(files, name, runner)

    def _stored_file(self, files: StoredFiles, name: str, runner: asyncio.Runner) -> Iterator[BackupPart]:
        chunks = files.read_sealed(name)
        size = 0
        try:
            while data := runner.run(_next_part(chunks)):
                size += len(data)
                yield BackupPart(f"{FILES}/{name}", data)
        except NotFound:
            self._tell(missing=self.manifest.missing + 1)
            return
        self._tell(files=self.manifest.files + 1, file_bytes=self.manifest.file_bytes + size)

    def _tell(self, **facts: Any) -> None:
        self.manifest = msgspec.structs.replace(self.manifest, **facts)


async def _next_part(chunks: Any) -> bytes:
    """As many of the chunks as make a part; nothing at their end."""
    part = bytearray()
    async for chunk in chunks:
        part += chunk
        if len(part) >= PART_BYTES:
            break
    return bytes(part)


def _be_patient() -> None:
    """A reader that waits for its own disk is not to be cut off."""
    if on_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


class _HashingSink:
    """Hashes what is written."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._write(data)

    def flush(self) -> None:
        """Its owner does."""
