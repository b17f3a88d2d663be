"""A wire that can be cut: a TCP proxy whose packets vanish, and which can spoil what a provider answers.

A cut is the real thing, without privileges: a socket filter lets the kernel drop every packet that comes in, also the
first one of a new connection. Nothing is acknowledged, nothing is refused; the peer only finds silence.
"""

import asyncio
import ctypes
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

CHUNK = 64 * 1024
# Linux's numbers, which Python's socket module does not name.
SO_ATTACH_FILTER: Final = 26
SO_DETACH_FILTER: Final = 27
# One instruction of classic BPF: return 0, which keeps no byte of any packet.
DROP_ALL: Final = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
DROP_PROGRAM: Final = struct.pack("HP", 1, ctypes.addressof(DROP_ALL))

# Linger for no time at all: closing is a reset.
RESET: Final = struct.pack("ii", 1, 0)
LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)

Spoil = Callable[[bytes], bytes | None]
"""What becomes of a provider's answer: other bytes, none at all, or a reset where it is None."""

Watch = Callable[[bytes], None]
"""Sees what is asked, as the network cut it up, before it is passed on."""


class Proxy:
    """Listens on a port of this machine and passes everything on to `target`."""

    def __init__(self, target: tuple[str, int], spoil: Spoil | None = None, watch: Watch | None = None) -> None:
        self._target, self._spoil, self._watch = target, spoil, watch
        self._sockets: set[socket.socket] = set()
        self._whole = asyncio.Event()
        self._whole.set()
        self._passing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._listener = _plain(self._server.sockets[0])
        self.port: int = self._listener.getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Every connection is reset, and a new one is refused."""
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted connection is closed in the loop's next turn

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """From now on both directions are silent, and a new connection finds nobody."""
        self._whole.clear()
        for each in (self._listener, *self._sockets):
            _drop_everything(each)

    def heal(self) -> None:
        """What the peers still repeat gets through."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):  # one that was closed meanwhile
                each.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        self._whole.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = _plain(writer.get_extra_info("socket"))
        self._sockets.add(here)
        if not self._whole.is_set():  # it was in the queue when the wire was cut
            _drop_everything(here)
        try:
            await self._pass(reader, writer)
        finally:
            self._sockets.discard(here)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection(*self._target)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, forth, self._watch))
                both.create_task(self._carry_answers(back, writer) if self._spoil else self._carry(back, writer))
        except* (OSError, EOFError, _HungUpError):
            pass
        finally:
            forth.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch | None = None
    ) -> None:
        while chunk := await reader.read(CHUNK):
            if watch:
                watch(chunk)
            await self._write(writer, chunk)
        await self._whole.wait()
        raise _HungUpError

    async def _carry_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Whole HTTP answers, however the network cut them up."""
        assert self._spoil
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            answer = head + (await reader.readexactly(int(length[1])) if length else b"")
            spoiled = self._spoil(answer)
            if spoiled is None:
                _plain(writer.get_extra_info("socket")).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                raise _HungUpError
            await self._write(writer, spoiled)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        await self._whole.wait()
        writer.write(data)
        await writer.drain()


class _HungUpError(Exception):
    """One side is done, so the other is let go."""


def _drop_everything(here: socket.socket) -> None:
    here.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, DROP_PROGRAM)


def _plain(wrapped: socket.socket) -> socket.socket:
    """asyncio's own wrapper hides what is needed; this looks at the same socket."""
    inner: socket.socket = getattr(wrapped, "_sock", wrapped)
    return inner
