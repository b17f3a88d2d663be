"""The real SQL on a real SQLite in memory, watched row by row and cut at every transaction.

Triggers tell every change of the rows that promises are made about. What is told counts once it is committed. Before
each BEGIN and before and after each COMMIT a connection asks its ``witness``, who may kill, freeze or disconnect.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Protocol, Self, TypeVar
from unittest.mock import patch

from django.apps import apps
from django.db import OperationalError, connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.utils import DatabaseErrorWrapper

from hailgate.commands.schema import apply_migrations
from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.models import Attempt, Channel, Conversation, Effect, Message, WebhookEvent, Work, Worker
from hailgate.pipeline.bridge import run_in_database

from .loop import Killed, Process, VirtualLoop

Result = TypeVar("Result")
Change = tuple[Any, ...]
"""``("work", "update", *new values)``: the columns are in WATCHED; of a deleted row, the old values."""

WATCHED = {
    Work: (
        "id",
        "kind",
        "key",
        "message_id",
        "channel_id",
        "state",
        "worker_id",
        "lease",
        "attempting",
        "due_at",
        "hold_until",
        "expires_at",
    ),
    Message: (
        "id",
        "uid",
        "conversation_id",
        "direction",
        "status",
        "unknown",
        "cause",
        "ordinal",
        "content",
        "provider_id",
        "code",
    ),
    Conversation: ("id", "held_until", "answered_by", "merged_into_id"),
    Attempt: ("message_id", "number", "worker_id", "lease"),
    WebhookEvent: ("id", "uid", "state"),
    Effect: ("id", "channel_id", "key"),
    Worker: ("id", "alive"),
    Channel: ("id", "paused_at"),
}


class Witness(Protocol):
    """Asked at each edge of each transaction; may raise Killed or OperationalError."""

    def before_begin(self) -> None: ...
    def before_commit(self) -> None: ...
    def after_commit(self, changes: list[Change]) -> None: ...


class ShortCursor(sqlite3.Cursor):
    """Django's cursor without its layers, which take as long as SQLite itself: placeholders, errors, no more."""

    def execute(self, query: str, parameters: Sequence[Any] | None = None) -> "ShortCursor":
        try:
            if parameters is None:
                super().execute(query)
            else:
                super().execute(_translated(query), parameters)
        except sqlite3.Error:
            with DatabaseErrorWrapper(connections["default"]):
                raise
        return self

    def executemany(self, query: str, rows: Sequence[Sequence[Any]]) -> "ShortCursor":
        try:
            super().executemany(_translated(query), rows)
        except sqlite3.Error:
            with DatabaseErrorWrapper(connections["default"]):
                raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@lru_cache(maxsize=1024)
def _translated(query: str) -> str:
    return query.replace("%s", "?").replace("%%", "%")


class WatchedConnection(DatabaseWrapper):
    witness: Witness | None = None

    def __init__(self) -> None:
        settings = connections.configure_settings(
            {
                "default": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": ":memory:",
                    "OPTIONS": {"transaction_mode": "IMMEDIATE", "cached_statements": 512},
                }
            }
        )["default"]
        super().__init__(settings, "default")
        self.told: list[Change] = []

    # Nobody has to be asked at every statement whether it is sent from a coroutine: here each of them is.
    commit, rollback = DatabaseWrapper.commit.__wrapped__, DatabaseWrapper.rollback.__wrapped__
    connect = DatabaseWrapper.connect.__wrapped__
    savepoint = DatabaseWrapper.savepoint.__wrapped__

    def cursor(self) -> Any:
        return super().cursor() if self.connection is None else self.connection.cursor(ShortCursor)

    def _start_transaction_under_autocommit(self) -> None:
        if self.witness:
            self.witness.before_begin()
        self.told.clear()
        super()._start_transaction_under_autocommit()

    def _commit(self) -> None:
        if self.witness is None:
            super()._commit()
            return
        try:
            self.witness.before_commit()
            super()._commit()
            told, self.told = self.told, []
            self.witness.after_commit(told)
        except Killed:
            # Django only tidies up after errors of the database.
            self.connection.rollback()
            self.told.clear()
            self.run_on_commit = []
            raise

    def _rollback(self) -> None:
        self.told.clear()
        super()._rollback()


class Store:
    """One database for many stories; use it as a context, in the place of Django's default connection."""

    def __init__(self) -> None:
        self.connection = WatchedConnection()
        self._emptying: Sequence[str] = ()

    @contextmanager
    def opened(self, furnish: Callable[[], None]) -> Iterator["Store"]:
        """What ``furnish`` puts in is there at the beginning of every story."""
        # Django keeps connections by thread, and by context where a loop runs; here all contexts share this one.
        with patch.object(connections, "_connections", SimpleNamespace(default=self.connection)):
            apply_migrations()
            furnish()
            self._emptying = self._statements()
            self._watch()
            yield self
            self.connection.connection.close()

    def empty(self) -> None:
        """As new: the ids begin at 1 again, too."""
        for statement in self._emptying:
            self.rows(statement)
        self.connection.told.clear()

    def take_told(self) -> list[Change]:
        """What was written without a transaction, as single statements of the ORM are."""
        told, self.connection.told = self.connection.told, []
        return told

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """A look from outside, which no fault touches."""
        return self.connection.connection.execute(statement, parameters).fetchall()

    def _statements(self) -> list[str]:
        """For our own tables. Without a PRAGMA, after which every statement would be compiled anew."""
        ours = [model._meta.db_table for model in apps.get_models() if model.__module__.startswith("hailgate.")]
        tables = [*ours, "sqlite_sequence"]
        furnished = [table for table in tables if self.rows(f"SELECT 1 FROM {table} LIMIT 1")]
        for table in furnished:
            self.rows(f"CREATE TEMP TABLE at_first_{table} AS SELECT * FROM {table}")
        deletes = [f"DELETE FROM main.{table}" for table in reversed(tables)]
        inserts = [f"INSERT INTO main.{table} SELECT * FROM at_first_{table}" for table in furnished]
        return ["BEGIN", *deletes, *inserts, "COMMIT"]

    def _watch(self) -> None:
        raw = self.connection.connection
        raw.create_function("told", -1, self._told)
        for model, columns in WATCHED.items():
            table = model._meta.db_table
            for verb, row in (("insert", "NEW"), ("update", "NEW"), ("delete", "OLD")):
                values = ", ".join(f"{row}.{column}" for column in columns)
                raw.execute(
                    f"CREATE TEMP TRIGGER told_{verb}_{table} AFTER {verb} ON main.{table} "
                    f"BEGIN SELECT told('{model.__name__.lower()}', '{verb}', {values}); END"
                )

    def _told(self, *change: Any) -> None:
        self.connection.told.append(change)


class ProcessDatabase:
    """One process's way to the store, as a ``Db``: one writer in line after the other, each call some time away.

    Whoever waits may be cancelled; what was asked for is done nevertheless, as in a thread.
    """

    def __init__(self, loop: VirtualLoop, process: Process, faults: "DatabaseFaults") -> None:
        self._loop, self._process, self._faults = loop, process, faults
        self._free_at = 0.0

    async def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        self._process.check()
        done: asyncio.Future[Result] = self._loop.create_future()
        self._free_at = max(self._loop.now, self._free_at) + self._faults.latency()
        self._loop.call_at(self._free_at, self._run, done, function, arguments)
        return await done

    def _run(self, done: asyncio.Future[Result], function: Callable[..., Result], arguments: tuple[Any, ...]) -> None:
        name = getattr(function, "func", function).__name__
        try:
            self._faults.before_call()
            result = run_in_database(function, *arguments)
        except Exception as failed:  # noqa: BLE001 -- it belongs to whoever waits
            self._faults.note("call", name, type(failed).__name__, repr(failed.__cause__ or failed))
            self._process.check()
            if not done.done():
                done.set_exception(failed)
        else:
            self._faults.after_call(name, result)
            self._process.check()
            if not done.done():
                done.set_result(result)


class DatabaseFaults(Protocol):
    def latency(self) -> float: ...
    def before_call(self) -> None: ...
    def after_call(self, name: str, result: object) -> None: ...
    def note(self, what: str, *facts: object) -> None: ...


def lose_connection() -> None:
    raise OperationalError("the connection was lost")


def refuse_connection() -> None:
    raise StoreUnavailable("the store is away")
