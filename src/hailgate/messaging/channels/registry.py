"""Hooks and channels: made, found, and turned into receivers and providers."""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid4

import msgspec
from django.db import IntegrityError

from hailgate.accounts.seal import sealer
from hailgate.core.errors import Conflict, HailgateError, InputError, NotFound
from hailgate.core.kinds import Kinds
from hailgate.core.limits import Limit
from hailgate.core.window import Outside, OutsideWindow
from hailgate.messaging.channels.derived_secrets import unseal_secrets
from hailgate.messaging.channels.sessions import NOT_PAIRED
from hailgate.messaging.channels.template_account import ensure_business
from hailgate.messaging.models import Hook
from hailgate.messaging.store.sql import (
    Cursor,
    Row,
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    moment,
    now,
)
from hailgate.messaging.store.tables import CHANNEL, HOOK
from hailgate.providers import get_provider
from hailgate.providers.config import Secret, parse_config
from hailgate.providers.contract import Connection, Keep, Provider, Receiver, forget
from hailgate.providers.spec import AnyProviderSpec

if TYPE_CHECKING:
    from hailgate.providers.transport import Transport

HOOKS = "/hooks"
_HOOK_VIEW = "id, uid, tenant_id, provider, config, token"


class NewHook(NamedTuple):
    """A hook as it was made; ``token`` is the only secret in its path."""

    id: UUID
    token: str

    @property
    def path(self) -> str:
        return f"{HOOKS}/{self.token}"


class HookView(NamedTuple):
    """What is needed to judge a webhook, and to understand it: ``path`` is where the hook answers.

    ``config`` is what ``receiver`` was made with.
    """

    id: int
    uid: UUID
    tenant_id: int
    spec: AnyProviderSpec
    receiver: Receiver
    path: Secret
    config: msgspec.Struct

    def signed_with(self, app_secret: str) -> "HookView":
        """The same hook where its provider signs with another secret; as it is where it signs with none."""
        if "app_secret" not in self.config.__struct_fields__:
            return self
        config = msgspec.structs.replace(self.config, app_secret=Secret(app_secret))
        return self._replace(receiver=self.spec.receiver(config), config=config)


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


class _Elsewhere(msgspec.Struct):
    """Settings that an external service keeps."""


class ChannelCredentials(NamedTuple):
    """What a worker needs to connect a channel; ``version`` rises when they change.

    ``hook_path`` is where its hook answers, empty without one.
    """

    version: int
    spec: AnyProviderSpec
    config: msgspec.Struct
    answered_by: str
    marks_read: bool
    number: str | None
    hook_path: str
    secrets: Mapping[str, Secret]
    source: str
    outside: OutsideWindow

    def configured(self, settings: Mapping[str, str]) -> "ChannelCredentials":
        """With settings from where ``source`` keeps them. Raises InputError."""
        return self._replace(config=parse_config(self.spec.channel_config, settings))

    def connect(self, transport: "Transport", public_url: str = "", keep: Keep = forget) -> Provider:
        """``public_url`` is where providers reach this installation, empty where they do not."""
        hook_url = f"{public_url}{self.hook_path}" if public_url and self.hook_path else None
        connection = Connection(
            config=self.config,
            transport=transport,
            number=self.number,
            hook_url=hook_url,
            secrets=self.secrets,
            keep=keep,
        )
        return self.spec.connect(connection)


def add_hook(tenant_id: int, provider: str, settings: Mapping[str, str]) -> NewHook:
    """Raises InputError naming the setting that is missing, empty or unknown."""
    spec = get_provider(provider)
    parse_config(spec.hook_config, settings)
    token, uid = make_token(), uuid4()
    columns = ("tenant_id", "uid", "provider", "token_digest", "token", "config", "active", "created_at")
    with atomic_cursor() as cursor:
        sealed = sealer().seal(token), sealer().seal(msgspec.json.encode(dict(settings)).decode())
        HOOK.insert(cursor, columns, [(tenant_id, uid, spec.name, digest_token(token), *sealed, True, now(cursor))])
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
    source: str = "",
) -> UUID:
    """``rate`` stands in for the provider's. One that is paired with a phone sends nothing before it is.

    ``source`` is the tenant of an external service that keeps the settings: here they are checked, and not stored.

    Raises InputError for settings, NotFound for the hook, Conflict where the name or the number is taken.
    """
    spec = get_provider(provider)
    config = parse_config(spec.channel_config, settings)
    digits = _digits(number, required=not spec.capabilities.pairs_session)
    if not name.strip() or len(name) > 100:
        raise InputError("name: needs 1 to 100 characters.", field="name")
    business = spec.business_of(config)
    rate, pair = rate or spec.capabilities.channel_limit, spec.capabilities.pair_limit
    uid = uuid4()
    columns = (
        "tenant_id", "uid", "hook_id", "provider", "name", "number", "account", "library_id", "config", "version",
        "answered_by", "marks_read", "active", "paused_at", "paused_reason", "rate_interval", "rate_burst", "rate_tat",
        "pair_interval", "pair_burst", "ready_at", "claimed_at", "breaker_failures", "source", "created_at",
    )  # fmt: skip
    kept = {} if source else dict(settings)
    try:
        with atomic_cursor() as cursor:
            row = (
                tenant_id, uid, _hook_id(tenant_id, hook, spec.name), spec.name, name.strip(), digits,
                spec.account_of(config, digits), ensure_business(cursor, tenant_id, spec, business),
                sealer().seal(msgspec.json.encode(kept).decode()), 1, answered_by,
                True, True, *_paused(spec, now(cursor)), rate.interval, rate.burst, 0.0, pair.interval if pair else 0.0,
                pair.burst if pair else 0, 0.0, 0.0, 0, source, now(cursor),
            )  # fmt: skip
            CHANNEL.insert(cursor, columns, [row])
    except IntegrityError:
        raise Conflict(f"a channel named {name!r}, or one with this account on this hook, exists already") from None
    return uid


def unseal_settings(sealed: str) -> dict[str, str]:
    """Of a hook or channel, as they were given. Raises SealError where no key fits."""
    return msgspec.json.decode(sealer().unseal(sealed), type=dict[str, str])


def _digits(number: str, *, required: bool) -> str:
    """Empty where pairing will tell it. Raises InputError."""
    digits = number.removeprefix("+").replace(" ", "")
    if not digits and not required:
        return ""
    if not (digits.isascii() and digits.isdecimal()) or not 7 <= len(digits) <= 15:
        raise InputError("number: needs 7 to 15 digits, as in +15550100000.", field="number")
    return digits


def _paused(spec: AnyProviderSpec, moment: float) -> tuple[float | None, str]:
    return (moment, NOT_PAIRED) if spec.capabilities.pairs_session else (None, "")


def find_hook(token: str) -> HookView | None:
    """By the unguessable token of its path, or the one before while that is taken; None for one that is unknown or
    switched off.
    """
    digest = digest_token(token)
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT {_HOOK_VIEW} FROM messaging_hook WHERE active "
            f"AND (token_digest = %s OR (former_digest = %s AND former_until > {moment(cursor)})) "
            f"{every_tenant('the token is the proof')}",
            [digest, digest],
        )
    return _hook_view(row) if row else None


def list_hooks(providers: Collection[str], limit: int) -> list[tuple[bytes, HookView]]:
    """The newest active hooks of these providers, each with the SHA-256 of its token, and of the one before while that
    is taken.
    """
    with atomic_cursor(read_only=True) as cursor:
        former = f"CASE WHEN former_until > {moment(cursor)} THEN former_digest END"
        rows = fetch(
            cursor,
            f"SELECT token_digest, {former}, {_HOOK_VIEW} FROM messaging_hook WHERE active "
            f"AND {among('provider')} {every_tenant('the spool must know them')} ORDER BY id DESC LIMIT %s",
            [array(providers), limit],
        )
    hooks = []
    for digest, former_digest, *row in rows:
        with suppress(HailgateError):  # one whose settings cannot be read is told of when somebody posts to it
            hook = _hook_view(tuple(row))
            hooks += [(bytes.fromhex(each), hook) for each in (digest, former_digest) if each]
    return hooks


def get_hook(hook_id: int) -> HookView:
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT {_HOOK_VIEW} FROM messaging_hook WHERE id = %s {every_tenant('by key')}",
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


def get_credentials(channel_id: int) -> ChannelCredentials:
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT version, channel.provider, channel.config, answered_by, marks_read, channel.number, hook.token, "
            f"session.secrets, source, outside_window, fallback_template FROM messaging_channel channel "
            f"LEFT JOIN messaging_hook hook ON hook.id = channel.hook_id "
            f"LEFT JOIN messaging_session session ON session.channel_id = channel.id "
            f"WHERE channel.id = %s {every_tenant('by key')}",
            [channel_id],
        )
    if row is None:
        raise NotFound("there is no such channel")
    version, provider, config, answered_by, marks_read, number, token, kept, source, *outside = row
    spec = get_provider(provider)
    settings = msgspec.json.decode(sealer().unseal(config))
    parsed = _Elsewhere() if source else parse_config(spec.channel_config, settings)
    hook_path = f"{HOOKS}/{sealer().unseal(token)}" if token else ""
    secrets = unseal_secrets(kept or "")
    return ChannelCredentials(
        version,
        spec,
        parsed,
        answered_by,
        bool(marks_read),
        number or None,
        hook_path,
        secrets,
        source,
        OutsideWindow(Outside(outside[0]), outside[1]),
    )


def find_kinds(cursor: Cursor, channel_id: int) -> Kinds:
    """What a channel takes of each kind of message."""
    [row] = fetch(
        cursor,
        f"SELECT provider, config, source FROM messaging_channel WHERE id = %s {every_tenant('by key')}",
        [channel_id],
    )
    return kinds_by(*row)


def kinds_by(provider: str, config: str, source: str) -> Kinds:
    """By a channel's settings; by its provider alone where these are kept elsewhere, or cannot be read."""
    spec = get_provider(provider)
    if not source:
        with suppress(HailgateError, msgspec.DecodeError):
            settings = msgspec.json.decode(sealer().unseal(config))
            return spec.kinds_for(parse_config(spec.channel_config, settings))
    return spec.capabilities.kinds


def warn_of_settings(provider: str, config: str, source: str, now: float) -> str | None:
    """What of a channel's settings will soon work no more; nothing is known of what is kept elsewhere or broken."""
    spec = get_provider(provider)
    if spec.warn is None or source:
        return None
    with suppress(HailgateError, msgspec.DecodeError):
        settings = msgspec.json.decode(sealer().unseal(config))
        return spec.warn(parse_config(spec.channel_config, settings), now)
    return None


def _hook_id(tenant_id: int, hook: UUID | None, provider: str) -> int | None:
    if hook is None:
        return None
    found = Hook.objects.filter(tenant_id=tenant_id, uid=hook, provider=provider).values_list("id", flat=True).first()
    if found is None:
        raise NotFound(f"there is no {provider} hook of this id", field="hook")
    return found


def _hook_view(row: Row) -> HookView:
    id_, uid, tenant_id, provider, config, token = row
    spec = get_provider(provider)
    settings = msgspec.json.decode(sealer().unseal(config))
    config = parse_config(spec.hook_config, settings)
    path = Secret(f"{HOOKS}/{sealer().unseal(token)}")
    return HookView(id_, as_uuid(uid), tenant_id, spec, spec.receiver(config), path, config)


def make_token() -> str:
    """Of 256 bits, for a hook's path."""
    return secrets.token_urlsafe(32)


def digest_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
