"""The program as a process: it starts light, answers, and stops without cutting anybody off."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

import given
from faults.proxy import Proxy
from hailgate.core.errors import ConfigurationError
from hailgate.edge.http.server import listen
from hailgate.service import Service
from hailgate.telemetry.events import Event

pytestmark = pytest.mark.anyio

READY_WITHIN_S = 60.0  # a busy machine is not what is tested


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One `hailgate` process and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process, self.url, self.pid = process, url, process.pid
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr
        async for line in self._process.stderr:
            self.lines.append(line.decode())

    async def ready(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                assert self._process.returncode is None, self.lines
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)

    async def said(self, word: str) -> None:
        begun = time.monotonic()
        while word not in "".join(self.lines):
            assert time.monotonic() - begun < READY_WITHIN_S, self.lines
            await asyncio.sleep(0.02)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            code = await self._process.wait()
            await self._reading
        return code

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@asynccontextmanager
async def running(*arguments: str, **settings: str) -> AsyncIterator[Process]:
    port = free_port()
    env = {**os.environ, "HAILGATE_BIND": f"127.0.0.1:{port}", "HAILGATE_WORK_BIND": f"127.0.0.1:{port}", **settings}
    command = [sys.executable, "-m", "hailgate", *arguments]
    started = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    process = Process(started, f"http://127.0.0.1:{port}")
    try:
        yield process
    finally:
        if started.returncode is None:
            started.kill()
        await process.ended()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


async def test_serve_is_light_answers_and_stops_on_sigterm(store, key, channel, session) -> None:
    async with running("serve") as process:
        await process.ready(session)
        for path in ("/", "/v1/docs", "/v1/openapi.json", "/health", "/metrics"):
            async with session.get(process.url + path) as answer:
                assert answer.status == 200, path
        assert cpu_seconds(process.pid) < 5.0  # models' libraries alone would take two more
        assert resident_megabytes(process.pid) < 150
        begun = time.monotonic()
        process.terminate()
        assert await process.ended() == 0
        assert time.monotonic() - begun < 5
    names = [line["event"] for line in process.events()]
    assert {"server.started", "worker.started", "worker.stopped", "server.stopped"} <= set(names)
    assert {"library.logged", "loop.failed", "http.request_failed"}.isdisjoint(names), process.lines


async def test_nothing_secret_is_logged_at_debug(store, key, hook, channel, session) -> None:
    async with running("serve", HAILGATE_LOG_LEVEL="debug") as process:
        await process.ready(session)
        message = {"channel": "front desk", "to": "+15550100042", "type": "text", "text": {"body": "canary-text"}}
        async with session.post(
            f"{process.url}/v1/messages", json=message, headers={"Authorization": f"Bearer {key}"}
        ) as answer:
            assert answer.status == 202
        body = given.text_webhook("canary-inbound", name="canary-name")
        async with session.post(process.url + hook.path, data=body, headers=given.signed(body)) as answer:
            assert answer.status == 200
        async with session.post(process.url + hook.path, data=b"canary-forged") as answer:
            assert answer.status == 401
        async with session.get(f"{process.url}/v1/messages/canary-path?x=canary-query") as answer:
            assert answer.status == 401
        process.terminate()
        assert await process.ended() == 0
    logged = "".join(process.lines)
    assert len(process.events()) > 3
    for canary in ("canary", "15550100042", key, hook.token, given.APP_SECRET):
        assert canary not in logged


async def test_a_request_under_way_is_finished_after_sigterm(store, key, channel, session) -> None:
    async with running("serve", "--no-work") as process:
        await process.ready(session)
        body = json.dumps(
            {"channel": "front desk", "to": "+15550100042", "type": "text", "text": {"body": "x"}}
        ).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(process.url.rpartition(":")[2]))
        writer.write(
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
            % (key.encode(), len(body))
            + body[:5]
        )
        await writer.drain()
        await asyncio.sleep(0.2)  # until the request has been begun; there is nothing outside to see it by
        process.terminate()
        async with asyncio.timeout(10):
            while True:
                try:
                    async with session.get(f"{process.url}/livez"):
                        await asyncio.sleep(0.02)
                except aiohttp.ClientError:
                    break
        writer.write(body[5:])
        assert (await reader.read()).startswith(b"HTTP/1.1 202 ")
        writer.close()
        await writer.wait_closed()
        assert await process.ended() == 0


@pytest.fixture
async def wire() -> AsyncIterator[tuple[Proxy, str]]:
    """The store behind a wire that can be cut, and its URL there."""
    url = urlsplit(os.environ["HAILGATE_DATABASE_URL"])
    if url.scheme != "postgresql":
        pytest.skip("SQLite has no wire")
    async with Proxy((url.hostname or "127.0.0.1", url.port or 5432)) as proxy:
        user = f"{url.username or 'postgres'}{f':{url.password}' if url.password else ''}"
        yield proxy, url._replace(netloc=f"{user}@127.0.0.1:{proxy.port}").geturl()


async def test_a_frozen_store_keeps_no_process_from_ending(store, key, channel, session, wire) -> None:
    """Also while a caller waits for its answer and a body does not come to its end."""
    proxy, url = wire
    async with running("serve", HAILGATE_DATABASE_URL=url, HAILGATE_DRAIN_S="1") as process:
        await process.ready(session)
        _, slow = await asyncio.open_connection("127.0.0.1", int(process.url.rpartition(":")[2]))
        slow.write(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % key.encode())
        slow.write(b"Content-Length: 100\r\n\r\n{")
        await slow.drain()
        proxy.cut()
        process.terminate()
        assert await process.ended() == 1
        slow.close()
        await asyncio.gather(slow.wait_closed(), return_exceptions=True)
        proxy.heal()
    assert process.events()[-1]["event"] == Event.SERVER_CUT_OFF


async def test_an_absent_store_lets_a_process_end_in_order(store, session, wire) -> None:
    proxy, url = wire
    async with running("serve", HAILGATE_DATABASE_URL=url, HAILGATE_DRAIN_S="10") as process:
        await process.ready(session)
        await proxy.leave()
        process.terminate()
        assert await process.ended() == 0
    assert process.events()[-1]["event"] == Event.SERVER_STOPPED


async def test_work_runs_a_worker_with_probes_and_no_doors(store, session) -> None:
    async with running("work") as process:
        await process.ready(session)
        async with session.get(f"{process.url}/health") as answer:
            assert (await answer.json())["components"]["worker"] == {"status": "ok"}
        async with session.post(f"{process.url}/v1/messages") as answer:
            assert answer.status == 404
        process.terminate()
        assert await process.ended() == 0


async def test_work_without_a_bind_listens_nowhere_and_stops(store, session) -> None:
    async with running("work", HAILGATE_WORK_BIND="") as process:
        await process.said("worker.started")
        process.terminate()
        assert await process.ended() == 0


def test_an_address_that_is_taken_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            listen("127.0.0.1", port)


async def test_a_worker_that_ends_by_a_bug_ends_the_process(store, monkeypatch, capture_log) -> None:
    from hailgate.pipeline.worker import WorkerProcess
    from hailgate.settings import ENV

    async def broken(_: WorkerProcess) -> None:
        raise ValueError("a phone number")

    monkeypatch.setattr(WorkerProcess, "run", broken)
    failed = asyncio.Event()
    service = Service(ENV, with_worker=True, on_failure=failed.set)
    await service.start()
    async with asyncio.timeout(5):
        await failed.wait()
    await service.stop()
    assert [line["error"] for line in capture_log if line["event"] == Event.LOOP_FAILED] == ["ValueError"]
    assert "phone" not in str(capture_log)
