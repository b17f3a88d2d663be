"""Hooks: where providers post. Made, found, and turned into receivers."""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec

from hailgate.accounts.seal import sealer
from hailgate.core.errors import HailgateError, NotFound
from hailgate.messaging.store.sql import (
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
from hailgate.messaging.store.tables import HOOK
from hailgate.providers import get_provider
from hailgate.providers.config import Secret, parse_config
from hailgate.providers.contract import Receiver
from hailgate.providers.spec import AnyProviderSpec

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


def find_hook(token: str) -> HookView | None:
    """By the unguessable token of its path, or the one before while that is taken; None for one that is unknown or
    switched off.
    """
    digest = digest_token(token)
    with atomic_cursor(read_only=True) as cursor:
        row = fetch_one(
            cursor,
            f"SELECT {_HOOK_VIEW} FROM messaging_hook WHERE active "
            f"AND (token_digest = %s OR (former_digest = %s AND former_until > {moment()})) "
            f"{every_tenant('the token is the proof')}",
            [digest, digest],
        )
    return _hook_view(row) if row else None


def list_hooks(providers: Collection[str], limit: int) -> list[tuple[bytes, HookView]]:
    """The newest active hooks of these providers, each with the SHA-256 of its token, and of the one before while that
    is taken.
    """
    with atomic_cursor(read_only=True) as cursor:
        former = f"CASE WHEN former_until > {moment()} THEN former_digest END"
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
