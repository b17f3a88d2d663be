"""Links of ours to the file of one attempt, for providers that fetch what a message names.

A link is 256 random bits, of which only the digest is stored. It ends with its time, with a final status of its
message, with another attempt, or with its file; whoever asks then learns no more than one who guesses.
"""

import hashlib
import secrets
from typing import Final

from hailgate.core.errors import NotFound
from hailgate.core.status import Status
from hailgate.messaging.files.attachments import STORED_COLUMNS, StoredFile, read_stored
from hailgate.messaging.models import AttachmentState
from hailgate.messaging.store.sql import atomic_cursor, every_tenant, fetch_one, now
from hailgate.messaging.store.tables import FILE_LINK

PATH: Final = "/files"
LONGEST_TOKEN: Final = 100
NO_PUBLIC_URL: Final = (
    "This channel's provider fetches files from this installation, whose public address is not known: "
    "set HAILGATE_PUBLIC_URL."
)


def make_file_link(message_id: int, attempt: int, stored: StoredFile, life_s: float) -> str:
    """The path of a new link, which ends those of earlier attempts."""
    token = secrets.token_urlsafe(32)
    columns = ("tenant_id", "digest", "attachment_id", "message_id", "attempt", "expires_at")
    with atomic_cursor() as cursor:
        cursor.execute(
            "DELETE FROM messaging_filelink WHERE tenant_id = %s AND message_id = %s AND attempt <> %s",
            [stored.tenant_id, message_id, attempt],
        )
        row = (stored.tenant_id, _digest(token), stored.id, message_id, attempt, now(cursor) + life_s)
        FILE_LINK.insert(cursor, columns, [row])
    return f"{PATH}/{token}"


def open_file_link(token: str, *, counts: bool) -> StoredFile:
    """Raises NotFound for one that is unknown or has ended. ``counts``: the file itself is fetched, not its head."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise NotFound
    columns = ", ".join(f"file.{column}" for column in STORED_COLUMNS)
    with atomic_cursor() as cursor:
        row = fetch_one(
            cursor,
            f"SELECT link.id, {columns} FROM messaging_filelink link "
            f"JOIN messaging_attachment file ON file.id = link.attachment_id "
            f"JOIN messaging_message message ON message.id = link.message_id "
            f"WHERE link.digest = %s AND link.expires_at > %s AND file.state = {AttachmentState.STORED.value} "
            f"AND message.status < {Status.FAILED.value} {every_tenant('the link is the proof')}",
            [_digest(token), now(cursor)],
        )
        if row is None:
            raise NotFound
        if counts:
            cursor.execute(
                f"UPDATE messaging_filelink SET fetches = fetches + 1 WHERE id = %s {every_tenant('by key')}", row[:1]
            )
    return read_stored(row[1:])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
