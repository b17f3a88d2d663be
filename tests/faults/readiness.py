"""Asks those who are in service, again and again, whether they are ready: a balancer would."""

import asyncio
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiohttp

from .processes import PROBE_S, Process

EVERY_S = 0.25


class Readiness:
    """An answer counts where its process was in service before it was asked and still is."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.in_service: set[Process] = set()
        self.asked = 0
        # By process and answer.
        self.unready: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._clock = asyncio.create_task(self._go_on_asking())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.cancel()
        with suppress(asyncio.CancelledError):
            await self._clock

    async def _go_on_asking(self) -> None:
        while True:
            await asyncio.gather(*(self._ask(process) for process in self.in_service))
            await asyncio.sleep(EVERY_S)

    async def _ask(self, process: Process) -> None:
        refusal = await self._find_refusal(process)
        if process in self.in_service:
            self.asked += 1
            self.unready += Counter([f"{process.name}: {refusal}"] if refusal else [])

    async def _find_refusal(self, process: Process) -> str:
        """Empty where it is ready."""
        try:
            async with self._session.get(process.probe, timeout=aiohttp.ClientTimeout(total=PROBE_S)) as answer:
                return "" if answer.status == 200 else f"{answer.status} {(await answer.text())[:200]}"
        except (aiohttp.ClientError, OSError, TimeoutError) as failed:
            return type(failed).__name__
