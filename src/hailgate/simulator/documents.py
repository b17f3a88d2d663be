"""What a provider's API keeps beside messages (content templates, sessions, settings): JSON under kind and id."""

import json
import sqlite3
from typing import Any

Document = dict[str, Any]


def put(db: sqlite3.Connection, kind: str, document_id: str, document: Document, owner: str = "") -> None:
    """Replaces what stood under this id, in its place."""
    db.execute(
        "INSERT INTO documents (kind, id, owner, document) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
        (kind, document_id, owner, json.dumps(document)),
    )


def find(db: sqlite3.Connection, kind: str, document_id: str) -> Document | None:
    row = db.execute("SELECT document FROM documents WHERE kind = ? AND id = ?", (kind, document_id)).fetchone()
    return None if row is None else json.loads(row[0])


def list_all(db: sqlite3.Connection, kind: str, owner: str = "") -> list[Document]:
    """The oldest first."""
    rows = db.execute("SELECT document FROM documents WHERE kind = ? AND owner = ? ORDER BY seq", (kind, owner))
    return [json.loads(row[0]) for row in rows]


def delete(db: sqlite3.Connection, kind: str, document_id: str) -> bool:
    return db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, document_id)).rowcount > 0
