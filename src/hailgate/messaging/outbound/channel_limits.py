"""Channel limits: what a channel and its tenant may send now, columns of rows that whoever claims locks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hailgate.core import breaker, limits, retry_budget
from hailgate.core.slots import Room
from hailgate.messaging.models import Allowed
from hailgate.messaging.store.sql import Cursor, among, array, fetch, locked

BREAKER = breaker.BreakerPolicy()


class ChannelLimits(NamedTuple):
    """The columns of a channel that say how much it may send."""

    id: int
    tenant_id: int
    version: int
    rate_interval: float
    rate_burst: int
    rate_tat: float
    retry_tat: float
    pair_interval: float
    pair_burst: int
    breaker_failures: int
    breaker_opened_at: float | None
    breaker_probe_at: float | None
    breaker_share: float
    claimed_at: float
    successes: int
    passed_at: float | None

    @property
    def rate(self) -> limits.Limit:
        return limits.Limit(self.rate_interval, self.rate_burst)

    @property
    def floor(self) -> limits.Limit:
        """Of its retries."""
        return retry_budget.floor_of(self.rate)

    @property
    def pair(self) -> limits.Limit | None:
        return limits.Limit(self.pair_interval, self.pair_burst) if self.pair_burst else None

    @property
    def breaker(self) -> breaker.Breaker:
        return breaker.Breaker(self.breaker_failures, self.breaker_opened_at, self.breaker_probe_at, self.breaker_share)

    @property
    def is_well(self) -> bool:
        """What failed before is as good as new: a backlog drains at the channel's own rate."""
        return self.successes >= retry_budget.WELL_AFTER

    @property
    def is_open(self) -> bool:
        return self.breaker_opened_at is not None

    def allowed(self, moment: float) -> int:
        permitted = breaker.permits(self.breaker, moment, BREAKER)
        rate = limits.available(self.rate, self.rate_tat, moment)
        return rate if permitted is None else min(rate, permitted)

    def retries_allowed(self, moment: float) -> int:
        return self.rate_burst if self.is_well else limits.available(self.floor, self.retry_tat, moment)

    def probes_at(self, moment: float) -> float | None:
        """When an open breaker lets the next probe out; None where it lets all pass, or this one."""
        state = self.breaker
        if breaker.permits(state, moment, BREAKER) != 0:
            return None
        return (state.probe_at or state.opened_at or moment) + breaker.cooldown(state, BREAKER)

    def ready_at(self, moment: float) -> float:
        """When it is worth looking at this channel again."""
        return self.probes_at(moment) or limits.ready_at(self.rate, self.rate_tat)

    def retries_at(self) -> float:
        return limits.ready_at(self.floor, self.retry_tat)

    def spend(self, first: int, retries: int, moment: float) -> "ChannelLimits":
        tat = limits.spend(self.rate, self.rate_tat, moment, first + retries)
        fresh, again = (first + retries, 0) if self.is_well else (first, retries)
        retry_tat = retry_budget.spend(self.floor, self.retry_tat, moment, fresh, again)
        probe_at = breaker.probed(self.breaker, moment).probe_at
        return self._replace(rate_tat=tat, retry_tat=retry_tat, breaker_probe_at=probe_at, claimed_at=moment)


class TenantLimit(NamedTuple):
    """How much all channels of a tenant may send together, where somebody has said so."""

    id: int
    tenant_id: int
    interval: float
    burst: int
    tat: float

    @property
    def limit(self) -> limits.Limit:
        return limits.Limit(self.interval, self.burst)

    def allowed(self, moment: float) -> int:
        return limits.available(self.limit, self.tat, moment)

    def ready_at(self) -> float:
        return limits.ready_at(self.limit, self.tat)

    def spend(self, count: int, moment: float) -> "TenantLimit":
        return self._replace(tat=limits.spend(self.limit, self.tat, moment, count))


TENANT_LIMITED = (
    f"EXISTS (SELECT 1 FROM messaging_allowance WHERE tenant_id = channel.tenant_id AND allowed = {Allowed.SEND.value})"
)


def lock_tenant_limits(cursor: Cursor, tenant_ids: Iterable[int]) -> dict[int, TenantLimit]:
    """After the channels, in id order."""
    found = fetch(
        cursor,
        f"SELECT {', '.join(TenantLimit._fields)} FROM messaging_allowance "
        f"WHERE {among('tenant_id')} AND allowed = {Allowed.SEND.value} ORDER BY id{locked()}",
        [array(set(tenant_ids))],
    )
    return {limit.tenant_id: limit for limit in map(TenantLimit._make, found)}


class Share(NamedTuple):
    """What one channel may send in this claim, and how many of them may be retries."""

    room: int
    retries: int
    probing: bool


def share_out(
    channels: Sequence[ChannelLimits], tenants: Mapping[int, TenantLimit], slots: Room, moment: float
) -> dict[int, Share]:
    """Split the slots evenly over the channels that may send; what one cannot use goes to those after it."""
    rooms = _rooms(channels, tenants, moment)
    shares = {}
    hungry = [channel for channel in channels if rooms[channel.id]]
    for place, channel in enumerate(hungry):
        even = max(1, slots.total // (len(hungry) - place))
        room = min(rooms[channel.id], even, slots.of(channel.id))
        if room:
            slots.take(channel.id, room)
            shares[channel.id] = Share(room, min(room, channel.retries_allowed(moment)), channel.is_open)
    return shares


def _rooms(channels: Sequence[ChannelLimits], tenants: Mapping[int, TenantLimit], moment: float) -> dict[int, int]:
    """What each may send by its own limits and, in their turn, by what their tenant has left."""
    left = {tenant_id: limit.allowed(moment) for tenant_id, limit in tenants.items()}
    rooms = {}
    for channel in channels:
        rooms[channel.id] = min(channel.allowed(moment), left.get(channel.tenant_id, channel.rate_burst))
        if channel.tenant_id in left:
            left[channel.tenant_id] -= rooms[channel.id]
    return rooms
