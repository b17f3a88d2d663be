"""Probe calls: whether a channel's provider takes it, and whether our own door answers when asked from outside."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from hailgate.core.errors import ProviderUnavailable

if TYPE_CHECKING:
    from hailgate.messaging.channels.credentials import ChannelCredentials
    from hailgate.providers.abilities import HookPlace
    from hailgate.providers.contract import ChannelHealth, Keep
    from hailgate.providers.spec import HandshakeProbe
    from hailgate.providers.transport import Transport

AT_ONCE = 10


class RoundTrip(NamedTuple):
    """``status`` is None where nobody answered; ``echoed`` where the answer was ours."""

    status: int | None
    echoed: bool


async def ask_providers(channels: Sequence["ChannelCredentials"], public_url: str) -> list["ChannelHealth"]:
    """Whether each channel can send and is posted to at ``public_url``, in order, a few at a time."""
    from hailgate.providers.transport import Transport

    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(channel: "ChannelCredentials", transport: "Transport") -> "ChannelHealth":
        async with turns:
            return await channel.connect(transport, public_url).check()

    async with Transport() as transport:
        return await asyncio.gather(*(ask(channel, transport) for channel in channels))


async def register_hook(channel: "ChannelCredentials", public_url: str, *, take_over: bool) -> "HookPlace | None":
    """None where a provider cannot be told where to post, or there is no address yet. Raises SendError."""
    from hailgate.providers.abilities import RegistersHook
    from hailgate.providers.transport import Transport

    if not (public_url and channel.hook_path):
        return None
    async with Transport() as transport:
        provider = channel.connect(transport, public_url)
        return await provider.register_hook(take_over=take_over) if isinstance(provider, RegistersHook) else None


async def check_token(channel: "ChannelCredentials", keep: "Keep", *, generate: bool) -> bool | None:
    """Whether its server takes the session's token, where it has one; made anew first with ``generate``.

    Raises SendError.
    """
    from hailgate.providers.abilities import HoldsToken
    from hailgate.providers.transport import Transport

    async with Transport() as transport:
        provider = channel.connect(transport, keep=keep)
        if not isinstance(provider, HoldsToken):
            return None
        if generate:
            await provider.generate_token()
        return await provider.validate_token()


async def shake_hands(base: str, hooks: Sequence[tuple[str, "HandshakeProbe"]]) -> list[RoundTrip]:
    """Ask each hook, by its path, for the handshake that its provider asks for."""
    from hailgate.providers.transport import Transport

    async def shake(path: str, probe: "HandshakeProbe", transport: "Transport") -> RoundTrip:
        try:
            reply = await transport.get(f"{base}{path}?{urlencode(probe.query)}", headers={"Accept": "text/plain"})
        except ProviderUnavailable:
            return RoundTrip(None, echoed=False)
        return RoundTrip(
            reply.status, echoed=reply.status == 200 and reply.body.decode("utf-8", "replace") == probe.answer
        )

    async with Transport() as transport:
        return await asyncio.gather(*(shake(path, probe, transport) for path, probe in hooks))
