"""uvicorn as Hailgate runs it."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from threading import Timer
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from hailgate.core.errors import ConfigurationError
from hailgate.edge.http.protocol import PatientProtocol
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

# Far above what one process serves; below the usual limit of open files.
MOST_CONNECTIONS: Final = 8_192
KEEP_ALIVE_S: Final = 75
# Requests in flight when the process is told to stop. Nothing that moves messages takes that long.
FINISH_REQUESTS_S: Final = 10
# What may follow the wait for requests and sends: to sign off and to close. A store that answers nothing would take
# for ever, and whoever stops a process sends SIGKILL after 30 s.
CLOSE_WITHIN_S: Final = 4.0
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def server_config(app: ASGIApp, patience: float = FINISH_REQUESTS_S) -> uvicorn.Config:
    """No forwarded headers believed, no access log, no name of the server, no patience without an end."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=ceil(min(patience, FINISH_REQUESTS_S)),
        backlog=2_048,
    )


class Server(uvicorn.Server):
    """Stops on SIGTERM and Ctrl-C and then returns; uvicorn's own would raise the signal once more."""

    def __init__(
        self, app: ASGIApp, bind: str, version: str, ends: Sequence[Callable[[], None]] = (), *, patience: float
    ) -> None:
        """``ends`` are called before requests under way are waited for: some would go on for hours.

        ``patience`` is for what is under way, in seconds; not much later the process ends whatever holds it.
        """
        super().__init__(server_config(app, patience))
        self._bind, self._version, self._ends = bind, version, ends
        self._last_call = Timer(patience + CLOSE_WITHIN_S, cut_off)
        self._last_call.daemon = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            self._last_call.start()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in STOPPING:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        await super().startup(sockets=list(sockets or []))
        log.info(Event.SERVER_STARTED, bind=self._bind, process=os.getpid(), version=self._version)

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        for end in self._ends:
            end()
        await super().shutdown(sockets=list(sockets or []))
        log.info(Event.SERVER_STOPPED, bind=self._bind, process=os.getpid())


def cut_off() -> None:
    """As a SIGKILL would, but in time to say so: threads that wait for a frozen store let no process end in order."""
    log.error(Event.SERVER_CUT_OFF, process=os.getpid())
    os._exit(1)


def listen(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError where the address cannot be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as refused:
        known = refused.errno is not None and refused.errno > 0
        reason = os.strerror(refused.errno or 0) if known else "there is no such address here"
        raise ConfigurationError([f"cannot listen on {host}:{port}: {reason}"]) from None
