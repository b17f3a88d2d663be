"""The way from a worker to the provider: the product's own transport over a network that resets, delays and loses.

The guard is asked by the product's own request body, between the connection and the first byte. What has left travels
by itself, whatever becomes of the process that sent it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import aiohttp

from hailgate.providers.guarded_body import GuardedBody
from hailgate.providers.transport import Transport

from .loop import Process, running

if TYPE_CHECKING:
    from .carrier import Carrier


class SimulatedTransport(Transport):
    def __init__(self, *, connect: float, total: float, **_: Any) -> None:
        self._connect = connect
        self._timeout = aiohttp.ClientTimeout(total=total, connect=connect)
        self._session = SimulatedSession(running.get())


class SimulatedSession:
    def __init__(self, process: Process) -> None:
        self._process = process

    def post(self, url: str, *, data: GuardedBody, timeout: aiohttp.ClientTimeout, **_: Any) -> "Exchange":
        return Exchange(self._process, url, data, timeout)

    def get(self, url: str, *, timeout: aiohttp.ClientTimeout, **_: Any) -> "Exchange":
        return Exchange(self._process, url, None, timeout)

    async def close(self) -> None:
        return


class Answer(NamedTuple):
    """What a response is to the product's transport."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Self:
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self.body


class Exchange:
    """One request and its answer; without ``data`` it only looks something up."""

    def __init__(self, process: Process, url: str, data: GuardedBody | None, timeout: aiohttp.ClientTimeout) -> None:
        self._process, self._url, self._data, self._timeout = process, url, data, timeout
        self._carrier: Carrier = process.world.carrier
        self._chance = process.world.faults
        self.transport = self
        self.answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Answer:
        async with asyncio.timeout(self._timeout.total):
            await self._connected()
            if self._data is None:
                self._carrier.show(self._url, self.answered)
            else:
                await self._data.write_with_length(self, None)
                self._process.world.fault_at_byte()
            return await self.answered

    async def __aexit__(self, *_: object) -> None:
        return

    async def _connected(self) -> None:
        await asyncio.sleep(self._chance.way())
        if self._chance.strikes("refused_connection"):
            raise ConnectionRefusedError

    # --- what the product's request body is written to ----------------------------------------------------------------

    async def write(self, request: bytes) -> None:
        """The first byte, which is the whole request: from here on it is the provider's, or lost."""
        self._carrier.receive(self._url, request, self.answered)

    def is_closing(self) -> bool:
        """The transport asks before the first byte whether the provider has closed the connection meanwhile."""
        return self._chance.strikes("closed_while_idle")
