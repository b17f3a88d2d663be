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
# What the store has said serves for so long without it. A day is longer than an outage that nobody looks at; and what
# was withdrawn meanwhile, where only this process is cut off, is not believed for ever.
KNOWN_S: Final = 86_400.0


class _Entry(NamedTuple):
    """``known_at``: when the store said so."""

    value: Any
    until: float
    known_at: float


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
        """``arguments`` are what ``load`` needs.

        Raises StoreUnavailable where nothing is known, or nothing but an absence, or nothing for longer than a day.
        """
        entry = self._entries.get(key)
        if entry is not None and entry.until > self._clock():
            self._entries.move_to_end(key)
            found: Value | None = entry.value
            return found
        if key not in self._loading:
            self._loading[key] = asyncio.create_task(self._refresh(key, arguments))
        return await asyncio.shield(self._loading[key])

    def put(self, key: Any, value: Value) -> None:
        """What the store said of a key that nobody asked for."""
        self._keep(key, value, FRESH_S, self._clock())

    def forget(self, key: Any) -> None:
        self._entries.pop(key, None)

    async def _refresh(self, key: Any, arguments: tuple[Any, ...]) -> Value | None:
        try:
            value = await self._load(*arguments)
        except StoreUnavailable:
            old = self._entries.get(key)
            if old is None or old.value is None or old.known_at + KNOWN_S < self._clock():
                raise
            self._keep(key, old.value, STALE_S, old.known_at)
            stale: Value = old.value
            return stale
        else:
            self._keep(key, value, ABSENT_S if value is None else FRESH_S, self._clock())
            return value
        finally:
            del self._loading[key]

    def _keep(self, key: Any, value: Value | None, seconds: float, known_at: float) -> None:
        self._entries[key] = _Entry(value, self._clock() + seconds, known_at)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
