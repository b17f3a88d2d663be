"""Who is calling: a Bearer key, and through it the tenant. Nothing in a request can name another one."""

from collections.abc import Hashable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.types import Scope

from hailgate.accounts.keys import find_key
from hailgate.core.cache import Cache
from hailgate.core.errors import StoreUnavailable, Unauthenticated
from hailgate.messaging.outbound.quotas import RateLimit, rate_limits_of
from hailgate.messaging.store.ports import Db

# Keys of ours have 59 characters.
LONGEST_KEY: Final = 200


class Caller(NamedTuple):
    """The tenant that a key belongs to, and how fast messages may be handed in with it."""

    tenant_id: int
    paces: Sequence[RateLimit]


class Keys:
    def __init__(self, db: Db) -> None:
        self._known: Cache[Caller] = Cache(lambda key: db(find_caller, key))

    async def caller(self, request: Request) -> Caller:
        """Raises Unauthenticated. A revoked key works for as long as it is cached: five seconds."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key or len(key) > LONGEST_KEY or not key.isascii():
            raise Unauthenticated
        caller = await self._known.get(sha256(key.encode()).digest(), key)
        if caller is None:
            raise Unauthenticated("The API key is unknown or revoked.")
        return caller


async def find_sharer(keys: Keys, cookie: str, scope: Scope) -> Hashable | None:
    """With whom a request shares what is scarce: its key's tenant, or the session that ``cookie`` names."""
    request = Request(scope)
    try:
        return (await keys.caller(request)).tenant_id
    except (Unauthenticated, StoreUnavailable):
        return request.cookies.get(cookie) or None


def find_caller(key: str) -> Caller | None:
    found = find_key(key)
    return None if found is None else Caller(found.tenant_id, rate_limits_of(found.tenant_id, found.id))
