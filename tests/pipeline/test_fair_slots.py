"""Places are given in the order of asking, to channels that may have one."""

import asyncio
import time
from contextlib import asynccontextmanager

from hailgate.core.slots import NEW_AT_ONCE, Slots, open_room
from hailgate.pipeline import fair_slots as module
from hailgate.pipeline.fair_slots import FairSlots
from pipeline.stage import until


class Hall:
    """Who is inside, and doors that open when they are told."""

    def __init__(self, at_once, slow_s=5.0) -> None:
        self.slots = Slots(at_once, slow_s)
        self.fair, self.inside = FairSlots(self.slots), []

    @asynccontextmanager
    async def guests(self, *channels):
        doors = [asyncio.Event() for _ in channels]
        tasks = [asyncio.create_task(self._visit(*each)) for each in zip(channels, doors, strict=True)]
        try:
            yield doors
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _visit(self, channel, door):
        async with self.fair.place(channel):
            self.inside.append(channel)
            await door.wait()


async def test_one_channel_does_not_take_every_place():
    hall = Hall(16)
    async with hall.guests(*[1] * 10, 2):
        await until(lambda: len(hall.inside) == NEW_AT_ONCE + 1)
        assert hall.inside == [*[1] * NEW_AT_ONCE, 2]


async def test_whoever_leaves_lets_the_next_in():
    hall = Hall(1)
    async with hall.guests(1, 2, 3) as doors:
        await until(lambda: hall.inside == [1])
        doors[0].set()
        await until(lambda: hall.inside == [1, 2])
        doors[1].set()
        await until(lambda: hall.inside == [1, 2, 3])


async def test_whoever_gives_up_waiting_costs_nobody_a_place():
    hall = Hall(1)
    async with hall.guests(1) as doors:
        await until(lambda: hall.inside == [1])
        async with hall.guests(2):
            await asyncio.sleep(0)
        async with hall.guests(3):
            doors[0].set()
            await until(lambda: hall.inside == [1, 3])
    assert hall.slots.held == frozenset()


async def test_a_place_that_only_time_brings_is_found(monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    hall = Hall(16)
    later = hall.slots.room(time.monotonic())
    rooms = iter([open_room(0)] * 3)
    monkeypatch.setattr(hall.slots, "room", lambda _now: next(rooms, later))
    async with hall.guests(1):
        await until(lambda: hall.inside == [1])
