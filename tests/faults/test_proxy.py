"""The wire that the harness cuts: silence while it is cut, and nothing lost once it is whole again."""

import asyncio

import pytest

from .outcomes import EVERY, Mishaps
from .proxy import Proxy

pytestmark = pytest.mark.anyio

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"said": "yes"}'
A_WHILE_S = 0.15


@pytest.fixture
async def echo():
    """A server that repeats every line; yields its address."""

    async def repeat(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


async def test_a_whole_wire_passes_everything_on(echo):
    async with Proxy(echo) as wire:
        assert await say(wire, b"hello\n") == b"hello\n"


async def test_a_cut_wire_is_silent_and_repeats_what_was_said_when_it_heals(echo):
    async with Proxy(echo) as wire:
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        wire.cut()
        writer.write(b"is anybody there?\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), A_WHILE_S)
        wire.heal()
        assert await asyncio.wait_for(reader.readline(), 5) == b"is anybody there?\n"
        writer.close()


async def test_nobody_gets_a_connection_through_a_cut_wire(echo):
    async with Proxy(echo) as wire:
        wire.cut()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection("127.0.0.1", wire.port), A_WHILE_S)
        wire.heal()
        assert await say(wire, b"again\n") == b"again\n"


@pytest.fixture
async def answering(request):
    """A server that answers one line in the given pieces; yields its address."""

    async def answer(reader, writer):
        await reader.readline()
        for piece in request.param:
            writer.write(piece)
            await asyncio.sleep(0)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


@pytest.mark.parametrize("answering", [[ANSWER], [ANSWER[:20], ANSWER[20:45], ANSWER[45:]]], indirect=True)
async def test_an_answer_is_spoiled_whole_however_it_arrives(answering):
    seen = []

    def spoil(whole):
        seen.append(whole)
        return b"spoiled\n"

    async with Proxy(answering, spoil) as wire:
        assert await say(wire, b"send\n") == b"spoiled\n"
    assert seen == [ANSWER]


@pytest.mark.parametrize("answering", [[ANSWER]], indirect=True)
async def test_a_spoiled_answer_may_be_a_reset(answering):
    async with Proxy(answering, lambda _: None) as wire:
        with pytest.raises(ConnectionResetError):
            await say(wire, b"send\n")


def test_only_every_nth_good_answer_meets_a_mishap():
    class First:
        def choice(self, kinds):
            return kinds[0]

    mishaps = Mishaps(First())
    answers = [mishaps(ANSWER) for _ in range(2 * EVERY)]
    assert [answer is None for answer in answers] == [*[False] * (EVERY - 1), True] * 2
    assert mishaps(b"HTTP/1.1 429 Too Many Requests\r\n\r\n") is not None
    assert sum(mishaps.done.values()) == 2


async def say(wire, line):
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    try:
        writer.write(line)
        return await asyncio.wait_for(reader.readline(), 5)
    finally:
        writer.close()
