"""API keys: 256 random bits, found by prefix, compared by SHA-256. No slow hash: nothing here can be guessed."""

import hashlib
import hmac
import secrets
import time
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError

from hailgate.accounts.models import ApiKey, Tenant
from hailgate.core.errors import Conflict, InputError, NotFound

MARK = "hg"
PREFIX_BYTES = 6
SECRET_BYTES = 32


class KeyView(NamedTuple):
    """Who is calling. The tenant comes from here, never from a request."""

    id: int
    tenant_id: int


class NewKey(NamedTuple):
    id: UUID
    key: str


def add_tenant(name: str) -> Tenant:
    try:
        return Tenant.objects.create(name=check_name(name), created_at=time.time())
    except IntegrityError:
        raise Conflict(f"a tenant named {name!r} exists already", field="name") from None


def check_name(name: str) -> str:
    if not name.strip() or len(name) > 100:
        raise InputError("name: needs 1 to 100 characters.", field="name")
    return name.strip()


def get_tenant(name_or_id: str) -> Tenant:
    found = Tenant.objects.filter(name=name_or_id).first()
    if found is None:
        try:
            found = Tenant.objects.filter(uid=UUID(name_or_id)).first()
        except ValueError:
            found = None
    if found is None:
        raise NotFound(f"there is no tenant {name_or_id!r}", field="tenant")
    return found


def add_key(tenant_id: int, name: str = "default") -> NewKey:
    """The key is returned once and never stored."""
    prefix = secrets.token_hex(PREFIX_BYTES)
    key = f"{MARK}_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    made = ApiKey.objects.create(
        tenant_id=tenant_id, name=name[:100], prefix=prefix, digest=_digest(key), created_at=time.time()
    )
    return NewKey(made.uid, key)


def revoke_key(tenant_id: int, prefix: str) -> bool:
    return bool(
        ApiKey.objects.filter(tenant_id=tenant_id, prefix=prefix, revoked_at=None).update(revoked_at=time.time())
    )


def find_key(key: str) -> KeyView | None:
    """None for a key that is malformed, unknown, wrong or revoked."""
    mark, _, rest = key.partition("_")
    prefix, _, _ = rest.partition("_")
    if mark != MARK or len(prefix) != PREFIX_BYTES * 2 or not (key.isascii() and key.isprintable()):
        return None
    row = ApiKey.objects.filter(prefix=prefix, revoked_at=None).values_list("id", "tenant_id", "digest").first()
    if row is None or not hmac.compare_digest(row[2], _digest(key)):
        return None
    return KeyView(row[0], row[1])


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
