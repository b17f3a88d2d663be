"""A new SQLite database is made at once, and is what following every migration leads to."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

MAKE = """
from hailgate.commands.bootstrap import open_store
from hailgate.commands.schema import apply_migrations
with open_store():
    assert apply_migrations()
"""
FOLLOW = """
from hailgate.commands.bootstrap import open_store
from django.core.management import call_command
with open_store():
    call_command("migrate", verbosity=0)
"""


def run(home: Path, code: str) -> sqlite3.Connection:
    environment = {"HAILGATE_HOME": str(home), "PATH": "/usr/bin:/bin"}
    home.mkdir(mode=0o700)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=240, capture_output=True)
    return sqlite3.connect(home / "hailgate.db")


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    made, followed = run(folder / "made", MAKE), run(folder / "followed", FOLLOW)
    yield made, followed
    made.close()
    followed.close()


def described(database: sqlite3.Connection) -> dict[str, list]:
    """Each table and index by what it holds to, whatever order its columns were added in."""
    found = {}
    for name, statement in database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
        found[name] = parts_of(statement) if statement.startswith("CREATE TABLE") else re.sub(r'["\s]+', " ", statement)
    return found


def parts_of(statement: str) -> list[str]:
    """The definitions between a table's brackets, each in one spelling, in order."""
    body = statement[statement.index("(") + 1 : statement.rindex(")")]
    parts, depth = [""], 0
    for letter in body:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return sorted(re.sub(r"\s+", " ", part.replace('"', "")).strip() for part in parts)


def test_both_ways_lead_to_the_same_tables(databases):
    made, followed = map(described, databases)
    assert made.keys() == followed.keys()
    assert {name: (made[name], followed[name]) for name in made if made[name] != followed[name]} == {}


def test_every_migration_counts_as_followed(databases):
    made, followed = ({*each.execute("SELECT app, name FROM django_migrations")} for each in databases)
    assert made == followed


def test_nothing_but_that_and_what_each_start_ensures_is_in_them(databases):
    made, _ = databases
    filled = {
        name for (name,) in made.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if rows_of(made, name)
    }
    assert filled <= {"django_migrations", "accounts_installation", "sqlite_sequence"}


def rows_of(database: sqlite3.Connection, table: str) -> int:
    return database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
