"""A provider that takes everything: it answers like the Cloud API, or like Twilio, after a fixed delay.

    python -m benchmarks.peers.sink PORT DELAY_MS

``GET /count`` tells (msgpack) how many sends there were, ``GET /sends`` when each arrived and what its tracker was;
``DELETE /sends`` forgets them. A bare protocol on uvloop, about 15 µs per send, so that the provider is never what is
measured.
"""

import asyncio
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop

CLOUD = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"%(to)b","wa_id":"%(to)b"}],'
    b'"messages":[{"id":"wamid.%(n)b"}]}'
)
TWILIO = (
    b'{"account_sid":"AC0","api_version":"2010-04-01","body":"","date_created":"Fri, 21 Nov 2026 00:00:00 +0000",'
    b'"date_sent":null,"date_updated":"Fri, 21 Nov 2026 00:00:00 +0000","direction":"outbound-api","error_code":null,'
    b'"error_message":null,"from":"whatsapp:+15550783881","messaging_service_sid":null,"num_media":"0",'
    b'"num_segments":"1","price":null,"price_unit":"USD","sid":"SM%(n)032x","status":"queued",'
    b'"subresource_uris":{},"to":"whatsapp:+15550000000","uri":""}'
)
HEAD = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Send(msgspec.Struct, array_like=True):
    """``at`` is when the whole request had arrived, on the machine's monotonic clock."""

    at: float
    tracker: bytes


class Sink:
    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.sends: list[Send] = []


class Connection(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own kind
        self._begin()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url in {b"/sends", b"/count"}:
            self._tell()
        else:
            self._take()
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = self._body = b""

    def _tell(self) -> None:
        if self._parser.get_method() == b"DELETE":
            self._sink.sends.clear()
        told = msgspec.msgpack.encode(self._sink.sends if self._url == b"/sends" else len(self._sink.sends))
        self._transport.write(HEAD % (b"200 OK", len(told)) + told)

    def _take(self) -> None:
        sends = self._sink.sends
        sends.append(Send(time.monotonic(), _between(self._body, b'"biz_opaque_callback_data":"')))
        if self._url.startswith(b"/2010-04-01/"):
            answer = _whole(b"201 Created", TWILIO % {b"n": len(sends)})
        else:
            facts = {b"to": _between(self._body, b'"to":"'), b"n": b"%x.%d" % (time.time_ns(), len(sends))}
            answer = _whole(b"200 OK", CLOUD % facts)
        if self._sink.delay:
            self._loop.call_later(self._sink.delay, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _whole(status: bytes, body: bytes) -> bytes:
    return HEAD % (status, len(body)) + body


def _between(body: bytes, mark: bytes) -> bytes:
    """What stands between ``mark`` and the next quote; nothing where the mark is missing."""
    _, found, rest = body.partition(mark)
    return rest.partition(b'"')[0] if found else b""


async def serve(port: int, delay: float) -> None:
    sink = Sink(delay)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(sink), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
