"""The bridge of coroutines and the database: they call ordinary functions here, one at a time or gathered.

``Database`` runs one function in one of its threads. ``Gate`` is for the many: callers submit an item and wait; all
that gathered while the last commit ran is written by one function in one transaction (self-clocked group commit,
no timer), and each caller gets its own result after that commit, never before.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Generic, TypeVar

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections
from psycopg_pool import PoolTimeout

from hailgate.core.errors import Overloaded, StoreUnavailable
from hailgate.messaging.store.ports import Db
from hailgate.messaging.store.thread_connections import ThreadConnections
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

Item = TypeVar("Item")
Result = TypeVar("Result")

# SQLSTATEs: serialization failure, deadlock. The transaction was rolled back whole, so the batch may run once more.
RERUN_STATES = frozenset({"40001", "40P01"})
# A statement that waited too long for a lock or ran too long says nothing of the connection, but the store is not well.
BUSY_STATES = frozenset({"55P03", "57014"})
# Class 25: the transaction is gone, with its connection where it idled too long. No row of it is to blame.
GONE = "25"


async def in_thread(function: Callable[..., Result], *arguments: Any) -> Result:
    """What computes for a while, in a thread where nothing waits for it: neither the loop nor the database."""
    return await asyncio.to_thread(function, *arguments)


class ThreadedDatabase:
    """Runs functions in threads of its own: several on PostgreSQL, one FIFO writer on SQLite."""

    def __init__(self, threads: int) -> None:
        self._connections = ThreadConnections()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="db", initializer=self._connections.adopt)

    async def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        # Shielded: a caller that is cancelled must not leave a transaction half way; it ends by itself.
        work = asyncio.get_running_loop().run_in_executor(self._executor, run_in_database, function, *arguments)
        work.add_done_callback(ignore_failure)
        return await asyncio.shield(work)

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """For callers with a thread of their own (Django's views): the same queue, the same writer."""
        return self._executor.submit(run_in_database, function, *arguments).result()

    def close(self) -> None:
        """What is under way ends first. Each thread's connection is closed, or the pool would miss it for ever."""
        self._executor.shutdown(wait=True)
        self._connections.close()


def ignore_failure(work: "asyncio.Future[Any]") -> None:
    """A failure whose caller went away meanwhile is nobody's news."""
    if not work.cancelled():
        work.exception()


class InlineDatabase:
    """The same thread, the same connection: for the deterministic simulation and for fast tests."""

    async def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return run_in_database(function, *arguments)

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return run_in_database(function, *arguments)

    def close(self) -> None:
        return


def run_in_database(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call ``function``; once more after a deadlock. A broken or absent store is a StoreUnavailable."""
    for last in (False, True):
        try:
            return function(*arguments)
        except (OperationalError, InterfaceError, InternalError) as failed:
            if isinstance(failed, InternalError) and not (_sqlstate(failed) or "").startswith(GONE):
                raise
            if _sqlstate(failed) in RERUN_STATES and not last:
                continue
            if _sqlstate(failed) not in BUSY_STATES:
                _drop_connection()
            raise StoreUnavailable(f"the database did not answer ({type(failed).__name__})") from failed
    raise AssertionError


def had_no_connection(failed: BaseException | None) -> bool:
    """Whether a StoreUnavailable means that no connection was to be had, for as long as anybody waits for one."""
    return failed is not None and isinstance(getattr(failed.__cause__, "__cause__", None), PoolTimeout)


def _sqlstate(failed: BaseException) -> str | None:
    return getattr(failed.__cause__, "sqlstate", None)


def _drop_connection() -> None:
    """A connection that failed is never used again; the next call opens another."""
    with suppress(DatabaseError, InterfaceError):
        connections["default"].close()


class Gate(Generic[Item, Result]):
    """Group commit for one kind of item.

    ``write`` gets a batch and returns a result, or an exception, for each item in order, after its commit.
    ``read_back`` answers which items of a batch are already stored: it is asked when the connection broke, since a
    COMMIT without an answer may have happened; what it does not know (None) is written once more.
    """

    def __init__(
        self,
        db: Db,
        write: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        read_back: Callable[[Sequence[Item]], Sequence[Result | None]] | None = None,
        size: Callable[[Item], int] = lambda _: 0,
        max_rows: int = 500,
        max_bytes: int = 32 * 1024 * 1024,
        max_waiting: int = 5_000,
        writers: int = 1,
    ) -> None:
        self._db, self._write, self._read_back, self._size = db, write, read_back, size
        self._max_rows, self._max_bytes, self._max_waiting = max_rows, max_bytes, max_waiting
        self._waiting: deque[tuple[Item, int, asyncio.Future[Result]]] = deque()
        self._waiting_bytes = 0
        self._being_written: list[Sequence[tuple[Item, asyncio.Future[Result]]]] = []
        self._free_writers = writers
        self._flushes: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """Returns after the commit that holds the item. Raises Overloaded, StoreUnavailable or the item's own error."""
        size = self._size(item)
        if len(self._waiting) >= self._max_waiting or self._waiting_bytes + size > self._max_bytes * 2:
            raise Overloaded("too much is waiting to be written", retry_after=1.0)
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, size, done))
        self._waiting_bytes += size
        if self._free_writers:
            self._free_writers -= 1
            task = asyncio.create_task(self._flush())
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)
        return await done

    @property
    def waiting(self) -> int:
        """How many callers wait for their commit."""
        return len(self._waiting) + sum(map(len, self._being_written))

    @property
    def overloaded(self) -> bool:
        """Half of what may wait does: who can wait elsewhere is not to come now."""
        return len(self._waiting) * 2 >= self._max_waiting or self._waiting_bytes >= self._max_bytes

    def give_up(self, say: Callable[[], Exception]) -> None:
        """Whoever waits is told so now. What they brought is written all the same, as soon as that can be."""
        owed = [done for _, _, done in self._waiting]
        owed += [done for batch in self._being_written for _, done in batch]
        for done in owed:
            if not done.done():
                done.set_exception(say())

    async def drain(self) -> None:
        while self._flushes:
            await asyncio.wait(self._flushes)

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self._settle(self._next_batch())
        finally:
            self._free_writers += 1

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        total = 0
        while self._waiting and len(batch) < self._max_rows and (not batch or total < self._max_bytes):
            item, size, done = self._waiting.popleft()
            total += size
            batch.append((item, done))
        self._waiting_bytes -= total
        return batch

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        self._being_written.append(batch)
        try:
            results = await self._written([item for item, _ in batch])
            if len(results) != len(batch):
                raise AssertionError(f"{len(results)} results for {len(batch)} items")  # noqa: TRY301
        except Exception as failed:  # noqa: BLE001 -- every caller learns of it
            results = [failed] * len(batch)
        finally:
            self._being_written.remove(batch)
        for (_, done), result in zip(batch, results, strict=True):
            if done.done():  # its caller went away; what was accepted stays accepted
                continue
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)

    async def _written(self, items: Sequence[Item], *, again: bool = False) -> Sequence[Result | Exception]:
        """``again``: the connection broke before; if it does once more, these items learn it, and no others."""
        try:
            return await self._db(self._write, items)
        except StoreUnavailable as away:
            return [away] * len(items) if again else await self._after_broken_connection(items)
        except (DatabaseError, ValueError, TypeError) as bad:
            if len(items) == 1:
                if known := await self._known(items):
                    return known
                log.error(Event.GATE_ROW_REFUSED, error=type(bad).__name__)
                return [bad]
            middle = len(items) // 2
            halves = items[:middle], items[middle:]
            return [result for half in halves for result in await self._written(half, again=again)]

    async def _known(self, items: Sequence[Item]) -> Sequence[Result] | None:
        """A row that is refused because it is there already: written by a COMMIT that was never answered."""
        stored = await self._db(self._read_back, items) if self._read_back else [None]
        return [stored[0]] if stored[0] is not None else None

    async def _after_broken_connection(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        if self._read_back is None:
            raise StoreUnavailable("the database is away", retry_after=1.0)
        stored = await self._db(self._read_back, items)
        missing = [item for item, known in zip(items, stored, strict=True) if known is None]
        written = iter(await self._written(missing, again=True) if missing else [])
        return [next(written) if known is None else known for known in stored]
