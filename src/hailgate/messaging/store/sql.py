"""The dialect seam: everything that PostgreSQL and SQLite say differently is said here, once.

Hot paths write whole batches with one statement per table (``unnest`` on PostgreSQL, ``executemany`` on SQLite,
whose one writer needs no round trips). Statements elsewhere are written once, with the fragments of this module.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import psycopg
from django.db import OperationalError, connection, models, transaction
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper
from django.db.models.lookups import Exact

from hailgate.messaging.store.arrays import packed, packed_keys

# As Django's own UUIDField keeps them there.
_HEX = attrgetter("hex")
sqlite3.register_adapter(UUID, _HEX)
_written = json.JSONEncoder(default=_HEX).encode

Cursor: TypeAlias = CursorWrapper
Row: TypeAlias = tuple[Any, ...]
Stored = TypeVar("Stored", bound=models.Model)


def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def fetch(cursor: Cursor, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    cursor.execute(statement, parameters)
    found: list[Row] = cursor.fetchall()
    return found


def fetch_one(cursor: Cursor, statement: str, parameters: Sequence[Any] = ()) -> Row | None:
    cursor.execute(statement, parameters)
    row: Row | None = cursor.fetchone()
    return row


def fetch_value(cursor: Cursor, statement: str, parameters: Sequence[Any] = ()) -> Any:
    row = fetch_one(cursor, statement, parameters)
    return row[0] if row else None


def among(column: str) -> str:
    """``column`` is one of an ``array`` parameter."""
    return f"{column} = ANY(%b)" if on_postgresql() else f"{column} IN (SELECT value FROM json_each(%s))"


def array(values: Iterable[Any]) -> Any:
    """The parameter that goes with ``among``: integers, strings or UUIDs."""
    return packed_keys(list(values)) if on_postgresql() else _written(list(values))


def each(column: str) -> str:
    """The elements of an ``array`` of integers as rows ``wanted(column)``.

    For looking each of them up on its own, in a scalar subquery. A planner that has met a queue while it was empty
    would rather walk through a whole index for a list of keys, and keep to that.
    """
    elements = f"unnest(%b::bigint[]) AS wanted({column})"
    return elements if on_postgresql() else f"(SELECT value AS {column} FROM json_each(%s)) AS wanted"


def aside(column: str) -> str:
    """``column`` for a condition that no index may be chosen for."""
    return f"({column} + 0)" if on_postgresql() else f"+{column}"


def keyed(rows: "models.QuerySet[Stored]", tenant_id: int) -> "models.QuerySet[Stored]":
    """Those of ``rows``, named by other keys, that are the tenant's: SQLite would walk all that the tenant has."""
    return rows.filter(Exact(models.F("tenant_id") + 0, tenant_id))


def locked(*, of: str = "", skip: bool = False) -> str:
    """Row locks for the end of a SELECT. ``NO KEY`` so that foreign-key checks of others never look like a lock."""
    if not on_postgresql():
        return ""
    return " FOR NO KEY UPDATE" + (f" OF {of}" if of else "") + (" SKIP LOCKED" if skip else "")


def indexed_by(index: str) -> str:
    """For the end of a table's name. SQLite keeps no statistics by itself: it would sort a whole queue for its head."""
    return "" if on_postgresql() else f" INDEXED BY {index}"


def waited_for_lock(failed: OperationalError) -> bool:
    """Whether a statement was given up because another transaction held what it needed. Never on SQLite."""
    return getattr(failed.__cause__, "sqlstate", None) == "55P03"


def as_uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def atomic_cursor(*, read_only: bool = False) -> AbstractContextManager[Cursor]:
    """A cursor in a transaction of its own, or part of the caller's.

    ``read_only`` opens none: on SQLite a transaction takes the one write lock, and nothing may take it to read.
    """
    return connection.cursor() if read_only else _cursor_in_transaction()


@contextmanager
def _cursor_in_transaction() -> Iterator[Cursor]:
    with transaction.atomic(), connection.cursor() as cursor:
        yield cursor


@contextmanager
def one_moment() -> Iterator[None]:
    """Whatever is read inside is as it was at one moment; nothing may be written. Part of the caller's transaction."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" if on_postgresql() else "BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


@contextmanager
def without_time_outs() -> Iterator[None]:
    """For work on the whole database: PostgreSQL cuts off no statement meanwhile, and no pause between two."""
    if not on_postgresql():
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET {name} = 0" for name in _TIME_OUTS))
        try:
            yield
        finally:
            with suppress(OperationalError):  # the server ended the connection, or its transaction failed
                cursor.execute("; ".join(f"RESET {name}" for name in _TIME_OUTS))


_TIME_OUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@contextmanager
def in_one_flight() -> Iterator[Cursor]:
    """A cursor for statements whose results nobody reads, in a transaction of their own, or part of the caller's.

    PostgreSQL gets all of them at once and answers once, after the commit (libpq, "Pipeline Mode"); BEGIN, each
    statement and COMMIT would cost a journey each, and each time a thread that waits for its turn to go on. What any
    of them says is raised at the end. ``on_commit`` is not for in here: what is to follow the commit follows the block.
    """
    if not on_postgresql() or connection.in_atomic_block:
        with atomic_cursor() as cursor:
            yield cursor
        return
    connection.ensure_connection()
    driver = connection.connection
    try:
        with connection.wrap_database_errors, driver.pipeline(), connection.cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor
            cursor.execute("COMMIT")
    except BaseException:
        with suppress(psycopg.Error):
            driver.rollback()
        raise


# --- time -------------------------------------------------------------------------------------------------------------

CLOCK = "extract(epoch FROM clock_timestamp())::float8"
_WALL_AT_START = time.time() - time.monotonic()


def _anchored() -> float:
    """Wall time at start plus monotonic time since: a clock that is set back or forth moves no due time."""
    return _WALL_AT_START + time.monotonic()


_clock: Callable[[], float] | None = None


def use_clock(clock: Callable[[], float] | None) -> None:
    """Puts an own clock (seconds since the epoch) in the place of the database's; None puts it back."""
    global _clock  # noqa: PLW0603 -- simulation and tests turn time for the whole process
    _clock = clock


def now(cursor: Cursor) -> float:
    """The one time that due times and leases are compared with: the database's clock; on SQLite ours, anchored."""
    if _clock is not None:
        return _clock()
    if not on_postgresql():
        return _anchored()
    return float(fetch_value(cursor, f"SELECT {CLOCK}"))


def now_and(cursor: Cursor, select: str, parameters: Sequence[Any]) -> tuple[float, Any]:
    """``now``, and the one value that ``select`` finds no earlier: together, where both are asked of the database."""
    if not asks_the_database():
        return now(cursor), fetch_value(cursor, select, parameters)
    cursor.execute(f"SELECT {CLOCK}, ({select})", parameters)
    told: tuple[float, Any] = cursor.fetchone()
    return told


def moment() -> str:
    """``now`` as SQL, for a statement that need not hear of it first; the same text each time, to be compiled once."""
    if on_postgresql():
        return CLOCK if _clock is None else repr(_clock())
    return "hailgate_now()"


def teach_django_the_time() -> None:
    """SQLite is given the function with each connection, as Django's documentation says."""
    connection_created.connect(_teach_sqlite, dispatch_uid="hailgate_now")


def _teach_sqlite(connection: Any, **_: Any) -> None:
    if connection.vendor == "sqlite":
        connection.connection.create_function("hailgate_now", 0, lambda: _clock() if _clock else _anchored())


def asks_the_database() -> bool:
    """Whether ``now`` costs a round trip that another statement could save by selecting ``CLOCK``."""
    return on_postgresql() and _clock is None


# --- batches ----------------------------------------------------------------------------------------------------------

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Table:
    """A model's table for writing batches of plain tuples."""

    def __init__(self, model: type[models.Model]) -> None:
        self.name = model._meta.db_table  # noqa: SLF001 -- Django's documented introspection
        fields = model._meta.concrete_fields  # noqa: SLF001
        self._types = {field.column: _postgresql_type(field) for field in fields}

    def insert(
        self,
        cursor: Cursor,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        same: Mapping[str, str] = _NOTHING,
        on_conflict: str = "",
    ) -> None:
        """``same`` holds further columns, with the SQL that is their value in every row."""
        if not rows:
            return
        names = ", ".join([*columns, *same])
        if on_postgresql():
            values = f"SELECT {', '.join(['given.*', *same.values()])} FROM unnest({self._arrays(columns)}) AS given"
            statement = f"INSERT INTO {self.name} ({names}) {values} {on_conflict}"
            cursor.execute(statement, self._packed(columns, rows))
            return
        values = ", ".join(["%s"] * len(columns) + list(same.values()))
        cursor.executemany(f"INSERT INTO {self.name} ({names}) VALUES ({values}) {on_conflict}", rows)

    def insert_numbered(self, cursor: Cursor, columns: Sequence[str], rows: Sequence[Row]) -> list[int]:
        """Insert and return the new ids, in the order of ``rows``, which is the order of the ids."""
        if not rows:
            return []
        if on_postgresql():
            statement = f"{self._insert_unnest(columns)} RETURNING id"
            return [row[0] for row in fetch(cursor, statement, self._packed(columns, rows))]
        last = fetch_value(cursor, "SELECT seq FROM sqlite_sequence WHERE name = %s", [self.name]) or 0
        ids = range(last + 1, last + 1 + len(rows))
        self.insert(cursor, ["id", *columns], [(id_, *row) for id_, row in zip(ids, rows, strict=True)])
        return list(ids)

    def insert_new(
        self, cursor: Cursor, columns: Sequence[str], rows: Sequence[Row], *, unique: Sequence[str]
    ) -> set[Row]:
        """Insert what is not there yet; return the values of ``unique`` of the rows that were.

        Rows are sorted by those values, so that two writers with overlapping keys wait instead of deadlocking.
        """
        if not rows:
            return set()
        places = [columns.index(column) for column in unique]
        ordered = sorted(rows, key=lambda row: [row[place] for place in places])
        conflict = f"ON CONFLICT ({', '.join(unique)}) DO NOTHING"
        if on_postgresql():
            statement = f"{self._insert_unnest(columns)} {conflict} RETURNING {', '.join(unique)}"
            return set(fetch(cursor, statement, self._packed(columns, ordered)))
        values = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(columns)))
        statement = (
            f"INSERT INTO {self.name} ({', '.join(columns)}) SELECT {values} FROM json_each(%s) WHERE true {conflict} "
            f"RETURNING {', '.join(unique)}"
        )
        return set(fetch(cursor, statement, [array(ordered)]))

    def find(self, cursor: Cursor, columns: Sequence[str], keys: Iterable[Row], *, by: tuple[str, str]) -> list[Row]:
        """Rows by pairs of values of an indexed pair of columns; tenants follow from the keys.

        Each key is looked up on its own. For two lists a planner that has not seen a young table grow would read all
        of a tenant's rows and compare each with every key.
        """
        wanted = sorted(set(keys))
        if not wanted:
            return []
        first, second = by
        sought = f"SELECT {', '.join(f'old.{column}' for column in columns)} FROM"
        if on_postgresql():
            return fetch(
                cursor,
                f"SELECT found.* FROM unnest({self._arrays(by)}) AS wanted({first}, {second}) CROSS JOIN LATERAL ("
                f"{sought} {self.name} AS old WHERE old.{first} = wanted.{first} AND old.{second} = wanted.{second} "
                f"OFFSET 0) AS found {every_tenant('by key')}",
                self._packed(by, wanted),
            )
        return fetch(
            cursor,
            f"{sought} json_each(%s) AS wanted CROSS JOIN {self.name} AS old "
            f"WHERE old.{first} = json_extract(wanted.value, '$[0]') "
            f"AND old.{second} = json_extract(wanted.value, '$[1]') {every_tenant('by key')}",
            [_written(wanted)],
        )

    def update(
        self,
        cursor: Cursor,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        key: Sequence[str] = ("id",),
        rising: Sequence[str] = (),
    ) -> None:
        """Set ``columns`` by rows of ``(*key, *values)``. The caller holds the locks; tenants follow from the key.

        Columns in ``rising`` are lifted to their value; what stands higher stays.
        """
        if rows:
            update = self._update_at_once if on_postgresql() else self._update_in_turn
            update(cursor, columns, rows, key, rising)

    def _update_at_once(
        self, cursor: Cursor, columns: Sequence[str], rows: Sequence[Row], key: Sequence[str], rising: Sequence[str]
    ) -> None:
        names = [*key, *columns]
        sets = ", ".join(
            f"{name} = GREATEST(old.{name}, new.{name})" if name in rising else f"{name} = new.{name}"
            for name in columns
        )
        cursor.execute(
            f"UPDATE {self.name} AS old SET {sets} FROM unnest({self._arrays(names)}) AS new({', '.join(names)}) "
            f"WHERE {' AND '.join(f'old.{name} = new.{name}' for name in key)} {every_tenant('by key')}",
            self._packed(names, rows),
        )

    def _update_in_turn(
        self, cursor: Cursor, columns: Sequence[str], rows: Sequence[Row], key: Sequence[str], rising: Sequence[str]
    ) -> None:
        sets = ", ".join(f"{name} = MAX({name}, %s)" if name in rising else f"{name} = %s" for name in columns)
        cursor.executemany(
            f"UPDATE {self.name} SET {sets} WHERE {' AND '.join(f'{name} = %s' for name in key)} "
            f"{every_tenant('by key')}",
            [(*row[len(key) :], *row[: len(key)]) for row in rows],
        )

    def _insert_unnest(self, columns: Sequence[str]) -> str:
        return f"INSERT INTO {self.name} ({', '.join(columns)}) SELECT * FROM unnest({self._arrays(columns)})"

    def _packed(self, columns: Sequence[str], rows: Sequence[Row]) -> list[Any]:
        types = (self._types[column] for column in columns)
        return [packed(type_, column) for type_, column in zip(types, zip(*rows, strict=True), strict=True)]

    def _arrays(self, columns: Sequence[str]) -> str:
        # In binary form: as text, every element would be searched for what needs quotes (a kilobyte costs 15 µs).
        return ", ".join(f"%b::{self._types[column]}[]" for column in columns)


def every_tenant(reason: str) -> str:
    """Marks a statement that is meant to see the rows of all tenants, and says why. Without it a test refuses it."""
    return f"/* every tenant: {reason} */"


def _postgresql_type(field: "models.Field[Any, Any]") -> str:
    """``text`` for every length of text: a cast to ``varchar(n)`` would cut silently, where an insert refuses."""
    names = {
        "BigAutoField": "bigint", "BigIntegerField": "bigint", "ForeignKey": "bigint", "IntegerField": "integer",
        "SmallIntegerField": "smallint", "FloatField": "float8", "InstantField": "float8", "UUIDField": "uuid",
        "BooleanField": "boolean", "BinaryField": "bytea",
    }  # fmt: skip
    return names.get(type(field).__name__, "text")
