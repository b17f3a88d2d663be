"""One run of a worker: a lease, and the loops that work under it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hailgate.core.backoff import Backoff
from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.outbound.failover import release_strays, sign_off
from hailgate.messaging.store.ports import Db
from hailgate.messaging.work.marks import Marks
from hailgate.pipeline.lease import Lease
from hailgate.pipeline.wakes import Wakes, listen
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where

# A loop that finds no store asks again after so long, and after four times that at the most: others wait for its work.
STORE_AWAY_S = 0.5

Step = Callable[[], Awaitable[None]]


class Terms(NamedTuple):
    """Of a run, in seconds; ``folder`` is where the lock files of this machine's workers lie."""

    lease_s: float
    renew_s: float
    poll_s: float
    hold_s: float
    drain_s: float
    folder: Path


class Running(Protocol):
    """A loop that has rows under way."""

    @property
    def held(self) -> frozenset[int]: ...
    async def finish(self, patience: float) -> None: ...
    async def cancel(self) -> None: ...


class WorkerParts(NamedTuple):
    """What a run consists of. ``steps`` are run for ever, each by its name.

    ``finished`` are waited for at the end, ``repeated`` are not: whoever comes next begins those anew. ``leave`` is
    called before either, ``close`` after both.
    """

    steps: Mapping[str, Step]
    finished: Sequence[Running]
    repeated: Sequence[Running]
    leave: Callable[[], None]
    close: Callable[[], Awaitable[None]]


class Given(NamedTuple):
    """What a run gives to its parts. ``check_lease`` raises LeaseLost; ``find_strays`` gives back unknown rows.

    In ``marks`` stands how far each attempt came, for whoever takes over. Nothing leaves while it ``is_held``.
    """

    worker_id: int
    wakes: Wakes
    check_lease: Callable[[], None]
    find_strays: Step
    marks: Marks
    is_held: Callable[[], bool]


class WorkerRun:
    """``build`` makes the parts once there is a lease to work under."""

    def __init__(self, db: Db, terms: Terms, build: Callable[[Given], WorkerParts]) -> None:
        self._db, self._terms, self._build = db, terms, build
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self._lease = Lease(terms.lease_s, terms.renew_s, terms.folder, self._lose)
        self._wakes = Wakes(terms.poll_s)

    @property
    def worker_id(self) -> int:
        return self._lease.worker_id

    async def begin(self) -> None:
        await self._db(self._lease.begin)
        lease = self._lease
        given = Given(
            lease.worker_id, self._wakes, lease.check, self._find_strays, lease.marks, is_held=lambda: lease.held
        )
        self._parts = self._build(given)
        log.info(Event.WORKER_STARTED, worker=self.worker_id)

    async def abort(self) -> None:
        """Instead of a run: the store was away at its beginning."""
        self._wakes.close()
        await asyncio.to_thread(self._lease.end)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop, or until the lease is lost."""
        loops = [asyncio.create_task(self._forever(step), name=name) for name, step in self._parts.steps.items()]
        loops.append(asyncio.create_task(listen(self._wakes), name="listen"))
        told = [asyncio.create_task(event.wait()) for event in (stopping, self.ended)]
        try:
            await asyncio.wait([*told, *loops], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel([*told, *loops])
            await self._end()
        for loop in loops:
            if not loop.cancelled() and (bug := loop.exception()):
                raise bug

    async def _end(self) -> None:
        parts, lost = self._parts, self._lease.lost
        parts.leave()
        for part in parts.repeated:
            await part.cancel()
        if lost:
            log.error(Event.WORKER_LOST, worker=self.worker_id)
            for part in parts.finished:
                await part.cancel()
        else:
            # Side by side: whoever stops this process waits no longer for two of them than for one.
            await asyncio.gather(*(part.finish(self._terms.drain_s) for part in parts.finished))
        self._wakes.close()
        await parts.close()
        if not lost:
            with suppress(StoreUnavailable):
                await self._db(sign_off, self.worker_id, self._terms.hold_s)
        await asyncio.to_thread(self._lease.end)
        self.ended.set()
        log.info(Event.WORKER_STOPPED, worker=self.worker_id)

    def _lose(self) -> None:
        self._loop.call_soon_threadsafe(self.ended.set)

    async def _forever(self, step: Step) -> None:
        trouble = Backoff(STORE_AWAY_S, 4 * STORE_AWAY_S)
        while True:
            try:
                await step()
                trouble.reset()
            except StoreUnavailable:
                log.warning(Event.STORE_UNAVAILABLE, part="worker")
                await asyncio.sleep(trouble.wait())
                await self._find_strays()
            except Exception as bug:  # noqa: BLE001 -- one bad row or hook must not end the work of all others
                log.error(Event.LOOP_FAILED, worker=self.worker_id, error=type(bug).__name__, at=where(bug))
                await asyncio.sleep(trouble.wait())

    async def _find_strays(self) -> None:
        """After a break, a claim may have been committed that this process never heard of."""
        held = frozenset().union(*(part.held for part in (*self._parts.finished, *self._parts.repeated)))
        with suppress(StoreUnavailable):
            await self._db(release_strays, self.worker_id, held)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    doomed = tuple(tasks)
    for task in doomed:
        task.cancel()
    await asyncio.gather(*doomed, return_exceptions=True)
