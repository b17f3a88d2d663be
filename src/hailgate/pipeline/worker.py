"""The worker: one life after the other, until it is told to stop.

A *life* is one registration. A worker that was declared dead stops everything at once and begins another life with
another lease; nothing of the old one can still write.
"""

import asyncio
from contextlib import suppress

from hailgate.core.errors import StoreUnavailable
from hailgate.env import Environment
from hailgate.pipeline.bridge import Db
from hailgate.pipeline.life import STORE_AWAY_S, Life
from hailgate.telemetry import Event, log


class Worker:
    """Claims what is due, carries it out, and gives it back when it ends."""

    def __init__(self, env: Environment, db: Db) -> None:
        self._env, self._db = env, db
        self._stopping = asyncio.Event()
        self._life: Life | None = None

    @property
    def healthy(self) -> bool:
        return self._life is not None and not self._life.ended.is_set()

    @property
    def id(self) -> int | None:
        """Of its present life; None between two."""
        return self._life.worker_id if self._life is not None and self.healthy else None

    async def run(self) -> None:
        """Returns after ``stop``, with sends in flight finished or given up."""
        while not self._stopping.is_set():
            life = Life(self._env, self._db)
            try:
                await life.begin()
            except StoreUnavailable:
                log.warning(Event.STORE_UNAVAILABLE, part="worker")
                await life.abort()
                await self._pause(STORE_AWAY_S)
                continue
            self._life = life
            await life.live(self._stopping)
        self._life = None

    def stop(self) -> None:
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
