"""A small balancer in front of several doors, as everybody has one: what one of them does not answer, another gets."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import count
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

# Nobody there: asked again until then. One of two doors is always meant to be open.
PATIENCE_S = 5.0
PAUSE_S = 0.05
BODY_BYTES = 8 << 20
# They belong to one connection, and not to the request.
HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length"})


class Balancer:
    """Repeats what got no answer at all, which keys and message ids make safe; an answer is passed on as it is."""

    def __init__(self, address: str, doors: Sequence[str]) -> None:
        self._address, self._doors = address, doors
        self._turn = count()
        self.answers: Counter[int] = Counter()
        self.repeated = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        url = urlsplit(self._address)
        await web.TCPSite(self._runner, url.hostname, url.port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        turn = next(self._turn)
        while (answer := await self._ask(self._doors[turn % len(self._doors)], request, body)) is None:
            if loop.time() > deadline:
                answer = web.Response(status=502)
                break
            turn += 1
            self.repeated += 1
            await asyncio.sleep(PAUSE_S)
        self.answers[answer.status] += 1
        return answer

    async def _ask(self, door: str, request: web.Request, body: bytes) -> web.Response | None:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        try:
            async with self._session.request(
                request.method, door + request.raw_path, data=body, headers=headers
            ) as answer:
                told = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
                return web.Response(status=answer.status, body=await answer.read(), headers=told)
        except (aiohttp.ClientError, OSError):
            return None
