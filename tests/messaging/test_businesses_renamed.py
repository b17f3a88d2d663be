"""A database that was begun with other names for businesses comes to those of every other."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

AS_IT_WAS = """
    ALTER TABLE messaging_templatelibrary RENAME TO messaging_business;
    ALTER TABLE messaging_template RENAME COLUMN library_id TO business_id;
    ALTER TABLE messaging_channel RENAME COLUMN library_id TO business_id;
    DROP INDEX library_due;
    CREATE INDEX business_due ON messaging_business (due_at);
    DELETE FROM django_migrations WHERE app = 'messaging' AND name = '0010_businesses';
"""


def shape(database: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(database.execute("SELECT type, name FROM sqlite_master"))


@pytest.mark.parametrize("begun_otherwise", [False, True])
def test_it_comes_to_the_same_names(tmp_path, begun_otherwise: bool) -> None:
    environment = {"PATH": os.environ["PATH"], "HAILGATE_HOME": str(tmp_path)}
    migrate = [sys.executable, "-m", "hailgate", "migrate"]
    subprocess.run(migrate, env=environment, check=True, capture_output=True)
    with closing(sqlite3.connect(tmp_path / "hailgate.db")) as database:
        fresh = shape(database)
        if begun_otherwise:
            database.executescript(AS_IT_WAS)
            assert shape(database) != fresh
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        assert shape(database) == fresh
        database.execute("SELECT library_id FROM messaging_channel")
        database.execute("SELECT library_id FROM messaging_template")
