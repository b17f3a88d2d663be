"""Limits per source: how often somebody may come who has not said who they are, and how often they may fail to.

Pages that anybody may see are counted as they are asked for. Of all others only refusals for want of a valid key or
session count. Signing in is counted apart and more strictly, before a password is looked at.
Whoever is refused waits a second for it: loops that go on would cost those who work more than any password does.
"""

import math
from asyncio import sleep
from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hailgate.core.errors import RateLimited, Unauthenticated
from hailgate.edge.http.counters import CounterStanding, FixedWindow, Shared
from hailgate.edge.http.middleware import STANDING
from hailgate.edge.http.source import Networks, find_source
from hailgate.telemetry.metrics import SOURCES_REFUSED

WINDOW_S: Final = 60.0
REFUSED_AFTER_S: Final = 1.0
# Who is refused beyond these is told at once: they hold no more than a connection each, but not without end.
MOST_DELAYED: Final = 512
_REFUSED: Final = "hailgate.refused"
SIGN_IN: Final = ("/console/sign-in", "/admin/login")
# Moves messages, watches the process, never changes, or is a stream: counted elsewhere, or nowhere.
_FREE: Final = (
    "/hooks/", "/files/", "/media/", "/livez", "/readyz", "/health", "/metrics", "/icon.svg", "/favicon.ico",
    "/console/live",
)  # fmt: skip
# What anybody may see without a key or a session.
_OPEN: Final = ("/v1/docs", "/v1/openapi.json", *SIGN_IN)


class SourceLimits:
    """Around an application. ``rate`` and ``sign_in_rate`` are a minute and source; ``assets`` is a path of files.

    The source becomes the request's client, for whoever asks further inside.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rate: int,
        sign_in_rate: int,
        trusted: Networks,
        assets: str,
        shared: Shared | None = None,
    ) -> None:
        self._app, self._trusted, self._free = app, trusted, (*_FREE, assets)
        self._open = FixedWindow("open", rate, WINDOW_S, shared=shared)
        self._failed = FixedWindow("failed", rate, WINDOW_S, shared=shared)
        self._sign_in = FixedWindow("sign-in", sign_in_rate, WINDOW_S, shared=shared, closed=True)
        self._delayed = 0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What is not counted here is not even awaited here."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        source = self._adopt(scope)
        if scope["path"].startswith(self._free):
            return self._app(scope, receive, send)
        return self._count(source, scope, receive, send)

    async def _count(self, source: str, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        try:
            if scope["method"] == "POST" and path.startswith(SIGN_IN):
                await _spend(self._sign_in, source, "sign_in", scope)
                await self._app(scope, receive, send)
            elif path == "/" or path.startswith(_OPEN):
                await _spend(self._open, source, "open", scope)
                await self._app(scope, receive, send)
            else:
                await self._count_refusals(source, scope, receive, send)
        except RateLimited:
            if _REFUSED in scope:
                await self._delay()
            raise

    async def _delay(self) -> None:
        if self._delayed >= MOST_DELAYED:
            return
        self._delayed += 1
        try:
            await sleep(REFUSED_AFTER_S)
        finally:
            self._delayed -= 1

    async def _count_refusals(self, source: str, scope: Scope, receive: Receive, send: Send) -> None:
        """An answer of 401 becomes one of 429 once there were too many: a guess then learns nothing."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                await _spend(self._failed, source, "failed", scope)
            await send(message)

        try:
            await self._app(scope, receive, counting)
        except Unauthenticated:
            await _spend(self._failed, source, "failed", scope)
            raise

    def _adopt(self, scope: Scope) -> str:
        peer, port = scope["client"] or ("", 0)
        source = find_source(peer, _forwarded(scope) if self._trusted else (), self._trusted)
        scope["client"] = (source, port)
        return source


def _forwarded(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]


async def _spend(window: FixedWindow, source: str, by: str, scope: Scope) -> None:
    """The answer will say how it stands. Raises RateLimited."""
    standing = await window.count(source)
    scope[STANDING] = _headers(standing)
    if standing.left < 0:
        SOURCES_REFUSED.labels(by).inc()
        scope[_REFUSED] = True
        raise RateLimited(
            f"At most {standing.limit} a minute from one address; wait for Retry-After.",
            retry_after=standing.reset_s,
        )


def _headers(standing: CounterStanding) -> dict[str, str]:
    """Of the IETF's draft, and of what went before it."""
    left, reset = str(max(0, standing.left)), str(math.ceil(standing.reset_s))
    return {
        "RateLimit-Policy": f'"source";q={standing.limit};w={standing.window_s:g}',
        "RateLimit": f'"source";r={left};t={reset}',
        "X-RateLimit-Limit": str(standing.limit),
        "X-RateLimit-Remaining": left,
        "X-RateLimit-Reset": reset,
    }
