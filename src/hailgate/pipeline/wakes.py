"""Wakes: loops wait until there is work, until something is due, or until the next look round."""

import asyncio
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import psycopg
from django.db import connection

from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.notify import CHANNEL, LATER_CHANNEL, Wake, find_wake, on_wake
from hailgate.messaging.work.rows import WAKES
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

# How often another process's commit on the same SQLite file is looked for: one pragma, a few microseconds.
DATA_VERSION_S = 0.05
RECONNECT_S = 1.0


class Wakes:
    """One event for each kind of wake, set from any thread; ``poll_s`` is the floor under all of them."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._loop = asyncio.get_running_loop()
        self._events = {wake: asyncio.Event() for wake in Wake}
        self._undo = on_wake(self._from_any_thread)

    def close(self) -> None:
        self._undo()

    def set(self, wake: Wake) -> None:
        self._events[wake].set()

    def set_all(self) -> None:
        for event in self._events.values():
            event.set()

    async def wait(self, wake: Wake, at_most: float | None = None, also: asyncio.Event | None = None) -> None:
        """Until a wake of this kind, ``at_most`` seconds, or the next look round; or until ``also``."""
        event = self._events[wake]
        patience = self._poll_s if at_most is None else min(self._poll_s, max(at_most, 0.001))
        timer = self._loop.call_later(patience, event.set)
        passing = None if also is None else self._loop.create_task(_pass_on(also, event))
        try:
            await event.wait()
        finally:
            timer.cancel()
            if passing:
                passing.cancel()
            event.clear()

    def _from_any_thread(self, wake: Wake) -> None:
        event = self._events[wake]
        if event.is_set():  # whoever waits clears it before looking, and then sees what was committed before this call
            return
        try:
            self._loop.call_soon_threadsafe(event.set)
        except RuntimeError:  # the loop has ended; there is nobody left to wake
            return


async def _pass_on(also: asyncio.Event, event: asyncio.Event) -> None:
    await also.wait()
    event.set()


async def listen(wakes: Wakes) -> None:
    """Other processes' commits: NOTIFY on PostgreSQL, a changed data_version on SQLite."""
    if connection.vendor == "postgresql":
        await _listen_postgresql(wakes)
    else:
        await _watch_sqlite(wakes)


async def _listen_postgresql(wakes: Wakes) -> None:
    parameters = listening_parameters()
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as listening:
                for channel in (CHANNEL, LATER_CHANNEL):
                    await listening.execute(f"LISTEN {channel}")
                wakes.set_all()  # whatever was said while nobody listened
                async for notification in listening.notifies():
                    if wake := find_wake(notification.payload):
                        wakes.set(wake)
        except (psycopg.Error, OSError) as failed:
            log.warning(Event.STORE_UNAVAILABLE, part="listen", error=type(failed).__name__)
            await asyncio.sleep(RECONNECT_S)


def listening_parameters() -> dict[str, Any]:
    """For a connection of its own, past any pooler: behind one that shares connections LISTEN hears nothing."""
    if direct := connection.settings_dict.get("DIRECT"):
        return {"conninfo": direct, "connect_timeout": 3, "application_name": "hailgate listen"}
    parameters: dict[str, Any] = connection.get_connection_params()
    for name in ("cursor_factory", "context", "server_side_binding", "pool"):
        parameters.pop(name, None)
    return parameters


async def _watch_sqlite(wakes: Wakes) -> None:
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as watching:
        seen = None
        while True:
            version = watching.execute("PRAGMA data_version").fetchone()[0]
            if version != seen:
                for wake in Wake if seen is None else _perhaps_meant(watching):
                    wakes.set(wake)
                seen = version
            await asyncio.sleep(DATA_VERSION_S)


def _perhaps_meant(watching: sqlite3.Connection) -> Iterable[Wake]:
    """Whom a commit may concern: one question here spares a look, in a thread, of each loop that has no row at all."""
    try:
        ready = watching.execute(_READY_KINDS).fetchall()
    except sqlite3.OperationalError:  # busy at this moment
        return Wake
    return _NOT_OF_WORK | {WAKES[WorkKind(kind)] for (kind,) in ready}


_READY_KINDS = (
    f"SELECT column1 FROM (VALUES {', '.join(f'({kind.value})' for kind in WAKES)}) "
    f"WHERE EXISTS (SELECT 1 FROM messaging_work WHERE kind = column1 AND state = {WorkState.READY.value})"
)
_NOT_OF_WORK = frozenset(Wake) - frozenset(WAKES.values())


def seconds_until(at: float | None, moment: float, asked: float) -> float | None:
    """From a due time on the database's clock, as it was ``moment`` when we asked at monotonic ``asked``."""
    return None if at is None else at - moment - (time.monotonic() - asked)
