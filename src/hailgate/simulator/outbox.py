"""Webhooks that are still to arrive: rows, so that they outlive the simulator."""

import sqlite3
import time

import msgspec

from hailgate.simulator.phones import ChatEntry, mark_delivered_to_business

GIVE_UP_AFTER = 7 * 86_400.0  # seconds of the simulator's clock; Meta's "up to 7 days"


class Webhook(msgspec.Struct, frozen=True, gc=False):
    """`message` is the chat entry that the business has once this arrived."""

    seq: int
    lane: str
    message: int | None
    body: bytes
    attempts: int
    expires_at: float


def enqueue(
    db: sqlite3.Connection,
    channel: str,
    lane: str,
    body: bytes,
    *,
    now: float,
    message: int | None = None,
    pause: float = 0.0,
) -> None:
    """`now` is the simulator's clock; `pause` is in real seconds from the real now."""
    db.execute(
        "INSERT INTO webhooks (channel, lane, message, body, due_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (channel, lane, message, body, time.time() + pause, now + GIVE_UP_AFTER),
    )


def find_due(db: sqlite3.Connection, channel: str, limit: int) -> tuple[list[Webhook], float | None]:
    """What is due, and when the first of the others is."""
    now = time.time()
    rows = db.execute(
        "SELECT seq, lane, message, body, attempts, expires_at FROM webhooks"
        " WHERE channel = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
        (channel, now, limit),
    )
    due = [Webhook(*row) for row in rows]
    later = db.execute(
        "SELECT due_at FROM webhooks WHERE channel = ? AND due_at > ? ORDER BY due_at LIMIT 1", (channel, now)
    ).fetchone()
    return due, later[0] if later else None


def remove(db: sqlite3.Connection, webhook: Webhook) -> list[ChatEntry]:
    db.execute("DELETE FROM webhooks WHERE seq = ?", (webhook.seq,))
    return []


def remove_arrived(db: sqlite3.Connection, webhook: Webhook) -> list[ChatEntry]:
    remove(db, webhook)
    return [] if webhook.message is None else mark_delivered_to_business(db, webhook.message)


def postpone(db: sqlite3.Connection, webhook: Webhook, due_at: float) -> list[ChatEntry]:
    db.execute("UPDATE webhooks SET attempts = attempts + 1, due_at = ? WHERE seq = ?", (due_at, webhook.seq))
    return []
