"""Waits: why a message is not sent yet, and until when; worked out on demand from the rows that limit it."""

from collections.abc import Iterator
from typing import NamedTuple

from hailgate.core import limits
from hailgate.core.wait_reasons import Wait
from hailgate.messaging.models import Allowance, Allowed, Channel, Message, Work, WorkKind, WorkState
from hailgate.messaging.outbound.channel_limits import ChannelLimits, TenantLimit
from hailgate.messaging.store.sql import atomic_cursor, fetch_value, indexed_by, keyed, now
from hailgate.messaging.work import rows

# Those before it are counted up to here: whoever waits behind more learns that it will be long.
MOST_COUNTED = 10_000


class Reason(NamedTuple):
    """``until`` is the earliest moment, seconds since the epoch; None where it is up to somebody."""

    wait: Wait
    until: float | None = None


class QueuePlace(NamedTuple):
    """Where a delivery stands, with all that may hold it back."""

    work: Work
    channel: Channel
    limits: ChannelLimits
    tenant: TenantLimit | None
    pair_tat: float
    held_until: float | None
    ahead: int


def tell_waiting(message: Message) -> tuple[float, list[Reason]]:
    """The moment of asking, and why this message has not been sent by then; no reason for one that is not waiting.

    ``channel`` and ``conversation`` are loaded with it.
    """
    ours = Work.objects.filter(message_id=message.id, kind=WorkKind.DELIVERY)
    work = keyed(ours.filter(state__in=[WorkState.WAITING, WorkState.READY]), message.tenant_id).first()
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
    if work is None:
        return moment, []
    return moment, list(reasons(_place(message, work, moment), moment))


def reasons(place: QueuePlace, moment: float) -> Iterator[Reason]:
    """Those of its own first, then those of its conversation, its channel and its tenant."""
    scheduled = place.work.state == WorkState.WAITING and place.work.due_at > moment
    if scheduled:
        yield Reason(Wait.SCHEDULED, place.work.due_at)
    elif place.work.state == WorkState.WAITING:
        yield from _behind(place, moment)
    else:
        yield from _as_head(place, moment)
    yield from _by_channel(place, moment)
    if place.tenant and not place.tenant.allowed(moment):
        yield Reason(Wait.TENANT, place.tenant.ready_at())


def _behind(place: QueuePlace, moment: float) -> Iterator[Reason]:
    if place.held_until is not None and place.held_until > moment:
        yield Reason(Wait.HELD, place.held_until)
    else:
        yield Reason(Wait.ANOTHER)


def _as_head(place: QueuePlace, moment: float) -> Iterator[Reason]:
    pair, due_at = place.limits.pair, place.work.due_at
    if pair and not limits.available(pair, place.pair_tat, moment):
        yield Reason(Wait.PAIR, limits.ready_at(pair, place.pair_tat))
    elif due_at > moment:
        yield Reason(Wait.RETRY, due_at)
    elif place.work.priority >= rows.RETRIED and not place.limits.retries_allowed(moment):
        yield Reason(Wait.BUDGET, place.limits.retries_at())


def _by_channel(place: QueuePlace, moment: float) -> Iterator[Reason]:
    channel = place.limits
    rate_at = limits.ready_at(channel.rate, channel.rate_tat)
    if not place.channel.active:
        yield Reason(Wait.OFF)
    if place.channel.paused_at is not None:
        yield Reason(Wait.PAUSED)
    if probes_at := channel.probes_at(moment):
        yield Reason(Wait.BREAKER, probes_at)
    elif not limits.available(channel.rate, channel.rate_tat, moment) or place.ahead >= channel.rate_burst:
        yield Reason(Wait.RATE, max(moment, rate_at) + place.ahead * channel.rate_interval)
    elif place.channel.ready_at > moment and (place.tenant is None or place.tenant.allowed(moment)):
        yield Reason(Wait.REST, place.channel.ready_at)


def _place(message: Message, work: Work, moment: float) -> QueuePlace:
    channel = message.channel
    root = message.conversation.merged_into or message.conversation
    allowance = Allowance.objects.filter(tenant_id=message.tenant_id, allowed=Allowed.SEND, api_key=None).first()
    return QueuePlace(
        work=work,
        channel=channel,
        limits=ChannelLimits(*(getattr(channel, name) for name in ChannelLimits._fields)),
        tenant=TenantLimit(*(getattr(allowance, name) for name in TenantLimit._fields)) if allowance else None,
        pair_tat=root.pair_tat,
        held_until=root.held_until,
        ahead=_count_ahead(work, moment) if work.state == WorkState.READY and work.due_at <= moment else 0,
    )


def _count_ahead(work: Work, moment: float) -> int:
    """Heads of its channel that are claimed before it, as far as the order of its own kind goes."""
    before = "(priority < %s OR (priority = %s AND (due_at < %s OR (due_at = %s AND id < %s))))"
    with atomic_cursor(read_only=True) as cursor:
        counted: int = fetch_value(
            cursor,
            f"SELECT count(*) FROM (SELECT 1 FROM messaging_work{indexed_by('work_ready')} WHERE tenant_id = %s "
            f"AND kind = {WorkKind.DELIVERY.value} AND state = {WorkState.READY.value} AND channel_id = %s "
            f"AND due_at <= %s AND {before} LIMIT {MOST_COUNTED}) ahead",
            [work.tenant_id, work.channel_id, moment, work.priority, work.priority, work.due_at, work.due_at, work.id],
        )
    return counted
