"""Model egress: a vendor's client connects to public addresses only, checked where the connection is made.

What the owner of the installation lists (`HAILGATE_PRIVATE_TARGETS`, `host:port`) may lie inside: a model server of
one's own.
"""

import socket
import ssl
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

import anyio
import httpcore2
import httpx2

from hailgate.core.egress import EgressRules, any_inside, find_address


class AddressRefusedError(httpcore2.ConnectError):
    """The address lies inside and nobody listed it."""


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves once, checks every address of the answer, and connects to one that was checked."""

    def __init__(self, rules: EgressRules) -> None:
        self._rules, self._below = rules, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await _resolve(host, port)
        if not self._rules.allows(host, port) and any_inside(addresses):
            raise AddressRefusedError("The address must be public.")
        return await self._below.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 -- the library's signature
        timeout: float | None = None,  # noqa: ASYNC109, ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        raise AddressRefusedError("A model is reached over the network.")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


def guarded_transport(private_targets: Collection[str]) -> httpx2.AsyncHTTPTransport:
    transport = httpx2.AsyncHTTPTransport(verify=_trusted(), trust_env=False)
    transport._pool = httpcore2.AsyncConnectionPool(  # noqa: SLF001 -- the one place where a socket is made
        ssl_context=_trusted(),
        network_backend=GuardedBackend(EgressRules(allowed=frozenset(private_targets))),
    )
    return transport


@cache
def _trusted() -> ssl.SSLContext:
    """Once a process: reading the system's authorities takes more of a processor than all the rest of a call."""
    return httpx2.create_ssl_context()


async def _resolve(host: str, port: int) -> list[str]:
    if find_address(host) is not None:
        return [host]
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as unknown:
        raise httpcore2.ConnectError("The name could not be resolved.") from unknown
    return list(dict.fromkeys(str(each[4][0]) for each in found))
