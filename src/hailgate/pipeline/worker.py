"""The worker: one run after the other, until it is told to stop.

A *run* is one registration. A worker that was declared dead stops everything at once and begins another run with
another lease; nothing of the old one can still write.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from hailgate.core.backoff import Backoff
from hailgate.core.errors import StoreUnavailable
from hailgate.pipeline.worker_run import STORE_AWAY_S, WorkerRun
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

# A worker that finds no store at its beginning asks again after so long at the most.
LONGEST_AWAY_S = 15.0


class WorkerProcess:
    """Claims what is due, carries it out, and gives it back when it ends."""

    def __init__(self, new_run: Callable[[], WorkerRun]) -> None:
        self._new_run = new_run
        self._stopping = asyncio.Event()
        self._run: WorkerRun | None = None

    @property
    def healthy(self) -> bool:
        return self._run is not None and not self._run.ended.is_set()

    @property
    def id(self) -> int | None:
        """Of its present run; None between two."""
        return self._run.worker_id if self._run is not None and self.healthy else None

    async def run(self) -> None:
        """Returns after ``stop``, with sends in flight finished or given up."""
        away = Backoff(STORE_AWAY_S, LONGEST_AWAY_S)
        while not self._stopping.is_set():
            run = self._new_run()
            try:
                await run.begin()
            except StoreUnavailable:
                log.warning(Event.STORE_UNAVAILABLE, part="worker")
                await run.abort()
                await self._pause(away.wait())
                continue
            away.reset()
            self._run = run
            await run.run(self._stopping)
        self._run = None

    def stop(self) -> None:
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
