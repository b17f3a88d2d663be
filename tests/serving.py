"""The real application behind the real protocol on a port of its own, in the test's own loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from starlette.types import ASGIApp
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

from hailgate.edge.http.server import server_config

# For requests that are under way when a test ends; what does not end by then is cut off.
STOP_S = 10.0


class Answer:
    """What came back, read to its end."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def json(self) -> Any:
        import msgspec

        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """Of problem details."""
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = self.json
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["X-Request-Id"]
        return problem["code"]

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:300]!r}>"


class Site:
    """A client of one running application."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port, self._session = port, session
        self.url = f"http://127.0.0.1:{port}"

    async def ask(self, method: str, path: str, *, key: str | None = None, **options: Any) -> Answer:
        headers = dict(options.pop("headers", {}))
        if key:
            headers["Authorization"] = f"Bearer {key}"
        async with self._session.request(method, self.url + path, headers=headers, **options) as response:
            return Answer(response, await response.read())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: bytes | dict | list | None = None, **options: Any) -> Answer:
        if isinstance(body, dict | list):
            return await self.ask("POST", path, json=body, **options)
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return await self.ask("POST", path, data=body, headers=headers, **options)

    async def raw(self, request: bytes) -> bytes:
        """Bytes as no client would send them; returns what came until the connection ended, however it did."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        answer = b""
        with suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                while part := await reader.read(65_536):
                    answer += part
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()
        return answer


@asynccontextmanager
async def serving(app: ASGIApp, ends: Sequence[Callable[[], None]] = ()) -> AsyncIterator[Site]:
    """``ends`` are called before requests under way are waited for, as the product's server does."""
    config = server_config(app)
    config.load()
    lifespan, state = LifespanOn(config), ServerState()
    await lifespan.startup()
    assert not lifespan.should_exit
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    try:
        async with aiohttp.ClientSession() as session:
            yield Site(server.sockets[0].getsockname()[1], session)
    finally:
        server.close()
        for end in ends:
            end()
        for connection in tuple(state.connections):
            connection.shutdown()
        await _stopped(state)
        await lifespan.shutdown()


async def _stopped(state: ServerState) -> None:
    """A page that a failed test left open would otherwise be waited for as long as its stream lasts."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            while state.tasks or state.connections:
                await asyncio.sleep(0.001)
    for connection in tuple(state.connections):
        connection.transport.abort()
    for task in tuple(state.tasks):
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
