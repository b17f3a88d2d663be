"""A database that was begun with other names for businesses comes to those of every other."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

# What 0008 made while it stood there with other names; nothing that comes after it was applied by then.
BEGUN_OTHERWISE = """
    ALTER TABLE messaging_templatelibrary RENAME TO messaging_business;
    ALTER TABLE messaging_template RENAME COLUMN library_id TO business_id;
    ALTER TABLE messaging_channel RENAME COLUMN library_id TO business_id;
    DROP INDEX library_due;
    CREATE INDEX business_due ON messaging_business (due_at);
"""
BEFORE_THE_NAMES = """
from django.core.management import call_command
from hailgate.commands.bootstrap import open_store

with open_store():
    call_command("migrate", "messaging", "0009_retention", verbosity=0)
"""


def run(home: Path, *arguments: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HAILGATE_HOME": str(home)}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)


def shape(home: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(home / "hailgate.db")) as database:
        return set(database.execute("SELECT type, name FROM sqlite_master"))


@pytest.fixture
def fresh(tmp_path) -> set[tuple[str, str]]:
    home = tmp_path / "fresh"
    home.mkdir()
    run(home, "-m", "hailgate", "migrate")
    return shape(home)


@pytest.mark.timeout(300)  # three processes that migrate a store from its beginning
@pytest.mark.parametrize("begun_otherwise", [False, True])
def test_it_comes_to_the_same_names(tmp_path, fresh, begun_otherwise: bool) -> None:
    run(tmp_path, "-c", BEFORE_THE_NAMES)
    with closing(sqlite3.connect(tmp_path / "hailgate.db")) as database:
        database.executescript(BEGUN_OTHERWISE if begun_otherwise else "")
    assert ("table", "messaging_business") in shape(tmp_path) or not begun_otherwise
    run(tmp_path, "-m", "hailgate", "migrate")
    assert shape(tmp_path) == fresh
    with closing(sqlite3.connect(tmp_path / "hailgate.db")) as database:
        database.execute("SELECT library_id FROM messaging_channel")
        database.execute("SELECT library_id FROM messaging_template")
