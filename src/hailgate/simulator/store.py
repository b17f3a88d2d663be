"""One SQLite file: a thread that writes, a thread that reads.

A change is durable when its future resolves: WAL with synchronous=FULL, and whatever gathered while the last
commit ran shares the next one (no timer), which makes a ledger row before every answer affordable.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], T]

SCHEMA_VERSION = 5
MAX_BATCH = 500  # changes in one transaction: bounds the latency of the first of them

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS channels (
    number TEXT PRIMARY KEY, provider TEXT NOT NULL, webhook_url TEXT NOT NULL, credentials TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS phones (
    number TEXT PRIMARY KEY, name TEXT NOT NULL, reachable INTEGER NOT NULL DEFAULT 1,
    online INTEGER NOT NULL DEFAULT 1, read_receipts INTEGER NOT NULL DEFAULT 1,
    username TEXT, hides_number INTEGER NOT NULL DEFAULT 0, user_id TEXT, by_lid INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
    phone TEXT NOT NULL, channel TEXT NOT NULL, opened_at REAL NOT NULL, PRIMARY KEY (phone, channel)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (
    phone TEXT NOT NULL, channel TEXT NOT NULL, PRIMARY KEY (phone, channel)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    group_id TEXT NOT NULL, channel TEXT NOT NULL, phone TEXT NOT NULL, PRIMARY KEY (group_id, channel, phone)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS media (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, holder TEXT NOT NULL, mime_type TEXT NOT NULL, filename TEXT,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, at REAL NOT NULL, deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS templates (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, language TEXT NOT NULL, status TEXT NOT NULL,
    category TEXT NOT NULL, components TEXT NOT NULL, parameter_format TEXT NOT NULL, quality TEXT NOT NULL,
    verdict TEXT, decided_at REAL NOT NULL DEFAULT 0, deleted_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS templates_of_account ON templates (account, name, language);
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, phone TEXT NOT NULL, channel TEXT NOT NULL, provider TEXT NOT NULL,
    direction TEXT NOT NULL, provider_id TEXT NOT NULL, message TEXT NOT NULL, correlation TEXT,
    status TEXT NOT NULL, at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS messages_of_phone ON messages (phone, seq);
CREATE UNIQUE INDEX IF NOT EXISTS messages_by_id ON messages (provider_id, phone);
CREATE INDEX IF NOT EXISTS messages_not_read ON messages (direction, phone, seq) WHERE status <> 'read';
CREATE TABLE IF NOT EXISTS ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, provider TEXT NOT NULL, channel TEXT NOT NULL,
    recipient TEXT NOT NULL, operation TEXT NOT NULL, provider_id TEXT NOT NULL, correlation TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, provider_id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, phone TEXT NOT NULL,
    direction TEXT NOT NULL, status TEXT NOT NULL, code INTEGER, at REAL NOT NULL, changed_at REAL NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS records_of_channel ON records (channel, phone, seq);
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL,
    document TEXT NOT NULL, UNIQUE (kind, id)
) STRICT;
CREATE TABLE IF NOT EXISTS webhooks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, lane TEXT NOT NULL, message INTEGER,
    body BLOB NOT NULL, url TEXT, attempts INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, expires_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (channel, due_at, seq);
"""


FORGOTTEN_AT_RESET = (
    "settings", "phones", "windows", "refusals", "members", "contents", "media", "templates", "messages", "ledger",
    "records", "documents", "webhooks",
)  # fmt: skip


class Entry(NamedTuple):
    """A change and who waits for it."""

    change: Change[Any]
    waiting: asyncio.Future[Any]


class Store:
    """Must be opened inside the event loop whose coroutines use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="simulator-read")
        self._writer = threading.Thread(target=self._write_for_ever, name="simulator-write", daemon=True)

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writing_db = connect(self._path)
        prepare_tables(self._writing_db)
        self._reading_db = connect(self._path)
        self._reading_db.execute("PRAGMA query_only = on")
        self._writer.start()

    def close(self) -> None:
        """Writes what was handed in, then closes the file."""
        self._entries.put(None)
        self._writer.join()
        self._reading.shutdown()
        self._reading_db.close()
        self._writing_db.close()

    def write(self, change: Change[T]) -> asyncio.Future[T]:
        """`change` runs in the writer's thread; its future resolves after the commit.

        An exception undoes this change alone and is raised from the future. A change may run twice.
        """
        waiting: asyncio.Future[T] = self._loop.create_future()
        self._entries.put(Entry(change, waiting))
        return waiting

    async def read(self, query: Change[T]) -> T:
        return await self._loop.run_in_executor(self._reading, query, self._reading_db)

    def _write_for_ever(self) -> None:
        while (entry := self._entries.get()) is not None:
            batch = [entry]
            stop = self._gather(batch)
            self._commit(batch)
            if stop:
                return

    def _gather(self, batch: list[Entry]) -> bool:
        """Adds what is waiting; True when the store is closing."""
        while len(batch) < MAX_BATCH:
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                return False
            if entry is None:
                return True
            batch.append(entry)
        return False

    def _commit(self, batch: Sequence[Entry]) -> None:
        try:
            results = run_in_transaction(self._writing_db, [entry.change for entry in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who waits
            if len(batch) > 1:
                for entry in batch:  # find the one at fault without harm to the others
                    self._commit([entry])
                return
            self._loop.call_soon_threadsafe(refuse, batch[0].waiting, error)
            return
        self._loop.call_soon_threadsafe(resolve, batch, results)


def prepare_tables(db: sqlite3.Connection) -> None:
    """A file that another version of the simulator wrote keeps its channels and nothing else."""
    if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        for table in FORGOTTEN_AT_RESET:
            db.execute(f"DROP TABLE IF EXISTS {table}")
    db.executescript(SCHEMA)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def clear(db: sqlite3.Connection) -> None:
    """Everything but the channels."""
    for table in FORGOTTEN_AT_RESET:
        db.execute(f"DELETE FROM {table}")


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10, cached_statements=256)
    db.execute("PRAGMA journal_mode = wal")
    db.execute("PRAGMA synchronous = full")
    return db


def run_in_transaction(db: sqlite3.Connection, changes: Sequence[Change[Any]]) -> list[Any]:
    db.execute("BEGIN IMMEDIATE")
    try:
        results = [change(db) for change in changes]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return results


def resolve(batch: Sequence[Entry], results: Sequence[Any]) -> None:
    for entry, result in zip(batch, results, strict=True):
        if not entry.waiting.done():
            entry.waiting.set_result(result)


def refuse(waiting: asyncio.Future[Any], error: Exception) -> None:
    if not waiting.done():
        waiting.set_exception(error)
