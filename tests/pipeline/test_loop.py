"""The work loop, with a claim and runs that are played: what is claimed is run, and never more than there is room."""

import asyncio
from typing import NamedTuple

import pytest

from hailgate.core.errors import StoreUnavailable
from hailgate.core.slots import Room, Slots
from hailgate.messaging.store.notify import Wake
from hailgate.messaging.work.claim import Batch
from hailgate.pipeline.loop import WorkLoop, apart
from hailgate.pipeline.wakes import Wakes
from hailgate.telemetry.events import Event
from pipeline.stage import until

AT_ONCE = 3


class Row(NamedTuple):
    id: int
    lease: int = 1
    channel_id: int = 1
    crashes: int = 0


class Played:
    """Rows that are due, and runs that last until they are let go or fail."""

    def __init__(self, *due: Row) -> None:
        self.due, self.asked, self.begun, self.moments = list(due), [], [], []
        self.doors: dict[int, asyncio.Future[None]] = {}

    async def db(self, function, *arguments):
        return function(*arguments)

    def claim(self, worker_id: int, room: Room) -> Batch[Row]:
        self.asked.append((worker_id, room.total))
        taken, self.due = self.due[: room.total], self.due[room.total :]
        return Batch(taken, 1000.0, None)

    async def run(self, row: Row, claimed_at: float) -> None:
        self.begun.append(row.id)
        self.moments.append(claimed_at)
        self.doors[row.id] = asyncio.get_running_loop().create_future()
        await self.doors[row.id]

    async def opened(self, row: int) -> None:
        await until(lambda: row in self.doors)
        self.doors[row].set_result(None)


@pytest.fixture
async def wakes(store):
    wakes = Wakes(60.0)
    yield wakes
    wakes.close()


def loop_of(played: Played, wakes: Wakes) -> WorkLoop[Row]:
    return WorkLoop(
        played.db, 7, claim=played.claim, run=played.run, slots=Slots(AT_ONCE, 5.0), wakes=wakes, wake=Wake.FETCH,
        failed=Event.FILE_NOT_FETCHED,
    )  # fmt: skip


async def test_what_is_claimed_is_run_with_the_time_of_its_claim(wakes):
    played = Played(Row(1), Row(2))
    loop = loop_of(played, wakes)
    await loop.step()
    await until(lambda: len(played.begun) == 2)
    assert (played.begun, played.moments, loop.held) == ([1, 2], [1000.0, 1000.0], {1, 2})
    await loop.cancel()
    assert loop.held == frozenset()


async def test_a_full_loop_waits_for_one_to_end_and_claims_no_more_than_fits(wakes):
    played = Played(*map(Row, range(1, 6)))
    loop = loop_of(played, wakes)
    full = asyncio.create_task(loop.step())
    await played.opened(2)
    await full
    again = asyncio.create_task(loop.step())
    await until(lambda: len(played.begun) == AT_ONCE + 1)
    assert played.asked == [(7, AT_ONCE), (7, 1)]
    again.cancel()
    await loop.cancel()


async def test_a_suspect_runs_while_nothing_else_is_claimed(wakes):
    played = Played(Row(1, crashes=1), Row(2))
    played.due = played.due[:1]
    loop = loop_of(played, wakes)
    step = asyncio.create_task(loop.step())
    await until(lambda: played.begun == [1])
    assert not step.done()
    await played.opened(1)
    await step


async def test_nothing_due_waits_for_its_wake(wakes):
    loop = loop_of(Played(), wakes)
    step = asyncio.create_task(loop.step())
    wakes.set(Wake.DELIVER)
    await asyncio.sleep(0)
    assert not step.done()
    wakes.set(Wake.FETCH)
    async with asyncio.timeout(5):
        await step


async def test_a_run_that_fails_ends_alone_and_is_told(wakes, capture_log):
    played = Played(Row(1), Row(2))
    loop = loop_of(played, wakes)
    await loop.step()
    await until(lambda: len(played.doors) == 2)
    played.doors[1].set_exception(ValueError("no"))
    await until(lambda: loop.held == {2})
    (told,) = [line for line in capture_log if line["event"] == Event.FILE_NOT_FETCHED]
    assert (told["worker"], told["code"]) == (7, "ValueError")
    await loop.cancel()


async def test_at_its_end_it_waits_for_what_runs_and_gives_up_the_rest(wakes):
    played = Played(Row(1), Row(2))
    loop = loop_of(played, wakes)
    await loop.step()
    await played.opened(1)
    await loop.finish(0.05)
    assert played.doors[2].cancelled()
    assert loop.held == frozenset()


async def test_one_of_many_that_fails_lets_the_others_have_their_turn(capture_log):
    async def fail(error):
        raise error

    assert await apart(7, fail(ValueError("no"))) is None
    assert [line["error"] for line in capture_log] == ["ValueError"]
    with pytest.raises(StoreUnavailable):
        await apart(7, fail(StoreUnavailable()))
