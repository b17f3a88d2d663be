"""Hooks and channels: made, found, and turned into receivers and providers."""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec
from django.db import IntegrityError

from hailgate.accounts.seal import sealer
from hailgate.core.errors import Conflict, HailgateError, InputError, NotFound
from hailgate.core.limits import Limit
from hailgate.messaging.businesses import ensure_business
from hailgate.messaging.models import Hook
from hailgate.messaging.sql import Row, among, array, as_uuid, atomic_cursor, every_tenant, fetch, fetch_one, now
from hailgate.messaging.tables import CHANNEL, HOOK
from hailgate.providers import get_provider
from hailgate.providers.contract import AnyProviderSpec, Receiver, parse_config


class NewHook(NamedTuple):
    """A hook as it was made; ``token`` is the only secret in its path."""

    id: UUID
    token: str

    @property
    def path(self) -> str:
        return f"/hooks/{self.token}"


class HookView(NamedTuple):
    """What the edge needs to judge a webhook."""

    id: int
    uid: UUID
    tenant_id: int
    spec: AnyProviderSpec
    receiver: Receiver


class ChannelView(NamedTuple):
    """What a door needs to accept a message for a channel."""

    id: int
    uid: UUID
    tenant_id: int
    name: str
    number: str
    answered_by: str
    business_id: int | None
    spec: AnyProviderSpec


class ChannelCredentials(NamedTuple):
    """What a worker needs to connect a channel; ``version`` rises when they change."""

    version: int
    spec: AnyProviderSpec
    config: msgspec.Struct
    answered_by: str
    marks_read: bool


def add_hook(tenant_id: int, provider: str, settings: Mapping[str, str]) -> NewHook:
    """Raises InputError naming the setting that is missing, empty or unknown."""
    spec = get_provider(provider)
    parse_config(spec.hook_config, settings)
    token, uid = secrets.token_urlsafe(32), uuid4()
    columns = ("tenant_id", "uid", "provider", "token_digest", "token", "config", "active", "created_at")
    with atomic_cursor() as cursor:
        sealed = sealer().seal(token), sealer().seal(msgspec.json.encode(dict(settings)).decode())
        HOOK.insert(cursor, columns, [(tenant_id, uid, spec.name, _digest(token), *sealed, True, now(cursor))])
    return NewHook(uid, token)


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
) -> UUID:
    """``rate`` stands in for the provider's.

    Raises InputError for settings, NotFound for the hook, Conflict where the name or the number is taken.
    """
    spec = get_provider(provider)
    config = parse_config(spec.channel_config, settings)
    digits = number.removeprefix("+").replace(" ", "")
    if not (digits.isascii() and digits.isdecimal()) or not 7 <= len(digits) <= 15:
        raise InputError("number: needs 7 to 15 digits, as in +15550100000.", field="number")
    if not name.strip() or len(name) > 100:
        raise InputError("name: needs 1 to 100 characters.", field="name")
    business = spec.business_of(config)
    rate, pair = rate or spec.capabilities.channel_limit, spec.capabilities.pair_limit
    uid = uuid4()
    columns = (
        "tenant_id", "uid", "hook_id", "provider", "name", "number", "account", "library_id", "config", "version",
        "answered_by", "marks_read", "active", "paused_reason", "rate_interval", "rate_burst", "rate_tat",
        "pair_interval", "pair_burst", "ready_at", "claimed_at", "breaker_failures", "created_at",
    )  # fmt: skip
    try:
        with atomic_cursor() as cursor:
            row = (
                tenant_id, uid, _hook_id(tenant_id, hook, spec.name), spec.name, name.strip(), digits,
                spec.account_of(config), ensure_business(cursor, tenant_id, spec, business),
                sealer().seal(msgspec.json.encode(dict(settings)).decode()), 1, answered_by,
                True, True, "", rate.interval, rate.burst, 0.0, pair.interval if pair else 0.0,
                pair.burst if pair else 0, 0.0, 0.0, 0, now(cursor),
            )  # fmt: skip
            CHANNEL.insert(cursor, columns, [row])
    except IntegrityError:
        raise Conflict(f"a channel named {name!r}, or one with this account on this hook, exists already") from None
    return uid


def find_hook(token: str) -> HookView | None:
    """By the unguessable token of its path; None for one that is unknown or switched off."""
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT id, uid, tenant_id, provider, config FROM messaging_hook WHERE token_digest = %s AND active "
            f"{every_tenant('the token is the proof')}",
            [_digest(token)],
        )
    return _hook_view(row) if row else None


def list_hooks(providers: Collection[str], limit: int) -> list[tuple[bytes, HookView]]:
    """The newest active hooks of these providers, each with the SHA-256 of its token."""
    with atomic_cursor(read_only=True) as cursor:
        rows = fetch(
            cursor,
            f"SELECT token_digest, id, uid, tenant_id, provider, config FROM messaging_hook WHERE active "
            f"AND {among('provider')} {every_tenant('the spool must know them')} ORDER BY id DESC LIMIT %s",
            [array(providers), limit],
        )
    hooks = []
    for digest, *row in rows:
        with suppress(HailgateError):  # one whose settings cannot be read is told of when somebody posts to it
            hooks.append((bytes.fromhex(digest), _hook_view(tuple(row))))
    return hooks


def get_hook(hook_id: int) -> HookView:
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT id, uid, tenant_id, provider, config FROM messaging_hook WHERE id = %s {every_tenant('by key')}",
            [hook_id],
        )
    if row is None:
        raise NotFound("there is no such hook")
    return _hook_view(row)


def get_channel(tenant_id: int, id_or_name: str) -> ChannelView:
    """Raises InputError where the tenant has no such channel."""
    try:
        column, value = "uid", UUID(id_or_name).hex
    except ValueError:
        column, value = "name", id_or_name
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT id, uid, tenant_id, name, number, answered_by, library_id, provider FROM messaging_channel "
            f"WHERE tenant_id = %s AND {column} = %s AND active",
            [tenant_id, value],
        )
    if row is None:
        raise InputError(
            "channel: you have no active channel of this id or name.", code="unknown_channel", field="channel"
        )
    id_, uid, owner, name, number, answered_by, business_id, provider = row
    return ChannelView(id_, as_uuid(uid), owner, name, number, answered_by, business_id, get_provider(provider))


def get_credentials(channel_id: int) -> ChannelCredentials:
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT version, provider, config, answered_by, marks_read FROM messaging_channel WHERE id = %s "
            f"{every_tenant('by key')}",
            [channel_id],
        )
    if row is None:
        raise NotFound("there is no such channel")
    version, provider, config, answered_by, marks_read = row
    spec = get_provider(provider)
    settings = msgspec.json.decode(sealer().unseal(config))
    return ChannelCredentials(version, spec, parse_config(spec.channel_config, settings), answered_by, bool(marks_read))


def _hook_id(tenant_id: int, hook: UUID | None, provider: str) -> int | None:
    if hook is None:
        return None
    found = Hook.objects.filter(tenant_id=tenant_id, uid=hook, provider=provider).values_list("id", flat=True).first()
    if found is None:
        raise NotFound(f"there is no {provider} hook of this id", field="hook")
    return found


def _hook_view(row: Row) -> HookView:
    id_, uid, tenant_id, provider, config = row
    spec = get_provider(provider)
    settings = msgspec.json.decode(sealer().unseal(config))
    return HookView(id_, as_uuid(uid), tenant_id, spec, spec.receiver(parse_config(spec.hook_config, settings)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
