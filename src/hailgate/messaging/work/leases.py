"""A worker is a row that lives as long as it is renewed, and a lock file that lives as long as its process."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from hailgate.messaging.store.sql import (
    CLOCK,
    Cursor,
    asks_the_database,
    atomic_cursor,
    fetch_one,
    fetch_value,
    now,
    on_postgresql,
)
from hailgate.messaging.store.tables import WORKER
from hailgate.messaging.work.marks import AttemptMark, open_marks, read_prepared


def register(lease_s: float, lock_file: str) -> int:
    """The new worker's id."""
    with atomic_cursor() as cursor:
        moment = now(cursor)
        columns = ("uid", "host", "lock_file", "alive", "started_at", "expires_at", "ending")
        row = (uuid4(), socket.gethostname(), lock_file, True, moment, moment + lease_s, "")
        return WORKER.insert_numbered(cursor, columns, [row])[0]


def renew(worker_id: int, lease_s: float) -> bool:
    """False means: this worker has been declared dead, for ever."""
    with atomic_cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_worker SET expires_at = %s WHERE id = %s AND alive",
            [now(cursor) + lease_s, worker_id],
        )
        return bool(cursor.rowcount)


def find_alive(cursor: Cursor, worker_id: int) -> float | None:
    """The database's time, if this worker is alive and not to be declared dead before this transaction ends.

    Comes first in every transaction that it guards, since a take-over locks the worker first too. A key share stands
    in the way of a take-over (``FOR UPDATE``) but not of a renewal, which a busy worker could otherwise starve.
    """
    if asks_the_database():
        statement = f"SELECT {CLOCK} FROM messaging_worker WHERE id = %s AND alive FOR KEY SHARE"
        moment: float | None = fetch_value(cursor, statement, [worker_id])
        return moment
    share = " FOR KEY SHARE" if on_postgresql() else ""
    alive = fetch_one(cursor, f"SELECT id FROM messaging_worker WHERE id = %s AND alive{share}", [worker_id])
    return now(cursor) if alive else None


def any_alive() -> bool:
    """Whether anybody carries out work at present."""
    with atomic_cursor(read_only=True) as cursor:
        statement = "SELECT 1 FROM messaging_worker WHERE alive AND expires_at > %s LIMIT 1"
        return fetch_value(cursor, statement, [now(cursor)]) is not None


class LockFile:
    """A lease has to be waited out; a lock that the kernel drops with its process does not.

    So a worker that was killed on this machine is found at once, while one that is merely frozen keeps its lock, and
    its lease decides. In the file are the ``marks`` of the worker's attempts.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder.resolve() / f"{uuid4()}.lock"
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.marks = open_marks(self._descriptor)

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        self.marks.close()
        os.close(self._descriptor)


def process_is_gone(host: str, lock_file: str) -> bool:
    """True only where the kernel vouches for it; else the lease decides."""
    with _lock_of_the_gone(host, lock_file) as descriptor:
        return descriptor is not None


def find_unsent(host: str, lock_file: str) -> frozenset[AttemptMark]:
    """Attempts of a process that is surely gone of which surely no byte left. Of all others nothing is known."""
    with _lock_of_the_gone(host, lock_file) as descriptor:
        return frozenset() if descriptor is None else read_prepared(descriptor)


@contextmanager
def _lock_of_the_gone(host: str, lock_file: str) -> Iterator[int | None]:
    """The open file, its lock shared with others who look; None where its process may live."""
    descriptor = None
    if host == socket.gethostname():
        with suppress(OSError):
            descriptor = os.open(lock_file, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor if descriptor is not None and _is_free(descriptor) else None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
