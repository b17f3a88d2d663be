"""The simulator as its own process: what it said survives whatever happens to it."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from simulator.business import Business
from simulator.driver import ANA, BEN, Driver

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def process(home: Path, *flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Driver]]:
    command = [sys.executable, "-m", "hailgate.simulator", "--port", "0", "--home", str(home), *flags]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout
    try:
        line = (await child.stdout.readline()).decode()
        assert line.startswith("Simulator ready at http://127.0.0.1:")
        async with Driver(line.split()[-1]) as driver:
            yield child, driver
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        assert await child.stdout.read() == b"", "one line is all it says"


async def test_every_answered_send_is_in_the_ledger_after_a_kill(tmp_path: Path):
    answered = []

    async def send_for_ever(driver: Driver, worker: int) -> None:
        try:
            for i in range(10_000):
                _, answer = await driver.send(f"{worker}.{i}")
                answered.append(answer["messages"][0]["id"])
                if len(answered) == 400:
                    child.kill()
        except (aiohttp.ClientError, OSError):
            return

    async with process(tmp_path) as (child, driver):
        await driver.put_channels("http://127.0.0.1:1/hook")
        await asyncio.gather(*(send_for_ever(driver, worker) for worker in range(32)))
    assert len(answered) >= 400
    async with process(tmp_path) as (_, driver):
        assert set(answered) <= {row["provider_id"] for row in await driver.ledger()}
        assert (await driver.expect("GET", "/_sim/state"))["channels"], "channels survive too"


async def test_webhooks_and_clock_survive_a_kill(tmp_path: Path, business: Business):
    flags = ("--webhook-retry-first", "0.05", "--webhook-retry-cap", "0.1")
    business.answers = [503] * 10_000
    async with process(tmp_path, *flags) as (child, driver):
        await driver.put_channels(business.url)
        await driver.expect("PUT", "/_sim/clock", {"offset_s": 5000})
        for i in range(20):
            await driver.write(str(i), phone=ANA if i % 2 else BEN)
        await driver.send("answer")
        child.kill()
    business.answers = []
    async with process(tmp_path, *flags) as (_, driver):
        await business.wait_until(lambda b: len(set(b.texts)) == 20 and len(b.statuses) >= 2)
        assert (await driver.messages())[-1]["at"] > time.time() + 4000
        await driver.write("later")
        assert (await driver.messages())[-1]["at"] > time.time() + 4000


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_at_once_while_pages_watch_and_webhooks_wait(tmp_path: Path, business: Business, sign):
    business.gate = asyncio.Event()
    async with process(tmp_path) as (child, driver):
        await driver.put_channels(business.url)
        await driver.write("Hi")
        await driver.put_faults({"do": "delay", "value": 60})
        sending = asyncio.create_task(driver.send())
        async with driver.session.get("/_sim/events") as events:
            assert await events.content.readline() == b"retry: 1000\n"
            child.send_signal(sign)
            async with asyncio.timeout(2):
                assert await child.wait() == 0
        business.gate.set()
        with pytest.raises(aiohttp.ClientError):
            await sending


async def test_faults_cut_connections_in_a_process_of_its_own(tmp_path: Path):
    async with process(tmp_path, "--no-window") as (_, driver):
        await driver.put_channels("http://127.0.0.1:1/hook")
        await driver.put_faults({"do": "accept_then_reset"})
        with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
            await driver.send("Hello")
        assert [m["status"] for m in await driver.messages()] == ["delivered"]
        assert len(await driver.ledger()) == 1
