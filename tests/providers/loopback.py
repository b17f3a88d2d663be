"""A server on the loopback that behaves exactly as badly as it is told."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec


class Connection:
    """What a script works with."""

    def __init__(self, server, reader, writer):
        self._server = server
        self._reader = reader
        self._writer = writer
        self._peeked = None

    async def request(self) -> bytes:
        """Wait for one whole request, and count it."""
        head, body = await self.peek()
        self._peeked = None
        self._server.heads.append(head)
        self._server.bodies.append(body)
        return body

    async def peek(self) -> tuple[bytes, bytes]:
        """Head and body of the next request, which is still to be counted."""
        if self._peeked is None:
            head = await self._reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            self._peeked = head, await self._reader.readexactly(int(fields.get(b"content-length", 0)))
        return self._peeked

    async def first_byte(self) -> bytes:
        return await self._reader.read(1)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hang(self) -> None:
        """Until the client gives up."""
        while await self._reader.read(65536):
            pass
        self.close()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        linger_not = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
        self._writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


class Loopback:
    """Plays one script after the other, the last one for ever, over as many connections as it takes."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        connection = Connection(self, reader, writer)
        try:
            while not writer.is_closing():
                script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                await script(connection)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Script:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.write(render_answer(status, body, headers))

    return script


def answer_json(status: int, document: object, headers: Mapping[str, str] | None = None) -> Script:
    return answer(status, msgspec.json.encode(document), {"Content-Type": "application/json"} | dict(headers or {}))


def render_answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    fields = {"Content-Length": str(len(body))} | dict(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode() + body


async def accept_then_reset(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def reset_at_once(connection: Connection) -> None:
    connection.reset()


async def reset_before_read(connection: Connection) -> None:
    """Something has come in; what it is, this server never learns."""
    await connection.first_byte()
    connection.reset()


async def accept_then_close(connection: Connection) -> None:
    await connection.request()
    connection.close()


async def half_an_answer(connection: Connection) -> None:
    await connection.request()
    await connection.write(render_answer(200, b"x" * 100)[:-50])
    connection.close()


async def half_a_head(connection: Connection) -> None:
    await connection.request()
    await connection.write(b"HTTP/1.1 200 OK\r\nContent-")
    connection.close()


async def garbage(connection: Connection) -> None:
    await connection.request()
    await connection.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    connection.close()


async def silence(connection: Connection) -> None:
    await connection.request()
    await connection.hang()


async def drip(connection: Connection) -> None:
    """A byte now and then, so that only a bound on the whole exchange ends it."""
    await connection.request()
    for byte in render_answer(200, b"x" * 1000):
        await connection.write(bytes([byte]))
        await asyncio.sleep(0.01)


async def flood(connection: Connection) -> None:
    """An answer without an end."""
    await connection.request()
    await connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await connection.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


async def answer_twice(connection: Connection) -> None:
    """Leaves an answer to nobody in the connection."""
    await connection.request()
    await connection.write(render_answer(200, b"first") + render_answer(200, b"leftover"))


async def answer_then_close(connection: Connection) -> None:
    """As a server does whose idle time is over, without saying so in the answer."""
    await connection.request()
    await connection.write(render_answer(200, b"first"))
    connection.close()
