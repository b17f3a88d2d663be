"""Message tokens: what several ids of one message have in common, for providers that call one message by several."""

from collections.abc import Callable

from hailgate.messaging.store.sql import Cursor, fetch_value
from hailgate.providers import get_provider


def find_token(cursor: Cursor, tenant_id: int, channel_id: int, provider_id: str) -> str | None:
    """Of an id of this channel's provider."""
    token_of = find_token_reader(cursor, tenant_id, channel_id)
    return token_of(provider_id) if token_of else None


def find_token_reader(cursor: Cursor, tenant_id: int, channel_id: int) -> Callable[[str], str | None] | None:
    """None where this channel's provider calls each message by one id."""
    provider = fetch_value(
        cursor, "SELECT provider FROM messaging_channel WHERE tenant_id = %s AND id = %s", [tenant_id, channel_id]
    )
    return get_provider(provider).message_token
