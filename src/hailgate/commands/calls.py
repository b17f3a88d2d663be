"""Calls that `hailgate check` makes: to each channel's provider, and to our own door from outside."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from hailgate.core.errors import ProviderUnavailable

if TYPE_CHECKING:
    from hailgate.env import Environment
    from hailgate.messaging.channels import ChannelCredentials
    from hailgate.providers.contract import ChannelHealth
    from hailgate.providers.transport import Transport

AT_ONCE = 10
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a bind to everywhere is reached from here


class RoundTrip(NamedTuple):
    """``status`` is None where nobody answered; ``echoed`` where the answer was ours."""

    status: int | None
    echoed: bool


async def ask_providers(channels: Sequence["ChannelCredentials"]) -> list["ChannelHealth"]:
    """Whether each channel can send, in order, a few at a time."""
    from hailgate.providers.transport import Transport

    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(channel: "ChannelCredentials", transport: "Transport") -> "ChannelHealth":
        async with turns:
            return await channel.spec.connect(channel.config, transport).check()

    async with Transport() as transport:
        return await asyncio.gather(*(ask(channel, transport) for channel in channels))


async def shake_hands(base: str, hooks: Sequence[tuple[str, str]]) -> list[RoundTrip]:
    """Ask each hook, a path and its verify token, for the handshake that Meta asks for, as Meta would."""
    from hailgate.providers.transport import Transport

    async def shake(path: str, verify_token: str, transport: "Transport") -> RoundTrip:
        challenge = secrets.token_hex(8)
        query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        try:
            reply = await transport.get(f"{base}{path}?{urlencode(query)}", headers={"Accept": "text/plain"})
        except ProviderUnavailable:
            return RoundTrip(None, echoed=False)
        return RoundTrip(
            reply.status, echoed=reply.status == 200 and reply.body.decode("utf-8", "replace") == challenge
        )

    async with Transport() as transport:
        return await asyncio.gather(*(shake(path, token, transport) for path, token in hooks))


def address_of(env: "Environment") -> str:
    """Where this installation is reached: from outside if that is known, else from this machine."""
    if env.public_url:
        return env.public_url
    host, port = env.host_and_port
    return f"http://{ANYWHERE.get(host, f'[{host}]' if ':' in host else host)}:{port}"
