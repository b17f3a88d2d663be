"""Business numbers and the clock's offset: what survives a restart and a reset of the rest."""

import json
import sqlite3
from collections.abc import Sequence

from hailgate.simulator.model import Channel


def list_channels(db: sqlite3.Connection) -> list[Channel]:
    rows = db.execute("SELECT provider, number, webhook_url, credentials FROM channels ORDER BY rowid")
    return [
        Channel(provider, number, webhook_url, json.loads(credentials))
        for provider, number, webhook_url, credentials in rows
    ]


def save_channels(db: sqlite3.Connection, channels: Sequence[Channel]) -> None:
    """These and no others; webhooks of a number that is gone go with it."""
    db.execute("DELETE FROM channels")
    db.executemany(
        "INSERT INTO channels (provider, number, webhook_url, credentials) VALUES (?, ?, ?, ?)",
        [(c.provider, c.number, c.webhook_url, json.dumps(c.credentials)) for c in channels],
    )
    db.execute("DELETE FROM webhooks WHERE channel NOT IN (SELECT number FROM channels)")


def find_clock_offset(db: sqlite3.Connection) -> float:
    row = db.execute("SELECT value FROM settings WHERE name = 'clock_offset_s'").fetchone()
    return float(row[0]) if row else 0.0


def save_clock_offset(db: sqlite3.Connection, offset_s: float) -> None:
    db.execute("INSERT OR REPLACE INTO settings (name, value) VALUES ('clock_offset_s', ?)", (offset_s,))
