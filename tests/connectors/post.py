"""The other side of the broker: a system that publishes messages and reads what became of them."""

import asyncio
import json
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity

from hailgate.connectors.rabbitmq.connection import QUORUM, Broker
from hailgate.connectors.rabbitmq.consumer import Consumer
from hailgate.connectors.rabbitmq.publisher import Publisher
from hailgate.connectors.tenants import StoredTenants
from hailgate.connectors.understanding import Understanding
from pipeline import stage

DAY_S = 86_400.0


def envelope(number=1, *, tenant="clinic", id_=None, to="+15550100042", body=None, **more) -> dict:
    id_ = f"order-{number}" if id_ is None else id_
    return {
        "tenant": tenant, "id": id_, "to": to, "type": "text", "text": {"body": body or f"number {number}"}, **more,
    }  # fmt: skip


class Post:
    def __init__(self, url: str, name: str) -> None:
        self.url, self.broker = url, Broker(url, name, f"{name}-events", 50)

    async def open(self) -> None:
        self._connection = await aio_pika.connect(self.url, timeout=3)
        self._channel = await self._connection.channel()
        await self._channel.declare_queue(self.broker.queue, durable=True, arguments=QUORUM)
        await self._channel.declare_queue(self.broker.dead_letter_queue, durable=True, arguments=QUORUM)
        self.events = await self._channel.declare_exchange(self.broker.exchange, "topic", durable=True)

    async def close(self) -> None:
        for name in (self.broker.queue, self.broker.dead_letter_queue, f"{self.broker.queue}-listener"):
            await self._channel.queue_delete(name)
        await self.events.delete(if_unused=False)
        await self._connection.close()

    async def publish(self, *envelopes, **properties) -> None:
        for each in envelopes:
            body = each if isinstance(each, bytes) else json.dumps(each).encode()
            message = aio_pika.Message(body, delivery_mode=2, **properties)
            await self._channel.default_exchange.publish(message, self.broker.queue)

    async def remove_queue(self, name: str) -> None:
        await self._channel.queue_delete(name)

    async def add_queue(self, name: str, arguments=QUORUM) -> None:
        await self._channel.declare_queue(name, durable=True, arguments=arguments)

    async def listen(self, key="#") -> None:
        listener = await self._channel.declare_queue(f"{self.broker.queue}-listener", durable=True, arguments=QUORUM)
        await listener.bind(self.events, key)

    async def told(self, count: int) -> list:
        return await self._get(f"{self.broker.queue}-listener", count)

    async def letters(self, count: int) -> list:
        return await self._get(self.broker.dead_letter_queue, count)

    async def has_queue(self) -> bool:
        try:
            return await self.depth() >= 0
        except ChannelNotFoundEntity:
            return False

    async def depth(self, name: str | None = None) -> int:
        """Ready or in somebody's hands: a quorum queue tells only of the ready ones."""
        channel = await self._connection.channel()
        queue = await channel.declare_queue(name or self.broker.queue, passive=True)
        await channel.close()
        return queue.declaration_result.message_count

    async def _get(self, name: str, count: int) -> list:
        queue = await self._channel.get_queue(name, ensure=False)
        found = []
        async with asyncio.timeout(40):
            while len(found) < count:
                if message := await queue.get(fail=False, no_ack=True):
                    found.append(message)
                else:
                    await asyncio.sleep(0.05)
        assert await queue.get(fail=False, no_ack=True) is None
        return found

    def consumer(
        self, db, worker_id, *, tenants=None, queue_limit=10_000, overloaded=lambda: False, **broker
    ) -> Consumer:
        tenants = tenants or StoredTenants(db)
        understanding = Understanding(db, tenants, life_s=DAY_S)
        return Consumer(
            self.broker._replace(**broker), db, worker_id,
            tenants=tenants, understanding=understanding, queue_limit=queue_limit, overloaded=overloaded,
        )  # fmt: skip

    def publisher(self, db, worker_id, *, drops_unrouted=False) -> Publisher:
        async def wait() -> None:
            await asyncio.sleep(0.02)

        return Publisher(self.broker, db, worker_id, wait, drops_unrouted=drops_unrouted)


async def until(holds):
    """As in the pipeline's tests, with the patience that a broker on a busy machine needs."""
    return await stage.until(holds, seconds=40)


@asynccontextmanager
async def running(*parts):
    tasks = [asyncio.create_task(part.run_for_ever()) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
