"""Calling URLs that somebody gave us: to checked addresses only, bounded in redirects, bytes and time.

For each hop the name is resolved once, every address of the answer is checked, and the connection is pinned to them:
the last wall stands where the socket is made, so that neither a second answer of the name server nor another reading
of the URL can lead elsewhere.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hailgate.core.egress import (
    Destination,
    EgressRules,
    any_inside,
    check_redirect,
    check_url,
    find_address,
    is_host_of,
    parse_url,
)
from hailgate.core.errors import InputError, ProviderUnavailable, TooLarge
from hailgate.core.urls import find_parts

CONNECT_S = 5.0
SILENCE_S = 15.0
TOTAL_S = 120.0
MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name; raises OSError."""


class Fetched(NamedTuple):
    """``chunks`` raises TooLarge beyond the limit, and ProviderUnavailable where the transfer breaks off."""

    destination: Destination
    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


async def resolve(host: str, port: int) -> Sequence[str]:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


class GuardedClient:
    """No connection is kept, no proxy asked, no cookie stored, nothing decompressed. Durations in seconds."""

    def __init__(self, rules: EgressRules, *, resolve: Resolve = resolve, total: float = TOTAL_S) -> None:
        self._rules, self._resolve = rules, resolve
        self._timeout = aiohttp.ClientTimeout(total=total, connect=CONNECT_S, sock_read=min(SILENCE_S, total))

    @asynccontextmanager
    async def get(self, url: str, *, limit: int, headers: Mapping[str, str] | None = None) -> AsyncIterator[Fetched]:
        """At most ``limit`` bytes.

        ``headers`` go to the origin of ``url`` and never along a redirect to another one. Raises InputError for a
        URL, also that of a redirect, which must not be called; ProviderUnavailable where the call failed.
        """
        first = destination = check_url(url, self._rules)
        for _ in range(MOST_REDIRECTS + 1):
            own = headers if destination.origin == first.origin else None
            async with self._hop(destination, own or {}) as response:
                if response.status not in _REDIRECTS:
                    yield Fetched(destination, response.status, response.headers, _bounded(response, limit))
                    return
                location = response.headers.get("Location", "")
            destination = check_redirect(destination, location, self._rules)
        raise InputError("The URL redirects too often.", code="url_refused", field="url")

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str], limit: int) -> tuple[int, bytes]:
        """The status and at most ``limit`` bytes of the answer; a redirect is an answer. Raises as `get` does."""
        destination = check_url(url, self._rules)
        async with self._session(await self._addresses(destination)) as session:
            try:
                response = await session.post(
                    URL(destination.url, encoded=True), data=body, headers=dict(headers), allow_redirects=False
                )
            except (aiohttp.ClientError, OSError, ValueError) as failed:
                raise ProviderUnavailable("The address could not be called.") from failed
            async with response:
                return response.status, b"".join([chunk async for chunk in _bounded(response, limit)])

    @asynccontextmanager
    async def _hop(self, destination: Destination, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        async with (
            self._session(await self._addresses(destination)) as session,
            _request(session, destination, headers) as response,
        ):
            yield response

    def _session(self, pinned: Sequence[str]) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_pinned_connector(pinned),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "hailgate"},
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
        )

    async def _addresses(self, destination: Destination) -> Sequence[str]:
        if find_address(destination.host) is not None:
            addresses: Sequence[str] = [destination.host]
        else:
            try:
                async with asyncio.timeout(CONNECT_S):
                    addresses = await self._resolve(destination.host, destination.port)
            except (OSError, UnicodeError) as unknown:
                raise ProviderUnavailable("The name in the URL could not be resolved.") from unknown
        if not self._rules.allows(destination.host, destination.port) and any_inside(addresses):
            raise InputError("The URL must lead to a public address.", code="url_refused", field="url")
        return addresses


class OwnHosts:
    """A provider's addresses: those of its own hosts get to see our credentials, and no others do.

    ``api_url`` is where the channel's API is, perhaps on this machine; ``hosts`` are where the provider keeps files.
    """

    def __init__(self, api_url: str, hosts: Collection[str]) -> None:
        self._hosts = tuple(hosts)
        self._home = EgressRules(allowed=frozenset({_place_of(api_url)}))
        self._client = GuardedClient(self._home)

    def get(self, url: str, *, limit: int, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Fetched]:
        """As `GuardedClient.get`, with ``headers`` for one of the provider's own hosts alone."""
        return self._client.get(url, limit=limit, headers=headers if self.knows(url) else {})

    def knows(self, url: str) -> bool:
        place = parse_url(url)
        own = place.scheme == "https" and is_host_of(place.host, self._hosts)
        return own or self._home.allows(place.host, place.port)


def _place_of(url: str) -> str:
    if (parts := find_parts(url)) is None:
        raise InputError("The provider's address must be a URL.", code="url_refused", field="api_url")
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def _request(
    session: aiohttp.ClientSession, destination: Destination, headers: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    try:
        response = await session.get(URL(destination.url, encoded=True), headers=dict(headers), allow_redirects=False)
    except (aiohttp.ClientError, OSError, ValueError) as failed:
        raise ProviderUnavailable("The file could not be fetched.") from failed
    async with response:
        yield response


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    if (response.content_length or 0) > limit:
        raise _too_large()
    total = 0
    try:
        async for chunk in response.content.iter_any():
            total += len(chunk)
            if total > limit:
                raise _too_large()
            yield chunk
    except (aiohttp.ClientError, OSError) as failed:
        raise ProviderUnavailable("The transfer of the file broke off.") from failed


def _too_large() -> TooLarge:
    return TooLarge("The file is larger than it may be.", code="file_too_large")


# --- pinning ----------------------------------------------------------------------------------------------------------


def _pinned_connector(addresses: Sequence[str]) -> aiohttp.TCPConnector:
    """Connects to these addresses and to no other, whatever host it is asked for."""
    allowed = frozenset(map(find_address, addresses))

    def make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = info
        if find_address(str(place[0])) not in allowed:
            raise OSError("this address was not checked")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        resolver=_Pinned(addresses), use_dns_cache=False, force_close=True, socket_factory=make_socket
    )


class _Pinned(AbstractResolver):
    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        return [_result(host, address, port) for address in self._addresses]

    async def close(self) -> None:
        pass


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
