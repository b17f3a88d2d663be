"""Around every request: an id, the headers that every answer carries, and an end for every error.

Nothing leaves as an exception: what Hailgate knows becomes its problem details, what nobody expected becomes a 500
that is logged by its type alone.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hailgate import problems
from hailgate.core.errors import HailgateError, NotFound
from hailgate.messaging.ids import random_bytes
from hailgate.telemetry import Event, log, where

# A body beyond this that nobody read is not waited for: the connection ends with its answer.
UNREAD_BYTES: Final = 65_536

# An answer may say otherwise of itself: pages do.
_UNLESS_SAID: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Frame:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
                message["headers"] = _complete(message["headers"], request_id)
            try:
                await send(message)
            except RuntimeError:  # uvloop's word for a connection that the caller closed a moment ago
                raise ClientDisconnect from None

        # Never undone: a request runs in a task of its own, and what is bound ends with it.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, framed)
        except ClientDisconnect:
            await asyncio.sleep(0)  # until the server has heard of it too, and does not miss an answer
        except Exception as failed:
            error = _known(failed)
            if started:
                raise
            await problem(error, scope)(scope, receive, framed)


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


def _complete(given: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    headers = list(given)
    said = {name for name, _ in headers}
    headers += [header for header in _UNLESS_SAID if header[0] not in said]
    headers.append((b"x-request-id", request_id.encode()))
    return headers
