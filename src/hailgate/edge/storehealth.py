"""What the probes ask the store: whether it can work, and how much work lies in it."""

from collections.abc import Mapping
from typing import NamedTuple

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from hailgate.messaging.models import WorkState
from hailgate.messaging.sql import atomic_cursor, every_tenant, fetch, fetch_one, now


class WorkCount(NamedTuple):
    """Rows by the name of their state; the age in seconds of the oldest row that could run and does not."""

    rows: Mapping[str, int]
    oldest_ready_s: float


_migrated = False


def find_store_fault() -> str:
    """Why the store cannot work, or an empty string. Raises what the database raises."""
    global _migrated  # noqa: PLW0603 -- asked until it holds; nothing undoes a migration while we run
    with atomic_cursor(read_only=True) as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "" if _migrated else "migrations are missing: run `hailgate migrate`"


def count_work() -> WorkCount:
    with atomic_cursor(read_only=True) as cursor:
        counted = fetch(cursor, f"SELECT state, count(*) FROM messaging_work GROUP BY state {every_tenant('metrics')}")
        moment = now(cursor)
        oldest = fetch_one(
            cursor,
            f"SELECT min(CASE WHEN due_at > created_at THEN due_at ELSE created_at END) FROM messaging_work "
            f"WHERE state = {WorkState.READY.value} AND due_at <= %s {every_tenant('metrics')}",
            [moment],
        )
    found = {state: int(rows) for state, rows in counted}
    rows = {state.name.lower(): found.get(state.value, 0) for state in WorkState}
    return WorkCount(rows, max(0.0, moment - oldest[0]) if oldest and oldest[0] is not None else 0.0)
