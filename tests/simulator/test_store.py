import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hailgate.simulator.store import SCHEMA, Store, connect

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "deep" / "simulator.db")
    store.open()
    yield store
    store.close()


def set_name(name: str, value: float):
    def change(db: sqlite3.Connection) -> str:
        db.execute("INSERT INTO settings (name, value) VALUES (?, ?)", (name, value))
        return name

    return change


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM settings").fetchone()[0])


async def test_what_resolved_is_read_by_everybody(store: Store):
    names = await asyncio.gather(*(store.write(set_name(str(i), i)) for i in range(1000)))
    assert names == [str(i) for i in range(1000)]
    assert await store.read(count) == 1000


async def test_a_bad_change_fails_alone(store: Store):
    changes = [set_name(name, 1.0) for name in ("a", "b", "a", "c")]
    results = await asyncio.gather(*map(store.write, changes), return_exceptions=True)
    assert [type(result) for result in results] == [str, str, sqlite3.IntegrityError, str]
    assert await store.read(count) == 3


async def test_closing_writes_what_was_handed_in(tmp_path: Path):
    store = Store(tmp_path / "simulator.db")
    store.open()
    for i in range(100):
        store.write(set_name(str(i), i))
    store.close()
    with connect(tmp_path / "simulator.db") as db:
        assert count(db) == 100
    db.close()


async def test_the_reading_side_cannot_write(store: Store):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(set_name("a", 1.0))


def test_commits_reach_the_disk(tmp_path: Path):
    db = connect(tmp_path / "simulator.db")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    db.close()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM messages WHERE phone = '1' AND seq > 5 ORDER BY seq",
        "SELECT * FROM messages WHERE provider_id = '1'",
        "SELECT * FROM messages WHERE direction = 'to_phone' AND phone = '1' AND seq <= 5 AND status <> 'read'",
        "SELECT * FROM webhooks WHERE channel = '1' AND due_at <= 5 ORDER BY due_at, seq",
        "SELECT * FROM ledger WHERE seq > 5 ORDER BY seq",
        "SELECT * FROM windows WHERE phone = '1' AND channel = '1'",
        "SELECT * FROM refusals WHERE phone = '1' AND channel = '1'",
        "SELECT * FROM members WHERE group_id = '1' AND channel = '1'",
        "SELECT * FROM media WHERE id = '1'",
        "SELECT * FROM contents WHERE sha256 = '1'",
        "SELECT * FROM templates WHERE account = '1' AND name = '1' AND language = '1'",
    ],
)
def test_no_question_reads_a_whole_table(query):
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}"))
    db.close()
    assert "SEARCH" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


async def test_a_file_of_another_version_keeps_its_channels_and_nothing_else(tmp_path: Path):
    with connect(tmp_path / "simulator.db") as db:
        db.executescript(SCHEMA)
        db.execute("ALTER TABLE phones DROP COLUMN user_id")
        db.execute("INSERT INTO channels VALUES ('1', 'cloud', 'http://x', '{}')")
        db.execute("INSERT INTO settings VALUES ('clock_offset_s', 5.0)")
    db.close()
    store = Store(tmp_path / "simulator.db")
    store.open()
    assert await store.read(count) == 0
    assert await store.read(lambda db: db.execute("SELECT user_id FROM phones").fetchall()) == []
    assert await store.read(lambda db: db.execute("SELECT number FROM channels").fetchall()) == [("1",)]
    store.close()
