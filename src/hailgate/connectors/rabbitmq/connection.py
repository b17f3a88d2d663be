"""A connection to the broker: plain, without aio-pika's own reconnecting. Whoever uses one begins anew after a break.

A consumer that a library brings back by itself can stay dead after a closed channel; here every break ends the
session, and the next one starts from nothing.
"""

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
from aiormq.exceptions import ChannelLockedResource
from yarl import URL

from hailgate.connectors.rabbitmq.wire import read_leniently

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The broker takes a peer for dead after two of these in silence: a frozen reader is replaced within 20 s.
HEARTBEAT_S: Final = 6
CONNECT_S: Final = 5.0
LOCK_EVERY_S: Final = 0.5
# What a session may end with. All of it means: once more, a little later.
BROKEN: Final = (AMQPError, OSError, asyncio.TimeoutError, RuntimeError)
QUORUM: Final[dict[str, Any]] = {"x-queue-type": "quorum"}


class Broker(NamedTuple):
    """Where the broker is, and what is read from it and written to it there."""

    url: str
    queue: str
    exchange: str
    prefetch: int

    @property
    def dead_letter_queue(self) -> str:
        return f"{self.queue}.dlq"

    @property
    def address(self) -> URL:
        return URL(self.url).update_query(heartbeat=HEARTBEAT_S)


@asynccontextmanager
async def open_connection(broker: Broker, name: str) -> "AsyncIterator[AbstractConnection]":
    """``name`` is what the broker's own pages show. Raises one of ``BROKEN``."""
    read_leniently()
    connection = await aio_pika.connect(broker.address, timeout=CONNECT_S, client_properties={"connection_name": name})
    try:
        yield connection
    finally:
        await _close(connection)


async def declare_queue(connection: AbstractConnection, name: str) -> None:
    """As it is, whatever its arguments; where there is none, a quorum queue that outlives a broker's node."""
    channel = await connection.channel()
    try:
        await channel.declare_queue(name, passive=True)
    except ChannelNotFoundEntity:
        channel = await connection.channel()
        await channel.declare_queue(name, durable=True, arguments=QUORUM)
    await channel.close()


async def lock_queue(connection: AbstractConnection, name: str) -> None:
    """Wait until nobody else reads the queue: an exclusive queue beside it belongs to one living connection.

    While another connection holds it, that one may still have deliveries in hand, and they would come back behind
    those that are read here.
    """
    while True:
        channel = await connection.channel()
        try:
            await channel.declare_queue(f"{name}.reader", exclusive=True, auto_delete=True)
        except ChannelLockedResource:
            await asyncio.sleep(LOCK_EVERY_S)
        else:
            return


async def open_queue(channel: AbstractChannel, name: str) -> AbstractQueue:
    return await channel.get_queue(name, ensure=True)


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CONNECT_S):
            await connection.close()
    except BROKEN:
        return
