"""Connections: one transport per provider, one connected channel per version of its credentials."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple, Protocol

from hailgate.core.errors import InputError
from hailgate.core.window import OutsideWindow
from hailgate.messaging.channels.credentials import get_credentials
from hailgate.messaging.channels.derived_secrets import keep_secrets
from hailgate.messaging.store.ports import Db
from hailgate.providers.capabilities import Capabilities
from hailgate.providers.contract import Provider
from hailgate.providers.spec import AnyProviderSpec
from hailgate.providers.transport import Transport

Settings = Mapping[str, str]


class KeepsSettings(Protocol):
    """Where the settings of a channel are that are not in our store."""

    async def settings_of(self, source: str, number: str, version: int) -> Settings:
        """The same object as long as nothing has changed. Raises ProviderUnavailable and InputError.

        ``version`` is the channel's: what was known at an earlier one may be out of date.
        """

    async def renew(self, source: str, number: str, refused: Settings) -> bool:
        """A provider has refused these: whether there are others by now."""


class Connected(NamedTuple):
    """``settings`` are those of a channel whose settings are kept elsewhere."""

    name: str
    provider: Provider
    capabilities: Capabilities
    marks_read: bool
    outside: OutsideWindow = OutsideWindow()
    settings: Settings | None = None

    @property
    def window_seconds(self) -> float | None:
        return self.capabilities.window_seconds


class Connections:
    """Time-outs in seconds; ``per_host`` is how many connections one provider's host may see.

    ``public_url`` is where providers reach this installation, empty where they do not.
    """

    def __init__(
        self,
        db: Db,
        *,
        per_host: int,
        connect: float,
        total: float,
        public_url: str = "",
        elsewhere: KeepsSettings | None = None,
    ) -> None:
        self._db, self._per_host, self._connect, self._total = db, per_host, connect, total
        self._public_url, self._elsewhere = public_url, elsewhere
        self._sources: dict[int, tuple[str, str]] = {}
        self._transports: dict[str, Transport] = {}
        self._channels: dict[int, tuple[int, Connected]] = {}

    async def get(self, channel_id: int, version: int | None = None) -> Connected:
        """``version`` None takes whatever is known of the channel."""
        known = self._channels.get(channel_id)
        if known and (version is None or version == known[0]):
            connected = known[1]
            if connected.settings is None or connected.settings is await self._settings(channel_id, known[0]):
                return connected
        credentials = await self._db(get_credentials, channel_id)
        settings = None
        if credentials.source:
            self._sources[channel_id] = (credentials.source, credentials.number or "")
            settings = await self._settings(channel_id, credentials.version)
            credentials = credentials.configured(settings)
        keep = partial(self._db, keep_secrets, channel_id)
        provider = credentials.connect(self._transport(credentials.spec), self._public_url, keep)
        connected = Connected(
            credentials.spec.name,
            provider,
            credentials.spec.capabilities,
            credentials.marks_read,
            credentials.outside,
            settings,
        )
        self._channels[channel_id] = (credentials.version, connected)
        return connected

    async def renew(self, channel_id: int, refused: Connected) -> bool:
        """The provider has refused these credentials: whether a message may be sent with others."""
        if refused.settings is None or self._elsewhere is None:
            return False
        return await self._elsewhere.renew(*self._sources[channel_id], refused.settings)

    async def _settings(self, channel_id: int, version: int) -> Settings:
        if self._elsewhere is None:
            raise InputError("The channel's settings are in a tenant service that is not set up here.")
        return await self._elsewhere.settings_of(*self._sources[channel_id], version)

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
