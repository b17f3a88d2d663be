"""Rate limits of a tenant or a key: how much they may hand in and send, where somebody has set one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models import Q

from hailgate.accounts.models import ApiKey
from hailgate.core.errors import NotFound
from hailgate.core.limits import Limit
from hailgate.messaging.channels.admin import chosen_rate
from hailgate.messaging.models import Allowance, Allowed, Channel


class RateLimit(NamedTuple):
    """How fast somebody may hand in messages. ``of`` is ``tenant`` or ``key``."""

    id: int
    of: str
    limit: Limit
    tenant_id: int


def allow_tenant(tenant_id: int, allowed: Allowed, per_second: float) -> None:
    """0 lifts the limit. Raises InputError for what is no rate."""
    _allow(per_second, tenant_id=tenant_id, api_key=None, allowed=allowed)
    if allowed is Allowed.SEND:  # what waits by the old limit is looked at anew
        Channel.objects.filter(tenant_id=tenant_id).update(ready_at=0)


def allow_key(tenant_id: int, prefix: str, per_second: float) -> None:
    """How much may be handed in with this key; 0 lifts the limit. Raises NotFound, InputError."""
    key = ApiKey.objects.filter(tenant_id=tenant_id, prefix=prefix, revoked_at=None).first()
    if key is None:
        raise NotFound("there is no valid key with this prefix; see `hailgate key list`", field="prefix")
    _allow(per_second, tenant_id=tenant_id, api_key=key, allowed=Allowed.ACCEPT)


def _allow(per_second: float, **whose: Any) -> None:
    if per_second == 0:
        Allowance.objects.filter(**whose).delete()
        return
    chosen = chosen_rate(per_second)
    # A caller that hands in a second's worth at once is within its rate; what is sent at once adds to its second.
    burst = max(1, int(per_second)) if whose["allowed"] is Allowed.ACCEPT else chosen.burst
    Allowance.objects.update_or_create(defaults={"interval": chosen.interval, "burst": burst, "tat": 0.0}, **whose)


def per_second(tenant_id: int, allowed: Allowed, api_key_id: int | None = None) -> float | None:
    """None where nobody has set a limit."""
    interval = (
        Allowance.objects.filter(tenant_id=tenant_id, allowed=allowed, api_key_id=api_key_id)
        .values_list("interval", flat=True)
        .first()
    )
    return None if interval is None else round(1 / interval, 3)


def rate_limits_of(tenant_id: int, api_key_id: int) -> Sequence[RateLimit]:
    """All that a caller with this key has to keep."""
    ours = Allowance.objects.filter(tenant_id=tenant_id, allowed=Allowed.ACCEPT)
    found = ours.filter(Q(api_key_id=api_key_id) | Q(api_key=None)).order_by("id")
    return [
        RateLimit(row.pk, "key" if row.api_key_id else "tenant", Limit(row.interval, row.burst), tenant_id)
        for row in found
    ]
