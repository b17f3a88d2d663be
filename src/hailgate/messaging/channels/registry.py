"""Channels: made, and found by id or name."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID, uuid4

import msgspec
from django.db import IntegrityError

from hailgate.accounts.seal import sealer
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.core.limits import Limit
from hailgate.messaging.channels.sessions import NOT_PAIRED
from hailgate.messaging.channels.template_account import ensure_business
from hailgate.messaging.models import Hook
from hailgate.messaging.store.sql import as_uuid, atomic_cursor, fetch, fetch_one, now
from hailgate.messaging.store.tables import CHANNEL
from hailgate.providers import get_provider
from hailgate.providers.config import parse_config
from hailgate.providers.spec import AnyProviderSpec

# Of a channel that has sent nothing yet.
_AT_FIRST: Final = {
    "version": 1, "marks_read": True, "active": True, "rate_tat": 0.0, "ready_at": 0.0, "claimed_at": 0.0,
    "breaker_failures": 0,
}  # fmt: skip


class ChannelView(NamedTuple):
    """What a door needs to accept a message for a channel.

    ``calling_code`` is the country of numbers that are written as at home; empty where these are refused.
    """

    id: int
    uid: UUID
    tenant_id: int
    name: str
    number: str
    answered_by: str
    business_id: int | None
    spec: AnyProviderSpec
    calling_code: str = ""


def add_channel(
    tenant_id: int,
    provider: str,
    name: str,
    number: str,
    settings: Mapping[str, str],
    *,
    hook: UUID | None = None,
    answered_by: str = "person",
    rate: Limit | None = None,
    source: str = "",
) -> UUID:
    """``rate`` stands in for the provider's. One that is paired with a phone sends nothing before it is.

    ``source`` is the tenant of an external service that keeps the settings: here they are checked, and not stored.

    Raises InputError for settings, NotFound for the hook, Conflict where the name or the number is taken.
    """
    spec = get_provider(provider)
    config = parse_config(spec.channel_config, settings)
    digits = _digits(number, required=not spec.capabilities.pairs_session)
    uid = uuid4()
    row: dict[str, object] = {
        "tenant_id": tenant_id,
        "uid": uid,
        "name": _name(name),
        "hook_id": _hook_id(tenant_id, hook, spec.name),
        "provider": spec.name,
        "number": digits,
        "account": spec.account_of(config, digits),
        "config": sealer().seal(msgspec.json.encode({} if source else dict(settings)).decode()),
        "answered_by": answered_by,
        "source": source,
        **_limits(spec, rate),
        **_AT_FIRST,
    }
    try:
        with atomic_cursor() as cursor:
            at = now(cursor)
            business = ensure_business(cursor, tenant_id, spec, spec.business_of(config))
            row |= {"library_id": business, "created_at": at, **_pause(spec, at)}
            CHANNEL.insert(cursor, tuple(row), [tuple(row.values())])
    except IntegrityError:
        raise Conflict(f"a channel named {name!r}, or one with this account on this hook, exists already") from None
    return uid


def _name(given: str) -> str:
    name = given.strip()
    if not name or len(given) > 100:
        raise InputError("name: needs 1 to 100 characters.", field="name")
    return name


def _limits(spec: AnyProviderSpec, rate: Limit | None) -> dict[str, object]:
    own, pair = rate or spec.capabilities.channel_limit, spec.capabilities.pair_limit
    return {
        "rate_interval": own.interval,
        "rate_burst": own.burst,
        "pair_interval": pair.interval if pair else 0.0,
        "pair_burst": pair.burst if pair else 0,
    }


def _pause(spec: AnyProviderSpec, at: float) -> dict[str, object]:
    if spec.capabilities.pairs_session:
        return {"paused_at": at, "paused_reason": NOT_PAIRED}
    return {"paused_at": None, "paused_reason": ""}


def _digits(number: str, *, required: bool) -> str:
    """Empty where pairing will tell it. Raises InputError."""
    digits = number.removeprefix("+").replace(" ", "")
    if not digits and not required:
        return ""
    if not (digits.isascii() and digits.isdecimal()) or not 7 <= len(digits) <= 15:
        raise InputError("number: needs 7 to 15 digits, as in +15550100000.", field="number")
    return digits


def _hook_id(tenant_id: int, hook: UUID | None, provider: str) -> int | None:
    if hook is None:
        return None
    found = Hook.objects.filter(tenant_id=tenant_id, uid=hook, provider=provider).values_list("id", flat=True).first()
    if found is None:
        raise NotFound(f"there is no {provider} hook of this id", field="hook")
    return found


def get_channel(tenant_id: int, id_or_name: str) -> ChannelView:
    """Raises InputError where the tenant has no such channel."""
    try:
        column, value = "uid", UUID(id_or_name).hex
    except ValueError:
        column, value = "name", id_or_name
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT id, uid, tenant_id, name, number, answered_by, library_id, provider, calling_code "
            f"FROM messaging_channel WHERE tenant_id = %s AND {column} = %s AND active",
            [tenant_id, value],
        )
    if row is None:
        raise InputError(
            "channel: you have no active channel of this id or name.", code="unknown_channel", field="channel"
        )
    id_, uid, owner, name, number, answered_by, business_id, provider, calling_code = row
    facts = (as_uuid(uid), owner, name, number, answered_by, business_id, get_provider(provider))
    return ChannelView(id_, *facts, calling_code)


def find_only_channel(tenant_id: int) -> ChannelView | None:
    """The active channel of a tenant that has just one."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor, "SELECT uid FROM messaging_channel WHERE tenant_id = %s AND active ORDER BY id LIMIT 2", [tenant_id]
        )
    return get_channel(tenant_id, str(as_uuid(found[0][0]))) if len(found) == 1 else None
