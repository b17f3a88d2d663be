"""The way out over HTTP. Of every request it knows whether a byte may have left.

That knowledge decides between "try again" and "never again without evidence", so it is observed, not guessed:
aiohttp holds a request's head back until its body writes the first chunk, and between the call of
`write_with_length` and the write to the socket nothing is awaited. `GuardedBody` stands in that gap.
"""

import asyncio
import select
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import aiohttp
from aiohttp.payload import BytesPayload

from hailgate.core.errors import LeaseLost, OutcomeUnknown, ProviderUnavailable

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from hailgate.providers.contract import Guard
    from hailgate.providers.forms import FileForm

CONNECT_SECONDS = 5.0  # name, connection, TLS, and the wait for a free connection
TOTAL_SECONDS = 20.0  # well under a worker's 30 s to stop
SLOWEST_UPLOAD = 256 << 10  # bytes a second; the largest file then takes seven minutes
MAX_ANSWER = 1 << 20  # the answers we read have a few hundred bytes
FRESH_CONNECTIONS = 2  # further ones taken when the peer had already closed the first

# Linux alone tells that the peer has closed before the closing is read; elsewhere the loop finds out later.
_PEER_CLOSED = getattr(select, "POLLRDHUP", 0)


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Names compare without case."""
    body: bytes


def unguarded() -> None:
    """Guard of a call that may be made by anyone, such as a read receipt."""


class Transport:
    """One pool of connections. Made inside a running loop; closed by `close` or `async with`.

    Redirects are not followed, cookies not kept, compressed answers refused, nothing is repeated.
    `keepalive` is how long an idle connection is kept: shorter than the other side keeps it, or a send
    into a closing connection becomes an unknown outcome.
    """

    def __init__(
        self,
        *,
        keepalive: float = 15.0,
        connections_per_host: int = 100,
        connect: float = CONNECT_SECONDS,
        total: float = TOTAL_SECONDS,
    ) -> None:
        self._connect = connect
        self._timeout = aiohttp.ClientTimeout(total=total, connect=connect)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=connections_per_host, keepalive_timeout=keepalive, ttl_dns_cache=60
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "hailgate"},
            timeout=self._timeout,
            auto_decompress=False,
        )

    async def post_json(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        guard: "Guard" = unguarded,
        timeout: float | None = None,  # noqa: ASYNC109 - it bounds the exchange, and its end is an outcome
    ) -> Reply:
        """Send once. Whatever the answer says is a Reply; everything else says what became of the request.

        ProviderUnavailable: surely no byte left. LeaseLost: the guard said no, or the caller cancelled
        in time. OutcomeUnknown: a byte may have left; also for a caller that cancelled too late, who
        would otherwise not learn it (a CancelledError is never raised; `Task.cancelling` still counts).
        """
        for _ in range(FRESH_CONNECTIONS):
            post = GuardedBody(body, guard)
            try:
                return await self._post(url, headers, post, timeout)
            except ProviderUnavailable:
                if not post.peer_had_closed:
                    raise
        return await self._post(url, headers, GuardedBody(body, guard), timeout)

    async def get(self, url: str, *, headers: Mapping[str, str]) -> Reply:
        """Read; harmless, so every failure is ProviderUnavailable."""
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                return await _read(response)
        except Exception as failure:
            raise ProviderUnavailable(_sentence(failure)) from failure

    async def post_form(self, url: str, *, headers: Mapping[str, str], form: "FileForm") -> Reply:
        """Hand over a file; harmless to repeat, so every failure is ProviderUnavailable, but the form's own."""
        told = {"Content-Type": form.content_type, "Content-Length": str(form.length)}
        try:
            async with self._session.post(
                url,
                data=form.body(),
                headers={**headers, **told},
                timeout=self._bound((self._timeout.total or 0.0) + form.length / SLOWEST_UPLOAD),
                allow_redirects=False,
            ) as response:
                return await _read(response)
        except Exception as failure:
            if form.failure is not None:
                raise form.failure from failure
            raise ProviderUnavailable(_sentence(failure)) from failure

    async def close(self) -> None:
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _post(
        self,
        url: str,
        headers: Mapping[str, str],
        post: "GuardedBody",
        timeout: float | None,  # noqa: ASYNC109
    ) -> Reply:
        try:
            async with self._session.post(
                url, data=post, headers=headers, timeout=self._bound(timeout), allow_redirects=False
            ) as response:
                reply = await _read(response)
        except (Exception, asyncio.CancelledError) as failure:
            raise post.verdict(failure) from failure
        if not post.begun:
            raise OutcomeUnknown("The provider answered a request that had not left.")
        return reply

    def _bound(self, total: float | None) -> aiohttp.ClientTimeout:
        return self._timeout if total is None else aiohttp.ClientTimeout(total=total, connect=self._connect)


class GuardedBody(BytesPayload):
    """A request body that asks before its first byte, and remembers how far it came."""

    def __init__(self, value: bytes, guard: "Guard") -> None:
        super().__init__(value, content_type="application/json")
        self._guard = guard
        self._withdrawn = False
        self._refusal: Exception | None = None
        self.begun = False
        self.peer_had_closed = False

    async def write_with_length(self, writer: "AbstractStreamWriter", content_length: int | None) -> None:
        if self._withdrawn:
            raise ConnectionAbortedError
        if _is_closed(writer.transport):
            self.peer_had_closed = True
            raise ConnectionResetError
        try:
            self._guard()
        except Exception as refusal:
            self._refusal = refusal
            raise
        self.begun = True
        await super().write_with_length(writer, content_length)

    def verdict(self, failure: BaseException) -> Exception:
        """What the failure means. Once given it stays true: a body not begun by then never begins."""
        self._withdrawn = True
        if self.begun:
            return OutcomeUnknown(_sentence(failure))
        if self._refusal is not None:
            return self._refusal
        if isinstance(failure, asyncio.CancelledError):
            return LeaseLost()
        return ProviderUnavailable(_sentence(failure))


def _is_closed(transport: asyncio.WriteTransport | None) -> bool:
    """Ask the kernel too: the peer may have closed while the loop was busy, and no event told us yet."""
    if transport is None or transport.is_closing():
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), _PEER_CLOSED)
    return bool(poll.poll(0))


class _UnreadableAnswer(Exception):  # noqa: N818
    pass


async def _read(response: aiohttp.ClientResponse) -> Reply:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _UnreadableAnswer
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise _UnreadableAnswer
    return Reply(response.status, response.headers, bytes(body))


# The first that fits. Our own sentences: aiohttp's hold addresses.
_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (asyncio.CancelledError, "The attempt was cancelled"),
    (_UnreadableAnswer, "The provider's answer was too large or compressed"),
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


def _sentence(failure: BaseException) -> str:
    for kind, sentence in _SENTENCES:
        if isinstance(failure, kind):
            return f"{sentence}."
    return f"The call to the provider failed ({type(failure).__name__})."
