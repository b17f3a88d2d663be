"""HTTP/1.1 with patience that ends: a client has seconds and kilobytes to say what it wants."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# From the connection, or the first byte of a further request, to the end of its headers.
HEAD_PATIENCE_S: Final = 15.0
HEAD_BYTES: Final = 65_536


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's own protocol waits for headers for ever and gathers them without a bound."""

    _patience: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._patience is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self._seems_a_body(data):
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        if self._patience is None:
            self._begin_waiting()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_waiting()
        super().on_headers_complete()

    def _seems_a_body(self, data: bytes) -> bool:
        """One large read may hold the end of the headers and much of the body."""
        return b"\r\n\r\n" in data and self._head_bytes - len(data) <= HEAD_BYTES

    def _begin_waiting(self) -> None:
        self._head_bytes = 0
        self._patience = self.loop.call_later(HEAD_PATIENCE_S, self._lose_patience)

    def _end_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
