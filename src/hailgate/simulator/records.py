"""What businesses can look up: each message of a number with its fate, as its provider keeps it."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

COLUMNS = "seq, provider_id, channel, phone, direction, status, code, at, changed_at, content"


class Record(msgspec.Struct, frozen=True):
    """`direction` is as in chats. `status` is the simulator's word, `code` of the failure; `content` the provider's."""

    seq: int
    provider_id: str
    channel: str
    phone: str
    direction: str
    status: str
    code: int | None
    at: float
    changed_at: float
    content: dict[str, Any]


def add(
    db: sqlite3.Connection,
    *,
    provider_id: str,
    channel: str,
    phone: str,
    direction: str,
    status: str,
    at: float,
    content: Mapping[str, Any],
) -> None:
    db.execute(
        "INSERT INTO records (provider_id, channel, phone, direction, status, at, changed_at, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (provider_id, channel, phone, direction, status, at, at, json.dumps(content)),
    )


def change_status(db: sqlite3.Connection, provider_id: str, status: str, code: int | None, at: float) -> None:
    db.execute(
        "UPDATE records SET status = ?, code = ?, changed_at = ? WHERE provider_id = ?", (status, code, at, provider_id)
    )


def change_content(db: sqlite3.Connection, provider_id: str, content: Mapping[str, Any]) -> None:
    db.execute("UPDATE records SET content = ? WHERE provider_id = ?", (json.dumps(content), provider_id))


def delete(db: sqlite3.Connection, provider_id: str) -> None:
    db.execute("DELETE FROM records WHERE provider_id = ?", (provider_id,))


def find(db: sqlite3.Connection, provider_id: str) -> Record | None:
    row = db.execute(f"SELECT {COLUMNS} FROM records WHERE provider_id = ?", (provider_id,)).fetchone()
    return None if row is None else as_record(row)


def list_newest(
    db: sqlite3.Connection,
    channels: Sequence[str],
    *,
    phone: str | None = None,
    since: float = 0.0,
    before: int = 2**62,
    limit: int = 1000,
) -> list[Record]:
    """Newest first, of these channels, with one phone where it is named, not of before `since`, older than a row."""
    marks = ", ".join("?" * len(channels))
    named = " AND phone = ?" if phone else ""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM records WHERE channel IN ({marks}) AND seq < ? AND at >= ?{named}"
        " ORDER BY seq DESC LIMIT ?",
        (*channels, before, since, *([phone] if phone else []), limit),
    )
    return [as_record(row) for row in rows]


def list_unheard(db: sqlite3.Connection, channel: str) -> list[Record]:
    """What people wrote and no webhook brought; the oldest first."""
    return list_inbound(db, channel, "status = 'sent'")


def list_unread(db: sqlite3.Connection, channel: str) -> list[Record]:
    """What people wrote and the business has not read; the oldest first."""
    return list_inbound(db, channel, "status <> 'read'")


def list_inbound(db: sqlite3.Connection, channel: str, condition: str) -> list[Record]:
    """`condition` is of the messages in chats."""
    heard = f"SELECT provider_id FROM messages WHERE channel = ? AND direction = 'from_phone' AND {condition}"
    rows = db.execute(
        f"SELECT {COLUMNS} FROM records WHERE channel = ? AND provider_id IN ({heard}) ORDER BY seq", (channel, channel)
    )
    return [as_record(row) for row in rows]


def as_record(row: Sequence[Any]) -> Record:
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    return Record(**values | {"content": msgspec.json.decode(values["content"])})
