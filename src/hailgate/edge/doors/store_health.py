"""What the probes ask the store: whether it can work, which is more than to answer."""

from django.db import connection

from hailgate.accounts.schema import find_misfit, find_outgrown
from hailgate.accounts.seal import sealer
from hailgate.core.errors import ConfigurationError
from hailgate.messaging.store.sql import atomic_cursor, on_postgresql

_fitted = False


def find_store_fault() -> str:
    """Why the store cannot work, or an empty string. Raises what the database raises."""
    global _fitted  # noqa: PLW0603 -- asked until it holds: from then on only a migration may outgrow this program
    _try_to_write()
    if not _fitted or find_outgrown():
        misfit = find_misfit()
        _fitted = not misfit
        if misfit:
            return misfit
    try:
        sealer().digest("")
    except ConfigurationError as lost:
        return lost.detail
    return ""


def _try_to_write() -> None:
    """Raises what the database says of a write: a disk that is full, a file or a server that can only be read.

    On SQLite nothing less than a committed page shows it; the number that is written means nothing to anybody.
    """
    if on_postgresql():
        with atomic_cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA user_version")
        cursor.execute(f"PRAGMA user_version = {1 - min(cursor.fetchone()[0], 1)}")
