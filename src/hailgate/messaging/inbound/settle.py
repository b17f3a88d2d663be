"""Settling: which arrivals are applied now, as what, and in which order; which wait for what belongs to them."""

from collections.abc import Sequence

from hailgate.core.events import EchoedMessage, Ignored, InboundMessage, ProviderEvent, UnreadableMessage
from hailgate.messaging.inbound.arrivals import Arrival, Channels, HookChannel, place_of
from hailgate.messaging.inbound.echoes import Echo, judge_echoes
from hailgate.messaging.inbound.ordering import Dated, put_in_order
from hailgate.messaging.inbound.unreadable import Unread, judge_unreadable
from hailgate.messaging.store.sql import Cursor
from hailgate.providers import get_provider, list_providers


def settle_arrivals(
    cursor: Cursor, channels: Channels, arrivals: Sequence[Arrival], moment: float
) -> Sequence[Arrival]:
    """Those that can be applied now, in the order in which they count; the others wait."""
    arrivals = _with_echoes_judged(cursor, channels, arrivals, moment)
    arrivals = _with_unreadable_judged(cursor, channels, arrivals, moment)
    return _in_order(channels, arrivals, moment)


def _with_echoes_judged(
    cursor: Cursor, channels: Channels, arrivals: Sequence[Arrival], moment: float
) -> Sequence[Arrival]:
    """Echoes of our own sends are statuses; what may be one, and is not known yet, waits."""
    echoing = {spec.name for spec in list_providers() if spec.capabilities.echoes_sends}
    echoes = [
        Echo(arrival.id, arrival.received_at, channel.tenant_id, channel.id, event)
        for arrival in arrivals
        for event in arrival.events
        if isinstance(event, EchoedMessage)
        and (channel := channels.get(place_of(event)))
        and channel.provider in echoing
    ]
    if not echoes:
        return arrivals
    judged = judge_echoes(cursor, echoes, moment)
    ours = {id(echoes[place].event): status for place, status in judged.ours.items()}
    return [
        arrival._replace(events=[ours.get(id(event), event) for event in arrival.events])
        for arrival in arrivals
        if arrival.id not in judged.held
    ]


def _with_unreadable_judged(
    cursor: Cursor, channels: Channels, arrivals: Sequence[Arrival], moment: float
) -> Sequence[Arrival]:
    """What came again and could be read is not shown twice; what may still come again waits."""
    unread = [
        (arrival.id, Unread(channel.id, arrival.received_at, event))
        for arrival in arrivals
        for event in arrival.events
        if isinstance(event, UnreadableMessage) and (channel := channels.get(place_of(event)))
    ]
    if not unread:
        return arrivals
    fates = judge_unreadable(cursor, [each for _, each in unread], moment)
    judged = list(zip(unread, fates, strict=True))
    waiting = {arrival_id for (arrival_id, _), fate in judged if fate.waits and not fate.read}
    read = {id(each.event) for (_, each), fate in judged if fate.read}
    return [
        arrival._replace(events=[_as_read(event) if id(event) in read else event for event in arrival.events])
        for arrival in arrivals
        if arrival.id not in waiting
    ]


def _as_read(event: ProviderEvent) -> Ignored:
    assert isinstance(event, UnreadableMessage)  # noqa: S101 -- only such are judged
    return Ignored(event.account, "message", "unreadable", "It came again and could be read.", event.message_id)


def _in_order(channels: Channels, arrivals: Sequence[Arrival], moment: float) -> Sequence[Arrival]:
    """By the provider's time within each chat, where messages overtake each other; what may be overtaken waits."""
    if not channels or not (settle_s := _settle_s(next(iter(channels.values())))):
        return arrivals
    dated = [
        Dated(place, arrival.received_at, (channel.id, event.chat[0].key), event.at)
        for place, arrival in enumerate(arrivals)
        if len(arrival.events) == 1
        and isinstance(event := arrival.events[0], InboundMessage)
        and (channel := channels.get(place_of(event)))
    ]
    moves, waiting = put_in_order(dated, settle_s, moment)
    return [arrivals[moves.get(place, place)] for place in range(len(arrivals)) if place not in waiting]


def _settle_s(channel: HookChannel) -> float:
    """A hook is of one provider, and so are its channels."""
    return get_provider(channel.provider).capabilities.settle_s
