"""Re-sealing: what older sealing keys sealed is sealed again with the newest, so that the older ones can be dropped.

Columns are found by their type, not named: one that is added is walked as well. Values are taken a few at a time, and
a row that somebody holds is passed by until the next round, so that it runs beside everything else. Whatever was done
stays done: begun again, it goes on.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import models

from hailgate.accounts.seal import MARK, sealer
from hailgate.messaging.store.sql import atomic_cursor, every_tenant, fetch, fetch_value, locked

AT_ONCE = 100
APPS = ("accounts", "messaging")
EVERY = every_tenant("sealed again")


class SealedColumn(NamedTuple):
    """Where sealed values may stand. ``key`` is the primary key's column; all its values come after ``begin``."""

    table: str
    key: str
    begin: Any
    name: str
    binary: bool

    @property
    def older(self) -> str:
        """The condition that a value is sealed, and not with the newest key; with ``marks`` for parameters."""
        return f"substr({self.name}, 1, {len(MARK)}) = %s AND substr({self.name}, 1, {len(sealer().mark)}) <> %s"

    @property
    def marks(self) -> list[str | bytes]:
        return [mark.encode() if self.binary else mark for mark in (MARK, sealer().mark)]


def reseal() -> int:
    """Seal all again; how many values were. Raises ConfigurationError where no key of ours opens one."""
    done = 0
    while changed := sum(_reseal_column(column) for column in sealed_columns()):
        done += changed
    return done


def count_older() -> int:
    """Values that are still sealed with an older key."""
    with atomic_cursor(read_only=True) as cursor:
        return sum(
            fetch_value(cursor, f"SELECT count(*) FROM {each.table} WHERE {each.older} {EVERY}", each.marks)
            for each in sealed_columns()
        )


def sealed_columns() -> Iterator[SealedColumn]:
    """Nothing is sealed in a column whose length is limited."""
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            options = model._meta  # noqa: SLF001 -- Django's documented way to a model's fields
            begin = "" if isinstance(options.pk, models.CharField) else -1
            for field in options.fields:
                if isinstance(field, models.TextField | models.BinaryField):
                    binary = isinstance(field, models.BinaryField)
                    yield SealedColumn(options.db_table, str(options.pk.column), begin, str(field.column), binary)


def _reseal_column(column: SealedColumn) -> int:
    done, after = 0, column.begin
    while keys := _reseal_some(column, after):
        done, after = done + len(keys), keys[-1]
    return done


def _reseal_some(column: SealedColumn, after: Any) -> list[Any]:
    """The keys of the rows in which a value was sealed again."""
    table, key, name = column.table, column.key, column.name
    with atomic_cursor() as cursor:
        rows = fetch(
            cursor,
            f"SELECT {key}, {name} FROM {table} WHERE {key} > %s AND {column.older} {EVERY} "
            f"ORDER BY {key} LIMIT {AT_ONCE}{locked(skip=True)}",
            [after, *column.marks],
        )
        cursor.executemany(
            f"UPDATE {table} SET {name} = %s WHERE {key} = %s {EVERY}",
            [(sealer().reseal(value if isinstance(value, str) else bytes(value)), id_) for id_, value in rows],
        )
    return [row[0] for row in rows]
