"""What the probes ask the store: whether it can work."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from hailgate.messaging.sql import atomic_cursor

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
