"""Groups: a business number and some phones. A group exists once a phone writes into it, and so is it joined."""

import sqlite3


def join(db: sqlite3.Connection, group: str, channel: str, phone: str) -> None:
    db.execute("INSERT OR IGNORE INTO members (group_id, channel, phone) VALUES (?, ?, ?)", (group, channel, phone))


def list_members(db: sqlite3.Connection, group: str, channel: str) -> list[str]:
    rows = db.execute(
        "SELECT phone FROM members WHERE group_id = ? AND channel = ? ORDER BY phone",
        (group, channel),
    )
    return [row[0] for row in rows]
