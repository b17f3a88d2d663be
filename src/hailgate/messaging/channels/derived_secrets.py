"""Derived secrets: what a provider made of a channel's settings, such as a session's token; kept sealed."""

from collections.abc import Mapping

import msgspec

from hailgate.accounts.seal import sealer
from hailgate.messaging.channels.sessions import session_of
from hailgate.messaging.models import Session
from hailgate.messaging.store.sql import atomic_cursor, every_tenant, fetch_value, now
from hailgate.providers.config import Secret


def unseal_secrets(stored: str) -> Mapping[str, Secret]:
    """Of the sealed column; empty where there are none."""
    kept = msgspec.json.decode(sealer().unseal(stored), type=dict[str, str]) if stored else {}
    return {name: Secret(value) for name, value in kept.items()}


def keep_secrets(channel_id: int, secrets: Mapping[str, Secret]) -> None:
    """In place of those of the same name."""
    with atomic_cursor() as cursor:
        tenant_id = fetch_value(
            cursor, f"SELECT tenant_id FROM messaging_channel WHERE id = %s {every_tenant('by key')}", [channel_id]
        )
        if tenant_id is None:
            return
        session = session_of(tenant_id, channel_id, now(cursor))
        kept = {**unseal_secrets(session.secrets), **secrets}
        plain = msgspec.json.encode({name: secret.reveal() for name, secret in kept.items()}).decode()
        Session.objects.filter(tenant_id=tenant_id, pk=session.pk).update(secrets=sealer().seal(plain))
