"""Where files lie: on the local disk or in a bucket, under random names, sealed."""

import asyncio
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from hailgate.core.errors import InputError, NotFound, StoreUnavailable, TooLarge
from hailgate.messaging.files.detect_mime import Sample
from hailgate.messaging.files.encryption import CHUNK, TAG, make_key, open_chunks, seal_chunks

# A bucket takes parts of at least 5 MB; two of them are held at once.
PART = 5 << 20
PARTS_AT_ONCE = 2

FOLDERS = tuple(f"{number:02x}" for number in range(256))
# On disk, what is still being written bears a number behind its name until it is whole.
_OURS = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}(#[0-9]+)?")


class WrittenFile(NamedTuple):
    """A file as it was stored. ``key`` is sealed; ``sha256`` is of the plain bytes, in hex."""

    file: str
    key: str
    mime: str
    size: int
    sha256: str


class Files(Protocol):
    """``keep`` and ``read`` never hold a whole file, pictures aside."""

    async def keep(self, chunks: AsyncIterator[bytes], limit: int, *, any_picture: bool = False) -> WrittenFile:
        """Raises TooLarge beyond ``limit``, InputError for what is refused by its content; then nothing is left.

        With ``any_picture`` one that no browser should unfold is kept, too, as bytes.
        """

    def read(self, file: str, key: str) -> AsyncIterator[bytes]:
        """Raises NotFound where the file is gone, FileDamaged where it was changed."""

    async def drop(self, file: str) -> None:
        """Also one that is gone already."""

    async def free_bytes(self) -> int | None:
        """How much room there is; None where nobody knows, as in a bucket."""

    async def list_before(self, folder: str, moment: float) -> list[str]:
        """Our files in one of ``FOLDERS`` that were last written before ``moment``, in seconds since the epoch."""


class StoredFiles:
    """Files in a store of obstore's. ``folder`` is its place on this machine, where it has one."""

    def __init__(self, store: Any, folder: Path | None = None) -> None:
        self._store, self._folder = store, folder

    async def keep(self, chunks: AsyncIterator[bytes], limit: int, *, any_picture: bool = False) -> WrittenFile:
        file, key, passing = _new_name(), make_key(), _Passing(chunks, limit)
        try:
            await obstore.put_async(
                self._store, file, seal_chunks(key, passing.through()), chunk_size=PART, max_concurrency=PARTS_AT_ONCE
            )
            mime = passing.sample.find_type() if any_picture else passing.sample.check_type()
            await self._sync(file)
        except BaseError as away:
            raise StoreUnavailable("The store of files does not answer.") from away
        except BaseException:
            with suppress(Exception):
                await self.drop(file)
            raise
        return WrittenFile(file, key, mime, passing.size, passing.digest.hexdigest())

    async def read(self, file: str, key: str) -> AsyncIterator[bytes]:
        try:
            found = await obstore.get_async(self._store, file)
            async for chunk in open_chunks(key, _as_bytes(found)):
                yield chunk
        except FileNotFoundError:
            raise NotFound("The file is no longer stored.") from None
        except BaseError as away:
            raise StoreUnavailable("The store of files does not answer.") from away

    async def read_sealed(self, file: str) -> AsyncIterator[bytes]:
        """As it lies there, for a backup."""
        try:
            async for chunk in _as_bytes(await obstore.get_async(self._store, file)):
                yield chunk
        except FileNotFoundError:
            raise NotFound("The file is no longer stored.") from None
        except BaseError as away:
            raise StoreUnavailable("The store of files does not answer.") from away

    async def keep_sealed(self, file: str, chunks: AsyncIterator[bytes]) -> None:
        """Under its own name, from a backup. Raises InputError for a name that is none of ours."""
        if not _OURS.fullmatch(file):
            raise InputError("holds a file under a name that is none of ours", field="file")
        try:
            await obstore.put_async(self._store, file, chunks, chunk_size=PART, max_concurrency=PARTS_AT_ONCE)
            await self._sync(file)
        except BaseError as away:
            raise StoreUnavailable("The store of files does not answer.") from away

    async def drop(self, file: str) -> None:
        if self._folder is not None:  # a store on disk does not know what was never whole
            await asyncio.to_thread((self._folder / file).unlink, missing_ok=True)
            return
        try:
            await obstore.delete_async(self._store, file)
        except FileNotFoundError:
            return
        except BaseError as away:
            raise StoreUnavailable("The store of files does not answer.") from away

    async def free_bytes(self) -> int | None:
        if self._folder is None:
            return None
        return (await asyncio.to_thread(shutil.disk_usage, self._folder)).free

    async def list_before(self, folder: str, moment: float) -> list[str]:
        if self._folder is not None:
            return await asyncio.to_thread(_list_before, self._folder / folder, moment)
        try:
            return [
                found["path"]
                async for some in obstore.list(self._store, prefix=folder)
                for found in some
                if found["last_modified"].timestamp() < moment and _OURS.fullmatch(found["path"])
            ]
        except BaseError as away:
            raise StoreUnavailable("The store of files does not answer.") from away

    async def _sync(self, file: str) -> None:
        """On disk before anybody is told that it is stored."""
        if self._folder is not None:
            await asyncio.to_thread(_sync_file, self._folder / file)


def open_files(home: Path, url: str) -> StoredFiles:
    """``url`` names a bucket (s3://, gs://, az://); without one files lie in ``home``."""
    if url:
        return StoredFiles(from_url(url))
    folder = home / "media"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return StoredFiles(LocalStore(prefix=folder.resolve()), folder.resolve())


def _new_name() -> str:
    """256 random bits; the first of them are a folder, so that none holds millions of files."""
    name = secrets.token_hex(32)
    return f"{name[:2]}/{name[2:]}"


class _Passing:
    """Counts, measures and samples what streams by."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self._chunks, self._limit = chunks, limit
        self.size = 0
        self.digest = hashlib.sha256()
        self.sample = Sample()

    async def through(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._limit:
                raise TooLarge(f"A file may have at most {self._limit} bytes here.", code="file_too_large")
            self.digest.update(chunk)
            self.sample.add(chunk)
            yield chunk


async def _as_bytes(found: Any) -> AsyncIterator[bytes]:
    async for chunk in found.stream(min_chunk_size=CHUNK + TAG):
        yield bytes(chunk)


def _list_before(folder: Path, moment: float) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [
                name
                for entry in entries
                if _OURS.fullmatch(name := f"{folder.name}/{entry.name}") and entry.stat().st_mtime < moment
            ]
    except FileNotFoundError:
        return []


def _sync_file(path: Path) -> None:
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
