"""What one process commits stirs the open pages of the others, through Redis, and never those who wait for a commit."""

import asyncio
import os
import secrets
from contextlib import asynccontextmanager

import pytest

from hailgate.connectors import live_updates
from hailgate.connectors.live_updates import LiveUpdates
from hailgate.connectors.secret_cache import open_redis
from hailgate.messaging.store.notify import Wake, wake_now

REDIS = os.environ.get("HAILGATE_TEST_REDIS", "redis://127.0.0.1:6379/0")
NOBODY = "redis://127.0.0.1:9/0"
PATIENCE_S = 20.0  # a bound, not a pause


@pytest.fixture
def channel(monkeypatch):
    """Nobody else's."""
    name = f"hailgate-test:{secrets.token_hex(4)}"
    monkeypatch.setattr(live_updates, "CHANNEL", name)
    monkeypatch.setattr(live_updates, "REST_S", 0.01)
    monkeypatch.setattr(live_updates, "AGAIN_S", 0.05)
    return name


@asynccontextmanager
async def processes(*urls):
    """One for each address, and the tasks that are to end with them."""
    updates = [LiveUpdates(open_redis(url)) for url in urls]
    tasks: list[asyncio.Task[None]] = []
    yield updates, lambda work: tasks.append(asyncio.create_task(work))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for each in updates:
        await each.close()


async def subscribers(channel, count):
    redis = open_redis(REDIS)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (await redis.pubsub_numsub(channel))[0][1] < count:
                await asyncio.sleep(0.01)
    except OSError:
        if os.environ.get("HAILGATE_TEST_REQUIRE") == "all":
            pytest.fail("Redis does not answer")
        pytest.skip("Redis does not answer: what needs it was skipped")
    finally:
        await redis.aclose()


async def test_what_one_commits_stirs_the_others_and_not_itself(channel):
    stirred, own = asyncio.Event(), asyncio.Event()
    async with processes(REDIS, REDIS) as ((one, other), begin):
        begin(one.hear_for_ever(own.set))
        begin(other.hear_for_ever(stirred.set))
        await subscribers(channel, 2)
        begin(one.tell_for_ever())
        await asyncio.sleep(0)
        for _ in range(3):
            wake_now(Wake.DELIVER)
            async with asyncio.timeout(PATIENCE_S):
                await stirred.wait()
            stirred.clear()
    assert not own.is_set()


@pytest.mark.usefixtures("channel")
async def test_without_an_answer_it_goes_on_trying_and_nobody_who_commits_waits():
    asked = []
    async with processes(NOBODY) as ((one,), begin):
        tell = one._tell

        async def counted():
            asked.append(await tell())
            return asked[-1]

        one._tell = counted
        begin(one.tell_for_ever())
        begin(one.hear_for_ever(lambda: None))
        async with asyncio.timeout(PATIENCE_S):
            while len(asked) < 3:
                wake_now(Wake.DELIVER)
                await asyncio.sleep(0.01)
    assert asked[:3] == [False, False, False]
