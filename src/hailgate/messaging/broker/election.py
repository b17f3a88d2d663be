"""Who reads a queue of the broker, and who writes to it: one worker at a time, by a row that names it.

The row needs no renewing: it holds as long as its worker is alive. Others take it over once that one is declared dead
or has signed off, so that queue order stays the order of acceptance.
"""

from hailgate.core.errors import LeaseLost
from hailgate.messaging.store.sql import Cursor, atomic_cursor, fetch_one, locked
from hailgate.messaging.store.tables import QUEUE_LEASE
from hailgate.messaging.work.leases import find_alive


def take_queue(worker_id: int, queue: str) -> bool:
    """Whether the queue is this worker's from now on, or still is. Another that is alive is never displaced."""
    with atomic_cursor() as cursor:
        if find_alive(cursor, worker_id) is None:
            return False
        QUEUE_LEASE.insert_new(cursor, ("queue", "worker_id"), [(queue, worker_id)], unique=("queue",))
        cursor.execute(
            "UPDATE messaging_queuelease SET worker_id = %s WHERE queue = %s AND (worker_id = %s OR NOT EXISTS "
            "(SELECT 1 FROM messaging_worker holder WHERE holder.id = messaging_queuelease.worker_id "
            "AND holder.alive))",
            [worker_id, queue, worker_id],
        )
        return bool(cursor.rowcount)


def check_queue(cursor: Cursor, worker_id: int, queue: str) -> float:
    """The database's time, where this worker is alive and the queue is its own until this transaction ends.

    Raises LeaseLost. Comes first in every transaction that it guards.
    """
    moment = find_alive(cursor, worker_id)
    if moment is not None:
        statement = f"SELECT id FROM messaging_queuelease WHERE queue = %s AND worker_id = %s{locked()}"
        if fetch_one(cursor, statement, [queue, worker_id]):
            return moment
    raise LeaseLost
