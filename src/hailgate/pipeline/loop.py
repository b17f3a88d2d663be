"""The work loop: claim what is due, run each in a task of its own, and see each to its end.

One step of it for every kind of duty that no channel limits. What a run raises ends that run alone: its row stays
leased to this worker, is found as a stray, and begins anew.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hailgate.core.errors import StoreUnavailable
from hailgate.core.slots import Room, Slots
from hailgate.messaging.store.notify import Wake
from hailgate.messaging.store.ports import Db
from hailgate.messaging.work.claim import Batch, Runnable
from hailgate.pipeline.wakes import Wakes, seconds_until
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where

Claim = TypeVar("Claim", bound=Runnable)
Part = TypeVar("Part")


class WorkLoop(Generic[Claim]):
    """``claim`` is a database function of a worker and its room; ``run`` gets a row and when it was claimed."""

    def __init__(
        self,
        db: Db,
        worker_id: int,
        *,
        claim: Callable[[int, Room], Batch[Claim]],
        run: Callable[[Claim, float], Awaitable[None]],
        slots: Slots,
        wakes: Wakes,
        wake: Wake,
        failed: Event,
    ) -> None:
        self._db, self._worker_id = db, worker_id
        self._claim, self._run, self._slots = claim, run, slots
        self._wakes, self._wake, self._event = wakes, wake, failed
        self._freed = asyncio.Event()
        self._running: dict[asyncio.Future[None], int] = {}

    @property
    def held(self) -> frozenset[int]:
        """The ids of the rows that are being run."""
        return frozenset(self._running.values())

    async def step(self) -> None:
        """Claim once, and wait for what must come before the next claim: a free place, or something to do."""
        asked = time.monotonic()
        room = self._slots.room(asked)
        kept_back = room.keeps_back
        self._freed.clear()
        batch = await self._db(self._claim, self._worker_id, room)
        for claim in batch.claims:
            self._start(claim, batch.moment)
        if any(claim.crashes for claim in batch.claims):  # it may end this process: no others are at stake
            await asyncio.wait(self._running)
        elif not self._slots.free:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        elif not batch.claims:
            also = self._freed if kept_back else None
            await self._wakes.wait(self._wake, seconds_until(batch.again_at, batch.moment, asked), also)

    async def finish(self, patience: float) -> None:
        """Wait for what runs, up to so many seconds; the rest is given up."""
        if self._running:
            await asyncio.wait(self._running, timeout=patience)
        await self.cancel()

    async def cancel(self) -> None:
        doomed = tuple(self._running)
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)

    def _start(self, claim: Claim, moment: float) -> None:
        task = asyncio.ensure_future(self._run(claim, moment))
        self._slots.begin(claim.id, claim.channel_id, time.monotonic())
        self._running[task] = claim.id
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._slots.end(self._running.pop(task), time.monotonic())
        self._freed.set()
        if not task.cancelled() and (bug := task.exception()):
            log.error(self._event, worker=self._worker_id, code=type(bug).__name__, at=where(bug))


async def apart(worker_id: int, part: Awaitable[Part]) -> Part | None:
    """One of many: what it raises is told, and the others have their turn."""
    try:
        return await part
    except StoreUnavailable:
        raise
    except Exception as bug:  # noqa: BLE001 -- a hook or a worker's row that nobody foresaw
        log.error(Event.LOOP_FAILED, worker=worker_id, error=type(bug).__name__, at=where(bug))
        return None
