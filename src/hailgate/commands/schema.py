"""Bringing the database's schema to this version."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Any constant that nobody else locks; it is "hailgate" read as a number.
MIGRATION_LOCK = 0x6861696C
# A migration locks table after table while others work, and PostgreSQL ends one of two who wait for each other.
DEADLOCK: Final = "40P01"
TRIES: Final = 20


def apply_migrations() -> list[str]:
    """Bring the database to this version; returns what was applied. Two that migrate at once wait for each other.

    Programs that will be too old hear so before, where the place for that is not itself about to change.
    """
    from hailgate.accounts.schema import keep_oldest_programs, pending_migrations
    from hailgate.commands.new_tables import make_tables

    with _alone():
        pending = pending_migrations()
        if pending and not make_tables():
            if not any(name.startswith("accounts.") for name in pending):
                keep_oldest_programs()
            _migrate()
    _ensure_installation()
    keep_oldest_programs()
    return pending


def _migrate() -> None:
    """Each migration is whole or undone: one that lost a deadlock to the processes at work begins anew."""
    from django.core.management import call_command
    from django.db import OperationalError

    for tries_left in reversed(range(TRIES)):
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except OperationalError as failed:
            if getattr(failed.__cause__, "sqlstate", None) != DEADLOCK or not tries_left:
                raise
        else:
            return


@contextmanager
def _alone() -> Iterator[None]:
    """On SQLite each migration takes the one write lock by itself."""
    from django.db import connection

    from hailgate.messaging.store.sql import without_time_outs

    if connection.vendor != "postgresql":
        yield
        return
    with without_time_outs(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _ensure_installation() -> None:
    """The look-up key is made with the tables, not by the first message."""
    from hailgate.accounts.seal import sealer

    sealer().digest("")
