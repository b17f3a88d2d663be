"""The bridge to Django: whole requests in few threads, a bounded number of them waiting.

Django's threads share the interpreter with the event loop, so they are few. A body is read here first: a slow caller
holds a coroutine, never a thread. One tenant leaves a thread, and a quarter of what may wait, to the others.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

from a2wsgi import WSGIMiddleware
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from hailgate.core.errors import Forbidden, HailgateError, MalformedBody, NotFound, Overloaded
from hailgate.edge.http.bodies import read_body
from hailgate.messaging.store.thread_connections import ThreadConnections
from hailgate.problems import MEDIA_TYPE, MethodNotAllowed
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

BODY_BYTES: Final = 1 << 20
MOST_WAITING: Final = 32
# What people look at answers with pages, also where something is wrong.
PAGES: Final = ("/console", "/admin")

WsgiApp = Callable[..., Any]
Whose = Callable[[Scope], Awaitable[Hashable | None]]
"""With whom a request shares its slots; None where nobody knows."""


async def nobodys(_: Scope) -> None:
    return None


class Management:
    """``wait`` surrounds the wait for a thread's answer, and may end it with an error of its own."""

    def __init__(
        self,
        app: WsgiApp,
        *,
        threads: int,
        waiting: int | None = None,
        wait: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext,
        whose: Whose = nobodys,
    ) -> None:
        # a2wsgi types the events of ASGI more narrowly than Starlette; they are the same dictionaries.
        self._bridge: Any = WSGIMiddleware(app)
        self._connections = ThreadConnections()
        self._bridge.executor = ThreadPoolExecutor(
            threads, thread_name_prefix="management", initializer=self._connections.adopt
        )
        self._most = threads + (MOST_WAITING if waiting is None else waiting)
        self._wait, self._whose = wait, whose
        self._shares = _Shares(max(1, threads - 1), max(1, self._most * 3 // 4))
        self._bridging: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["query_string"].isascii():
            raise MalformedBody("The query must be ASCII; encode other characters with %.")
        body = await read_body(Request(scope, receive), BODY_BYTES)
        who = await self._whose(scope)
        if self.busy >= self._most or self._shares.is_used_up(who):
            log.warning(Event.HTTP_OVERLOADED, part="management", count=self.busy)
            raise Overloaded("Too many requests to the management API are waiting.", retry_after=1.0)
        answer = _Answer(send, pages=scope["path"].startswith(PAGES))
        try:
            async with self._wait():
                await asyncio.shield(self._begin(scope, body, answer, who))
        finally:
            answer.left = True
        if answer.meant is not None:
            raise answer.meant

    @property
    def busy(self) -> int:
        """Threads at work and requests waiting for one, also those whose caller has been answered meanwhile."""
        return len(self._bridging)

    def _begin(self, scope: Scope, body: bytes, answer: "_Answer", who: Hashable | None) -> "asyncio.Task[None]":
        work = self._bridge(scope, _replay(body), answer.pass_on)
        bridging = asyncio.create_task(work if who is None else self._shares.run(who, work))
        self._bridging.add(bridging)
        bridging.add_done_callback(self._ended)
        return bridging

    def _ended(self, bridging: "asyncio.Task[None]") -> None:
        self._bridging.discard(bridging)
        if not bridging.cancelled():
            bridging.exception()  # whoever still waits for it has been told

    def close(self) -> None:
        """Waits for the requests that are in threads, and closes these threads' connections."""
        self._bridge.executor.shutdown(wait=True)
        self._connections.close()


class _Shares:
    """Of each tenant: ``at_once`` threads, and ``most`` requests in or before them. Held until a thread is free."""

    def __init__(self, at_once: int, most: int) -> None:
        self._at_once, self._most = at_once, most
        self._held: Counter[Hashable] = Counter()
        self._turns: dict[Hashable, asyncio.Semaphore] = {}

    def is_used_up(self, who: Hashable | None) -> bool:
        return self._held[who] >= self._most

    async def run(self, who: Hashable, work: Awaitable[None]) -> None:
        self._held[who] += 1
        try:
            async with self._turns.setdefault(who, asyncio.Semaphore(self._at_once)):
                await work
        finally:
            self._held[who] -= 1
            if not self._held[who]:
                del self._held[who], self._turns[who]


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
