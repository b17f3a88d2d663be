"""The transport: what became of a request is observed, and told by the class of the error."""

import asyncio
import gzip
import socket
import time
import zlib
from types import SimpleNamespace

import pytest
from aiohttp.payload import BytesPayload

from hailgate.core.errors import LeaseLost, OutcomeUnknown, ProviderUnavailable
from hailgate.providers import guarded_body as guarded_module
from hailgate.providers import transport as transport_module
from hailgate.providers.guarded_body import GuardedBody
from hailgate.providers.transport import MAX_ANSWER, Transport

from . import loopback
from .loopback import Loopback, answer

pytestmark = pytest.mark.anyio

BODY = b'{"text": "hello"}'
PACKED = {"Content-Encoding": "gzip"}


class CountingGuard:
    """Counts how often it is asked; says no on request."""

    def __init__(self, refusal=None):
        self.asked = 0
        self.refusal = refusal

    def __call__(self):
        self.asked += 1
        if self.refusal:
            raise self.refusal


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def post(client, url, guard=None, **options):
    return await client.post(url, headers={}, body=BODY, guard=guard or CountingGuard(), **options)


async def test_an_answer_of_any_status_is_a_reply():
    async with (
        Loopback(answer(418, b"short and stout", {"X-Kind": "teapot"})) as server,
        Transport() as client,
    ):
        reply = await post(client, server.url)
    assert (reply.status, reply.headers["x-kind"], reply.body) == (418, "teapot", b"short and stout")
    assert server.bodies == [BODY]


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://nowhere.invalid", "http://a..b", "nonsense"])
async def test_where_no_connection_is_made_nothing_was_sent(url):
    guard = CountingGuard()
    async with Transport() as client:
        with pytest.raises(ProviderUnavailable):
            await post(client, url.format(port=free_port()), guard)
    assert guard.asked == 0


async def test_where_tls_fails_nothing_was_sent():
    async def no_tls(connection):
        await connection.write(b"220 this speaks something else\r\n")
        connection.close()

    async with Loopback(no_tls) as server, Transport() as client:
        with pytest.raises(ProviderUnavailable):
            await post(client, server.url.replace("http", "https"))


async def test_where_the_pool_has_no_connection_in_time_nothing_was_sent():
    waiting = CountingGuard()
    async with (
        Loopback(loopback.silence) as server,
        Transport(connections_per_host=1, connect=0.05) as client,
    ):
        first = asyncio.create_task(post(client, server.url, timeout=0.3))
        while not server.bodies:
            await asyncio.sleep(0)
        with pytest.raises(ProviderUnavailable):
            await post(client, server.url, waiting)
        with pytest.raises(OutcomeUnknown):
            await first
    assert waiting.asked == 0
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "script",
    [
        loopback.reset_before_read,
        loopback.accept_then_reset,
        loopback.accept_then_close,
        loopback.half_a_head,
        loopback.half_an_answer,
        loopback.garbage,
        loopback.silence,
        loopback.drip,
        loopback.flood,
        answer(200, b"\x1f\x8b" * 8, PACKED),
        answer(200, gzip.compress(b"x" * (MAX_ANSWER + 1)), PACKED),
        answer(200, gzip.compress(b"an answer that was cut short")[:-12], PACKED),
        answer(200, b"{}", {"Content-Encoding": "br"}),
        answer(200, b"x" * (MAX_ANSWER + 1)),
    ],
)
async def test_what_goes_wrong_after_the_first_byte_is_unknown_and_never_repeated(script):
    guard = CountingGuard()
    async with Loopback(script) as server, Transport() as client:
        with pytest.raises(OutcomeUnknown):
            await post(client, server.url, guard, timeout=0.2)
    assert guard.asked == 1
    assert server.connections == 1
    assert len(server.bodies) <= 1


async def test_a_server_that_resets_at_once_leaves_an_unknown_only_if_the_guard_was_asked():
    guard = CountingGuard()
    async with Loopback(loopback.reset_at_once) as server, Transport() as client:
        with pytest.raises((ProviderUnavailable, OutcomeUnknown)) as raised:
            await post(client, server.url, guard)
    assert guard.asked == isinstance(raised.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("gzip", gzip.compress(b"short and stout")),
        ("x-GZIP", gzip.compress(b"short and stout")),
        ("deflate", zlib.compress(b"short and stout")),
        ("identity", b"short and stout"),
        ("identity", b"\xef\xbb\xbfshort and stout"),
        ("gzip", gzip.compress(b"\xef\xbb\xbfshort and stout")),
    ],
)
async def test_an_answer_is_read_that_is_compressed_or_begins_with_a_byte_order_mark(encoding, sent):
    async with Loopback(answer(418, sent, {"Content-Encoding": encoding})) as server, Transport() as client:
        assert (await post(client, server.url)).body == b"short and stout"


async def test_a_compressed_answer_without_a_body_is_a_reply():
    async with Loopback(answer(200, b"", PACKED)) as server, Transport() as client:
        assert (await post(client, server.url)).body == b""


async def test_the_largest_answer_that_is_read_is_a_reply():
    async with Loopback(answer(200, b"x" * MAX_ANSWER)) as server, Transport() as client:
        assert len((await post(client, server.url)).body) == MAX_ANSWER


@pytest.mark.parametrize("refusal", [LeaseLost(), RuntimeError("a guard with a fault")])
async def test_a_guard_that_says_no_lets_no_byte_out(refusal):
    read = []

    async def listen(connection):
        read.append(await connection.first_byte())
        connection.close()

    async with Loopback(listen, answer(200)) as server, Transport() as client:
        with pytest.raises(type(refusal)) as raised:
            await post(client, server.url, CountingGuard(refusal))
        assert raised.value is refusal
        assert (await post(client, server.url)).status == 200
    assert read == [b""]


async def test_a_guard_that_says_no_on_a_reused_connection_lets_no_byte_out():
    async with Loopback(answer(200)) as server, Transport() as client:
        await post(client, server.url)
        with pytest.raises(LeaseLost):
            await post(client, server.url, CountingGuard(LeaseLost()))
        assert (await post(client, server.url)).status == 200
    assert len(server.bodies) == 2


async def test_nothing_runs_between_the_guard_and_the_first_byte():
    written = []

    class Writer:
        def __init__(self, transport):
            self.transport = transport

        async def write(self, chunk):
            written.append(chunk)

    async with Loopback(loopback.silence) as server:
        _, stream = await asyncio.open_connection("127.0.0.1", server.port)
        body = GuardedBody(BODY, "application/json", lambda: written.append("guard"))
        step = body.write_with_length(Writer(stream.transport), None)
        with pytest.raises(StopIteration):
            step.send(None)  # one step of the coroutine, without a loop: it never waited
        stream.close()
        await stream.wait_closed()
    assert written == ["guard", BODY]


async def test_the_request_head_leaves_with_the_body_and_not_before_the_guard():
    seen = []

    async def listen(connection):
        seen.append(await connection.first_byte())
        await connection.write(loopback.render_answer(200, b""))

    async with Loopback(listen) as server, Transport() as client:
        await post(client, server.url, guard=lambda: seen.append("guard"))
    assert seen[:2] == ["guard", b"P"]


@pytest.mark.parametrize("rounds", [0, 1, 2, 50], ids=lambda rounds: f"{rounds} rounds of the loop later")
async def test_a_connection_closed_while_idle_is_replaced_and_nothing_is_sent_twice(rounds):
    guard = CountingGuard()
    async with (
        Loopback(loopback.answer_then_close, answer(200, b"second")) as server,
        Transport() as client,
    ):
        await post(client, server.url)
        for _ in range(rounds):
            await asyncio.sleep(0)
        reply = await post(client, server.url, guard)
    assert reply.body == b"second"
    assert guard.asked == 1
    assert server.bodies == [BODY, BODY]


async def test_a_closing_that_the_loop_has_not_seen_yet_is_seen_before_the_first_byte():
    """The server closes from another thread while our loop is busy: only the kernel knows."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    assert not guarded_module._is_closed(writer.transport)
    theirs.close()
    assert guarded_module._is_closed(writer.transport)
    assert not reader.at_eof()
    writer.close()
    await writer.wait_closed()


class Pieces:
    """A body in two pieces."""

    content_type, length, failure = "application/json", 2, None

    async def body(self):
        yield b"1"
        yield b"2"


async def test_each_piece_is_written_before_the_next_is_asked_for(monkeypatch):
    """However slowly the socket takes it: order, and no more than one piece in memory."""
    monkeypatch.setattr(guarded_module, "_is_closed", lambda _: False)
    written = []

    async def write(piece):
        await asyncio.sleep(0)
        written.append(piece)

    payload = guarded_module.guarded(Pieces(), Pieces.content_type, CountingGuard())
    await payload.write(SimpleNamespace(write=write, transport=None))
    assert written == [b"1", b"2"]


class Closing:
    """A transport that is being closed on our side; its socket is gone."""

    def is_closing(self) -> bool:
        return True


@pytest.mark.parametrize("transport", [None, Closing()], ids=["none", "closing"])
def test_what_we_are_closing_ourselves_is_closed(transport):
    assert guarded_module._is_closed(transport)


async def test_where_every_connection_is_closed_by_the_peer_nothing_was_sent(monkeypatch):
    monkeypatch.setattr(guarded_module, "_is_closed", lambda _: True)
    guard = CountingGuard()
    async with Loopback(answer(200)) as server, Transport() as client:
        with pytest.raises(ProviderUnavailable):
            await post(client, server.url, guard)
        await asyncio.sleep(0)
    assert guard.asked == 0
    assert server.bodies == []
    assert server.connections == 1 + transport_module.FRESH_CONNECTIONS


async def test_a_reset_on_a_reused_connection_is_unknown_and_not_repeated():
    async with (
        Loopback(answer(200), loopback.accept_then_reset, answer(200)) as server,
        Transport() as client,
    ):
        await post(client, server.url)
        with pytest.raises(OutcomeUnknown):
            await post(client, server.url)
    assert server.connections == 1
    assert len(server.bodies) == 2


async def test_an_answer_to_nobody_is_not_taken_for_the_next_one():
    async with Loopback(loopback.answer_twice, answer(200, b"mine")) as server, Transport() as client:
        assert (await post(client, server.url)).body == b"first"
        assert (await post(client, server.url)).body == b"mine"


async def test_an_answer_to_a_request_that_was_not_guarded_is_no_receipt(monkeypatch):
    monkeypatch.setattr(GuardedBody, "write_with_length", BytesPayload.write_with_length)
    async with Loopback(answer(200)) as server, Transport() as client:
        with pytest.raises(OutcomeUnknown):
            await post(client, server.url)


async def test_a_send_cancelled_too_late_is_unknown():
    async with Loopback(loopback.silence) as server, Transport() as client:
        sending = asyncio.create_task(post(client, server.url))
        while not server.bodies:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(OutcomeUnknown):
            await sending


async def test_a_send_cancelled_in_time_was_not_sent():
    async with Loopback(loopback.silence) as server, Transport(connections_per_host=1) as client:
        first = asyncio.create_task(post(client, server.url))
        while not server.bodies:
            await asyncio.sleep(0)
        waiting = asyncio.create_task(post(client, server.url))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(LeaseLost):
            await waiting
        first.cancel()
        with pytest.raises(OutcomeUnknown):
            await first
    assert len(server.bodies) == 1


async def test_a_verdict_once_given_stays_true():
    body = GuardedBody(BODY, "application/json", CountingGuard())
    assert isinstance(body.verdict(TimeoutError()), ProviderUnavailable)
    with pytest.raises(ConnectionAbortedError):
        await body.write_with_length(None, None)


async def test_redirects_are_not_followed_and_cookies_not_kept():
    async with Loopback(answer(200)) as elsewhere:
        moved = answer(307, b"", {"Location": elsewhere.url, "Set-Cookie": "session=1"})
        async with Loopback(moved) as server, Transport() as client:
            assert (await post(client, server.url)).status == 307
            await post(client, server.url)
    assert elsewhere.connections == 0
    assert not any(b"Cookie" in head for head in server.heads)


async def test_the_request_carries_what_it_must_and_no_more(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with Loopback(answer(200)) as server, Transport() as client:
        await client.post(f"{server.url}/v1?x=1", headers={"Authorization": "Bearer t"}, body=BODY)
    assert sorted(server.heads[0].decode().strip().split("\r\n")) == sorted(
        [
            "POST /v1?x=1 HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            "User-Agent: hailgate",
            "Authorization: Bearer t",
            f"Content-Length: {len(BODY)}",
            "Content-Type: application/json",
        ]
    )


@pytest.mark.parametrize("script", [loopback.accept_then_reset, loopback.half_an_answer, loopback.garbage])
async def test_a_read_that_fails_is_merely_unavailable(script):
    async with Loopback(script) as server, Transport() as client:
        with pytest.raises(ProviderUnavailable):
            await client.get(server.url, headers={})


async def test_errors_show_no_address():
    async with Transport() as client:
        with pytest.raises(ProviderUnavailable) as raised:
            await post(client, f"http://127.0.0.1:{free_port()}/15550100042")
    assert "127.0.0.1" not in raised.value.detail
    assert "15550100042" not in raised.value.detail


async def test_a_flood_ends_soon_and_not_at_the_time_out():
    async with Loopback(loopback.flood) as server, Transport() as client:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            await post(client, server.url)
        assert time.monotonic() - started < 5
