"""Store watchdog: whether the store answers at all. One that froze keeps every connection and refuses nothing.

No time-out of the database's own falls then, and a wait has no end. So the store is asked for nothing, again and again;
while it owes even that answer, whoever waits for it is told that it is away, and nobody new begins to wait. So it is
where no connection is to be had: each of those who wait would find that out by waiting in its turn.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.store.ports import Db
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.pipeline.bridge import had_no_connection, ignore_failure

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

EVERY_S: Final = 1.0
# With the pause between two questions this is less than the five seconds after which a caller is owed an answer.
PATIENCE_S: Final = 3.5


class GuardableGate(Protocol[Item_contra, Result_co]):
    async def submit(self, item: Item_contra) -> Result_co: ...
    def give_up(self, say: Callable[[], Exception]) -> None: ...


class StoreWatchdog:
    """``async with pulse.wait():`` around whatever waits for the store. What it began there may yet be done."""

    def __init__(self, db: Db, *, every: float = EVERY_S, patience: float = PATIENCE_S) -> None:
        self._db, self._every, self._patience = db, every, patience
        self._waits: set[asyncio.Timeout] = set()
        self._gates: list[GuardableGate[Any, Any]] = []
        self.silent = False

    async def beat_for_ever(self) -> None:
        while True:
            asked = asyncio.ensure_future(self._db(_answer_nothing))
            asked.add_done_callback(ignore_failure)
            try:
                if not await _is_done(asked, self._patience):
                    self._fall_silent()
                    await _is_done(asked, None)
                if had_no_connection(asked.exception()):
                    self._fall_silent()
                else:
                    self.silent = False  # any other error is an answer too
            finally:
                asked.cancel()
            await asyncio.sleep(self._every)

    def wait(self) -> "PendingCall":
        return PendingCall(self, self._waits)

    def guard_db(self, db: Db) -> "GuardedDb":
        return GuardedDb(self, db)

    def guard(self, gate: GuardableGate[Item, Result]) -> "GuardedGate[Item, Result]":
        self._gates.append(gate)
        return GuardedGate(self, gate)

    def _fall_silent(self) -> None:
        self.silent = True
        now = asyncio.get_running_loop().time()
        for each in self._waits:
            each.reschedule(now)
        for gate in self._gates:
            gate.give_up(_silent)


class PendingCall:
    """Raises StoreUnavailable at once where the store is silent, or as soon as it falls silent."""

    def __init__(self, pulse: StoreWatchdog, waits: set[asyncio.Timeout]) -> None:
        self._pulse, self._waits = pulse, waits
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        if self._pulse.silent:
            raise _silent()
        await self._limit.__aenter__()
        self._waits.add(self._limit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waits.discard(self._limit)
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError:
            raise _silent() from None


class GuardedDb:
    def __init__(self, pulse: StoreWatchdog, db: Db) -> None:
        self._pulse, self._db = pulse, db

    async def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        async with self._pulse.wait():
            return await self._db(function, *arguments)


class GuardedGate(Generic[Item, Result]):
    """What a timer for each item would cost more than: the gate itself tells whoever waits in it."""

    def __init__(self, pulse: StoreWatchdog, gate: GuardableGate[Item, Result]) -> None:
        self._pulse, self._gate = pulse, gate

    def submit(self, item: Item) -> Coroutine[Any, Any, Result]:
        if self._pulse.silent:
            raise _silent()
        return self._gate.submit(item)


def _answer_nothing() -> None:
    with atomic_cursor(read_only=True) as cursor:
        cursor.execute("SELECT 1")


async def _is_done(asked: "asyncio.Future[None]", patience: float | None) -> bool:
    done, _ = await asyncio.wait([asked], timeout=patience)
    return bool(done)


def _silent() -> StoreUnavailable:
    detail = (
        "The database does not answer in time. What was under way may still be stored: ask again with the same key."
    )
    return StoreUnavailable(detail, retry_after=1.0)
