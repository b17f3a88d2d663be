"""Databases of the harness's own: made, cloned from a template, dropped."""

import asyncio
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

SERVER = os.environ.get("HAILGATE_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")


class Store(Protocol):
    """A database that one installation has to itself."""

    kind: str
    url: str

    async def create(self) -> None: ...

    async def clone(self, folder: Path) -> "Store":
        """A copy, made while nobody is connected to the original."""
        ...

    async def drop(self) -> None: ...


class SqliteStore:
    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hailgate.db"
        self.url = f"sqlite:///{self.path}"

    async def create(self) -> None:
        """The product makes the file."""

    async def clone(self, folder: Path) -> "SqliteStore":
        copy = SqliteStore(folder)
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(copy.path)) as target:
            source.backup(target)
        return copy

    async def drop(self) -> None:
        """It goes with its folder."""


class PostgresqlStore:
    kind = "postgresql"

    def __init__(self, server: str = SERVER) -> None:
        self._server = server
        self.name = f"hailgate_faults_{os.getpid()}_{secrets.token_hex(3)}"
        self.url = urlsplit(server)._replace(path=f"/{self.name}").geturl()

    async def create(self) -> None:
        await _on(self._server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))

    async def clone(self, folder: Path) -> "PostgresqlStore":  # noqa: ARG002 -- a file of its own is SQLite's affair
        copy = PostgresqlStore(self._server)
        names = sql.Identifier(copy.name), sql.Identifier(self.name)
        await _on(self._server, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        return copy

    async def drop(self) -> None:
        await _on(self._server, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def behind(self, port: int) -> str:
        """The same database, reached through a port of this machine."""
        url = urlsplit(self.url)
        return url._replace(netloc=f"{url.username or 'postgres'}@127.0.0.1:{port}").geturl()

    @property
    def address(self) -> tuple[str, int]:
        url = urlsplit(self.url)
        return url.hostname or "127.0.0.1", url.port or 5432


async def postgresql_answers() -> bool:
    try:
        await _on(SERVER, sql.SQL("SELECT 1"))
    except psycopg.OperationalError:
        return False
    return True


async def _on(server: str, statement: sql.SQL | sql.Composed) -> None:
    await asyncio.to_thread(_run, server, statement)


def _run(server: str, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True, connect_timeout=3) as connection:
        connection.execute(statement)
