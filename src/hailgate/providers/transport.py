"""The way out over HTTP. Of every request it knows whether a byte may have left.

That knowledge decides between "try again" and "never again without evidence": see `guarded_body`.
"""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp

from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable
from hailgate.providers.guard import Guard, unguarded
from hailgate.providers.guarded_body import GuardedPayload, Stream, UnreadableAnswer, guarded, say
from hailgate.providers.unpacking import PLAIN, Unpacker

CONNECT_SECONDS = 5.0  # name, connection, TLS, and the wait for a free connection
TOTAL_SECONDS = 20.0  # well under a worker's 30 s to stop
SLOWEST_UPLOAD = 256 << 10  # bytes a second; the largest file then takes seven minutes
MAX_ANSWER = 1 << 20  # the answers we read have a few hundred bytes
FRESH_CONNECTIONS = 2  # further ones taken when the peer had already closed the first


class HttpReply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Names compare without case."""
    body: bytes


class Transport:
    """One pool of connections. Made inside a running loop; closed by `close` or `async with`.

    Redirects are not followed, cookies not kept, nothing is repeated. Plain answers are asked for.
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

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Stream,
        content_type: str = "application/json",
        guard: Guard = unguarded,
        limit: int = MAX_ANSWER,
        timeout: float | None = None,  # noqa: ASYNC109 - it bounds the exchange, and its end is an outcome
    ) -> HttpReply:
        """Send once. Whatever the answer says is a Reply; everything else says what became of the request.

        `limit` bounds the answer, in bytes. A stream tells its own type, and gets time for its length.

        ProviderUnavailable: surely no byte left. LeaseLost: the guard said no, or the caller cancelled
        in time. OutcomeUnknown: a byte may have left; also for a caller that cancelled too late, who
        would otherwise not learn it (a CancelledError is never raised; `Task.cancelling` still counts).
        What a stream's own source failed with: the request was never whole.
        """
        bound = self._bound(body, timeout)
        for _ in range(FRESH_CONNECTIONS):
            payload = guarded(body, content_type, guard)
            try:
                return await self._post(url, headers, payload, bound, limit)
            except ProviderUnavailable:
                if not payload.peer_had_closed:
                    raise
        return await self._post(url, headers, guarded(body, content_type, guard), bound, limit)

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        limit: int = MAX_ANSWER,
        timeout: float | None = None,  # noqa: ASYNC109 - as in post
    ) -> HttpReply:
        """Read; harmless, so every failure is ProviderUnavailable."""
        try:
            async with self._session.get(
                url, headers=headers, allow_redirects=False, timeout=self._bound(b"", timeout)
            ) as response:
                return await _read(response, limit)
        except Exception as failure:
            raise ProviderUnavailable(say(failure)) from failure

    async def delete(self, url: str, *, headers: Mapping[str, str]) -> HttpReply:
        """Take away; harmless to repeat, so every failure is ProviderUnavailable."""
        try:
            async with self._session.delete(url, headers=headers, allow_redirects=False) as response:
                return await _read(response, MAX_ANSWER)
        except Exception as failure:
            raise ProviderUnavailable(say(failure)) from failure

    async def upload(self, url: str, *, headers: Mapping[str, str], form: Stream) -> HttpReply:
        """Hand over a file; harmless to repeat, so an unknown outcome is ProviderUnavailable, too."""
        try:
            return await self.post(url, headers=headers, body=form)
        except OutcomeUnknown as unclear:
            raise ProviderUnavailable(unclear.detail) from unclear

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
        payload: GuardedPayload,
        bound: aiohttp.ClientTimeout,
        limit: int,
    ) -> HttpReply:
        try:
            async with self._session.post(
                url, data=payload, headers=headers, timeout=bound, allow_redirects=False
            ) as response:
                reply = await _read(response, limit)
        except (Exception, asyncio.CancelledError) as failure:
            raise payload.verdict(failure) from failure
        if not payload.begun:
            raise OutcomeUnknown("The provider answered a request that had not left.")
        return reply

    def _bound(self, body: bytes | Stream, total: float | None) -> aiohttp.ClientTimeout:
        if total is None and isinstance(body, bytes):
            return self._timeout
        spare = 0.0 if isinstance(body, bytes) else body.length / SLOWEST_UPLOAD
        total = (self._timeout.total or 0.0) if total is None else total
        return aiohttp.ClientTimeout(total=total + spare, connect=self._connect)


async def _read(response: aiohttp.ClientResponse, limit: int) -> HttpReply:
    """`limit` counts what comes out of a compressed answer, as it does of a plain one."""
    encoding = response.headers.get("Content-Encoding", PLAIN)
    packed = None if encoding == PLAIN else Unpacker(encoding)
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk if packed is None else packed.unpack(chunk, limit + 1 - len(body))
        if len(body) > limit:
            raise UnreadableAnswer
    if packed is not None and not packed.whole:
        raise UnreadableAnswer
    return HttpReply(response.status, response.headers, bytes(body).removeprefix(BOM_UTF8))
