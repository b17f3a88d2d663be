"""What has been kept for its days: files, and what people took back or corrected.

A file's row goes before the file: whoever is killed in between leaves a file that nobody can read any more, since its
key went with the row's change, and that the next look round finds.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from hailgate.core.events import Change
from hailgate.messaging.models import AttachmentState, EventState
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_value,
    indexed_by,
    locked,
    now,
)

# Rows in one transaction, and files dropped after it.
BATCH = 500
# What was in a large webhook lies in the store as a file of its own by then.
LARGE_BODY_LIFE_S = 86_400.0
# Stands for a content that was there; the change itself remains in the message's history.
PRUNED = "-"

_REMOVED = AttachmentState.REMOVED.value


class Removed(NamedTuple):
    """A file whose row says that it is removed, and that may still lie in the store of files."""

    id: int
    file: str
    size: int


def remove_outlived(kept_s: float) -> int:
    """Files that are older than ``kept_s`` count as removed from now on; how many of them there were."""
    outlived = (
        f"SELECT id FROM messaging_attachment{indexed_by('attachment_age')} "
        f"WHERE state = {AttachmentState.STORED.value} AND stored_at < %s {every_tenant('retention')}"
    )
    if not _is_any(outlived, kept_s):
        return 0
    with atomic_cursor() as cursor:
        ids = _batch(cursor, f"{outlived} ORDER BY stored_at", kept_s)
        cursor.execute(
            f"UPDATE messaging_attachment SET state = {_REMOVED}, key = '' WHERE {among('id')} "
            f"{every_tenant('retention')}",
            [array(ids)],
        )
        cursor.execute(
            f"DELETE FROM messaging_providerfile WHERE {among('attachment_id')} {every_tenant('retention')}",
            [array(ids)],
        )
        return len(ids)


def list_undropped() -> list[Removed]:
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT id, file, size FROM messaging_attachment{indexed_by('attachment_undropped')} "
            f"WHERE state = {_REMOVED} AND file > '' {every_tenant('retention')} ORDER BY id LIMIT {BATCH}",
        )
    return [Removed._make(row) for row in found]


def record_dropped(ids: Sequence[int]) -> None:
    """These lie in the store of files no more."""
    with atomic_cursor() as cursor:
        cursor.execute(
            f"UPDATE messaging_attachment SET file = '' WHERE {among('id')} {every_tenant('retention')}", [array(ids)]
        )


def list_outlived_bodies() -> list[Removed]:
    """Large bodies that were understood a day ago, and whose files are fetched or given up."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT id, body_file, body_size FROM messaging_webhookevent event{indexed_by('event_body')} "
            f"WHERE body_file > '' AND state = {EventState.DONE.value} AND received_at < %s AND NOT EXISTS "
            f"(SELECT 1 FROM messaging_attachment file WHERE file.webhook_id = event.id "
            f"AND file.state = {AttachmentState.AWAITED.value}) {every_tenant('retention')} LIMIT {BATCH}",
            [now(cursor) - LARGE_BODY_LIFE_S],
        )
    return [Removed._make(row) for row in found]


def record_bodies_dropped(ids: Sequence[int]) -> None:
    with atomic_cursor() as cursor:
        cursor.execute(
            f"UPDATE messaging_webhookevent SET body_file = '', body_key = '' WHERE {among('id')} "
            f"{every_tenant('retention')}",
            [array(ids)],
        )


def find_orphans(files: Collection[str]) -> list[str]:
    """Those that no row knows: their process was killed before it could say what they are.

    None at all where fewer are known than are not. Such a folder belongs to another database, or this database is not
    the one that its files were stored with: nothing of it is touched.
    """
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT file FROM messaging_attachment{indexed_by('attachment_file')} "
            f"WHERE {among('file')} AND file > '' {every_tenant('orphans')}",
            [array(files)],
        )
        found += fetch(
            cursor,
            f"SELECT body_file FROM messaging_webhookevent{indexed_by('event_body')} "
            f"WHERE {among('body_file')} AND body_file > '' {every_tenant('orphans')}",
            [array(files)],
        )
    known = {file for (file,) in found}
    orphans = sorted(set(files) - known)
    return orphans if len(orphans) <= len(known) else []


def prune_amendments(kept_s: float) -> int:
    """Forget what stood in messages before they were edited or deleted, and the edits that others replaced."""
    prunable = (
        f"SELECT id FROM messaging_amendment{indexed_by('amendment_age')} "
        f"WHERE change IN ('{Change.EDIT.value}', '{Change.DELETION.value}') AND content > '' AND received_at < %s "
        f"{every_tenant('retention')}"
    )
    if not _is_any(prunable, kept_s):
        return 0
    with atomic_cursor() as cursor:
        ids = _batch(cursor, f"{prunable} ORDER BY received_at", kept_s)
        cursor.execute(
            f"UPDATE messaging_amendment SET content = '', before = CASE WHEN before = '' THEN '' ELSE '{PRUNED}' END "
            f"WHERE {among('id')} {every_tenant('retention')}",
            [array(ids)],
        )
        return len(ids)


def _is_any(statement: str, kept_s: float) -> bool:
    """Asked first: nothing takes a lock only to find nothing."""
    with atomic_cursor(read_only=True) as cursor:
        return fetch_value(cursor, f"{statement} LIMIT 1", [now(cursor) - kept_s]) is not None


def _batch(cursor: Cursor, statement: str, kept_s: float) -> list[int]:
    found = fetch(cursor, f"{statement} LIMIT {BATCH}{locked(skip=True)}", [now(cursor) - kept_s])
    return [id_ for (id_,) in found]
