"""The system on the other side of the broker: it publishes what is to be sent, and listens to what became of it."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import aio_pika

from .broker import BrokerNode
from .case import Case, batches
from .ledgers import Promise, accept
from .load import Conversation

QUEUE, EXCHANGE = "outbound-processed", "hailgate.events"
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
PEOPLE = 40
LISTENS_AT_ONCE = 200
CONFIRM_S = 60.0
EVENTS_WITHIN_S = 60.0
# One of these is told of every message that is taken from the queue.
OUTCOMES = frozenset({"message.sent", "message.unknown", "message.failed"})


class Outside:
    """It publishes with confirms until the broker has all."""

    def __init__(self, case: Case, node: BrokerNode, tenant: str = "clinic") -> None:
        self._case, self._node, self._tenant = case, node, tenant
        self.events: Counter[str] = Counter()
        # By the message (its reference, or its id where it came by another way) and the event: the ids under which
        # it was told.
        self.told: dict[tuple[str, str], set[str]] = defaultdict(set)

    async def declare(self) -> None:
        async with await aio_pika.connect(self._node.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue(QUEUE, durable=True, arguments=QUORUM)
            exchange = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
            listener = await channel.declare_queue("listener", durable=True, arguments=QUORUM)
            await listener.bind(exchange, "#")

    async def publish(self, chosen: Sequence[Conversation], count: int, rate: float) -> list[Promise]:
        """In order, each again until it is confirmed: what the broker took twice has one id.

        A batch holds one message of each person, so that one that is published once more reorders nobody's.
        """
        promises = [self._case.ledger.ask(chosen[number % len(chosen)].key) for number in range(count)]
        by_key = {each.key: each for each in chosen}
        for some in batches(promises, len(chosen)):
            began, now = time.monotonic(), time.time()
            for each in some:
                each.asked_at = now
            while not await self._published(some, by_key):
                await asyncio.sleep(0.5)
            await asyncio.sleep(max(0.0, len(some) / rate - (time.monotonic() - began)))
        return promises

    async def _published(self, some: Sequence[Promise], by_key: dict[str, Conversation]) -> bool:
        try:
            async with asyncio.timeout(CONFIRM_S), await aio_pika.connect(self._node.url, timeout=5) as connection:
                channel = await connection.channel()
                exchange = channel.default_exchange
                sent = [self._begin(by_key[each.conversation], each, exchange) for each in some]
                await asyncio.gather(*sent)
                for each in some:
                    accept(each, f"wamid.{each.token}")
        except Exception:  # noqa: BLE001 -- whatever it was, it is published once more
            return False
        return True

    def _begin(
        self, conversation: Conversation, promise: Promise, exchange: aio_pika.abc.AbstractExchange
    ) -> asyncio.Task[Any]:
        message = aio_pika.Message(render(self._tenant, conversation, promise), delivery_mode=2)
        return asyncio.create_task(_confirmed(exchange, message))

    async def hand_over(self, envelope: Mapping[str, Any]) -> None:
        """One that nobody was promised anything of."""
        async with await aio_pika.connect(self._node.url, timeout=5) as connection:
            channel = await connection.channel()
            await _confirmed(channel.default_exchange, aio_pika.Message(json.dumps(envelope).encode(), delivery_mode=2))

    async def listen_for_ever(self) -> None:
        while True:
            try:
                async with await aio_pika.connect(self._node.url, timeout=5) as connection:
                    await self._listen(connection)
            except Exception:  # noqa: BLE001 -- the broker is being killed
                await asyncio.sleep(0.5)

    async def _listen(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Until the connection or its channel is closed."""
        closed = asyncio.Event()
        channel = await connection.channel()
        for each in (connection, channel):
            each.close_callbacks.add(lambda *_: closed.set())
        await channel.set_qos(prefetch_count=LISTENS_AT_ONCE)
        queue = await channel.get_queue("listener", ensure=False)
        await queue.consume(self._take)
        await closed.wait()

    async def _take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self._hear(message.message_id or "", json.loads(message.body))
        await message.ack()

    def _hear(self, message_id: str, event: dict[str, Any]) -> None:
        self.events[message_id] += 1
        message = event["message"]
        self.told[message.get("reference", message["id"]), event["event"]].add(message_id)
        promise = self._case.ledger.promises.get(message.get("reference", ""))
        if promise is not None and event["event"] in {"message.unknown", "message.failed"}:
            promise.message_id = message["id"]

    async def untold(self) -> set[str]:
        """Messages of which it was not told in time what became of them."""
        deadline = time.monotonic() + EVENTS_WITHIN_S
        while (missing := self._untold()) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
        return missing

    def told_again(self) -> int:
        """What was told of a message more than once under different ids."""
        return sum(len(ids) > 1 for ids in self.told.values())

    def _untold(self) -> set[str]:
        told = {named for named, event in self.told if event in OUTCOMES}
        return {each.token for each in self._case.ledger.accepted if not {each.token, each.message_id} & told}

    def note(self) -> None:
        self._case.note(
            events=sum(self.events.values()),
            repeated_events=sum(self.events.values()) - len(self.events),
            told_again=self.told_again(),
        )


async def _confirmed(exchange: aio_pika.abc.AbstractExchange, message: aio_pika.Message) -> None:
    await exchange.publish(message, QUEUE, timeout=CONFIRM_S)


def render(tenant: str, conversation: Conversation, promise: Promise) -> bytes:
    message = {
        "tenant": tenant,
        "id": promise.token,
        "channel": conversation.place.name,
        "to": f"+{conversation.phone}",
        "type": "text",
        "text": {"body": f"{promise.token} is on its way"},
    }
    return json.dumps(message).encode()
