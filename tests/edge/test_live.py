"""What tells an open page of the console to look again: for whom, for how long, and never at anybody else's cost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.sessions import Limits
from hailgate.core.errors import Overloaded, Unauthenticated
from hailgate.edge.doors import live as door
from hailgate.edge.doors.live import Live
from hailgate.edge.http import sessions
from hailgate.edge.http.sessions import OperatorSessions

pytestmark = pytest.mark.anyio

COOKIE = "hailgate"
PATIENCE_S = 20.0  # a bound, not a pause
LIMITS = Limits(900.0, 43_200.0)
CONVERSATION = uuid4()


class Store:
    """What Live asks the database for: sessions, and fingerprints that a test changes."""

    def __init__(self) -> None:
        self.sessions: dict[str, CurrentOperator] = {}
        self.list_of: dict[int, int] = {}
        self.thread_of: dict[object, int] = {}
        self.looks = 0
        self.looked = asyncio.Event()

    def sign_in(self, key: str, operator: int = 1, tenant: int = 1) -> str:
        self.sessions[key] = CurrentOperator(operator, "uid", "Ada", tenant, "clinic", "agent")
        return key

    async def __call__(self, function: Callable[..., Any], *given: Any) -> Any:
        if function is sessions.find_session_viewer:
            return self.sessions.get(given[0])
        self.looks += 1
        self.looked.set()
        seen = self.list_of if function is door.glance_at_list else self.thread_of
        return seen.get(given[-1], 0)

    async def wait_for_looks(self, more: int) -> None:
        wanted = self.looks + more
        async with asyncio.timeout(PATIENCE_S):
            while self.looks < wanted:
                self.looked.clear()
                await self.looked.wait()


class Page:
    """A browser's end of a stream: what came, when it ended, and a switch to stop reading."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.more = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()
        self.ended = False
        self.sends = 0

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sends += 1
        await self.reads.wait()
        if message["type"] == "http.response.body":
            self.came += [line[7:] for line in message["body"].decode().splitlines() if line.startswith("event: ")]
            self.ended = not message.get("more_body", False)
        self.more.set()

    async def wait_for(self, *events: str) -> None:
        """Views are looked at in no order of their own."""
        async with asyncio.timeout(PATIENCE_S):
            while sorted(self.came) != sorted(events):
                self.more.clear()
                await self.more.wait()


class Desk(NamedTuple):
    live: Live
    store: Store
    open: Callable[..., Any]


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Looks follow each other at once; nothing else depends on time."""
    for name in ("IDLE_S", "AWAKE_S"):
        monkeypatch.setattr(door, name, 0.002)
    monkeypatch.setattr(door, "REST", 0)
    store = Store()
    live = Live(store, OperatorSessions(store, LIMITS, COOKIE))
    streams: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def open_page(key: str, conversation: str = "") -> AsyncIterator[tuple[Page, asyncio.Task[None]]]:
        """Open until it is left, as a browser that closes its tab."""
        page = Page()
        request = _request(key, conversation)
        response = await live.stream(request)
        stream = asyncio.create_task(response(request.scope, page.receive, page.send))
        streams.append(stream)
        yield page, stream
        page.gone.set()
        page.reads.set()
        await _finished(stream)

    yield Desk(live, store, open_page)
    live.end()
    for stream in streams:
        await _finished(stream)


async def _finished(stream: asyncio.Task[None]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await stream


def _request(key: str, conversation: str = "") -> Any:
    from starlette.requests import Request

    cookie = [(b"cookie", f"{COOKIE}={key}".encode())] if key else []
    query = f"conversation={conversation}".encode()
    return Request({"type": "http", "method": "GET", "path": "/", "headers": cookie, "query_string": query})


# --- who may look -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "unknown", "x" * 5_000])
async def test_without_a_session_that_holds_nothing_is_streamed(desk: Desk, key: str) -> None:
    with pytest.raises(Unauthenticated):
        await desk.live.stream(_request(key))


async def test_beyond_the_limit_of_all_pages_newcomers_are_refused(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(door, "MOST_CLIENTS", 2)
    for operator in (1, 2, 3):
        desk.store.sign_in(f"s{operator}", operator)
    async with desk.open("s1") as (first, _), desk.open("s2"):
        await desk.store.wait_for_looks(1)
        with pytest.raises(Overloaded) as refused:
            await desk.live.stream(_request("s3"))
        assert refused.value.retry_after
        assert not first.ended
    async with desk.open("s3"):  # the others have left
        await desk.store.wait_for_looks(1)


async def test_an_operator_with_one_page_too_many_loses_the_oldest(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(door, "MOST_PER_OPERATOR", 2)
    desk.store.sign_in("mine")
    desk.store.sign_in("others", operator=2)
    async with (
        desk.open("others") as (others, _), desk.open("mine") as (oldest, gone), desk.open("mine") as (middle, _),
    ):  # fmt: skip
        await desk.store.wait_for_looks(2)
        async with desk.open("mine") as (newest, _):
            await _finished(gone)
            await desk.store.wait_for_looks(2)
            assert (oldest.ended, middle.ended, newest.ended, others.ended) == (True, False, False, False)


# --- what is told -----------------------------------------------------------------------------------------------------


async def test_a_page_is_told_what_changed_in_its_own_view_alone(desk: Desk) -> None:
    desk.store.sign_in("mine")
    desk.store.sign_in("theirs", operator=2, tenant=2)
    uid = str(CONVERSATION)
    async with desk.open("mine", uid) as (mine, _), desk.open("theirs") as (theirs, _):
        await mine.wait_for("list", "thread")  # what changed since the page was made
        await theirs.wait_for("list")
        desk.store.thread_of[CONVERSATION] = 1
        await mine.wait_for("list", "thread", "thread")
        desk.store.list_of[2] = 1
        await theirs.wait_for("list", "list")
        assert sorted(mine.came) == ["list", "thread", "thread"]


async def test_pages_with_the_same_view_cost_one_look(desk: Desk) -> None:
    desk.store.sign_in("mine")
    async with desk.open("mine") as (one, _), desk.open("mine") as (two, _):
        for page in (one, two):
            async with asyncio.timeout(PATIENCE_S):
                while not page.came:
                    page.more.clear()
                    await page.more.wait()
        assert set(desk.live._seen) == {door.View(1)}
    await desk.store.wait_for_looks(0)
    assert (desk.live._clients, desk.live._seen) == (set(), {})


async def test_a_reader_that_does_not_read_is_told_once_and_costs_nothing_meanwhile(desk: Desk) -> None:
    desk.store.sign_in("mine")
    async with desk.open("mine") as (slow, _), desk.open("mine") as (quick, _):
        await slow.wait_for("list")
        slow.reads.clear()
        sends = slow.sends
        for change in range(1, 21):
            told = len(quick.came)
            desk.store.list_of[1] = change
            async with asyncio.timeout(PATIENCE_S):
                while len(quick.came) == told:
                    quick.more.clear()
                    await quick.more.wait()
        assert slow.sends == sends + 1  # the one that hangs
        before = len(slow.came)
        slow.reads.set()
        async with asyncio.timeout(PATIENCE_S):
            while len(slow.came) < before + 2:
                slow.more.clear()
                await slow.more.wait()
        await desk.store.wait_for_looks(2)
        assert slow.came[before:] == ["list", "list"]  # the one that hung, and one for the nineteen after it


# --- how it ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["signed out", "works for another tenant now"])
async def test_a_session_that_no_longer_holds_is_told_and_ends(desk: Desk, monkeypatch, ending: str) -> None:
    monkeypatch.setattr(door, "RECHECK_S", 0.0)
    desk.store.sign_in("mine")
    desk.store.sign_in("others", operator=2)
    async with desk.open("mine") as (mine, stream), desk.open("others") as (others, _):
        await desk.store.wait_for_looks(2)
        if ending == "signed out":
            del desk.store.sessions["mine"]
        else:
            desk.store.sign_in("mine", tenant=2)
        await _finished(stream)
        assert mine.came[-1] == "over"
        assert mine.ended
        assert not others.ended


async def test_a_session_is_looked_at_again_no_more_often_than_it_must(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(door, "RECHECK_S", 3_600.0)
    desk.store.sign_in("mine")
    async with desk.open("mine") as (mine, _):
        del desk.store.sessions["mine"]
        await desk.store.wait_for_looks(5)
        assert "over" not in mine.came


async def test_a_server_that_stops_ends_every_stream_also_of_readers_that_do_not_read(desk: Desk) -> None:
    desk.store.sign_in("mine")
    async with desk.open("mine") as (one, first), desk.open("mine") as (two, second):
        await desk.store.wait_for_looks(1)
        desk.live.end()
        await _finished(first)
        await _finished(second)
        assert (one.ended, two.ended) == (True, True)
    with_looking = desk.live._looking
    assert with_looking is not None
    await asyncio.gather(with_looking, return_exceptions=True)
    assert with_looking.done()


async def test_the_whole_program_stops_with_streams_open(tenant) -> None:
    import aiohttp
    from django.db import connection
    from django.test import Client

    from hailgate.accounts.operators import add_operator, make_sign_in_link
    from hailgate.asgi import create_app
    from hailgate.settings import ENV
    from serving import serving

    def sign_in() -> str:
        client = Client()
        operator = add_operator(tenant.pk, "olivia@clinic.example")
        try:
            client.get(f"/console/sign-in/{make_sign_in_link(operator, reusable=True)}")
        finally:
            connection.close()
        return client.cookies[COOKIE].value

    cookie = await asyncio.to_thread(sign_in)
    ends: list[Callable[[], None]] = []
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(PATIENCE_S):
            async with serving(create_app(ENV, with_worker=False, at_stop=ends.append), ends) as site:
                stream = await session.get(f"{site.url}/console/live", cookies={COOKIE: cookie})
                assert stream.status == 200
                assert await stream.content.readline() == b"retry: 2000\n"
        assert await stream.content.read() is not None  # ended, not broken


async def test_what_another_process_commits_is_looked_at_without_waiting_for_the_next_round(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_S", 10 * PATIENCE_S)
    stir: asyncio.Future[Callable[[], None]] = asyncio.get_running_loop().create_future()

    async def hear(given: Callable[[], None]) -> None:
        stir.set_result(given)

    desk.live._hear = hear
    async with desk.open(desk.store.sign_in("key")) as (page, _):
        await page.wait_for("list")
        desk.store.list_of[1] = 1
        (await stir)()
        await page.wait_for("list", "list")
