"""Telling workers that there is something to do, after the commit that made it so.

Inside a process a callback is called at once; between processes PostgreSQL carries a NOTIFY in the same commit, and
SQLite's ``data_version`` changes by itself. Polling is the floor under them: a lost wake costs a second, no more.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from django.db import transaction

from hailgate.messaging.store.sql import Cursor, on_postgresql

# A worker of the version before knows the first channel and the first five wakes alone, and ends over any other.
CHANNEL = "hailgate_wake"
LATER_CHANNEL = "hailgate_wake_later"


class Wake(StrEnum):
    INGEST = "ingest"
    DELIVER = "deliver"
    ANSWER = "answer"
    FETCH = "fetch"
    TEMPLATES = "templates"
    SESSION = "session"
    LOOK = "look"
    POLL = "poll"
    CHECK = "check"
    PUBLISH = "publish"


FIRST_WAKES = frozenset({Wake.INGEST, Wake.DELIVER, Wake.ANSWER, Wake.FETCH, Wake.TEMPLATES})


_listeners: list[Callable[[Wake], None]] = []


def on_wake(listener: Callable[[Wake], None]) -> Callable[[], None]:
    """Calls ``listener`` from whatever thread committed; it must be quick and safe to call there. Returns the undo."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def setting(event: asyncio.Event) -> Callable[[Wake], None]:
    """A listener that sets an event of the loop that runs here, from whatever thread it is called."""
    loop = asyncio.get_running_loop()

    def wake(_: Wake) -> None:
        with suppress(RuntimeError):  # the loop has ended; there is nobody left to tell
            loop.call_soon_threadsafe(event.set)

    return wake


def wake_after_commit(cursor: Cursor, wake: Wake) -> None:
    wake_others(cursor, wake)
    transaction.on_commit(lambda: wake_now(wake))


def wake_others(cursor: Cursor, wake: Wake) -> None:
    """Other processes, with the commit of what the cursor writes."""
    if on_postgresql():
        channel = CHANNEL if wake in FIRST_WAKES else LATER_CHANNEL
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, wake.value])


def find_wake(payload: str) -> Wake | None:
    """None for one that only a later version knows."""
    return Wake(payload) if payload in set(Wake) else None


def wake_now(wake: Wake) -> None:
    for listener in tuple(_listeners):
        listener(wake)
