"""Restoring a backup onto a store that is empty: the rows in one transaction, which ends only if all of it is whole.

Files and spooled webhooks are written on the way; without their rows nobody looks at them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from django.db import transaction

from hailgate.accounts.schema import pending_migrations
from hailgate.accounts.seal import sealer
from hailgate.backup.archive import BackupPart
from hailgate.backup.keys import write_file
from hailgate.backup.making import FILES, KEYS, SPOOL, TABLES
from hailgate.backup.manifest import Manifest
from hailgate.backup.opening import OpenBackup
from hailgate.backup.tables import LEFT_OUT, list_newest, list_tables, migrate_to, read_schema, reset_sequences
from hailgate.core.errors import Conflict, InputError
from hailgate.messaging.files.storage import StoredFiles
from hailgate.messaging.store.sql import without_time_outs
from hailgate.messaging.upkeep.restored import Settled, settle_restored

# Made by `migrate` before anybody has done anything.
MADE_WITH_TABLES = frozenset({
    "accounts_installation", "auth_permission", "auth_group", "django_content_type", "messaging_publicurl",
})  # fmt: skip


class RestoreTarget(NamedTuple):
    """Where a backup is restored to. ``files`` is None where the store of files has been brought back by itself."""

    spool: Path
    files: StoredFiles | None


class Restored(NamedTuple):
    manifest: Manifest
    settled: Settled
    seconds: float


def check_empty(spool: Path) -> None:
    """Raises Conflict where the store holds anything that somebody made."""
    if any(spool.glob("*/*.segment")):
        raise Conflict("The spool holds webhooks: a backup is restored onto an empty store.", code="store_not_empty")
    schema = read_schema()
    if not schema:
        return
    for table in list_tables(schema):
        if table.name not in MADE_WITH_TABLES and not table.is_empty():
            raise Conflict(f"The database is not empty ({table.name}): restore onto a new one.", code="store_not_empty")


def restore(backup: OpenBackup, parts: Iterator[BackupPart], target: RestoreTarget, hold_s: float) -> Restored:
    """Bring all of it back, held. Raises InputError and then leaves the database as it was: empty.

    The backup of an older version is held and settled once the database has been brought to this one.
    """
    began = time.monotonic()
    with without_time_outs():
        migrate_to(backup.head.schema)
        settled = _bring_rows(backup, parts, target, hold_s)
        if settled is None:
            migrate_to(list_newest())
            settled = settle_restored(hold_s)
    return Restored(backup.told, settled, time.monotonic() - began)


def _bring_rows(
    backup: OpenBackup, parts: Iterator[BackupPart], target: RestoreTarget, hold_s: float
) -> Settled | None:
    """None where a schema that is not this version's cannot be settled yet."""
    with transaction.atomic():
        for table in backup.tables().values():
            table.empty()
        _load(backup, parts, target)
        _read_back(backup)
        sealer().digest("")  # the keys of this process open what was brought
        reset_sequences(list(backup.tables().values()))
        return None if pending_migrations() else settle_restored(hold_s)


def _load(backup: OpenBackup, parts: Iterator[BackupPart], target: RestoreTarget) -> None:
    with asyncio.Runner() as runner:
        for name, group in groupby(parts, key=lambda part: part.name):
            room, _, rest = name.partition("/")
            if room == TABLES:
                for part in group:
                    table, rows = backup.rows_of(part)
                    table.load(rows)
            elif room == SPOOL:
                _bring_segment(target.spool, rest, b"".join(part.data for part in group))
            elif room == FILES and target.files is not None:
                runner.run(target.files.keep_sealed(rest, _stream(group)))
            elif room not in {FILES, KEYS}:
                raise InputError(f"holds something that this version does not know: {room}", field="file")


def _read_back(backup: OpenBackup) -> None:
    """What the database says that it holds is what the backup says."""
    for name, table in backup.tables().items():
        if name not in LEFT_OUT and table.read_back() != backup.told.tables.get(name):
            raise InputError(f"was not taken as it is by the database: {name}", field="file")


async def _stream(parts: Iterator[BackupPart]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part.data


def _bring_segment(spool: Path, name: str, data: bytes) -> None:
    folder, _, segment = name.partition("/")
    if not folder.isalnum() or not segment.removesuffix(".segment").isdigit():
        raise InputError("holds a spooled webhook under a name that is none of ours", field="file")
    (spool / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    write_file(spool / folder / segment, data)
