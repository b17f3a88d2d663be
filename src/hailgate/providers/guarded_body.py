"""Request bodies that ask before their first byte, and remember how far they came.

aiohttp holds a request's head back until its body writes the first chunk, and between the call of
`write_with_length` and the write to the socket nothing is awaited. A guarded body stands in that gap.
"""

import asyncio
import select
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import aiohttp
from aiohttp.payload import BytesPayload, Payload

from hailgate.core.errors import LeaseLost, OutcomeUnknown, ProviderUnavailable

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from hailgate.providers.guard import Guard

# Linux alone tells that the peer has closed before the closing is read; elsewhere the loop finds out later.
_PEER_CLOSED = getattr(select, "POLLRDHUP", 0)


class Stream(Protocol):
    """A body that is written as it is read. `failure` is what its own source failed with."""

    content_type: str
    length: int
    failure: Exception | None

    def body(self) -> AsyncIterator[bytes]: ...


class GuardedPayload(Payload):
    """What both kinds of body share: the question before the first byte, and the verdict after the last."""

    guard: "Guard"
    withdrawn = False
    refusal: Exception | None = None
    begun = False
    peer_had_closed = False

    def verdict(self, failure: BaseException) -> Exception:
        """What the failure means. Once given it stays true: a body not begun by then never begins."""
        self.withdrawn = True
        if self.begun:
            return OutcomeUnknown(say(failure))
        if self.refusal is not None:
            return self.refusal
        if isinstance(failure, asyncio.CancelledError):
            return LeaseLost()
        return ProviderUnavailable(say(failure))

    def begin(self, writer: "AbstractStreamWriter") -> None:
        """Awaits nothing. Raises instead of letting the first byte go."""
        if self.withdrawn:
            raise ConnectionAbortedError
        if _is_closed(writer.transport):
            self.peer_had_closed = True
            raise ConnectionResetError
        try:
            self.guard()
        except Exception as refusal:
            self.refusal = refusal
            raise
        self.begun = True


class GuardedBody(BytesPayload, GuardedPayload):
    def __init__(self, value: bytes, content_type: str, guard: "Guard") -> None:
        super().__init__(value, content_type=content_type)
        self.guard = guard

    async def write_with_length(self, writer: "AbstractStreamWriter", content_length: int | None) -> None:
        self.begin(writer)
        await super().write_with_length(writer, content_length)


class GuardedStream(GuardedPayload):
    def __init__(self, stream: Stream, guard: "Guard") -> None:
        super().__init__(stream, content_type=stream.content_type)
        self.guard = guard
        self._stream = stream

    @property
    def size(self) -> int:
        return self._stream.length

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del encoding, errors
        raise TypeError("a stream is read once, by the socket")

    async def write(self, writer: "AbstractStreamWriter") -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: "AbstractStreamWriter", content_length: int | None) -> None:
        del content_length  # the head tells the stream's own
        pieces = self._stream.body()
        first = await anext(pieces, b"")  # the source may be slow or gone: it is asked before the guard
        self.begin(writer)
        await writer.write(first)
        async for piece in pieces:
            await writer.write(piece)

    def verdict(self, failure: BaseException) -> Exception:
        """A source that failed half way left a request that was shorter than its head said: nobody acts on it."""
        told = super().verdict(failure)
        return self._stream.failure or told


def guarded(body: bytes | Stream, content_type: str, guard: "Guard") -> GuardedPayload:
    if isinstance(body, bytes):
        return GuardedBody(body, content_type, guard)
    return GuardedStream(body, guard)


def _is_closed(transport: asyncio.WriteTransport | None) -> bool:
    """Ask the kernel too: the peer may have closed while the loop was busy, and no event told us yet."""
    if transport is None or transport.is_closing():
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), _PEER_CLOSED)
    return bool(poll.poll(0))


class UnreadableAnswer(Exception):  # noqa: N818
    """Larger than it may be, or compressed in a way that is not known here."""


# The first that fits. Our own sentences: aiohttp's hold addresses.
_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (asyncio.CancelledError, "The attempt was cancelled"),
    (UnreadableAnswer, "The provider's answer was too large or could not be unpacked"),
    (aiohttp.ClientConnectorDNSError, "The provider's name could not be resolved"),
    (aiohttp.ClientSSLError, "No secure connection to the provider"),
    (aiohttp.ConnectionTimeoutError, "No connection to the provider in time"),
    (TimeoutError, "No answer from the provider in time"),
    (aiohttp.ClientConnectorError, "No connection to the provider"),
    (aiohttp.ClientPayloadError, "The provider's answer broke off"),
    (aiohttp.ClientResponseError, "The provider's answer was not HTTP"),
    (OSError, "The connection to the provider broke"),
    (aiohttp.ClientConnectionError, "The connection to the provider broke"),
    (aiohttp.InvalidURL, "The provider's address is not a URL"),
)


def say(failure: BaseException) -> str:
    """What failed, in a sentence for people."""
    for kind, sentence in _SENTENCES:
        if isinstance(failure, kind):
            return f"{sentence}."
    return f"The call to the provider failed ({type(failure).__name__})."
