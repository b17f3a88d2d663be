"""The database's schema against this version's migrations."""

from collections.abc import Iterator
from contextlib import contextmanager

# Any constant that nobody else locks; it is "hailgate" read as a number.
MIGRATION_LOCK = 0x6861696C


def pending_migrations() -> list[str]:
    """Names of migrations that this version brings and the database has not seen."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def apply_migrations() -> list[str]:
    """Bring the database to this version; returns what was applied. Two that migrate at once wait for each other."""
    from django.core.management import call_command

    with _alone():
        pending = pending_migrations()
        if pending:
            call_command("migrate", verbosity=0, interactive=False)
    _ensure_installation()
    return pending


@contextmanager
def _alone() -> Iterator[None]:
    """On SQLite each migration takes the one write lock by itself."""
    from django.db import connection

    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        # A migration may take longer than any statement of normal work is allowed to.
        cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _ensure_installation() -> None:
    """The look-up key is made with the tables, not by the first message."""
    from hailgate.accounts.seal import sealer

    sealer().digest("")
