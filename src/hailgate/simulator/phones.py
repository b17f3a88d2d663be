"""People's phones and what stands in their chats: rows and the questions asked of them."""

import re
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from hailgate.simulator.model import Phone

PAGE = 10_000
EXAMPLES = (Phone("15550100042", "Ana"), Phone("15550100055", "Ben"))

DERIVED_USER_ID = re.compile(r"US\.([0-9]{7,15})")
PHONE_COLUMNS = "number, name, reachable, online, read_receipts, username, hides_number, user_id, by_lid"
ENTRY_COLUMNS = "seq, phone, direction, provider, channel, provider_id, message, correlation, status, at"


class ChatEntry(msgspec.Struct, frozen=True, gc=False):
    """One message in a phone's chat; `phone` and `provider_id` are not part of the control API's answer."""

    seq: int
    phone: str
    direction: str
    provider: str
    channel: str
    provider_id: str
    message: msgspec.Raw
    correlation: str | None
    status: str
    at: float

    def as_answer(self) -> dict[str, object]:
        return {
            "seq": self.seq,
            "direction": self.direction,
            "provider": self.provider,
            "channel": self.channel,
            "message": self.message,
            "correlation": self.correlation,
            "status": self.status,
            "at": self.at,
        }


def ensure_examples(db: sqlite3.Connection) -> None:
    """A first visitor finds somebody to write as."""
    if db.execute("SELECT 1 FROM phones LIMIT 1").fetchone() is None:
        for phone in EXAMPLES:
            save_phone(db, phone)


def get_phone(db: sqlite3.Connection, number: str) -> Phone:
    """An unknown phone exists on first use."""
    if db.execute("SELECT 1 FROM phones WHERE number = ?", (number,)).fetchone() is None:
        save_phone(db, find_phone(db, number))
    return find_phone(db, number)


def find_phone(db: sqlite3.Connection, number: str) -> Phone:
    """As `get_phone`, of a question that must write nothing: an unknown one is as it will be."""
    row = db.execute(f"SELECT {PHONE_COLUMNS} FROM phones WHERE number = ?", (number,)).fetchone()
    return Phone(number, f"Phone {number[-4:]}") if row is None else as_phone(row)


def save_phone(db: sqlite3.Connection, phone: Phone) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO phones ({PHONE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        msgspec.structs.astuple(phone),
    )


def list_phones(db: sqlite3.Connection) -> list[Phone]:
    rows = db.execute(f"SELECT {PHONE_COLUMNS} FROM phones ORDER BY number")
    return [as_phone(row) for row in rows]


def find_by_user_id(db: sqlite3.Connection, user_id: str) -> Phone | None:
    row = db.execute(f"SELECT {PHONE_COLUMNS} FROM phones WHERE user_id = ?", (user_id,)).fetchone()
    return None if row is None else as_phone(row)


def find_by_lid(db: sqlite3.Connection, lid: str) -> Phone | None:
    return next((phone for phone in list_phones(db) if phone.lid == lid), None)


def resolve_user_id(db: sqlite3.Connection, user_id: str) -> str:
    """The number of the phone that has it; an id that nobody has stays as it is."""
    if phone := find_by_user_id(db, user_id):
        return phone.number
    derived = DERIVED_USER_ID.fullmatch(user_id)
    return derived.group(1) if derived else user_id


def as_phone(row: Sequence[Any]) -> Phone:
    number, name, reachable, online, read_receipts, username, hides_number, user_id, by_lid = row
    flags = (bool(reachable), bool(online), bool(read_receipts))
    return Phone(number, name, *flags, username, bool(hides_number), user_id, bool(by_lid))


def open_window(db: sqlite3.Connection, phone: str, channel: str, now: float) -> None:
    db.execute("INSERT OR REPLACE INTO windows (phone, channel, opened_at) VALUES (?, ?, ?)", (phone, channel, now))


def find_window(db: sqlite3.Connection, phone: str, channel: str) -> float | None:
    """When the person last wrote to this number."""
    row = db.execute("SELECT opened_at FROM windows WHERE phone = ? AND channel = ?", (phone, channel)).fetchone()
    return None if row is None else float(row[0])


def set_marketing(db: sqlite3.Connection, phone: str, channel: str, *, wanted: bool) -> None:
    """Whether the person takes marketing from this number."""
    verb = (
        "DELETE FROM refusals WHERE phone = ? AND channel = ?"
        if wanted
        else "INSERT OR IGNORE INTO refusals VALUES (?, ?)"
    )
    db.execute(verb, (phone, channel))


def refuses_marketing(db: sqlite3.Connection, phone: str, channel: str) -> bool:
    question = "SELECT 1 FROM refusals WHERE phone = ? AND channel = ?"
    return db.execute(question, (phone, channel)).fetchone() is not None


def add_message(
    db: sqlite3.Connection,
    *,
    phone: str,
    direction: str,
    provider: str,
    channel: str,
    provider_id: str,
    message: str,
    correlation: str | None,
    status: str,
    at: float,
) -> ChatEntry:
    values = (phone, direction, provider, channel, provider_id, message, correlation, status, at)
    cursor = db.execute(
        "INSERT INTO messages"
        " (phone, direction, provider, channel, provider_id, message, correlation, status, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    return as_entry((cursor.lastrowid, *values))


def list_messages(db: sqlite3.Connection, phone: str, after: int) -> list[ChatEntry]:
    """At most PAGE rows; ask again after the last `seq`."""
    rows = db.execute(
        f"SELECT {ENTRY_COLUMNS} FROM messages WHERE phone = ? AND seq > ? ORDER BY seq LIMIT ?",
        (phone, after, PAGE),
    )
    return [as_entry(row) for row in rows]


def find_message(db: sqlite3.Connection, provider_id: str) -> ChatEntry | None:
    """Of a message to a group the one on the first phone."""
    row = db.execute(f"SELECT {ENTRY_COLUMNS} FROM messages WHERE provider_id = ? LIMIT 1", (provider_id,)).fetchone()
    return None if row is None else as_entry(row)


def change_message(db: sqlite3.Connection, entry: ChatEntry, message: str) -> ChatEntry:
    db.execute("UPDATE messages SET message = ? WHERE seq = ?", (message, entry.seq))
    return msgspec.structs.replace(entry, message=msgspec.Raw(message.encode()))


def has_message(db: sqlite3.Connection, provider_id: str, phone: str, channel: str) -> bool:
    question = "SELECT 1 FROM messages WHERE provider_id = ? AND phone = ? AND channel = ?"
    return db.execute(question, (provider_id, phone, channel)).fetchone() is not None


def mark_read(
    db: sqlite3.Connection, direction: str, phone: str, up_to: int, channel: str | None = None
) -> list[ChatEntry]:
    """Reads what has reached its reader; a message that waits for an offline phone stays as it is."""
    return change_status(
        db,
        "direction = ? AND phone = ? AND seq <= ? AND (channel = ?4 OR ?4 IS NULL)"
        " AND status <> 'read' AND (direction = 'from_phone' OR status = 'delivered')",
        (direction, phone, up_to, channel),
        "read",
    )


def mark_delivered_to_phone(db: sqlite3.Connection, phone: str) -> list[ChatEntry]:
    return change_status(
        db,
        "direction = 'to_phone' AND phone = ? AND status <> 'read' AND status = 'sent'",
        (phone,),
        "delivered",
    )


def mark_delivered_to_business(db: sqlite3.Connection, seq: int) -> list[ChatEntry]:
    return change_status(db, "seq = ? AND status = 'sent'", (seq,), "delivered")


def mark_played(db: sqlite3.Connection, phone: str, seq: int) -> list[ChatEntry]:
    """A voice message was listened to."""
    return change_status(
        db,
        "seq = ? AND phone = ? AND direction = 'to_phone' AND status IN ('delivered', 'read')",
        (seq, phone),
        "played",
    )


def change_status(db: sqlite3.Connection, condition: str, values: Sequence[object], status: str) -> list[ChatEntry]:
    """The changed messages in their order (RETURNING promises none)."""
    rows = db.execute(f"UPDATE messages SET status = '{status}' WHERE {condition} RETURNING {ENTRY_COLUMNS}", values)
    return sorted((as_entry(row) for row in rows), key=lambda entry: entry.seq)


def as_entry(row: Sequence[object]) -> ChatEntry:
    seq, phone, direction, provider, channel, provider_id, message, correlation, status, at = row
    return ChatEntry(
        int(str(seq)),
        str(phone),
        str(direction),
        str(provider),
        str(channel),
        str(provider_id),
        msgspec.Raw(str(message).encode()),
        None if correlation is None else str(correlation),
        str(status),
        float(str(at)),
    )
