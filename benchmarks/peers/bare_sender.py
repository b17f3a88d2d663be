"""A bare aiohttp loop: posts bodies that it is given, so many at once, and reads the answers. Nothing is stored.

    python -m benchmarks.peers.bare_sender URL CONCURRENCY < bodies > times        (both are msgpack)

``times`` are the seconds that it took, and those of processor time.
"""

import asyncio
import sys
import time
from collections.abc import Iterator

import aiohttp
import msgspec
import uvloop

HEADERS = {"Authorization": "Bearer benchmark-token", "Content-Type": "application/json"}


async def send_all(url: str, bodies: Iterator[bytes], concurrency: int) -> tuple[float, float]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
        begun, cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(_send(session, url, bodies) for _ in range(concurrency)))
        return time.monotonic() - begun, time.process_time() - cpu


async def _send(session: aiohttp.ClientSession, url: str, bodies: Iterator[bytes]) -> None:
    for body in bodies:
        async with session.post(url, data=body) as answer:
            await answer.read()


def main() -> None:
    url, concurrency = sys.argv[1], int(sys.argv[2])
    bodies = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[bytes])
    sys.stdout.buffer.write(msgspec.msgpack.encode(uvloop.run(send_all(url, iter(bodies), concurrency))))


if __name__ == "__main__":
    main()
