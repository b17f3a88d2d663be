"""The database connections of a pool's threads, which end with the pool and not when the collector finds them."""

from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, InterfaceError, connections

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

# A connection that is to be had at all is had within a few milliseconds.
CONNECTION_AT_END_S: Final = 0.3


class ThreadConnections:
    """`adopt` is the initializer of the pool's threads; `close` comes after its shutdown."""

    def __init__(self) -> None:
        self._adopted: list[BaseDatabaseWrapper] = []

    def adopt(self) -> None:
        self._adopted.append(connections["default"])

    def close(self) -> None:
        closing = Thread(target=self._close, name="db-close")  # Django refuses the thread of a loop
        closing.start()
        closing.join()

    def _close(self) -> None:
        for connection in self._adopted:
            connection.inc_thread_sharing()
            with suppress(DatabaseError, InterfaceError):
                connection.close()


def wait_less_for_connections() -> None:
    """For a process that ends: calls that find no connection fail soon from now on.

    What is queued would wait for an absent store in turn, each for the whole time-out, and the process be cut off
    before it has ended in order.
    """
    pool = getattr(connections["default"], "pool", None)  # SQLite has none
    if pool is not None:
        pool.timeout = CONNECTION_AT_END_S
