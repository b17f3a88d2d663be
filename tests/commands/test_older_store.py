"""A store that version 6522e83 wrote, with people who are split: found with their proofs, joined, and parted again.

`tests/fixtures/stores/6522e83.sql` is what that version made of six webhooks: two spellings of a number of Brazil, and
somebody who wrote by number, by id, and then under both.
"""

import json
import os
import sqlite3
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

DUMP = Path(__file__).parent.parent / "fixtures" / "stores" / "6522e83.sql"
PATIENCE_S = 300.0

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("older")
    home.chmod(0o700)
    with closing(sqlite3.connect(home / "hailgate.db")) as store:
        store.executescript(DUMP.read_text())
    return home


@pytest.fixture(scope="module")
def ask(older) -> Ask:
    """A command as its user runs it, in a process of its own; its answer."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAILGATE_")} | {
        "HAILGATE_HOME": str(older),
        "HAILGATE_DATABASE_URL": f"sqlite:///{older / 'hailgate.db'}",
        "HAILGATE_SECRET_KEYS": f"test:{urlsafe_b64encode(bytes(range(32))).decode()}",
    }

    def ask(*command: str) -> Any:
        run = subprocess.run(
            [sys.executable, "-m", "hailgate", *command],
            env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout) if "--json" in command else run.stdout

    ask("migrate")
    return ask


def test_people_of_an_older_store_are_found_with_their_proofs_joined_and_parted(ask, older):
    found = ask("people", "search", "--json")
    assert {(row["proof"], row["state"]) for row in found} == {("country", "suggested"), ("webhook", "suggested")}
    assert threads(older) == [["by id"], ["by number", "by both"], ["oi"], ["ola"], ["somebody else"]]

    assert ask("people", "join", "--all-suggested", "--json") == {"joined": 2}
    assert threads(older) == [["by number", "by id", "by both"], ["oi", "ola"], ["somebody else"]]

    for row in found:
        assert ask("people", "undo", row["id"], "--json") == {"done": True}
    assert threads(older) == [["by id"], ["by number", "by both"], ["oi"], ["ola"], ["somebody else"]]
    assert {row["state"] for row in ask("people", "list", "--json")} == {"undone"}


def threads(home: Path) -> list[list[str]]:
    """What stands in each thread, in order."""
    with closing(sqlite3.connect(home / "hailgate.db")) as store:
        rows = store.execute(
            "SELECT coalesce(conversation.merged_into_id, conversation.id), content FROM messaging_message message "
            "JOIN messaging_conversation conversation ON conversation.id = message.conversation_id ORDER BY message.id"
        ).fetchall()
    said: dict[int, list[str]] = {}
    for thread, content in rows:
        said.setdefault(thread, []).append(json.loads(content)["text"]["body"])
    return sorted(said.values())
