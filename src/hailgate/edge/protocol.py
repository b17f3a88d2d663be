"""HTTP/1.1 with patience that ends: a client has seconds and kilobytes to say what it wants."""

import asyncio
from typing import Any, Final
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hailgate.edge.bodies import IS_WHOLE

# From the connection, or the first byte of a further request, to the end of its headers.
HEAD_PATIENCE_S: Final = 15.0
HEAD_BYTES: Final = 65_536
# A timer for each request would cost more than reading its headers: one looks after all of them, so often.
LOOK_S: Final = 1.0


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's own protocol waits for headers for ever and gathers them without a bound."""

    _head_bytes = 0
    _in_head = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._heads = _heads_of(self.loop)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

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

    def lose_patience(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

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


class Heads:
    """The connections of one loop that have not said yet what they want, longest first."""

    def __init__(self) -> None:
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
        overdue = loop.time() - HEAD_PATIENCE_S
        for connection, since in list(self._since.items()):
            if since > overdue:
                break
            del self._since[connection]
            connection.lose_patience()
        if self._since:
            self._look_later(loop)

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = True
        loop.call_later(LOOK_S, self._look, loop)


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Heads] = WeakKeyDictionary()


def _heads_of(loop: asyncio.AbstractEventLoop) -> Heads:
    return _of_loops.setdefault(loop, Heads())
