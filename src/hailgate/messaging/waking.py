"""Telling workers that there is something to do, after the commit that made it so.

Inside a process a callback is called at once; between processes PostgreSQL carries a NOTIFY in the same commit, and
SQLite's ``data_version`` changes by itself. Polling is the floor under them: a lost wake costs a second, no more.
"""

from collections.abc import Callable
from enum import StrEnum

from django.db import transaction

from hailgate.messaging.sql import Cursor, on_postgresql

CHANNEL = "hailgate_wake"


class Wake(StrEnum):
    INGEST = "ingest"
    DELIVER = "deliver"
    ANSWER = "answer"
    FETCH = "fetch"
    TEMPLATES = "templates"


_listeners: list[Callable[[Wake], None]] = []


def on_wake(listener: Callable[[Wake], None]) -> Callable[[], None]:
    """Calls ``listener`` from whatever thread committed; it must be quick and safe to call there. Returns the undo."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def wake_after_commit(cursor: Cursor, wake: Wake) -> None:
    wake_others(cursor, wake)
    transaction.on_commit(lambda: wake_now(wake))


def wake_others(cursor: Cursor, wake: Wake) -> None:
    """Other processes, with the commit of what the cursor writes."""
    if on_postgresql():
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, wake.value])


def wake_now(wake: Wake) -> None:
    for listener in tuple(_listeners):
        listener(wake)
