"""Tenants and channels of an external tenant service: rows of ours that hold no secret."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import F

from hailgate.accounts.models import Tenant
from hailgate.core.errors import Conflict
from hailgate.core.limits import Limit
from hailgate.messaging.channels.registry import add_channel
from hailgate.messaging.models import Channel, Hook

SOURCE = "tenant_service"


class ExternalChannel(NamedTuple):
    """A channel as the service describes it; ``rate`` is in messages a second."""

    provider: str
    number: str
    settings: Mapping[str, str]
    rate: float | None = None

    @property
    def limit(self) -> Limit | None:
        return None if self.rate is None else Limit(1 / self.rate, max(1, round(self.rate / 10)))


class AppliedTenant(NamedTuple):
    """``versions`` go by the number of the channel."""

    tenant_id: int
    versions: Mapping[str, int]


def apply_tenant(reference: str, channels: Sequence[ExternalChannel], exchanged: Mapping[str, int]) -> AppliedTenant:
    """Make our rows those that the service tells of. Raises InputError for its settings.

    A channel that it does not tell of any more sends nothing; its conversations stay. ``exchanged`` are the channels
    whose settings differ from those at this version: it rises, unless another process has heard of them before.
    """
    tenant, _ = Tenant.objects.get_or_create(name=reference, defaults={"source": SOURCE, "created_at": time.time()})
    known = {row.name: row for row in Channel.objects.filter(tenant_id=tenant.pk, source=reference)}
    for channel in channels:
        if (row := known.pop(channel.number, None)) is None:
            _add(tenant.pk, reference, channel)
        else:
            _follow(row, channel)
    Channel.objects.filter(tenant_id=tenant.pk, pk__in=[row.pk for row in known.values()]).update(active=False)
    ours = Channel.objects.filter(tenant_id=tenant.pk, source=reference)
    for number, version in exchanged.items():
        ours.filter(name=number, version=version).update(version=F("version") + 1)
    return AppliedTenant(tenant.pk, dict(ours.values_list("name", "version")))


def find_reference(tenant_id: int, provider: str) -> str | None:
    """What the service calls this tenant, if it has told of a channel of this provider."""
    told = Channel.objects.filter(tenant_id=tenant_id, provider=provider, active=True).exclude(source="")
    return told.values_list("source", flat=True).first()


def _add(tenant_id: int, reference: str, channel: ExternalChannel) -> None:
    try:
        add_channel(
            tenant_id,
            channel.provider,
            channel.number,
            channel.number,
            channel.settings,
            hook=_only_hook(tenant_id, channel.provider),
            rate=channel.limit,
            source=reference,
        )
    except Conflict:  # another process heard the same
        return


def _follow(row: Channel, channel: ExternalChannel) -> None:
    """One that was away is back, and sends at the rate that is told; where none is, what stands remains."""
    limit = channel.limit or Limit(row.rate_interval, row.rate_burst)
    told = {"active": True, "rate_interval": limit.interval, "rate_burst": limit.burst}
    if any(getattr(row, name) != value for name, value in told.items()):
        Channel.objects.filter(tenant_id=row.tenant_id, pk=row.pk).update(**told, ready_at=0)


def _only_hook(tenant_id: int, provider: str) -> UUID | None:
    """Where the provider's webhooks come in, if the tenant has just one such hook."""
    hooks = Hook.objects.filter(tenant_id=tenant_id, provider=provider, active=True).values_list("uid", flat=True)[:2]
    return hooks[0] if len(hooks) == 1 else None
