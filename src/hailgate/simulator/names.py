"""Host names: those under `.example` lie on this machine.

No such name exists anywhere (RFC 2606), so that a link to one can be fetched where nothing of outside is.
"""

import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult

LOOPBACK = "127.0.0.1"
OURS = (".example", ".example.")


class NameResolver(ThreadedResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return await super().resolve(LOOPBACK if host.endswith(OURS) else host, port, family)
