"""The bridge to Django: whole requests in few threads, a bounded number of them waiting.

Django's threads share the interpreter with the event loop, so they are few. A body is read here first: a slow caller
holds a coroutine, never a thread.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

from a2wsgi import WSGIMiddleware
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from hailgate.core.errors import Forbidden, HailgateError, MalformedBody, NotFound, Overloaded
from hailgate.edge.bodies import read_body
from hailgate.problems import MEDIA_TYPE, MethodNotAllowed
from hailgate.telemetry import Event, log

BODY_BYTES: Final = 1 << 20
MOST_WAITING: Final = 32
# What people look at answers with pages, also where something is wrong.
PAGES: Final = ("/console", "/admin")

WsgiApp = Callable[..., Any]


class Management:
    """``wait`` surrounds the wait for a thread's answer, and may end it with an error of its own."""

    def __init__(
        self, app: WsgiApp, *, threads: int, wait: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext
    ) -> None:
        # a2wsgi types the events of ASGI more narrowly than Starlette; they are the same dictionaries.
        self._bridge: Any = WSGIMiddleware(app, workers=threads)
        self._most = threads + MOST_WAITING
        self._wait = wait
        self._bridging: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["query_string"].isascii():
            raise MalformedBody("The query must be ASCII; encode other characters with %.")
        body = await read_body(Request(scope, receive), BODY_BYTES)
        if self.busy >= self._most:
            log.warning(Event.HTTP_OVERLOADED, part="management", count=self.busy)
            raise Overloaded("Too many requests to the management API are waiting.", retry_after=1.0)
        answer = _Answer(send, pages=scope["path"].startswith(PAGES))
        try:
            async with self._wait():
                await asyncio.shield(self._begin(scope, body, answer))
        finally:
            answer.left = True
        if answer.meant is not None:
            raise answer.meant

    @property
    def busy(self) -> int:
        """Threads at work and requests waiting for one, also those whose caller has been answered meanwhile."""
        return len(self._bridging)

    def _begin(self, scope: Scope, body: bytes, answer: "_Answer") -> "asyncio.Task[None]":
        bridging = asyncio.create_task(self._bridge(scope, _replay(body), answer.pass_on))
        self._bridging.add(bridging)
        bridging.add_done_callback(self._ended)
        return bridging

    def _ended(self, bridging: "asyncio.Task[None]") -> None:
        self._bridging.discard(bridging)
        if not bridging.cancelled():
            bridging.exception()  # whoever still waits for it has been told

    def close(self) -> None:
        """Waits for the requests that are in threads."""
        self._bridge.executor.shutdown(wait=True)


class _Answer:
    """Django's own pages for errors say less than problem details: they are kept back for the error they stand for."""

    def __init__(self, send: Send, *, pages: bool) -> None:
        self._send, self._pages = send, pages
        self.meant: HailgateError | None = None
        # Nobody listens any more.
        self.left = False

    async def pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400 and not self._pages:
            headers = {name.lower(): value.decode("latin-1") for name, value in message["headers"]}
            if not headers.get(b"content-type", "").startswith(MEDIA_TYPE):
                self.meant = _meant(message["status"], headers.get(b"allow", ""))
        if self.meant is None and not self.left:
            await self._send(message)


def _meant(status: int, allow: str) -> HailgateError:
    match status:
        case 400:
            return MalformedBody("The request cannot be read.")
        case 403:
            return Forbidden()
        case 404:
            return NotFound()
        case 405:
            return MethodNotAllowed(sorted(allow.split(", ")))
        case _:  # Django has logged what it was
            return HailgateError("Something failed inside Hailgate; it was logged under this request_id.")


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
