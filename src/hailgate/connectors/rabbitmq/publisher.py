"""Publishing: one worker brings what is in the outbox to the broker, in order, and forgets what was confirmed.

Events go to a topic exchange, dead letters to their queue. A message that no queue takes has not been delivered: it
waits, and an alarm is raised, unless the installation has chosen to drop such events.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError

from hailgate.accounts.alarms import clear_alarm, raise_alarm
from hailgate.connectors.rabbitmq.connection import BROKEN, Broker, declare_queue, open_connection
from hailgate.connectors.rabbitmq.rendering import Rendered, render
from hailgate.core.alarms import Alarm, Cause
from hailgate.core.errors import LeaseLost, StoreUnavailable
from hailgate.messaging.broker.election import take_queue
from hailgate.messaging.broker.outbox import DEAD_LETTER, NewPublication, due_publications, finish_publications
from hailgate.messaging.store.ports import Db, Waits
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.metrics import BROKER_UP, PUBLISHED

AT_ONCE: Final = 500
STAND_BY_S: Final = 1.0
AGAIN_S: Final = 0.5
AGAIN_MOST_S: Final = 10.0
# A broker that blocks its publishers (memory, disk) leaves them without an answer.
CONFIRM_S: Final = 30.0


class _Told(NamedTuple):
    confirmed: Sequence[int]
    returned: Sequence[tuple[int, int]]


class Publisher:
    """Publishes for one worker. ``drops_unrouted``: an event that no queue takes is forgotten."""

    def __init__(self, broker: Broker, db: Db, worker_id: int, wait: Waits, *, drops_unrouted: bool) -> None:
        self._broker, self._db, self._worker_id, self._wait = broker, db, worker_id, wait
        self._drops_unrouted = drops_unrouted
        self._lease = f"publish:{broker.exchange}"

    async def run_for_ever(self) -> None:
        rest = AGAIN_S
        while True:
            try:
                await self._stand_by()
                await self._publish_for_ever()
            except BROKEN as broken:
                log.warning(Event.BROKER_AWAY, part="publisher", error=type(broken).__name__)
            except (LeaseLost, StoreUnavailable) as refused:
                log.warning(Event.BROKER_AWAY, part="publisher", code=refused.code)
            except Exception as bug:  # noqa: BLE001 -- a publisher that ended would be missed by nobody
                log.error(Event.LOOP_FAILED, part="publisher", error=type(bug).__name__, at=where(bug))
            finally:
                BROKER_UP.labels("publisher").set(0)
            await asyncio.sleep(rest)
            rest = min(rest * 2, AGAIN_MOST_S)

    async def _stand_by(self) -> None:
        while not await self._db(take_queue, self._worker_id, self._lease):  # noqa: ASYNC110 -- asks the store
            await asyncio.sleep(STAND_BY_S)

    async def _publish_for_ever(self) -> None:
        async with open_connection(self._broker, "hailgate publisher") as connection:
            await declare_queue(connection, self._broker.dead_letter_queue)
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            events = await _declare_exchange(connection, channel, self._broker.exchange)
            BROKER_UP.labels("publisher").set(1)
            while True:
                due = await self._db(due_publications, AT_ONCE)
                if due:
                    told = await self._publish_all(due, channel.default_exchange, events)
                    some_wait = await self._db(finish_publications, self._worker_id, self._lease, *told)
                    await self._mind_unrouted(told, some_wait=some_wait)
                else:
                    await self._wait()

    async def _publish_all(
        self, due: Sequence[NewPublication], letters: AbstractExchange, events: AbstractExchange
    ) -> _Told:
        """Begun in order on one channel, confirmed as the broker likes. Raises what ended the channel.

        A return names no more than a message id: what bears the same one waits for the next round.
        """
        rendered = {each.id: render(each, self._broker.queue) for each in due}
        due = _first_of_each_id(due, rendered)
        calls = [self._publish_one(letters if each.event == DEAD_LETTER else events, rendered[each.id]) for each in due]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        confirmed, returned = [], []
        broken: BaseException | None = None
        for each, outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, BROKEN):
                log.error(Event.LOOP_FAILED, part="publication", error=type(outcome).__name__, at=where(outcome))
                returned.append((each.id, each.tries))
            elif isinstance(outcome, BaseException):
                broken = outcome
            elif outcome or (self._drops_unrouted and each.event != DEAD_LETTER):
                confirmed.append(each.id)
                PUBLISHED.labels("letter" if each.event == DEAD_LETTER else "event").inc()
            else:
                returned.append((each.id, each.tries))
        if broken is not None and not confirmed and not returned:
            raise broken
        return _Told(confirmed, returned)

    async def _publish_one(self, exchange: AbstractExchange, rendered: Rendered | None) -> bool:
        """Whether a queue has it. What tells of nothing any more counts as told."""
        if rendered is None:
            return True
        message = aio_pika.Message(
            rendered.body,
            message_id=rendered.message_id,
            headers=dict(rendered.headers),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            timestamp=rendered.at,
            type=rendered.event,
            app_id="hailgate",
        )
        try:
            await exchange.publish(message, rendered.routing_key, mandatory=True, timeout=CONFIRM_S)
        except (PublishError, DeliveryError):
            return False
        return True

    async def _mind_unrouted(self, told: _Told, *, some_wait: bool) -> None:
        if told.returned:
            PUBLISHED.labels("returned").inc(len(told.returned))
            await self._db(raise_alarm, Cause(Alarm.UNROUTED))
        elif not some_wait:
            await self._db(clear_alarm, Cause(Alarm.UNROUTED))


def _first_of_each_id(due: Sequence[NewPublication], rendered: Mapping[int, Rendered | None]) -> list[NewPublication]:
    first: dict[str, NewPublication] = {}
    for each in due:
        told = rendered[each.id]
        first.setdefault(told.message_id if told else str(each.uid), each)
    return list(first.values())


async def _declare_exchange(
    connection: aio_pika.abc.AbstractConnection, channel: AbstractChannel, name: str
) -> AbstractExchange:
    """As it is; where there is none, a durable topic exchange."""
    probe = await connection.channel()
    try:
        await probe.declare_exchange(name, passive=True)
    except ChannelNotFoundEntity:
        return await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
    await probe.close()
    return await channel.get_exchange(name, ensure=False)
