"""HTTP/1.1 with patience that ends: seconds and kilobytes to say what is wanted, a minute to read on."""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hailgate.edge.http.bodies import IS_WHOLE

# From the connection, or the first byte of a further request, to the end of its headers.
HEAD_PATIENCE_S: Final = 15.0
HEAD_BYTES: Final = 65_536
# For a client that takes nothing of its answer, while a piece of a file waits in memory for it.
READER_PATIENCE_S: Final = 60.0
# A timer for each request would cost more than reading its headers: one looks after all of them, so often.
LOOK_S: Final = 1.0


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's own protocol waits for headers and readers for ever, and gathers headers without a bound."""

    _head_bytes = 0
    _in_head = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._heads, self._readers = _awaited_in(self.loop)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._readers.end(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._readers.begin(self, self.loop)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._readers.end(self)
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self._seems_a_body(data):
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        if not self._in_head:
            self._begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._end_head()
        self.scope[IS_WHOLE] = True  # type: ignore[typeddict-unknown-key]  # a server may add to it
        super().on_message_complete()

    def on_response_complete(self) -> None:
        unread = self.cycle.response_complete and self.cycle.more_body
        super().on_response_complete()
        if unread and not self._in_head:  # answered early: what is left of the body may not drip for ever
            self._begin_head()

    def _seems_a_body(self, data: bytes) -> bool:
        """One large read may hold the end of the headers and much of the body."""
        return b"\r\n\r\n" in data and self._head_bytes - len(data) <= HEAD_BYTES

    def _begin_head(self) -> None:
        self._head_bytes, self._in_head = 0, True
        self._heads.begin(self, self.loop)

    def _end_head(self) -> None:
        if self._in_head:
            self._in_head = False
            self._heads.end(self)


class Awaited:
    """The connections of one loop that have not gone on yet, longest first; each is ended at its time."""

    def __init__(self, patience: Callable[[], float], end: Callable[[Any], None]) -> None:
        """``patience`` in seconds, ``end`` gets the transport."""
        self._patience, self._end = patience, end
        self._since: dict[PatientProtocol, float] = {}
        self._looking = False

    def begin(self, connection: PatientProtocol, loop: asyncio.AbstractEventLoop) -> None:
        self._since[connection] = loop.time()
        if not self._looking:
            self._look_later(loop)

    def end(self, connection: PatientProtocol) -> None:
        self._since.pop(connection, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = False
        overdue = loop.time() - self._patience()
        for connection, since in list(self._since.items()):
            if since > overdue:
                break
            del self._since[connection]
            self._end(connection.transport)
        if self._since:
            self._look_later(loop)

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = True
        loop.call_later(LOOK_S, self._look, loop)


def _close(transport: Any) -> None:
    if not transport.is_closing():
        transport.close()


def _abort(transport: Any) -> None:
    """What waits to be sent is dropped: nobody takes it."""
    transport.abort()


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Awaited, Awaited]] = WeakKeyDictionary()


def _awaited_in(loop: asyncio.AbstractEventLoop) -> tuple[Awaited, Awaited]:
    """Those whose headers are awaited, and those who do not read on."""
    if loop not in _of_loops:
        _of_loops[loop] = Awaited(lambda: HEAD_PATIENCE_S, _close), Awaited(lambda: READER_PATIENCE_S, _abort)
    return _of_loops[loop]
