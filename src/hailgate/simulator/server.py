"""The simulator as a server: how its parts are put together, started and stopped."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from socket import socket

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hailgate.simulator.control import Control, HomeOnly
from hailgate.simulator.file_control import FileControl
from hailgate.simulator.model import WINDOW_S, Retries
from hailgate.simulator.page import page_routes
from hailgate.simulator.problems import Problem, answer_problem
from hailgate.simulator.providers import build_providers, list_routes
from hailgate.simulator.session_control import SessionControl
from hailgate.simulator.world import World

GRACE_S = 1  # for answers under way at a stop; the whole stop stays within two seconds
KEEP_ALIVE_S = 75  # idle connections of clients


class Settings(msgspec.Struct, frozen=True):
    """`port` 0 takes a free one. `window_s` None: no message is ever outside the customer service window."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8001
    public_url: str | None = None
    retries: Retries = Retries()
    window_s: float | None = WINDOW_S


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """A simulator inside this event loop; yields its address."""
    server = Server(settings)
    serving = asyncio.create_task(server.serve())
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield server.url
    finally:
        ready.cancel()
        server.stop()
        await serving


class Server(uvicorn.Server):
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._world = World(settings.home, build_providers(settings.window_s), settings.retries)
        self.ready = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                build_app(self._world),
                host=settings.host,
                port=settings.port,
                http=ConnectionInScope,
                ws="none",
                log_level="warning",
                access_log=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    @property
    def url(self) -> str:
        """Where it really listens."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._world.home = self.url
            self.ready.set()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._world.stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program (`__main__`), not to a server that may run inside a test."""
        yield


class ConnectionInScope(HttpToolsProtocol):
    """Lets a fault reach the connection of a request, as `scope["state"]["transport"]`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def build_app(world: World) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await world.open()
        try:
            yield
        finally:
            await world.close()

    controls = (Control(world), FileControl(world), SessionControl(world))
    control_routes = [route for control in controls for route in control.routes()]
    return Starlette(
        routes=[*list_routes(world), *control_routes, *page_routes()],
        middleware=[Middleware(HomeOnly)],
        exception_handlers={Problem: answer_problem, HTTPException: answer_problem},
        lifespan=lifespan,
    )
