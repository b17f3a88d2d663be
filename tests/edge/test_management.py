"""The bridge to Django: few threads, a bounded wait, and no thread for a slow caller."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hailgate.core.errors import StoreUnavailable
from hailgate.edge.app import build_app
from hailgate.edge.http import django_bridge
from hailgate.edge.http.django_bridge import Management
from serving import serving

pytestmark = pytest.mark.anyio

Start = Callable[[str, list[tuple[str, str]]], Any]


def answering(status: str, headers: list[tuple[str, str]], body: bytes = b"<h1>Django's own page</h1>"):
    def app(_: dict[str, Any], start: Start) -> Iterable[bytes]:
        start(status, headers)
        return [body]

    return app


async def live(_: Request) -> Response:
    return Response(b"ok")


def site_of(app: Any, threads: int = 2):
    return serving(build_app([Route("/livez", live)], rest=Management(app, threads=threads)))


async def test_more_than_may_wait_are_refused_and_the_loop_stays_free(monkeypatch) -> None:
    monkeypatch.setattr(django_bridge, "MOST_WAITING", 3)
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def slow(_: dict[str, Any], start: Start) -> Iterable[bytes]:
        begun.release()
        go_on.wait(10)
        start("200 OK", [])
        return [b"done"]

    bridge = Management(slow, threads=2)
    async with serving(build_app([Route("/livez", live)], rest=bridge)) as site:
        waiting = [asyncio.create_task(site.get("/v1/x")) for _ in range(5)]
        for _ in range(2):
            await asyncio.to_thread(begun.acquire, timeout=10)
        while bridge.busy < 5:
            await asyncio.sleep(0.001)
        refused = await site.get("/v1/x")
        assert (refused.code, refused.headers["Retry-After"]) == ("overloaded", "1")
        assert (await site.get("/livez")).body == b"ok"
        go_on.set()
        assert {(await answer).body for answer in waiting} == {b"done"}
        assert (await site.get("/v1/x")).status == 200


async def test_a_wait_that_is_ended_answers_at_once_and_counts_until_its_thread_is_free(monkeypatch) -> None:
    """The store fell silent: the caller is told, while the thread still sits in it."""
    monkeypatch.setattr(django_bridge, "MOST_WAITING", 0)
    go_on, limits = threading.Event(), list[asyncio.Timeout]()

    @asynccontextmanager
    async def until_told() -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(None) as limit:
                limits.append(limit)
                yield
        except TimeoutError:
            raise StoreUnavailable("silent", retry_after=1.0) from None

    def slow(_: dict[str, Any], start: Start) -> Iterable[bytes]:
        go_on.wait(10)
        start("200 OK", [])
        return [b"too late"]

    bridge = Management(slow, threads=1, wait=until_told)
    async with serving(build_app([Route("/livez", live)], rest=bridge)) as site:
        asked = asyncio.create_task(site.get("/v1/x"))
        while not bridge.busy:
            await asyncio.sleep(0.001)
        limits[0].reschedule(0.0)
        assert (await asked).code == "store_unavailable"
        assert (await site.get("/v1/x")).code == "overloaded"
        go_on.set()
        while bridge.busy:
            await asyncio.sleep(0.001)


async def test_one_tenant_leaves_a_thread_to_the_others_and_they_go_on_beside_it() -> None:
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def slow_for_some(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if environ["HTTP_TENANT"] == "noisy":
            begun.release()
            go_on.wait(20)
        start("200 OK", [])
        return [b"done"]

    async def whose(scope: Any) -> str | None:
        return dict(scope["headers"]).get(b"tenant", b"").decode() or None

    bridge = Management(slow_for_some, threads=4, waiting=8, whose=whose)
    async with serving(build_app([Route("/livez", live)], rest=bridge)) as site:
        noisy = {"Tenant": "noisy"}
        asked = [asyncio.create_task(site.get("/v1/x", headers=noisy)) for _ in range(9)]
        for _ in range(3):
            await asyncio.to_thread(begun.acquire, timeout=10)
        while bridge.busy < 9:
            await asyncio.sleep(0.001)
        assert (await site.get("/v1/x", headers=noisy)).code == "overloaded"
        quiet = [site.get("/v1/x", headers={"Tenant": f"quiet-{number}"}) for number in range(3)]
        assert {answer.body for answer in await asyncio.gather(*quiet)} == {b"done"}
        assert not begun.acquire(blocking=False)  # no fourth thread
        go_on.set()
        assert {(await answer).status for answer in asked} == {200}
        assert (await site.get("/v1/x", headers=noisy)).status == 200


async def test_django_gets_the_whole_body() -> None:
    def echo(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]

    async with site_of(echo) as site:
        body = b"x" * 500_000
        assert (await site.post("/v1/x", body)).body == body


async def test_a_slow_body_holds_no_thread() -> None:
    async with site_of(answering("200 OK", [], b"fine"), threads=1) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1")
        await writer.drain()
        assert (await site.get("/v1/y")).body == b"fine"
        writer.write(b"234567890")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        ("400 Bad Request", [], "malformed_body"),
        ("403 Forbidden", [], "forbidden"),
        ("404 Not Found", [("Content-Type", "text/html")], "not_found"),
        ("405 Method Not Allowed", [("Allow", "POST, GET")], "method_not_allowed"),
        ("500 Internal Server Error", [("Content-Type", "text/html")], "internal_error"),
    ],
)
async def test_djangos_own_pages_become_problems(status: str, headers: list[tuple[str, str]], code: str) -> None:
    async with site_of(answering(status, headers)) as site:
        answer = await site.get("/v1/x")
        assert (answer.status, answer.code) == (int(status[:3]), code)
        assert b"own page" not in answer.body
        if code == "method_not_allowed":
            assert answer.headers["Allow"] == "GET, POST"


async def test_problems_of_django_pass_as_they_are() -> None:
    problem = answering("422 Unprocessable", [("Content-Type", "application/problem+json")], b'{"code": "x"}')
    async with site_of(problem) as site:
        assert (await site.get("/v1/x")).body == b'{"code": "x"}'


async def test_the_connections_of_its_threads_are_closed_with_it(store) -> None:
    """Python 3.13 warns of one that the collector has to close, in whatever runs then."""
    from django.db import connection

    used = []

    def ask(_environ: Any, start_response: Any) -> list[bytes]:
        connection.ensure_connection()
        used.append(connection._connections["default"])
        start_response("200 OK", [])
        return [b""]

    bridge = Management(ask, threads=1)
    async with serving(build_app([], rest=bridge)) as site:
        assert (await site.get("/v1/x")).status == 200
    assert used[0].connection is not None
    await asyncio.to_thread(bridge.close)
    assert used[0].connection is None
