"""Who is calling: a Bearer key, and through it the tenant. Nothing in a request can name another one."""

from hashlib import sha256
from typing import Final

from starlette.requests import Request

from hailgate.accounts.keys import KeyView, find_key
from hailgate.core.errors import Unauthenticated
from hailgate.edge.cache import Cache
from hailgate.edge.ports import Db

# Keys of ours have 59 characters.
LONGEST_KEY: Final = 200


class Keys:
    def __init__(self, db: Db) -> None:
        self._known: Cache[KeyView] = Cache(lambda key: db(find_key, key))

    async def caller(self, request: Request) -> KeyView:
        """Raises Unauthenticated. A revoked key works for as long as it is cached: five seconds."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key or len(key) > LONGEST_KEY or not key.isascii():
            raise Unauthenticated
        caller = await self._known.get(sha256(key.encode()).digest(), key)
        if caller is None:
            raise Unauthenticated("The API key is unknown or revoked.")
        return caller
