"""Around every request: an id, the headers that every answer carries, and an end for every error.

Nothing leaves as an exception: what Hailgate knows becomes its problem details, what nobody expected becomes a 500
that is logged by its type alone.
"""

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hailgate import problems
from hailgate.core.errors import HailgateError, MalformedBody, NotFound
from hailgate.messaging.store.ids import random_bytes
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.without_rich import structlog

# A body beyond this that nobody read is not waited for: the connection ends with its answer.
UNREAD_BYTES: Final = 65_536

# Where a request's scope holds how it stands with a limit, as headers for its answer.
STANDING: Final = "hailgate.standing"
# An answer may say otherwise of itself: pages do.
_UNLESS_SAID: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


# A name or an address, and perhaps a port.
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{0,5})?", re.ASCII).fullmatch
# Browsers then speak TLS to this host for a year, whatever a link says (RFC 6797).
_TLS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class Middleware:
    """``over_tls``: people reach this installation under https."""

    def __init__(self, app: ASGIApp, *, over_tls: bool = False) -> None:
        self._app = app
        self._unless_said = (*_UNLESS_SAID, _TLS_ONLY) if over_tls else _UNLESS_SAID

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = random_bytes()[:8].hex()
        scope["app"], scope["request_id"] = self, request_id
        started = False

        async def framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = self._complete(message["headers"], request_id, scope.get(STANDING, {}))
            try:
                await send(message)
            except RuntimeError:  # uvloop's word for a connection that the caller closed a moment ago
                raise ClientDisconnect from None

        # Never undone: a request runs in a task of its own, and what is bound ends with it.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            _check_host(scope)
            await self._app(scope, receive, framed)
        except ClientDisconnect:
            await asyncio.sleep(0)  # until the server has heard of it too, and does not miss an answer
        except Exception as failed:
            error = _known(failed)
            if started:
                raise
            await problem(error, scope)(scope, receive, framed)

    def _complete(self, given: Any, request_id: str, standing: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        headers = list(given)
        names = tuple([name for name, _ in headers])
        if standing:
            more = ((name.lower().encode(), value.encode()) for name, value in standing.items())
            headers += _unsaid(names, tuple(more))
        headers += _unsaid(names, self._unless_said)
        headers.append((b"x-request-id", request_id.encode()))
        return headers


@lru_cache(512)
def _unsaid(names: tuple[bytes, ...], headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """Answers name the same few headers, thousands of times a second."""
    said = {name.lower() for name in names}
    return [header for header in headers if header[0] not in said]


def problem(error: HailgateError, scope: Scope) -> Response:
    headers = problems.headers_of(error)
    if isinstance(error, problems.BodyTooSlow) or _leaves_much_unread(scope):
        headers["Connection"] = "close"
    described = problems.describe(error, scope["request_id"])
    return Response(problems.encode(described), error.status, headers, media_type=problems.MEDIA_TYPE)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def _known(failed: Exception) -> HailgateError:
    if isinstance(failed, HailgateError):
        return failed
    if isinstance(failed, HTTPException) and failed.status_code == 405:
        return problems.MethodNotAllowed(str((failed.headers or {}).get("Allow", "")).split(", "))
    if isinstance(failed, HTTPException) and failed.status_code == 404:
        return NotFound()
    log.error(Event.HTTP_FAILED, error=type(failed).__name__, at=where(failed))
    return HailgateError("Something failed inside Hailgate; it was logged under this request_id.")


def _leaves_much_unread(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length[:20]) > UNREAD_BYTES


def _check_host(scope: Scope) -> None:
    """RFC 9112, 3.2: one, and no more than one. Two readers of a doubled one could see two different hosts."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _HOST(hosts[0]):
        raise MalformedBody("The request must name its Host once, as a name or an address.", code="bad_host")
