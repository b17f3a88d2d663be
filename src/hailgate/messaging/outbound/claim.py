"""Claiming deliveries: one transaction in which every limit is kept exactly, across all processes.

Channel by channel, the one served longest ago first, its row locked and skipped where another worker has it; then as
many heads as its rate, breaker and the pair limits of their conversations allow. Rows that have run before without
telling an outcome are claimed apart, in groups that shrink with their tries, so that one that kills its worker is found
and buried without the innocent, and a kill from outside does not make a long queue slow.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core import limits
from hailgate.core.address import Address, AddressKind
from hailgate.core.delivery import LONGEST_RETRY_AFTER, Past
from hailgate.core.errors import ConfigurationError
from hailgate.core.slots import Room
from hailgate.core.status import UNPROVEN
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.channel_limits import (
    TENANT_LIMITED,
    ChannelLimits,
    Share,
    TenantLimit,
    lock_tenant_limits,
    share_out,
)
from hailgate.messaging.outbound.heads import DeliveryHead, find_heads
from hailgate.messaging.store.commit_counters import count_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    as_uuid,
    aside,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_value,
    indexed_by,
    locked,
)
from hailgate.messaging.store.tables import ALLOWANCE, CHANNEL, CONVERSATION, WORK
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import UNREADABLE_S, Batch, look_for, restrict
from hailgate.messaging.work.leases import find_alive
from hailgate.telemetry.metrics import RATE_LIMITED

# How many rows are claimed together that ran before without an outcome, by how often they did; from the third run on
# each runs alone. An innocent is delivered by its fourth at the latest, and nothing is buried before its sixth.
SUSPECTS_TOGETHER = {1: 32, 2: 8}
# Channels looked at in one claim; the others come first the next time.
CHANNELS_PER_CLAIM = 200
# A channel that is not ready for longer than this and its burst was told so by a clock that ran ahead.
LONGEST_WAIT_S = LONGEST_RETRY_AFTER + limits.CLOCK_SKEW


class Claim(NamedTuple):
    """A delivery that this worker may carry out, with all it needs for it.

    ``attempt_no`` is the number of the attempt that it may now have, among all of its message; ``spent`` counts those
    that count against it, and ``crashes`` its runs before this one that told no outcome. ``suppressed`` is a person
    who wants no messages at all; ``opted_out`` one who wants no marketing, and this is a template. ``failing_since``,
    ``passing_since``, ``channel_well`` and ``pair_refusals`` are those of ``Past``.
    ``window_unsure`` where only the provider knows whether the window is open; ``free_until`` keeps it open, too.
    ``cause`` is the turn that it answers. ``unasked`` where the person wants nothing but answers, and this is none.
    """

    id: int
    lease: int
    tenant_id: int
    conversation_id: int
    channel_id: int
    channel_version: int
    message_id: int
    uid: UUID
    kind: str
    content: str
    to: Address
    context_id: str
    priority: int
    attempt_no: int
    spent: int
    crashes: int
    expires_at: float | None
    last_inbound_at: float | None
    window_unsure: bool
    suppressed: bool
    opted_out: bool
    accepted_at: float
    failing_since: float | None = None
    passing_since: float | None = None
    channel_well: bool = False
    pair_refusals: int = 0
    free_until: float = 0.0
    cause: int | None = None
    unasked: bool = False

    @property
    def past(self) -> Past:
        """What is known of it when its attempt fails."""
        return Past(
            self.spent, self.failing_since, self.passing_since, self.channel_well, self.pair_refusals, self.expires_at
        )


def claim_deliveries(worker_id: int, room: Room) -> Batch[Claim]:
    """Lease deliveries to this worker, as ``room`` allows, if it is still alive."""
    look = look_for(WorkKind.DELIVERY)
    if not look.due:
        return Batch([], look.moment, look.earliest)
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return Batch([], look.moment, None)
        channels, tenants = _lock_channels(cursor, room, moment)
        shares = share_out(channels, tenants, room, moment)
        found = find_heads(cursor, shares, moment)
        heads = _unsealed(cursor, _without_proven(cursor, found, moment), moment)
        taken = _keep_pair_limits(cursor, channels, _suspects_apart(heads), moment)
        taken = _lease(cursor, worker_id, taken)
        _spend(cursor, channels, tenants, shares, taken, moment)
        again_at = _again_at(cursor, channels, moment) if not found else None if taken else moment
        served = {channel.id: channel for channel in channels}
        return Batch([_claim(head, served[head.channel_id]) for head in taken], moment, again_at)


def _lock_channels(cursor: Cursor, room: Room, moment: float) -> tuple[list[ChannelLimits], dict[int, TenantLimit]]:
    """Those on which something is due, the one served longest ago first, and what limits their tenants."""
    where, known = restrict(room, "channel.id")
    found = fetch(
        cursor,
        f"""
        SELECT {", ".join(ChannelLimits._fields)}, {TENANT_LIMITED}
        FROM messaging_channel channel
        WHERE active AND paused_at IS NULL {where}
        AND (ready_at <= %s OR ready_at > %s + {LONGEST_WAIT_S} + rate_interval * rate_burst) AND EXISTS (
            SELECT 1 FROM messaging_work{indexed_by("work_ready")} WHERE kind = {WorkKind.DELIVERY.value}
            AND state = {WorkState.READY.value} AND channel_id = channel.id AND due_at <= %s)
        {every_tenant("claim")}
        ORDER BY claimed_at, id LIMIT {CHANNELS_PER_CLAIM}{locked(of="channel", skip=True)}
        """,
        [*known, moment, moment, moment],
    )
    channels = [ChannelLimits._make(row[:-1]) for row in found]
    limited = {channel.tenant_id for channel, row in zip(channels, found, strict=True) if row[-1]}
    return channels, lock_tenant_limits(cursor, limited) if limited else {}


def _without_proven(cursor: Cursor, heads: Sequence[DeliveryHead], moment: float) -> list[DeliveryHead]:
    """A status has proven these sent since they were put off, or sent again by hand: no second knock."""
    if proven := [head for head in heads if head.status not in UNPROVEN]:
        keys = [head.key for head in proven]
        rows.lock_conversations(cursor, keys)
        rows.complete(cursor, [head.id for head in proven])
        rows.promote(cursor, WorkKind.DELIVERY, keys, moment)
    return [head for head in heads if head.status in UNPROVEN]


def _unsealed(cursor: Cursor, heads: Sequence[DeliveryHead], moment: float) -> list[DeliveryHead]:
    """In plain. One whose key is gone is put off, so that it costs nobody else's work: its key may come back."""
    unseal = sealer().unseal
    plain, later = [], []
    for head in heads:
        try:
            content, address = unseal(head.content), unseal(head.address)
        except ConfigurationError as lost:
            later.append((head.id, moment + UNREADABLE_S, "unreadable", lost.detail[:300]))
            continue
        as_stored = content == head.content and address == head.address
        plain.append(head if as_stored else head._replace(content=content, address=address))
    WORK.update(cursor, ("due_at", "code", "detail"), later)
    return plain


def _suspects_apart(heads: Sequence[DeliveryHead]) -> Sequence[DeliveryHead]:
    """Those that ran least often before, and no others with them: where there are none, all."""
    suspects = [head for head in heads if head.crashes]
    if not suspects:
        return heads
    fewest = min(head.crashes for head in suspects)
    return [head for head in suspects if head.crashes == fewest][: SUSPECTS_TOGETHER.get(fewest, 1)]


def _keep_pair_limits(
    cursor: Cursor, channels: Sequence[ChannelLimits], heads: Sequence[DeliveryHead], moment: float
) -> list[DeliveryHead]:
    """Those whose recipient may be written to now; the others are due when theirs may. Spends no attempt."""
    pairs = {channel.id: channel.pair for channel in channels}
    taken, tats, later, limited = [], [], [], []
    for head in heads:
        pair = pairs[head.channel_id]
        if pair is None:
            taken.append(head)
        elif limits.available(pair, head.pair_tat, moment):
            taken.append(head)
            tats.append((head.key, limits.spend(pair, head.pair_tat, moment, 1)))
        else:
            later.append((head.id, limits.ready_at(pair, head.pair_tat), "pair_rate_limited"))
            limited.append((head.tenant_id, head.channel_id))
    if tats:
        rows.lock_conversations(cursor, [key for key, _ in tats])
        CONVERSATION.update(cursor, ("pair_tat",), tats)
    WORK.update(cursor, ("due_at", "code"), later)
    count_after_commit(RATE_LIMITED, limited, by="recipient")
    return taken


def _lease(cursor: Cursor, worker_id: int, heads: Sequence[DeliveryHead]) -> list[DeliveryHead]:
    """Those that were still ready. Counted before it runs: ``tries`` rises here and is set back by an outcome."""
    ids = array(head.id for head in heads)
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.LEASED.value}, worker_id = %s, lease = lease + 1, "
        f"tries = tries + 1, code = '', detail = '' WHERE {among('id')} AND {aside('state')} = {WorkState.READY.value} "
        f"{every_tenant('claim')}",
        [worker_id, ids],
    )
    if cursor.rowcount == len(heads):
        return list(heads)
    leased = fetch(
        cursor,
        f"SELECT id, lease FROM messaging_work WHERE {among('id')} AND worker_id = %s {every_tenant('claim')}",
        [ids, worker_id],
    )
    return [head for head in heads if (head.id, head.lease + 1) in leased]


def _spend(  # noqa: PLR0917 - all that was looked at for a claim
    cursor: Cursor,
    channels: Sequence[ChannelLimits],
    tenants: dict[int, TenantLimit],
    shares: dict[int, Share],
    taken: Sequence[DeliveryHead],
    moment: float,
) -> None:
    """A channel that got nothing for want of room keeps its turn; one that had room and nothing to send has had it."""
    first = Counter(head.channel_id for head in taken if not head.is_retry)
    retries = Counter(head.channel_id for head in taken if head.is_retry)
    sent = Counter(head.tenant_id for head in taken)
    left = {tenant_id: limit.spend(sent[tenant_id], moment) for tenant_id, limit in tenants.items()}
    changed = []
    for channel in channels:
        count = first[channel.id] + retries[channel.id]
        after = channel.spend(first[channel.id], retries[channel.id], moment) if count else channel
        claimed_at = moment if count or channel.id in shares else channel.claimed_at
        ready_at = _ready_at(after, left.get(channel.tenant_id), moment)
        changed.append((after.id, after.rate_tat, after.retry_tat, after.breaker_probe_at, ready_at, claimed_at))
    columns = ("rate_tat", "retry_tat", "breaker_probe_at", "ready_at", "claimed_at")
    CHANNEL.update(cursor, columns, sorted(changed))
    ALLOWANCE.update(
        cursor, ("tat",), sorted((limit.id, limit.tat) for limit in left.values() if sent[limit.tenant_id])
    )


def _ready_at(channel: ChannelLimits, tenant: TenantLimit | None, moment: float) -> float:
    """0 for a channel that may send more."""
    own = 0.0 if channel.allowed(moment) else channel.ready_at(moment)
    shared = 0.0 if tenant is None or tenant.allowed(moment) else tenant.ready_at()
    return max(own, shared)


def _again_at(cursor: Cursor, channels: Sequence[ChannelLimits], moment: float) -> float | None:
    """When more is due that nothing limits: a channel that is ready, a row, a retry that its channel may afford."""
    blocked = fetch_value(
        cursor,
        f"SELECT min(ready_at) FROM messaging_channel WHERE active AND paused_at IS NULL AND ready_at > %s "
        f"{every_tenant('claim')}",
        [moment],
    )
    waits = [blocked, rows.next_due(cursor, WorkKind.DELIVERY, moment)]
    waits += [channel.retries_at() for channel in channels if not channel.retries_allowed(moment)]
    return min((wait for wait in waits if wait is not None), default=None)


def _claim(head: DeliveryHead, channel: ChannelLimits) -> Claim:
    return Claim(
        id=head.id,
        lease=head.lease + 1,
        tenant_id=head.tenant_id,
        conversation_id=head.key,
        channel_id=head.channel_id,
        channel_version=channel.version,
        message_id=head.message_id,
        uid=as_uuid(head.uid),
        kind=head.kind,
        content=head.content,
        to=Address(AddressKind(head.address_kind), head.address),
        context_id=head.context_id,
        priority=head.priority,
        attempt_no=head.attempts_made + 1,
        spent=head.spent,
        crashes=head.crashes,
        expires_at=head.expires_at,
        last_inbound_at=head.last_inbound_at,
        window_unsure=bool(head.window_unsure),
        suppressed=bool(head.suppressed),
        opted_out=bool(head.opted_out),
        unasked=bool(head.unasked),
        accepted_at=head.accepted_at,
        failing_since=head.failing_since,
        passing_since=channel.passed_at,
        channel_well=channel.is_well and not channel.is_open,
        pair_refusals=head.pair_refusals,
        free_until=head.free_until,
        cause=head.cause,
    )
