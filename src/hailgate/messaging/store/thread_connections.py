"""The database connections of a pool's threads, which end with the pool and not when the collector finds them."""

from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, connections

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


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
