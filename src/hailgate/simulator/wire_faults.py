"""How faults reach the wire: connections cut, answers broken or dripped."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hailgate.simulator.faults import Do, Fault

LINGER_NOT = struct.pack("ii", 1, 0)  # struct linger {on, 0 s}: closing sends RST at once and drops what is unsent


async def spoil(request: Request, answer: Response, fault: Fault | None) -> Response:
    """What was asked is done; the answer does not arrive as it should."""
    match fault:
        case Fault(do=Do.ACCEPT_THEN_RESET):
            return await cut(request)
        case Fault(do=Do.ACCEPT_THEN_GARBAGE):
            return garble(answer)
        case Fault(do=Do.DRIP, value=seconds):
            return drip(answer, seconds)
        case _:
            return answer


async def cut(request: Request) -> Response:
    """Resets the TCP connection, unless its other side has closed it; the response that comes back reaches nobody."""
    transport: asyncio.Transport = request.scope["state"]["transport"]
    if not transport.is_closing():
        with socket.socket(fileno=socket.dup(transport.get_extra_info("socket").fileno())) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        transport.abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


def garble(answer: Response) -> Response:
    """The right status and half of the JSON."""
    body = bytes(answer.body)
    return Response(body[: len(body) // 2], answer.status_code, media_type=answer.media_type)


def drip(answer: Response, seconds: float) -> Response:
    """The right answer, byte by byte."""
    body = bytes(answer.body)

    async def drops() -> AsyncIterator[bytes]:
        for drop in body:
            await asyncio.sleep(seconds / len(body))
            yield bytes([drop])

    headers = {"content-length": str(len(body))}
    return StreamingResponse(drops(), answer.status_code, headers, answer.media_type)
