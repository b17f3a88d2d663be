"""Claiming deliveries: one transaction in which every limit is kept exactly, across all processes.

Channel by channel, the one served longest ago first, its row locked and skipped where another worker has it; then as
many heads as its rate, breaker and the pair limits of their conversations allow. Rows that have run before without
telling an outcome are claimed apart, in groups that shrink with their tries, so that one that kills its worker is found
and buried without the innocent, and a kill from outside does not make a long queue slow.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core import breaker, limits
from hailgate.core.address import Address, AddressKind
from hailgate.core.delivery import LONGEST_RETRY_AFTER
from hailgate.core.errors import ConfigurationError
from hailgate.messaging import rows
from hailgate.messaging.counting import count_after_commit
from hailgate.messaging.leases import find_alive
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.sql import (
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
    now,
    on_postgresql,
)
from hailgate.messaging.statuses import UNPROVEN
from hailgate.messaging.tables import CHANNEL, CONVERSATION, WORK
from hailgate.telemetry import RATE_LIMITED

# Runs that told no outcome before a row counts as poison (reliability contract: at most five tries).
MOST_TRIES = 5
# How many rows are claimed together that ran before without an outcome, by how often they did; from the third run on
# each runs alone. An innocent is delivered by its fourth at the latest, and nothing is buried before its sixth.
SUSPECTS_TOGETHER = {1: 32, 2: 8}
# Channels looked at in one claim; the others come first the next time.
CHANNELS_PER_CLAIM = 200
# A row that was sealed with a key that this process does not have is looked at again after this long.
UNREADABLE_S = 60.0
BREAKER = breaker.BreakerPolicy()
# A channel that is not ready for longer than this and its burst was told so by a clock that ran ahead.
LONGEST_WAIT_S = LONGEST_RETRY_AFTER + limits.CLOCK_SKEW


class Claim(NamedTuple):
    """A delivery that this worker may carry out, with all it needs for it."""

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
    knocks: int
    attempts: int
    tries: int
    expires_at: float | None
    last_inbound_at: float | None
    suppressed: bool
    accepted_at: float


class Claimed(NamedTuple):
    """``moment`` is the database's time of the claim; ``again_at`` is when more may be due, if that is known."""

    claims: list[Claim]
    moment: float
    again_at: float | None


def claim_deliveries(worker_id: int, limit: int) -> Claimed:
    """Lease up to ``limit`` deliveries to this worker, if it is still alive."""
    look = look_for(WorkKind.DELIVERY)
    if not look.due:
        return Claimed([], look.moment, look.earliest)
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return Claimed([], look.moment, None)
        channels = _lock_channels(cursor, moment)
        allowed = {channel.id: channel.allowed(moment) for channel in channels}
        found = _heads(cursor, _shares(allowed, limit), moment)
        heads = _unsealed(cursor, _without_proven(cursor, found, moment), moment)
        taken = _keep_pair_limits(cursor, channels, _suspects_apart(heads), moment)
        taken = _lease(cursor, worker_id, taken)
        _spend(cursor, channels, taken, moment)
        again_at = _again_at(cursor, moment) if not found else None if taken else moment
        return Claimed([_claim(head, channels) for head in taken], moment, again_at)


class Look(NamedTuple):
    """What a look at the rows of one kind found: the database's time, and when the earliest of them is due."""

    moment: float
    earliest: float | None

    @property
    def due(self) -> bool:
        return self.earliest is not None and self.earliest <= self.moment


def look_for(kind: WorkKind) -> Look:
    """Comes before a claim's transaction: on SQLite, nothing takes the write lock only to find nothing.

    One moment answers both "is anything due" and "when will it be", or a row that becomes due in between is in neither.
    """
    with atomic_cursor(read_only=True) as cursor:
        return Look(now(cursor), rows.earliest_due(cursor, kind))


# --- channels ---------------------------------------------------------------------------------------------------------


class _Channel(NamedTuple):
    """The columns of a locked channel that say how much it may send."""

    id: int
    version: int
    rate_interval: float
    rate_burst: int
    rate_tat: float
    pair_interval: float
    pair_burst: int
    breaker_failures: int
    breaker_opened_at: float | None
    breaker_probe_at: float | None
    claimed_at: float

    @property
    def rate(self) -> limits.Limit:
        return limits.Limit(self.rate_interval, self.rate_burst)

    @property
    def pair(self) -> limits.Limit | None:
        return limits.Limit(self.pair_interval, self.pair_burst) if self.pair_burst else None

    @property
    def breaker(self) -> breaker.Breaker:
        return breaker.Breaker(self.breaker_failures, self.breaker_opened_at, self.breaker_probe_at)

    def allowed(self, moment: float) -> int:
        permitted = breaker.permits(self.breaker, moment, BREAKER)
        rate = limits.available(self.rate, self.rate_tat, moment)
        return rate if permitted is None else min(rate, permitted)

    def ready_at(self, moment: float) -> float:
        """When it is worth looking at this channel again."""
        if breaker.permits(self.breaker, moment, BREAKER) == 0:
            return (self.breaker_probe_at or self.breaker_opened_at or moment) + BREAKER.cooldown
        return limits.ready_at(self.rate, self.rate_tat)

    def spend(self, count: int, moment: float) -> "_Channel":
        tat = limits.spend(self.rate, self.rate_tat, moment, count)
        probe_at = breaker.probed(self.breaker, moment).probe_at
        return self._replace(rate_tat=tat, breaker_probe_at=probe_at, claimed_at=moment)


def _lock_channels(cursor: Cursor, moment: float) -> list[_Channel]:
    found = fetch(
        cursor,
        f"""
        SELECT {", ".join(_Channel._fields)}
        FROM messaging_channel channel
        WHERE active AND paused_at IS NULL
        AND (ready_at <= %s OR ready_at > %s + {LONGEST_WAIT_S} + rate_interval * rate_burst) AND EXISTS (
            SELECT 1 FROM messaging_work{indexed_by("work_ready")} WHERE kind = {WorkKind.DELIVERY.value}
            AND state = {WorkState.READY.value} AND channel_id = channel.id AND due_at <= %s)
        {every_tenant("claim")}
        ORDER BY claimed_at, id LIMIT {CHANNELS_PER_CLAIM}{locked(of="channel", skip=True)}
        """,
        [moment, moment, moment],
    )
    return [_Channel._make(row) for row in found]


def _shares(allowed: dict[int, int], limit: int) -> dict[int, int]:
    """Split ``limit`` evenly; what one channel cannot use goes to those after it."""
    shares = {}
    left = limit
    hungry = [id_ for id_, count in allowed.items() if count]
    for place, id_ in enumerate(hungry):
        shares[id_] = min(allowed[id_], max(1, left // (len(hungry) - place)), left)
        left -= shares[id_]
    return {id_: share for id_, share in shares.items() if share}


# --- heads ------------------------------------------------------------------------------------------------------------


class _Head(NamedTuple):
    id: int
    tenant_id: int
    key: int
    channel_id: int
    lease: int
    tries: int
    knocks: int
    attempts: int
    expires_at: float | None
    message_id: int
    uid: UUID | str
    kind: str
    content: str
    address_kind: str
    address: str
    context_id: str
    status: int
    last_inbound_at: float | None
    pair_tat: float
    suppressed: bool
    accepted_at: float


_HEAD_COLUMNS = """
    work.id, work.tenant_id, work.key, work.channel_id, work.lease, work.tries, work.knocks, work.attempts,
    work.expires_at, message.id, message.uid, message.kind, message.content, message.address_kind, message.address,
    message.context_id, message.status, conversation.last_inbound_at, conversation.pair_tat,
    EXISTS (SELECT 1 FROM messaging_suppression suppression JOIN messaging_contactaddress address
            ON address.tenant_id = suppression.tenant_id AND address.digest = suppression.digest
            WHERE suppression.tenant_id = work.tenant_id AND suppression.scope = 'all'
            AND address.contact_id = conversation.contact_id),
    message.accepted_at
"""
_HEAD_JOINS = """
    JOIN messaging_message message ON message.id = work.message_id
    JOIN messaging_conversation conversation ON conversation.id = work.key
"""


def _heads(cursor: Cursor, shares: dict[int, int], moment: float) -> list[_Head]:
    """The oldest due heads of each channel, interactive before bulk."""
    if not shares:
        return []
    if on_postgresql():
        found = fetch(
            cursor,
            f"""
            SELECT {_HEAD_COLUMNS}
            FROM unnest(%b::bigint[], %b::int[]) AS share(channel_id, size)
            CROSS JOIN LATERAL (
                SELECT * FROM messaging_work WHERE kind = {WorkKind.DELIVERY.value}
                AND state = {WorkState.READY.value} AND channel_id = share.channel_id AND due_at <= %s
                ORDER BY priority, due_at, id LIMIT share.size
            ) work {_HEAD_JOINS} {every_tenant("claim")}
            """,
            [list(shares), list(shares.values()), moment],
        )
        return [_Head._make(row) for row in found]
    statement = f"""
        SELECT {_HEAD_COLUMNS} FROM messaging_work work{indexed_by("work_ready")} {_HEAD_JOINS}
        WHERE work.kind = {WorkKind.DELIVERY.value} AND work.state = {WorkState.READY.value}
        AND work.channel_id = %s AND work.due_at <= %s {every_tenant("claim")}
        ORDER BY work.priority, work.due_at, work.id LIMIT %s
    """
    return [_Head._make(row) for id_, share in shares.items() for row in fetch(cursor, statement, [id_, moment, share])]


def _without_proven(cursor: Cursor, heads: Sequence[_Head], moment: float) -> list[_Head]:
    """A status has proven these sent since they were put off, or sent again by hand: no second knock."""
    if proven := [head for head in heads if head.status not in UNPROVEN]:
        keys = [head.key for head in proven]
        rows.lock_conversations(cursor, keys)
        rows.complete(cursor, [head.id for head in proven])
        rows.promote(cursor, WorkKind.DELIVERY, keys, moment)
    return [head for head in heads if head.status in UNPROVEN]


def _unsealed(cursor: Cursor, heads: Sequence[_Head], moment: float) -> list[_Head]:
    """In plain. One whose key is gone is put off, so that it costs nobody else's work: its key may come back."""
    unseal = sealer().unseal
    plain, later = [], []
    for head in heads:
        try:
            plain.append(head._replace(content=unseal(head.content), address=unseal(head.address)))
        except ConfigurationError as lost:
            later.append((head.id, moment + UNREADABLE_S, "unreadable", lost.detail[:300]))
    WORK.update(cursor, ("due_at", "code", "detail"), later)
    return plain


def _suspects_apart(heads: Sequence[_Head]) -> Sequence[_Head]:
    """Those that ran least often before, and no others with them: where there are none, all."""
    suspects = [head for head in heads if head.tries]
    if not suspects:
        return heads
    tries = min(head.tries for head in suspects)
    return [head for head in suspects if head.tries == tries][: SUSPECTS_TOGETHER.get(tries, 1)]


def _keep_pair_limits(
    cursor: Cursor, channels: Sequence[_Channel], heads: Sequence[_Head], moment: float
) -> list[_Head]:
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


def _lease(cursor: Cursor, worker_id: int, heads: Sequence[_Head]) -> list[_Head]:
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


def _spend(cursor: Cursor, channels: Sequence[_Channel], taken: Sequence[_Head], moment: float) -> None:
    """A channel that got nothing, for want of room, keeps its turn."""
    spent: dict[int, int] = defaultdict(int)
    for head in taken:
        spent[head.channel_id] += 1
    changed = []
    for channel in channels:
        after = channel.spend(count, moment) if (count := spent[channel.id]) else channel
        ready_at = 0.0 if after.allowed(moment) else after.ready_at(moment)
        changed.append((after.id, after.rate_tat, after.breaker_probe_at, ready_at, after.claimed_at))
    CHANNEL.update(cursor, ("rate_tat", "breaker_probe_at", "ready_at", "claimed_at"), sorted(changed))


def _again_at(cursor: Cursor, moment: float) -> float | None:
    blocked = fetch_value(
        cursor,
        f"SELECT min(ready_at) FROM messaging_channel WHERE active AND paused_at IS NULL AND ready_at > %s "
        f"{every_tenant('claim')}",
        [moment],
    )
    waits = (blocked, rows.next_due(cursor, WorkKind.DELIVERY, moment))
    return min((wait for wait in waits if wait is not None), default=None)


def _claim(head: _Head, channels: Sequence[_Channel]) -> Claim:
    channel = next(channel for channel in channels if channel.id == head.channel_id)
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
        knocks=head.knocks,
        attempts=head.attempts,
        tries=head.tries + 1,
        expires_at=head.expires_at,
        last_inbound_at=head.last_inbound_at,
        suppressed=bool(head.suppressed),
        accepted_at=head.accepted_at,
    )
