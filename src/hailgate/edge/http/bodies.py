"""Reading a request's body: bounded in bytes and in time, and never decompressed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request

from hailgate.core.errors import MalformedBody, TooLarge, UnsupportedMedia
from hailgate.core.query_names import check_query_names
from hailgate.problems import BodyTooSlow

# A body that drips holds a task and its memory; nothing honest takes longer for a few megabytes.
PATIENCE_S: Final = 15.0
# In the scope of a request whose body came together with its headers: there is nothing to wait for.
IS_WHOLE: Final = "hailgate.whole"


async def read_body(request: Request, limit: int, patience: float = PATIENCE_S) -> bytes:
    """At most ``limit`` bytes within ``patience`` seconds.

    Raises TooLarge, UnsupportedMedia, MalformedBody or BodyTooSlow, as soon as that is certain.
    """
    check_headers(request, limit)
    if IS_WHOLE in request.scope:
        return await _gather(request, limit)
    try:
        async with asyncio.timeout(patience):
            return await _gather(request, limit)
    except TimeoutError:
        raise BodyTooSlow from None


async def stream_body(request: Request, limit: int, silence: float = PATIENCE_S) -> AsyncIterator[bytes]:
    """The body as it comes, with no pause longer than ``silence``. Raises as ``read_body``; headers are not checked."""
    total = 0
    while True:
        try:
            async with asyncio.timeout(silence):
                message = await request.receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if part := message.get("body", b""):
            total += len(part)
            if total > limit:
                raise _too_large(limit)
            yield part
        if not message.get("more_body", False):
            return


def check_no_query(request: Request) -> None:
    """Raises InputError for parameters, of which most doors know none."""
    if request.scope["query_string"]:
        check_query_names(request.query_params, ())


def check_json(request: Request) -> None:
    """Raises UnsupportedMedia for a body that says to be something else than JSON."""
    kind = request.headers.get("content-type", "application/json")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMedia


def check_headers(request: Request, limit: int) -> None:
    headers = dict(request.scope["headers"])
    encoding = headers.get(b"content-encoding")
    if encoding and encoding.strip().lower() not in {b"", b"identity"}:
        raise UnsupportedMedia("The body must be sent as it is, without a Content-Encoding.")
    declared = headers.get(b"content-length")
    if declared is None:
        return
    if not declared.isdigit():
        raise MalformedBody("Content-Length must be a number.")
    if len(declared) > 19 or int(declared) > limit:
        raise _too_large(limit)


async def _gather(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if part := message.get("body", b""):
            total += len(part)
            if total > limit:
                raise _too_large(limit)
            parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes, which is the most that this address accepts.")
