"""Webhooks that are still to arrive: rows, so that they outlive the simulator."""

import sqlite3
import time

import msgspec

from hailgate.simulator.model import Post
from hailgate.simulator.phones import ChatEntry, mark_delivered_to_business

GIVE_UP_AFTER = 7 * 86_400.0  # seconds of the simulator's clock; Meta's "up to 7 days"

HELD = 1e9  # seconds: a pause until `release_held`


class Webhook(msgspec.Struct, frozen=True, gc=False):
    """`message` is the chat entry that the business has once this arrived; `url` None is the channel's own address."""

    seq: int
    lane: str
    message: int | None
    body: bytes
    url: str | None
    attempts: int
    expires_at: float


def enqueue(
    db: sqlite3.Connection,
    channel: str,
    lane: str,
    post: Post,
    *,
    now: float,
    message: int | None = None,
    pause: float = 0.0,
) -> None:
    """`now` is the simulator's clock; `pause` is in real seconds from the real now, beside the post's own."""
    due_at = time.time() + post.pause + pause
    db.execute(
        "INSERT INTO webhooks (channel, lane, message, body, url, due_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (channel, lane, message, post.body, post.url, due_at, now + GIVE_UP_AFTER),
    )


def find_due(db: sqlite3.Connection, channel: str, limit: int) -> tuple[list[Webhook], float | None]:
    """What is due, and when the first of the others is."""
    now = time.time()
    rows = db.execute(
        "SELECT seq, lane, message, body, url, attempts, expires_at FROM webhooks"
        " WHERE channel = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
        (channel, now, limit),
    )
    due = [Webhook(*row) for row in rows]
    later = db.execute(
        "SELECT due_at FROM webhooks WHERE channel = ? AND due_at > ? ORDER BY due_at LIMIT 1", (channel, now)
    ).fetchone()
    return due, later[0] if later else None


def release_held(db: sqlite3.Connection, channel: str) -> None:
    """What was enqueued with a pause of HELD goes now."""
    now = time.time()
    db.execute("UPDATE webhooks SET due_at = ? WHERE channel = ? AND due_at > ?", (now, channel, now + HELD / 2))


def remove(db: sqlite3.Connection, webhook: Webhook) -> list[ChatEntry]:
    db.execute("DELETE FROM webhooks WHERE seq = ?", (webhook.seq,))
    return []


def remove_arrived(db: sqlite3.Connection, webhook: Webhook) -> list[ChatEntry]:
    remove(db, webhook)
    return [] if webhook.message is None else mark_delivered_to_business(db, webhook.message)


def postpone(db: sqlite3.Connection, webhook: Webhook, due_at: float) -> list[ChatEntry]:
    db.execute("UPDATE webhooks SET attempts = attempts + 1, due_at = ? WHERE seq = ?", (due_at, webhook.seq))
    return []
