"""Waiting for work: until somebody says that there is some, until something is due, or until the next look round."""

import asyncio
import sqlite3
import time
from contextlib import closing

import psycopg
from django.db import connection

from hailgate.messaging.waking import CHANNEL, Wake, on_wake
from hailgate.telemetry import Event, log

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

    async def wait(self, wake: Wake, at_most: float | None = None) -> None:
        """Until a wake of this kind, ``at_most`` seconds, or the next look round."""
        event = self._events[wake]
        patience = self._poll_s if at_most is None else min(self._poll_s, max(at_most, 0.001))
        timer = self._loop.call_later(patience, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()
            event.clear()

    def _from_any_thread(self, wake: Wake) -> None:
        event = self._events[wake]
        if event.is_set():  # whoever waits clears it before looking, and then sees what was committed before this call
            return
        try:
            self._loop.call_soon_threadsafe(event.set)
        except RuntimeError:  # the loop has ended; there is nobody left to wake
            return


async def listen(wakes: Wakes) -> None:
    """Other processes' commits: NOTIFY on PostgreSQL, a changed data_version on SQLite."""
    if connection.vendor == "postgresql":
        await _listen_postgresql(wakes)
    else:
        await _watch_sqlite(wakes)


async def _listen_postgresql(wakes: Wakes) -> None:
    parameters = connection.get_connection_params()
    for name in ("cursor_factory", "context", "server_side_binding", "pool"):
        parameters.pop(name, None)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as listening:
                await listening.execute(f"LISTEN {CHANNEL}")
                wakes.set_all()  # whatever was said while nobody listened
                async for notification in listening.notifies():
                    wakes.set(Wake(notification.payload))
        except (psycopg.Error, OSError) as failed:
            log.warning(Event.STORE_UNAVAILABLE, part="listen", error=type(failed).__name__)
            await asyncio.sleep(RECONNECT_S)


async def _watch_sqlite(wakes: Wakes) -> None:
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as watching:
        seen = None
        while True:
            version = watching.execute("PRAGMA data_version").fetchone()[0]
            if version != seen:
                seen = version
                wakes.set_all()
            await asyncio.sleep(DATA_VERSION_S)


def seconds_until(at: float | None, moment: float, asked: float) -> float | None:
    """From a due time on the database's clock, as it was ``moment`` when we asked at monotonic ``asked``."""
    return None if at is None else at - moment - (time.monotonic() - asked)
