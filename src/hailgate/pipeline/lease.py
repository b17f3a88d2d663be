"""The lease of a worker, kept from a thread and connection of its own: a busy loop or pool never costs it."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connections

from hailgate.core.errors import LeaseLost
from hailgate.messaging.store import hold
from hailgate.messaging.work import leases
from hailgate.messaging.work.marks import Marks
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where

# Of a lease, the part in which this process still dares to begin a send. The rest covers the way to the socket.
DARING = 0.9


class Lease:
    """One registration of this process as a worker. Once lost it stays lost; a new life needs a new lease.

    ``held`` says, as of the last renewal, whether anything may leave at all.
    """

    def __init__(self, lease_s: float, renew_s: float, folder: Path, on_lost: Callable[[], None]) -> None:
        self._lease_s, self._renew_s, self._on_lost = lease_s, renew_s, on_lost
        self._lock_file = leases.LockFile(folder)
        self._stopping = threading.Event()
        self._deadline = time.monotonic() + lease_s * DARING
        self.worker_id = 0
        self.lost = False
        self.held = True
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def begin(self) -> None:
        """Register (a database function), then keep renewing until ``end``."""
        self._deadline = time.monotonic() + self._lease_s * DARING
        self.worker_id = leases.register(self._lease_s, str(self._lock_file.path))
        self.held = hold.is_held()
        self._thread.start()

    @property
    def marks(self) -> Marks:
        return self._lock_file.marks

    def check(self) -> None:
        """Called with a connection in hand, directly before the first byte. Raises LeaseLost."""
        if self.lost or time.monotonic() >= self._deadline:
            raise LeaseLost

    def end(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._lease_s)
        self._lock_file.release()

    def _keep(self) -> None:
        try:
            _use_own_connection()
            while not self._stopping.wait(self._renew_s) and not self.lost:
                self._renew()
        except Exception as bug:  # noqa: BLE001 -- a lease that nobody renews is as good as lost
            log.error(Event.LOOP_FAILED, part="lease", error=type(bug).__name__, at=where(bug))
            self._lose()
        finally:
            connections.close_all()

    def _renew(self) -> None:
        begun = time.monotonic()
        try:
            alive = leases.renew(self.worker_id, self._lease_s)
            self.held = hold.is_held()
        except (DatabaseError, InterfaceError) as failed:
            # Not lost yet: the lease in the database may still run. The deadline falls by itself if it does not.
            log.warning(Event.STORE_UNAVAILABLE, part="lease", error=type(failed).__name__)
            connections["default"].close()
            return
        if alive:
            self._deadline = begun + self._lease_s * DARING
        else:
            self._lose()

    def _lose(self) -> None:
        self.lost = True
        self._on_lost()


def _use_own_connection() -> None:
    """Django gives each thread its own wrapper; this one also stays outside the pool that all others share."""
    connection = connections.create_connection("default")
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
    connections["default"] = connection
