"""Secrets of others, kept for a while and sealed: in Redis, for all processes, where there is one; else in this one.

Redis that is away, empty or full costs a call to whoever has the secrets, and nothing else.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from hailgate.accounts.seal import sealer
from hailgate.core.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import Redis

ANSWER_S: Final = 0.5
PREFIX: Final = "hailgate:secret:"


class SecretCache(Protocol):
    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, secret: str, life_s: float) -> None: ...

    async def forget(self, key: str) -> None: ...

    async def may_fetch(self, key: str, for_s: float) -> bool:
        """Whether this process is to fetch it now: one at a time, for so long at most."""

    async def fetched(self, key: str) -> None: ...


class ProcessCache:
    """For one process. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[str, float]] = {}

    async def get(self, key: str) -> str | None:
        sealed, until = self._kept.get(key, ("", 0.0))
        return sealer().unseal(sealed) if until > self._clock() else None

    async def put(self, key: str, secret: str, life_s: float) -> None:
        self._kept[key] = (sealer().seal(secret), self._clock() + life_s)

    async def forget(self, key: str) -> None:
        self._kept.pop(key, None)

    async def may_fetch(self, key: str, for_s: float) -> bool:  # noqa: ARG002 -- one process asks once by itself
        return True

    async def fetched(self, key: str) -> None:  # noqa: ARG002
        return


class RedisCache:
    """For all processes of the installation."""

    def __init__(self, redis: "Redis") -> None:
        from redis.exceptions import RedisError

        self._redis, self._away = redis, (RedisError, OSError, TimeoutError)

    async def get(self, key: str) -> str | None:
        with suppress(*self._away, ConfigurationError):
            if sealed := await self._redis.get(PREFIX + key):
                return sealer().unseal(str(sealed, "ascii") if isinstance(sealed, bytes) else sealed)
        return None

    async def put(self, key: str, secret: str, life_s: float) -> None:
        with suppress(*self._away):
            await self._redis.set(PREFIX + key, sealer().seal(secret), px=max(1, int(life_s * 1000)))

    async def forget(self, key: str) -> None:
        with suppress(*self._away):
            await self._redis.delete(PREFIX + key)

    async def may_fetch(self, key: str, for_s: float) -> bool:
        with suppress(*self._away):
            return bool(await self._redis.set(f"{PREFIX}{key}:fetch", "1", nx=True, px=int(for_s * 1000)))
        return True

    async def fetched(self, key: str) -> None:
        with suppress(*self._away):
            await self._redis.delete(f"{PREFIX}{key}:fetch")


def open_redis(url: str) -> "Redis":
    """Raises ConfigurationError where redis-py is missing."""
    try:
        from redis.asyncio import Redis
    except ImportError:
        raise ConfigurationError(
            ["HAILGATE_REDIS_URL needs redis-py, the extra `redis`: `make install` brings it"]
        ) from None
    redis: Redis = Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S)
    return redis
