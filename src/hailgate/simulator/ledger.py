"""What the simulator accepted, written before it says so: the outside count of loss and duplicates."""

import sqlite3

import msgspec

from hailgate.simulator.model import Channel

PAGE = 10_000


class LedgerRow(msgspec.Struct, frozen=True, gc=False):
    """`body` is the request's JSON as it was sent, `correlation` the caller's reference."""

    seq: int
    at: float
    provider: str
    channel: str
    to: str
    operation: str
    provider_id: str
    correlation: str | None
    body: msgspec.Raw


def record(
    db: sqlite3.Connection,
    channel: Channel,
    *,
    at: float,
    to: str,
    operation: str,
    provider_id: str,
    body: bytes,
    correlation: str | None = None,
) -> None:
    db.execute(
        "INSERT INTO ledger (at, provider, channel, recipient, operation, provider_id, correlation, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (at, channel.provider, channel.number, to, operation, provider_id, correlation, body),
    )


def list_ledger(db: sqlite3.Connection, after: int) -> list[LedgerRow]:
    """At most PAGE rows; ask again after the last `seq`."""
    rows = db.execute(
        "SELECT seq, at, provider, channel, recipient, operation, provider_id, correlation, body"
        " FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, PAGE),
    )
    return [
        LedgerRow(seq, at, provider, channel, to, operation, provider_id, correlation, msgspec.Raw(body))
        for seq, at, provider, channel, to, operation, provider_id, correlation, body in rows
    ]
