"""Tables in a backup: their rows as plain values, the same for both databases.

Which tables and columns there are is told by the migrations that the database has seen, not by this version's models:
a backup is also made before `migrate`, and restored by a later version.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from django.core.management.color import no_style
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from hailgate.backup.manifest import TableContent
from hailgate.core.errors import ConfigurationError
from hailgate.messaging.store.sql import Row, every_tenant, fetch, fetch_one, on_postgresql

# Whoever is signed in would be again, also those who were shut out since: after a restore, everybody signs in anew.
LEFT_OUT = frozenset({"django_session", "accounts_signinlink"})
# Whoever has a code to pair with has the phone's messages: it lives for a minute, and a backup for years.
LEFT_EMPTY: Mapping[str, Mapping[str, Any]] = {"messaging_session": {"code": "", "code_until": None}}
# Columns that name a file in the store of files.
FILE_COLUMNS = {"messaging_attachment": "file", "messaging_webhookevent": "body_file"}
ALL = every_tenant("backup")
ROWS_AT_ONCE = 500
# Rows are compressed a little: text shrinks to a quarter at the speed of a disk.
COMPRESSION = 1


class StoredTable:
    """A table of the schema that the database has. Its rows are hashed and counted as they pass."""

    def __init__(self, model: type[models.Model]) -> None:
        fields = [each for each in model._meta.local_concrete_fields if each.column]  # noqa: SLF001 -- documented
        self.model, self.name = model, model._meta.db_table  # noqa: SLF001
        self.columns = [str(each.column) for each in fields]
        self._key = str(model._meta.pk.column)  # noqa: SLF001
        empty = LEFT_EMPTY.get(self.name, {})
        self._plain = [
            _always(empty[column]) if column in empty else _plain_value(each)
            for column, each in zip(self.columns, fields, strict=True)
        ]
        self._stored = [_stored_value(each) for each in fields]
        self._digest, self._rows = hashlib.sha256(), 0

    @property
    def content(self) -> TableContent:
        return TableContent(self._rows, self._digest.hexdigest())

    def pack(self) -> Iterator[tuple[bytes, list[list[Any]]]]:
        """All rows in the order of their key, some at once: packed, and as they are."""
        for found in self._pages():
            rows = [[make(value) for make, value in zip(self._plain, row, strict=True)] for row in found]
            yield zlib.compress(self._count(msgspec.msgpack.encode(rows), len(rows)), COMPRESSION), rows

    def unpack(self, packed: bytes) -> list[list[Any]]:
        """Raises zlib.error, msgspec.MsgspecError."""
        data = zlib.decompress(packed)
        rows = msgspec.msgpack.decode(data, type=list[list[Any]])
        self._count(data, len(rows))
        return rows

    def load(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows that came from a backup. In the caller's transaction."""
        made = [[make(value) for make, value in zip(self._stored, row, strict=True)] for row in rows]
        columns = ", ".join(f'"{column}"' for column in self.columns)
        with connection.cursor() as cursor:
            if on_postgresql():
                with connection.connection.cursor().copy(f'COPY "{self.name}" ({columns}) FROM STDIN') as copy:
                    for row in made:
                        copy.write_row(row)
                return
            marks = ", ".join(["%s"] * len(self.columns))
            cursor.executemany(f'INSERT INTO "{self.name}" ({columns}) VALUES ({marks})', made)

    def read_back(self) -> TableContent:
        """What the database holds of it now."""
        found = StoredTable(self.model)
        for _ in found.pack():
            pass
        return found.content

    def is_empty(self) -> bool:
        with connection.cursor() as cursor:
            return fetch_one(cursor, f'SELECT 1 FROM "{self.name}" {ALL} LIMIT 1') is None

    def empty(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'DELETE FROM "{self.name}" {ALL}')

    def _count(self, data: bytes, rows: int) -> bytes:
        self._digest.update(data)
        self._rows += rows
        return data

    def _pages(self) -> Iterator[list[Row]]:
        columns = ", ".join(f'"{column}"' for column in self.columns)
        place = self.columns.index(self._key)
        select = f'SELECT {columns} FROM "{self.name}" {ALL}'
        order = f'ORDER BY "{self._key}" LIMIT {ROWS_AT_ONCE}'
        with connection.cursor() as cursor:
            page = fetch(cursor, f"{select} {order}")
            while page:
                yield page
                page = fetch(cursor, f'{select} WHERE "{self._key}" > %s {order}', [page[-1][place]])


def read_schema() -> list[tuple[str, str]]:
    """The last migrations that the database has seen, of each part."""
    loader = MigrationLoader(connection)
    known = {node for node in loader.applied_migrations if node in loader.graph.nodes}
    return sorted(node for node in known if not any(child[0] == node[0] for child in _later(loader, node) & known))


def list_tables(schema: Sequence[tuple[str, str]]) -> list[StoredTable]:
    """Those of a schema, whatever this version's is. Raises ConfigurationError for one that it does not know."""
    loader = MigrationLoader(None)
    state = loader.project_state(_known_nodes(loader, schema))
    found = [StoredTable(model) for model in state.apps.get_models(include_auto_created=True)]
    return sorted((table for table in found if table.name not in LEFT_OUT), key=lambda table: table.name)


def migrate_to(schema: Sequence[tuple[str, str]]) -> None:
    """Bring an empty database to a schema. Raises ConfigurationError."""
    executor = MigrationExecutor(connection)
    executor.migrate(_known_nodes(executor.loader, schema))


def list_newest() -> list[tuple[str, str]]:
    """The schema of this version."""
    return [(app, name) for app, name in MigrationLoader(None).graph.leaf_nodes()]


def _later(loader: MigrationLoader, node: tuple[str, str]) -> set[tuple[str, str]]:
    return {child.key for child in loader.graph.node_map[node].children}


def _known_nodes(loader: MigrationLoader, schema: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    for app, name in schema:
        if (app, name) not in loader.graph.nodes:
            raise ConfigurationError([f"the backup is of a newer version: this one has no migration {app}.{name}"])
    return [(app, name) for app, name in schema]


def reset_sequences(tables: Sequence[StoredTable]) -> None:
    """New rows come after those that were loaded. SQLite sees to it by itself."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [table.model for table in tables]):
            cursor.execute(f"{ALL} {statement}")


# --- values -----------------------------------------------------------------------------------------------------------


def _type_of(column: "models.Field[Any, Any]") -> str:
    while isinstance(column, models.ForeignKey):
        column = column.target_field
    return column.get_internal_type()


def _plain_value(column: "models.Field[Any, Any]") -> Callable[[Any], Any]:
    """Makes a plain value of what either database gives."""
    return {"UUIDField": _hex, "BooleanField": _truth, "DateTimeField": _instant, "BinaryField": _bytes}.get(
        _type_of(column), _as_it_is
    )


def _stored_value(column: "models.Field[Any, Any]") -> Callable[[Any], Any]:
    """Makes of a plain value what the database takes."""
    return _zoned if _type_of(column) == "DateTimeField" and on_postgresql() else _as_it_is


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _as_it_is(value: Any) -> Any:
    return value


def _hex(value: UUID | str | None) -> str | None:
    return value.hex if isinstance(value, UUID) else value


def _truth(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def _instant(value: datetime | str | None) -> str | None:
    """In UTC, as SQLite has it."""
    if not isinstance(value, datetime):
        return value
    utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return utc.isoformat(" ")


def _zoned(value: str | None) -> str | None:
    return None if value is None else f"{value}+00:00"
