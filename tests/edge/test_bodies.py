"""Bodies are bounded in size and time, and taken as they are."""

import asyncio
import gzip
import io
import socket

import pytest
from starlette.requests import ClientDisconnect, Request

import given
from hailgate.core.errors import TooLarge
from hailgate.edge.http import bodies
from hailgate.edge.http.bodies import read_body
from hailgate.problems import BodyTooSlow

pytestmark = pytest.mark.anyio


def request(*parts: bytes, headers: dict[str, str] | None = None, ends: bool = True) -> Request:
    """Arrives part by part; without an end it hangs after the last."""
    waiting = list(parts)

    async def receive() -> dict[str, object]:
        if not waiting:
            await asyncio.Event().wait()
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting) or not ends}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "headers": raw}, receive)


async def test_parts_become_one_body() -> None:
    assert await read_body(request(b"a", b"", b"bc"), 3) == b"abc"


async def test_a_body_without_declared_length_is_stopped_at_the_limit() -> None:
    with pytest.raises(TooLarge):
        await read_body(request(b"ab", b"cd", ends=False), 3)


async def test_a_declared_length_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(TooLarge):
        await read_body(request(headers={"content-length": "4"}), 3)


async def test_a_slow_body_is_given_up() -> None:
    with pytest.raises(BodyTooSlow):
        await read_body(request(b"a", ends=False), 3, patience=0.01)


async def test_a_caller_who_left_is_not_waited_for() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await read_body(Request({"type": "http", "headers": []}, receive), 3)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch", "{hook}", "/v1/dead-letters/revive"])
async def test_a_body_too_large_is_refused_before_it_is_sent(site, key, hook, channel, path: str) -> None:
    path = path.format(hook=hook.path)
    answer = await site.raw(
        b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Content-Length: 99999999\r\n\r\n" % (path.encode(), key.encode())
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


async def test_a_chunked_body_too_large_is_cut(site, key, channel) -> None:
    chunk = b"%x\r\n%s\r\n" % (1 << 18, b"x" * (1 << 18))
    answer = await site.raw(
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" % key.encode() + chunk * 5
    )
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
async def test_encoded_bodies_are_refused(site, key, hook, channel, encoding: str) -> None:
    packed = gzip.compress(b"{}")
    headers = {"Content-Encoding": encoding, "X-Hub-Signature-256": given.signature(packed)}
    for path in ("/v1/messages", hook.path):
        # aiohttp would encode by itself if it knew.
        answer = await site.post(path, packed, key=key, headers=headers, compress=False)
        assert answer.code == "unsupported_media_type"


async def test_a_body_that_drips_is_answered_408(site, key, channel, monkeypatch) -> None:
    monkeypatch.setattr(read_body, "__defaults__", (0.05,))
    assert bodies.PATIENCE_S == 15.0
    answer = await site.raw(
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100000\r\n\r\n{" % key.encode()
    )
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_small_body_that_drips_is_cut_with_its_answer(site, key, channel, monkeypatch) -> None:
    monkeypatch.setattr(read_body, "__defaults__", (0.05,))
    answer = await site.raw(
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9000\r\n\r\n{" % key.encode()
    )
    assert answer.startswith(b"HTTP/1.1 408 ")


# --- the protocol under it --------------------------------------------------------------------------------------------


async def test_headers_that_drip_are_cut(site, monkeypatch) -> None:
    from hailgate.edge.http import protocol

    monkeypatch.setattr(protocol, "HEAD_PATIENCE_S", 0.05)
    assert await site.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""


async def test_a_body_that_was_answered_already_may_not_drip_on(site, monkeypatch) -> None:
    from hailgate.edge.http import protocol

    monkeypatch.setattr(protocol, "HEAD_PATIENCE_S", 0.05)
    answer = await site.raw(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_connection_that_says_nothing_is_cut(site, monkeypatch) -> None:
    from hailgate.edge.http import protocol

    monkeypatch.setattr(protocol, "HEAD_PATIENCE_S", 0.05)
    assert await site.raw(b"") == b""


async def test_a_reader_who_takes_nothing_is_cut(site, key, channel, monkeypatch) -> None:
    from hailgate.edge.http import protocol

    monkeypatch.setattr(protocol, "READER_PATIENCE_S", 0.05)
    size, headers = 16 << 20, {"Content-Type": "application/octet-stream"}
    stored = await site.ask("POST", "/v1/media", key=key, data=io.BytesIO(bytes(size)), headers=headers)
    wanted = b"GET /v1/media/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        client.setblocking(False)
        await loop.sock_sendall(client, wanted % (stored.json["id"].encode(), key.encode()))
        assert (await loop.sock_recv(client, 64)).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(3 * protocol.LOOK_S)
        rest = 0
        while part := await loop.sock_recv(client, 1 << 20):
            rest += len(part)
    assert rest < size
    assert (await site.get("/livez")).status == 200


async def test_endless_headers_are_cut(site) -> None:
    assert not (await site.raw(b"GET /livez HTTP/1.1\r\n" + b"X-A: " + b"a" * 200_000)).startswith(b"HTTP/1.1 200")


async def test_a_large_body_in_one_piece_is_no_endless_header(site, hook) -> None:
    body = b'"' + b"x" * 300_000 + b'"'
    assert (await site.post(hook.path, body, headers=given.signed(body))).status == 200


SMUGGLED = {
    "length and chunks": b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "two lengths": b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is none": b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde",
    "a bad chunk": b"POST /hooks/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
    "a folded header": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\nTransfer-Encoding\r\n : chunked\r\n\r\n",
    "a space before the colon": b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nabcde",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00",
    "raw bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("request_", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_ambiguous_requests_are_refused(site, request_: bytes) -> None:
    answer = await site.raw(request_)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ")), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_hundreds_of_drips_are_cut_and_hold_up_nobody(site, monkeypatch) -> None:
    from hailgate.edge.http import protocol

    monkeypatch.setattr(protocol, "HEAD_PATIENCE_S", 0.5)
    drips = [asyncio.create_task(site.raw(b"POST /hooks/x HTTP/1.1\r\nHost: ")) for _ in range(300)]
    for _ in range(20):
        assert (await site.get("/livez")).status == 200
    async with asyncio.timeout(10):
        assert set(await asyncio.gather(*drips)) == {b""}
