"""Effect keys: raw webhooks may repeat, effects do not.

The key of an event is written in the transaction of its effect, and an event whose key is there already has none.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from hailgate.core.events import (
    AccountTrouble,
    ContactChange,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MarketingChoice,
    MessageChange,
    MessageStatus,
    ProviderEvent,
    SessionChange,
    TemplateChange,
    ThreadOwnerChange,
    UnreadableMessage,
)
from hailgate.messaging.inbound.arrivals import Arrival, Channels, HookChannel, place_of
from hailgate.messaging.store.sql import Cursor
from hailgate.messaging.store.tables import EFFECT

_WORDS: dict[type[ProviderEvent], str] = {
    InboundMessage: "message",
    EchoedMessage: "echo",
    UnreadableMessage: "unreadable",
    MessageStatus: "status",
    MessageChange: "change",
    ContactChange: "contact",
    ThreadOwnerChange: "owner",
    MarketingChoice: "choice",
    TemplateChange: "template",
    SessionChange: "session",
}
EFFECTIVE = frozenset(_WORDS.values())


def record_effects(
    cursor: Cursor, channels: Channels, arrivals: Sequence[Arrival], moment: float
) -> set[tuple[int, str]]:
    """The effects that are new, as pairs of channel and key."""
    wanted, former = {}, {}
    for arrival in arrivals:
        for event in arrival.events:
            channel = channels.get(place_of(event))
            if channel is not None and not isinstance(event, AccountTrouble | Ignored | SessionChange):
                key = event.effect_key().hex()
                wanted[channel.id, key] = (channel.tenant_id, channel.id, key, moment)
                if untokened := _former_key(event):
                    former[channel.id, untokened] = channel.id, key
    new = EFFECT.insert_new(
        cursor, ("tenant_id", "channel_id", "key", "at"), list(wanted.values()), unique=("channel_id", "key")
    )
    told_before = EFFECT.find(cursor, ("channel_id", "key"), former, by=("channel_id", "key"))
    return {(channel_id, key) for channel_id, key in new} - {former[channel_id, key] for channel_id, key in told_before}


def _former_key(event: ProviderEvent) -> str | None:
    """Under which 0.1 recorded what has a token: a server lists what was told before the upgrade, too."""
    if isinstance(event, InboundMessage | MessageChange | MessageStatus) and event.message_token:
        return replace(event, message_token="").effect_key().hex()
    return None


def tell_effect(event: ProviderEvent, channel: HookChannel | None, fresh: set[tuple[int, str]]) -> str:
    """What an event comes to, in words. ``fresh`` is used up, so that a repeat inside the batch has no effect."""
    if isinstance(event, Ignored):
        return f"ignored ({event.field} {event.kind}: {event.note})"
    if isinstance(event, AccountTrouble):
        return f"trouble ({event.kind}: {event.words})"
    if channel is None:
        return f"for {'an account' if isinstance(event, TemplateChange) else 'a number'} not attached here"
    if isinstance(event, SessionChange):
        return _WORDS[SessionChange]
    place = (channel.id, event.effect_key().hex())
    if place not in fresh:
        return "repeated"
    fresh.discard(place)
    return _WORDS[type(event)]
