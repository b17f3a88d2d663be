"""Bodies of webhooks: small ones in memory, large ones sealed into the store of files as they come.

A large body is durable there before its row is committed, and its caller is answered after both. What is left by a
process that died in between is an orphan, and swept with the files that no row knows.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from starlette.requests import Request

from hailgate.core.errors import Overloaded, StoreUnavailable
from hailgate.edge.http.bodies import PATIENCE_S, check_headers, read_body, stream_body
from hailgate.messaging.channels.hooks import HookView
from hailgate.messaging.files.storage import Files
from hailgate.messaging.inbound.receive import SMALL, LargeBody
from hailgate.problems import BodyTooSlow
from hailgate.providers.spec import BodyMask

# A row of the database holds up to this; beyond it a body is a file.
LARGEST_ROW: Final = 256 << 10
# Each holds two parts for a bucket in memory.
LARGE_AT_ONCE: Final = 8
LARGE_S: Final = 600.0
SLOWEST_BODY: Final = 1 << 20  # bytes a second
# Never filled with webhooks: databases and logs need room, too.
SPARE_BYTES: Final = 1 << 30


class Body(NamedTuple):
    """As it will be stored: in its row, or in the store of files."""

    small: bytes
    large: LargeBody = SMALL

    @property
    def size(self) -> int:
        return len(self.small) or self.large.size


class WebhookBodies:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._turns = asyncio.Semaphore(LARGE_AT_ONCE)
        self._promised: Counter[int] = Counter()

    def read(self, request: Request, hook: HookView) -> Awaitable[bytes]:
        """The whole body, where a signature covers it. One that may hold files is given time for them."""
        limit = hook.spec.capabilities.max_webhook_body
        return read_body(request, limit, PATIENCE_S + limit / SLOWEST_BODY)

    async def keep(self, hook: HookView, masked: bytes) -> Body:
        """What is too large for a row."""
        with self._promise(hook, len(masked), await self._files.free_bytes()):
            return await self._kept(_once(masked), len(masked))

    async def take(self, request: Request, hook: HookView) -> Body:
        """What is believed already, as it comes."""
        limit = hook.spec.capabilities.max_webhook_body
        if limit <= LARGEST_ROW or _declares_little(request):
            return await self._keep(hook, await read_body(request, limit))
        check_headers(request, limit)
        pieces = stream_body(request, limit)
        head = bytearray()
        async for piece in pieces:
            head += piece
            if len(head) > LARGEST_ROW:
                break
        else:
            return await self._keep(hook, bytes(head))
        declared = int(request.headers.get("content-length", limit))
        with self._promise(hook, declared, await self._files.free_bytes()):
            return await self._kept(_hidden(_joined(bytes(head), pieces), _mask_of(hook)), limit)

    async def _keep(self, hook: HookView, body: bytes) -> Body:
        masked = mask_body(hook, body)
        return Body(masked) if fits_row(masked) else await self.keep(hook, masked)

    async def _kept(self, pieces: AsyncIterator[bytes], limit: int) -> Body:
        if self._turns.locked():
            raise Overloaded("Too many large webhooks are being stored at once; try again shortly.")
        try:
            async with self._turns, asyncio.timeout(LARGE_S):
                kept = await self._files.keep(pieces, limit)
        except TimeoutError:
            raise BodyTooSlow from None
        return Body(b"", LargeBody(kept.file, kept.key, kept.size, kept.sha256))

    @contextmanager
    def _promise(self, hook: HookView, size: int, free: int | None) -> Iterator[None]:
        """Room for one body. A hook gets at most half of what is free: no one of them fills the disk."""
        wanted = self._promised[hook.id] + size
        if free is not None and (free - self._promised.total() - size < SPARE_BYTES or wanted > free // 2):
            raise StoreUnavailable("There is no room for a webhook of this size.")
        self._promised[hook.id] += size
        try:
            yield
        finally:
            self._promised[hook.id] -= size


def fits_row(masked: bytes) -> bool:
    return len(masked) <= LARGEST_ROW


def mask_body(hook: HookView, body: bytes) -> bytes:
    """Without its secrets."""
    mask = _mask_of(hook)
    return body if mask is None else mask.feed(body) + mask.end()


def _mask_of(hook: HookView) -> BodyMask | None:
    return hook.spec.mask_body() if hook.spec.mask_body else None


def _declares_little(request: Request) -> bool:
    declared = request.headers.get("content-length", "")
    return declared.isdigit() and int(declared[:19]) <= LARGEST_ROW


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in rest:
        yield piece


async def _hidden(pieces: AsyncIterator[bytes], mask: BodyMask | None) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece if mask is None else mask.feed(piece)
    if mask is not None:
        yield mask.end()
