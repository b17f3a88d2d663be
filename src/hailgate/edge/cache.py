"""What the hot paths look up again and again: kept for seconds, bounded, and of use while the store is away."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from hailgate.core.errors import StoreUnavailable

Value = TypeVar("Value")

FRESH_S: Final = 5.0
ABSENT_S: Final = 2.0
# While the store is away, an old answer serves this long before the store is asked again.
STALE_S: Final = 1.0


class _Entry(NamedTuple):
    value: Any
    until: float


class Cache(Generic[Value]):
    """``load`` answers a value or None; both are kept, for a few seconds. One look-up per key is under way at a time.

    ``clock`` is monotonic, in seconds. The least recently used entries go first.
    """

    def __init__(
        self,
        load: Callable[..., Awaitable[Value | None]],
        *,
        size: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._size, self._clock = load, size, clock
        self._entries: OrderedDict[Any, _Entry] = OrderedDict()
        self._loading: dict[Any, asyncio.Task[Value | None]] = {}

    async def get(self, key: Any, *arguments: Any) -> Value | None:
        """``arguments`` are what ``load`` needs. Raises StoreUnavailable where nothing is known, not even of old."""
        entry = self._entries.get(key)
        if entry is not None and entry.until > self._clock():
            self._entries.move_to_end(key)
            found: Value | None = entry.value
            return found
        if key not in self._loading:
            self._loading[key] = asyncio.create_task(self._refresh(key, arguments))
        return await asyncio.shield(self._loading[key])

    async def _refresh(self, key: Any, arguments: tuple[Any, ...]) -> Value | None:
        try:
            value = await self._load(*arguments)
        except StoreUnavailable:
            old = self._entries.get(key)
            if old is None or old.value is None:
                raise
            self._keep(key, old.value, STALE_S)
            stale: Value = old.value
            return stale
        else:
            self._keep(key, value, ABSENT_S if value is None else FRESH_S)
            return value
        finally:
            del self._loading[key]

    def _keep(self, key: Any, value: Value | None, seconds: float) -> None:
        self._entries[key] = _Entry(value, self._clock() + seconds)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
