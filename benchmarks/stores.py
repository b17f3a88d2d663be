"""Databases of the benchmark's own, made in a temporary folder and gone with it.

PostgreSQL is a server of our own as well: it can be pinned to the load's core, its time can be counted, and the
machine's server stays as it was found.
"""

import os
import pwd
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg

from benchmarks.machine import LOAD_CORE, Process, free_port, wait_for_port, wait_until

# Everything that a commit has to wait for stays on, as it is by default; memory is what a small server would have.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "max_connections": "60",
}


class Store(Protocol):
    """A database for one product or baseline."""

    kind: str
    url: str

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...
    def cpu_seconds(self) -> float: ...
    def size_mib(self) -> float: ...


class PostgresqlServer:
    def __init__(self, folder: Path) -> None:
        binaries = find_postgresql()
        if binaries is None:
            raise FileNotFoundError("no PostgreSQL server is installed")
        self._binaries = binaries
        self._owner = "postgres" if os.geteuid() == 0 else None
        self._data = folder / "postgresql"
        self._initialise()
        self.port = free_port()
        self.process = Process(
            [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), *self._settings()],
            core=LOAD_CORE,
            user=self._owner,
            log=folder / "postgresql.log",
        )
        wait_for_port(self.port, self.process)
        wait_until(self._answers, 30.0, "a PostgreSQL server")

    def database(self, name: str) -> "Postgresql":
        """A new, empty one."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as server:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {name}")
        return Postgresql(self, self._url(name))

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        """It listens before it takes anybody in."""
        try:
            psycopg.connect(self._url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _initialise(self) -> None:
        self._data.mkdir()
        if self._owner:
            account = pwd.getpwnam(self._owner)
            os.chown(self._data, account.pw_uid, account.pw_gid)
        subprocess.run(
            [
                self._binaries / "initdb",
                "-D",
                self._data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ],
            user=self._owner,
            check=True,
            capture_output=True,
            cwd="/",
        )

    def _settings(self) -> list[str]:
        pairs = {**SETTINGS, "unix_socket_directories": str(self._data)}
        return [part for name, value in pairs.items() for part in ("-c", f"{name}={value}")]

    def _url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


class Postgresql:
    kind = "postgresql"

    def __init__(self, server: PostgresqlServer, url: str) -> None:
        self._server, self.url = server, url

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def cpu_seconds(self) -> float:
        return self._server.process.cpu_seconds()

    def size_mib(self) -> float:
        return float(self.run("SELECT pg_database_size(current_database())")[0][0]) / 2**20


class Sqlite:
    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"sqlite:///{path}"

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        try:
            return connection.execute(statement.replace("%s", "?"), parameters).fetchall()
        finally:
            connection.close()

    def cpu_seconds(self) -> float:
        """None of its own: it works inside the product's process."""
        return 0.0

    def size_mib(self) -> float:
        self.run("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size / 2**20


def find_postgresql() -> Path | None:
    """The folder of the server's programs, newest version first; Debian keeps them off the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None
