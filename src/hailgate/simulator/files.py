"""Files on phones and in businesses' media stores: rows, with equal contents kept once."""

import hashlib
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from hailgate.simulator.model import File, Upload

ID_DIGITS = 16

COLUMNS = "id, owner, holder, mime_type, filename, sha256, size, at, deleted"


def add_file(db: sqlite3.Connection, upload: Upload, at: float) -> File:
    digest = hashlib.sha256(upload.content).hexdigest()
    db.execute("INSERT OR IGNORE INTO contents (sha256, content) VALUES (?, ?)", (digest, upload.content))
    size = len(upload.content)
    return save_file(
        db, File(new_id(), upload.owner, upload.holder, upload.mime_type, upload.filename, digest, size, at)
    )


def hand_over(db: sqlite3.Connection, file: File, channel: str, at: float) -> File:
    """What a person sends gets an id of its own at the business, as at Meta."""
    return save_file(db, msgspec.structs.replace(file, id=new_id(), holder=channel, at=at))


def save_file(db: sqlite3.Connection, file: File) -> File:
    db.execute(f"INSERT INTO media ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(file))
    return file


def find_file(db: sqlite3.Connection, file_id: str) -> File | None:
    row = db.execute(f"SELECT {COLUMNS} FROM media WHERE id = ?", (file_id,)).fetchone()
    return None if row is None else as_file(row)


def as_file(row: Sequence[Any]) -> File:
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    return File(**values | {"deleted": bool(values["deleted"])})


def get_content(db: sqlite3.Connection, file: File) -> bytes:
    content: bytes = db.execute("SELECT content FROM contents WHERE sha256 = ?", (file.sha256,)).fetchone()[0]
    return content


def delete_file(db: sqlite3.Connection, file_id: str) -> None:
    db.execute("UPDATE media SET deleted = 1 WHERE id = ?", (file_id,))


def new_id() -> str:
    return str(10 ** (ID_DIGITS - 1) + secrets.randbelow(9 * 10 ** (ID_DIGITS - 1)))
