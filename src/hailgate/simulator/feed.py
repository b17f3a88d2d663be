"""What happens, as it happens, for the pages that watch."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

MAX_BEHIND = 1_000  # events a slow page may lag; then it is told to load everything anew
RESYNC = b"event: resync\ndata: {}\n\n"


class Feed:
    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()

    def publish(self, kind: str, data: object) -> None:
        if not self._listeners:
            return
        event = b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
        for listener in self._listeners:
            if listener.qsize() < MAX_BEHIND:
                listener.put_nowait(event)
            elif listener.qsize() == MAX_BEHIND:
                listener.put_nowait(RESYNC)

    async def listen(self) -> AsyncIterator[bytes]:
        """Server-sent events until the feed is closed."""
        listener: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listeners.add(listener)
        try:
            yield b"retry: 1000\n\n"
            while (event := await listener.get()) is not None:
                yield event
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        for listener in self._listeners:
            listener.put_nowait(None)
