"""Fair slots: a semaphore whose places are shared by channel, so that a slow one holds none that others need."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from hailgate.core.slots import Slots

# What nobody brings about, a look does: a channel that grew silent leaves its places to others.
LOOK_S = 1.0


class FairSlots:
    """``async with fair.place(channel_id):`` waits for a place that its channel may have, in the order of asking."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._tickets = itertools.count()
        self._waiting: dict[int, tuple[int, asyncio.Event]] = {}

    @asynccontextmanager
    async def place(self, channel_id: int) -> AsyncIterator[None]:
        ticket = next(self._tickets)
        await self._admitted(ticket, channel_id)
        try:
            yield
        finally:
            self._slots.end(ticket, time.monotonic())
            self._admit()

    async def _admitted(self, ticket: int, channel_id: int) -> None:
        admitted = asyncio.Event()
        self._waiting[ticket] = channel_id, admitted
        try:
            self._admit()
            while not admitted.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await admitted.wait()
                self._admit()
        except BaseException:
            self._waiting.pop(ticket, None)
            self._slots.end(ticket, time.monotonic())
            self._admit()
            raise

    def _admit(self) -> None:
        room = self._slots.room(time.monotonic())
        for ticket, (channel_id, admitted) in list(self._waiting.items()):
            if room.of(channel_id):
                room.take(channel_id, 1)
                del self._waiting[ticket]
                self._slots.begin(ticket, channel_id, time.monotonic())
                admitted.set()
