"""Quotes: the messages that others answer to, found by the provider's ids for them."""

from collections.abc import Mapping, Sequence

from hailgate.messaging.models import Message
from hailgate.messaging.store.sql import keyed

Quoted = Mapping[tuple[int, str], Message]
"""By channel and the provider's id. One that is not here is not in it: it came before us, or was never told."""


def find_quoted(tenant_id: int, messages: Sequence[Message]) -> Quoted:
    wanted = {message.context_id for message in messages if message.context_id}
    if not wanted:
        return {}
    channels = {message.channel_id for message in messages}
    found = keyed(Message.objects.filter(channel_id__in=channels, provider_id__in=wanted), tenant_id)
    return {(message.channel_id, str(message.provider_id)): message for message in found}
