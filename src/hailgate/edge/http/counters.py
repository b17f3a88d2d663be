"""Counting for limits: of this process alone, or of all processes together where there is Redis.

``FixedWindow`` counts exactly. ``Blocks`` hands out tokens in blocks, so that most calls ask nobody: together the
processes are never above a limit, and each may be short of it by one block.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from hailgate.core.errors import ConfigurationError
from hailgate.core.limits import Limit

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX: Final = "hailgate:limit:"
ANSWER_S: Final = 0.25
# After Redis did not answer it is left alone for so long: callers are not to wait for it each time.
AWAY_S: Final = 1.0
MOST_COUNTED: Final = 100_000
MOST_CONNECTIONS: Final = 8
# A block is a part of the burst, and is given back to nobody: what is not used within a second is gone.
BLOCK_SHARE: Final = 10
BLOCK_LIFE_S: Final = 1.0

# KEYS: the counter. ARGV: how many, the length of the window in milliseconds.
_COUNT: Final = """
local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if n == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return n
"""
# The generic cell rate algorithm of core.limits, on Redis' clock. KEYS: the tat. ARGV: interval, burst, least, most.
# Returns how many are given and, in microseconds, how long the next would have to wait.
_LEASE: Final = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local room = math.floor((now + interval * burst - tat) / interval + 0.000001)
if room < 1 then
  return {0, math.ceil((tat + interval - now - interval * burst) * 1000000)}
end
local given = math.max(math.min(room, tonumber(ARGV[4])), tonumber(ARGV[3]))
local after = tat + given * interval
redis.call('SET', KEYS[1], string.format('%.6f', after), 'PX', math.ceil((after - now) * 1000) + 1000)
return {given, 0}
"""


class SharedAway(Exception):  # noqa: N818 -- it says how things stand
    """Redis does not answer."""


class Shared(Protocol):
    """What all processes count together. Raises SharedAway."""

    async def count(self, key: str, window_s: float, amount: int = 1) -> int: ...

    async def lease(self, key: str, limit: Limit, least: int, most: int) -> tuple[int, float]: ...


class RedisCounters:
    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.monotonic) -> None:
        from redis.exceptions import RedisError

        self._redis, self._clock, self._failures = redis, clock, (RedisError, OSError, TimeoutError)
        self._count, self._lease = redis.register_script(_COUNT), redis.register_script(_LEASE)
        self._away_until = 0.0

    async def count(self, key: str, window_s: float, amount: int = 1) -> int:
        """How many there are in this window with these."""
        return int(await self._ask(self._count, key, amount, int(window_s * 1000)))

    async def lease(self, key: str, limit: Limit, least: int, most: int) -> tuple[int, float]:
        """Between ``least`` and ``most`` tokens, or none and the seconds until there are some."""
        given, wait = await self._ask(self._lease, key, limit.interval, limit.burst, least, most)
        return int(given), int(wait) / 1e6

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ask(self, script: Any, key: str, *arguments: object) -> Any:
        if self._clock() < self._away_until:
            raise SharedAway
        try:
            return await script(keys=[PREFIX + key], args=list(arguments))
        except self._failures as failed:
            self._away_until = self._clock() + AWAY_S
            raise SharedAway from failed


def open_counters(url: str, patience: float = ANSWER_S) -> RedisCounters:
    """Few connections, which callers wait for: a crowd that opened one each would look like Redis being away.

    Raises ConfigurationError where redis-py is missing.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
    except ImportError:
        raise ConfigurationError(
            ["HAILGATE_REDIS_URL needs redis-py, the extra `redis`: `make install` brings it"]
        ) from None
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MOST_CONNECTIONS,
        timeout=patience,
        socket_timeout=patience,
        socket_connect_timeout=patience,
    )
    return RedisCounters(Redis.from_pool(pool))


class CounterStanding(NamedTuple):
    """``left`` of ``limit`` in this window, which ends in ``reset_s``; below 0 there are too many."""

    limit: int
    left: int
    reset_s: float
    window_s: float


class FixedWindow:
    """So many in each window of the clock. ``closed``: without Redis, where there should be one, nothing passes."""

    def __init__(
        self,
        name: str,
        limit: int,
        window_s: float,
        *,
        shared: Shared | None = None,
        closed: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name, self._limit, self._window_s = name, limit, window_s
        self._shared, self._closed, self._clock = shared, closed, clock
        self._window, self._counts = 0, dict[str, int]()

    async def count(self, source: str, amount: int = 1) -> CounterStanding:
        """With ``amount`` more. 0 looks only."""
        now = self._clock()
        window = int(now // self._window_s)
        reset_s = (window + 1) * self._window_s - now
        try:
            counted = await self._count(source, window, amount)
        except SharedAway:
            counted = self._limit + 1 if self._closed else self._count_here(source, window, amount)
        return CounterStanding(self._limit, self._limit - counted, reset_s, self._window_s)

    async def _count(self, source: str, window: int, amount: int) -> int:
        if self._shared is None:
            return self._count_here(source, window, amount)
        return await self._shared.count(f"{self._name}:{window}:{source}", self._window_s * 2, amount)

    def _count_here(self, source: str, window: int, amount: int) -> int:
        if window != self._window or len(self._counts) > MOST_COUNTED:
            self._window, self._counts = window, {}
        self._counts[source] = self._counts.get(source, 0) + amount
        return self._counts[source]


class _Block(NamedTuple):
    left: int
    until: float


class Blocks:
    """Tokens of shared limits. ``clock`` is monotonic."""

    def __init__(self, shared: Shared, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared, self._clock = shared, clock
        self._blocks: dict[int, _Block] = {}
        self._leasing: dict[int, asyncio.Lock] = {}

    async def take(self, key: int, limit: Limit, count: int) -> float:
        """Seconds to wait; 0 where they are taken. Raises SharedAway."""
        if self._take_here(key, count):
            return 0.0
        async with self._leasing.setdefault(key, asyncio.Lock()):  # one asks; those behind it use what it was given
            if self._take_here(key, count):
                return 0.0
            left = self._left(key)
            size = max(count, limit.burst // BLOCK_SHARE)
            given, wait = await self._shared.lease(str(key), limit, count - left, size)
            if given:
                self._blocks[key] = _Block(left + given - count, self._clock() + BLOCK_LIFE_S)
            return wait

    def _take_here(self, key: int, count: int) -> bool:
        left = self._left(key)
        if left >= count:
            self._blocks[key] = self._blocks[key]._replace(left=left - count)
        return left >= count

    def _left(self, key: int) -> int:
        block = self._blocks.get(key)
        return block.left if block is not None and block.until > self._clock() else 0

    def give_back(self, key: int, count: int) -> None:
        """To this process: another limit has refused."""
        if block := self._blocks.get(key):
            self._blocks[key] = block._replace(left=block.left + count)
