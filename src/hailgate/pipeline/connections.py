"""Providers, connected: one transport per provider, one connected channel per version of its credentials."""

from typing import NamedTuple

from hailgate.messaging.channels import get_credentials
from hailgate.pipeline.bridge import Db
from hailgate.providers.contract import AnyProviderSpec, Capabilities, Provider
from hailgate.providers.transport import Transport


class Connected(NamedTuple):
    name: str
    provider: Provider
    capabilities: Capabilities
    marks_read: bool

    @property
    def window_seconds(self) -> float | None:
        return self.capabilities.window_seconds


class Connections:
    """Time-outs in seconds; ``per_host`` is how many connections one provider's host may see."""

    def __init__(self, db: Db, *, per_host: int, connect: float, total: float) -> None:
        self._db, self._per_host, self._connect, self._total = db, per_host, connect, total
        self._transports: dict[str, Transport] = {}
        self._channels: dict[int, tuple[int, Connected]] = {}

    async def get(self, channel_id: int, version: int | None = None) -> Connected:
        """``version`` None takes whatever is known of the channel."""
        known = self._channels.get(channel_id)
        if known and version in {None, known[0]}:
            return known[1]
        credentials = await self._db(get_credentials, channel_id)
        provider = credentials.spec.connect(credentials.config, self._transport(credentials.spec))
        connected = Connected(credentials.spec.name, provider, credentials.spec.capabilities, credentials.marks_read)
        self._channels[channel_id] = (credentials.version, connected)
        return connected

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()

    def _transport(self, spec: AnyProviderSpec) -> Transport:
        if spec.name not in self._transports:
            self._transports[spec.name] = Transport(
                keepalive=spec.capabilities.keepalive_seconds,
                connections_per_host=self._per_host,
                connect=self._connect,
                total=self._total,
            )
        return self._transports[spec.name]
