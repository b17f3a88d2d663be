"""A store that keeps every connection and answers nothing: whoever waits for it is told, and nobody new begins."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from django.db import OperationalError
from psycopg_pool import PoolTimeout

from hailgate.core.errors import StoreUnavailable
from hailgate.pipeline.bridge import Gate
from hailgate.pipeline.store_watchdog import StoreWatchdog

EVERY_S, PATIENCE_S = 0.001, 0.05


class Store:
    """Answers, unless it is frozen. ``gate`` writes there what it is given, and answers with it."""

    def __init__(self):
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.asked, self.fails, self.gone, self.written = 0, False, False, []
        self.gate = Gate(self, self._write, writers=1)

    async def __call__(self, function, *arguments):
        self.asked += 1
        await self.thawed.wait()
        if self.fails:
            raise StoreUnavailable
        if self.gone:
            try:
                raise OperationalError from PoolTimeout()
            except OperationalError as failed:
                raise StoreUnavailable from failed
        return self._write(*arguments) if function == self._write else (function, arguments)

    def _write(self, items):
        self.written += items
        return items


@asynccontextmanager
async def beating(store):
    pulse = StoreWatchdog(store, every=EVERY_S, patience=PATIENCE_S)
    task = asyncio.create_task(pulse.beat_for_ever())
    try:
        yield pulse
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reaches(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_while_the_store_answers_nothing_stands_between():
    store = Store()
    async with beating(store) as pulse:
        assert await pulse.guard(store.gate).submit("item") == "item"
        assert await pulse.guard_db(store)(print, 1) == (print, (1,))
        await reaches(lambda: store.asked > 5)
        assert not pulse.silent


@pytest.mark.parametrize("door", ["gate", "database"])
async def test_whoever_waits_is_told_when_the_store_falls_silent(door):
    store = Store()
    async with beating(store) as pulse:
        store.thawed.clear()
        waiting = pulse.guard(store.gate).submit("item") if door == "gate" else pulse.guard_db(store)(print)
        with pytest.raises(StoreUnavailable) as told:
            async with asyncio.timeout(5):
                await waiting
        assert told.value.retry_after == 1.0


async def test_where_no_connection_is_to_be_had_nobody_begins_to_wait_until_there_is_one():
    store = Store()
    async with beating(store) as pulse:
        store.gone = True
        await reaches(lambda: pulse.silent)
        asked = store.asked
        await reaches(lambda: store.asked > asked + 3)
        assert pulse.silent
        with pytest.raises(StoreUnavailable):
            await pulse.guard(store.gate).submit("item")
        assert store.written == []
        store.gone = False
        await reaches(lambda: not pulse.silent)
        assert await pulse.guard(store.gate).submit("item") == "item"


async def test_while_it_is_silent_nobody_new_begins_to_wait():
    store = Store()
    async with beating(store) as pulse:
        store.thawed.clear()
        await reaches(lambda: pulse.silent)
        asked = store.asked
        with pytest.raises(StoreUnavailable):
            await pulse.guard_db(store)(print)
        assert store.asked == asked


async def test_it_is_asked_once_at_a_time_and_goes_on_with_its_answer():
    store = Store()
    async with beating(store) as pulse:
        store.thawed.clear()
        await reaches(lambda: pulse.silent)
        asked = store.asked
        await asyncio.sleep(2 * PATIENCE_S)
        assert store.asked == asked
        store.thawed.set()
        await reaches(lambda: not pulse.silent)
        assert await pulse.guard(store.gate).submit("item") == "item"


async def test_what_was_brought_to_a_gate_before_is_written_when_the_store_is_back():
    """Whether it waits for its turn or is on its way: its callers know only that it may be so."""
    store = Store()
    async with beating(store) as pulse:
        gate = pulse.guard(store.gate)
        store.thawed.clear()
        waiting = [asyncio.create_task(gate.submit(number)) for number in range(3)]
        await reaches(lambda: store.gate.waiting == 3)
        assert {type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)} == {StoreUnavailable}
        with pytest.raises(StoreUnavailable):
            await gate.submit("refused")
        store.thawed.set()
        await reaches(lambda: store.written == [0, 1, 2])
        await store.gate.drain()
        assert store.gate.waiting == 0


async def test_a_store_that_answers_with_errors_is_not_silent():
    """Its errors are told to whoever asked; there is nothing to be guessed."""
    store = Store()
    store.fails = True
    async with beating(store) as pulse:
        await reaches(lambda: store.asked > 5)
        assert not pulse.silent


async def test_an_error_of_what_was_waited_for_passes_as_it_is():
    async with beating(Store()) as pulse:
        with pytest.raises(KeyError):
            async with pulse.wait():
                raise KeyError


async def test_a_wait_that_ended_in_time_is_left_alone_later():
    store = Store()
    async with beating(store) as pulse:
        async with pulse.wait():
            pass
        store.thawed.clear()
        await reaches(lambda: pulse.silent)
        await asyncio.sleep(0)
