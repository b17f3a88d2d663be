"""Credentials and settings of channels, unsealed: what a worker connects with, and what a channel can do by them."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hailgate.accounts.seal import sealer
from hailgate.core.errors import HailgateError, NotFound
from hailgate.core.kinds import Kinds
from hailgate.core.window import Outside, OutsideWindow
from hailgate.messaging.channels.derived_secrets import unseal_secrets
from hailgate.messaging.channels.hooks import HOOKS
from hailgate.messaging.store.sql import Cursor, Row, atomic_cursor, every_tenant, fetch, fetch_one
from hailgate.providers import get_provider
from hailgate.providers.config import Secret, parse_config
from hailgate.providers.contract import Connection, Keep, Provider, forget
from hailgate.providers.spec import AnyProviderSpec

if TYPE_CHECKING:
    from hailgate.providers.transport import Transport


class _Elsewhere(msgspec.Struct):
    """Settings that an external service keeps."""


class ChannelCredentials(NamedTuple):
    """What a worker needs to connect a channel; ``version`` rises when they change.

    ``hook_path`` is where its hook answers, empty without one.
    """

    version: int
    spec: AnyProviderSpec
    config: msgspec.Struct
    answered_by: str
    marks_read: bool
    number: str | None
    hook_path: str
    secrets: Mapping[str, Secret]
    source: str
    outside: OutsideWindow

    def configured(self, settings: Mapping[str, str]) -> "ChannelCredentials":
        """With settings from where ``source`` keeps them. Raises InputError."""
        return self._replace(config=parse_config(self.spec.channel_config, settings))

    def connect(self, transport: "Transport", public_url: str = "", keep: Keep = forget) -> Provider:
        """``public_url`` is where providers reach this installation, empty where they do not."""
        hook_url = f"{public_url}{self.hook_path}" if public_url and self.hook_path else None
        connection = Connection(
            config=self.config,
            transport=transport,
            number=self.number,
            hook_url=hook_url,
            secrets=self.secrets,
            keep=keep,
        )
        return self.spec.connect(connection)


def get_credentials(channel_id: int) -> ChannelCredentials:
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT version, channel.provider, channel.config, answered_by, marks_read, channel.number, hook.token, "
            f"session.secrets, source, outside_window, fallback_template FROM messaging_channel channel "
            f"LEFT JOIN messaging_hook hook ON hook.id = channel.hook_id "
            f"LEFT JOIN messaging_session session ON session.channel_id = channel.id "
            f"WHERE channel.id = %s {every_tenant('by key')}",
            [channel_id],
        )
    if row is None:
        raise NotFound("there is no such channel")
    return _credentials(row)


def _credentials(row: Row) -> ChannelCredentials:
    version, provider, config, answered_by, marks_read, number, token, kept, source, outside, fallback = row
    spec = get_provider(provider)
    return ChannelCredentials(
        version=version,
        spec=spec,
        config=_Elsewhere() if source else parse_config(spec.channel_config, unseal_settings(config)),
        answered_by=answered_by,
        marks_read=bool(marks_read),
        number=number or None,
        hook_path=f"{HOOKS}/{sealer().unseal(token)}" if token else "",
        secrets=unseal_secrets(kept or ""),
        source=source,
        outside=OutsideWindow(Outside(outside), fallback),
    )


def unseal_settings(sealed: str) -> dict[str, str]:
    """Of a hook or channel, as they were given. Raises SealError where no key fits."""
    return msgspec.json.decode(sealer().unseal(sealed), type=dict[str, str])


def find_kinds(cursor: Cursor, channel_id: int) -> Kinds:
    """What a channel takes of each kind of message."""
    [row] = fetch(
        cursor,
        f"SELECT provider, config, source FROM messaging_channel WHERE id = %s {every_tenant('by key')}",
        [channel_id],
    )
    return kinds_by(*row)


def kinds_by(provider: str, config: str, source: str) -> Kinds:
    """By a channel's settings; by its provider alone where these are kept elsewhere, or cannot be read."""
    spec = get_provider(provider)
    if not source:
        with suppress(HailgateError, msgspec.DecodeError):
            settings = msgspec.json.decode(sealer().unseal(config))
            return spec.kinds_for(parse_config(spec.channel_config, settings))
    return spec.capabilities.kinds


def warn_of_settings(provider: str, config: str, source: str, now: float) -> str | None:
    """What of a channel's settings will soon work no more; nothing is known of what is kept elsewhere or broken."""
    spec = get_provider(provider)
    if spec.warn is None or source:
        return None
    with suppress(HailgateError, msgspec.DecodeError):
        settings = msgspec.json.decode(sealer().unseal(config))
        return spec.warn(parse_config(spec.channel_config, settings), now)
    return None
