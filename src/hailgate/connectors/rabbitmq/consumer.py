"""Consuming: one worker reads the queue, in order, and acknowledges what it has committed, never before.

Nothing is ever requeued to be tried again. What cannot be accepted goes to the outbox as a dead letter; what belongs
to a tenant of whom nobody can say anything at present is held in the store, so that others go on.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple, TypeVar

from aio_pika.abc import AbstractIncomingMessage
from django.db import DatabaseError

from hailgate.accounts.alarms import clear_alarm, raise_alarm
from hailgate.connectors.rabbitmq.connection import (
    BROKEN,
    Broker,
    declare_queue,
    lock_queue,
    open_connection,
    open_queue,
)
from hailgate.connectors.tenants import Tenants
from hailgate.connectors.understanding import Understanding
from hailgate.core.alarms import Alarm, Cause
from hailgate.core.errors import LeaseLost, StoreUnavailable
from hailgate.messaging.broker.election import take_queue
from hailgate.messaging.outbound.consumed import (
    Delivery,
    ToAccept,
    ToHold,
    ToRefuse,
    Understood,
    as_headers,
    count_waiting,
    list_held,
    list_held_tenants,
    take,
)
from hailgate.messaging.store.ports import Db
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.metrics import BROKER_PAUSED, BROKER_UP, CONSUMED, HELD

# How soon another worker finds that the queue is nobody's.
STAND_BY_S: Final = 1.0
AGAIN_S: Final = 0.5
AGAIN_MOST_S: Final = 10.0
ROOM_EVERY_S: Final = 1.0
RESUME_AT: Final = 0.8
STORE_AWAY_S: Final = 0.5
HELD_AT_ONCE: Final = 100

Result = TypeVar("Result")


class _Arrived(NamedTuple):
    """A delivery with what acknowledges it."""

    delivery: Delivery
    message: AbstractIncomingMessage


class Consumer:
    """Reads the queue for one worker as long as its lease runs. ``queue_limit`` messages may wait to be sent.

    ``overloaded``: whether those who come through the doors have more to write than they should.
    """

    def __init__(
        self,
        broker: Broker,
        db: Db,
        worker_id: int,
        *,
        tenants: Tenants,
        understanding: Understanding,
        queue_limit: int,
        overloaded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._broker, self._db, self._worker_id = broker, db, worker_id
        self._tenants, self._understanding, self._queue_limit = tenants, understanding, queue_limit
        self._overloaded = overloaded
        self._arrived: deque[_Arrived] = deque()
        self._news = asyncio.Event()
        self._taking = asyncio.Lock()
        self._held: dict[str, asyncio.Task[None]] = {}

    async def run_for_ever(self) -> None:
        """One session after the other, with a growing rest between two that broke."""
        rest = AGAIN_S
        while True:
            try:
                await self._stand_by()
                await self._read()
                rest = AGAIN_S
            except BROKEN as broken:
                log.warning(Event.BROKER_AWAY, part="consumer", error=type(broken).__name__)
            except (LeaseLost, StoreUnavailable) as refused:
                log.warning(Event.BROKER_AWAY, part="consumer", code=refused.code)
            except Exception as bug:  # noqa: BLE001 -- a consumer that ended would be missed by nobody
                log.error(Event.LOOP_FAILED, part="consumer", error=type(bug).__name__, at=where(bug))
            finally:
                BROKER_UP.labels("consumer").set(0)
                BROKER_PAUSED.set(0)
                await self._stop_holding()
            await asyncio.sleep(rest)
            rest = min(rest * 2, AGAIN_MOST_S)

    async def _stand_by(self) -> None:
        while not await self._db(take_queue, self._worker_id, self._broker.queue):  # noqa: ASYNC110 -- asks the store
            await asyncio.sleep(STAND_BY_S)

    async def _read(self) -> None:
        """One session: until the channel or the connection ends, or the queue is another worker's."""
        self._arrived.clear()
        async with open_connection(self._broker, "hailgate consumer") as connection:
            await declare_queue(connection, self._broker.queue)
            await lock_queue(connection, self._broker.queue)
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=self._broker.prefetch)
            queue = await open_queue(channel, self._broker.queue)
            closed = asyncio.Event()

            def end(*_: object) -> None:
                closed.set()
                self._news.set()

            channel.close_callbacks.add(end)
            connection.close_callbacks.add(end)
            # As a broker does that loses the queue: the channel lives on, and would be given nothing any more.
            (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(end)
            await self._begin_holding()
            await self._db(clear_alarm, Cause(Alarm.CONSUMING_PAUSED))  # a session that was paused may have ended so
            log.info(Event.BROKER_CONSUMING, worker=self._worker_id)
            while not closed.is_set():
                tag = await queue.consume(self._arrive)
                BROKER_UP.labels("consumer").set(1)
                await self._take_while_room(closed)
                if not closed.is_set():
                    await queue.cancel(tag)
                    await self._take_arrived()
                    await self._wait_for_room(closed)

    async def _arrive(self, message: AbstractIncomingMessage) -> None:
        delivery = Delivery(message.message_id or "", message.body, as_headers(message.headers))
        self._arrived.append(_Arrived(delivery, message))
        self._news.set()

    # --- taking -------------------------------------------------------------------------------------------------------

    async def _take_while_room(self, closed: asyncio.Event) -> None:
        """Returns when the channel is closed, or when more waits to be sent than may: looked up once a second."""
        loop = asyncio.get_running_loop()
        look_at = 0.0
        while not closed.is_set():
            if loop.time() >= look_at:
                if not await self._has_room(self._queue_limit):
                    return
                look_at = loop.time() + ROOM_EVERY_S
            if not self._arrived:
                self._news.clear()
                timer = loop.call_later(ROOM_EVERY_S, self._news.set)
                await self._news.wait()
                timer.cancel()
            await self._take_arrived()

    async def _take_arrived(self) -> None:
        """One batch: all that came while the last was being committed."""
        batch = sorted(self._arrived, key=_tag)
        self._arrived.clear()
        if batch:
            async with self._taking:
                await self._settle([arrived.delivery for arrived in batch])
            await self._acknowledge(batch[-1])

    async def _acknowledge(self, last: _Arrived) -> None:
        """All up to this one: they came in this order, and all are committed."""
        await last.message.ack(multiple=True)

    async def _settle(self, batch: Sequence[Delivery]) -> None:
        """Commit what each comes to. While the store is away they stay unacknowledged, and are offered again."""
        understood = await self._offered(lambda: self._understanding.understand(batch, frozenset(self._held)))
        await self._take(understood)
        for each in understood:
            if isinstance(each, ToHold):
                self._hold(each.tenant)

    async def _take(self, batch: Sequence[Understood], let_go: Sequence[int] = ()) -> None:
        """Halved where the database refuses a row, so that only that one fails."""
        try:
            taken = await self._offered(lambda: self._db(take, self._worker_id, self._broker.queue, batch, let_go))
        except (DatabaseError, ValueError, TypeError) as bad:
            if len(batch) == 1:
                log.error(Event.GATE_ROW_REFUSED, error=type(bad).__name__)
                await self._take([_unstorable(batch[0])], let_go)
                return
            middle = len(batch) // 2
            await self._take(batch[:middle], let_go[:middle])
            await self._take(batch[middle:], let_go[middle:])
            return
        for outcome in taken:
            CONSUMED.labels(outcome.value).inc()

    async def _offered(self, call: Callable[[], Any]) -> Any:
        """Until the store takes it."""
        while True:
            try:
                return await call()
            except StoreUnavailable:
                log.warning(Event.STORE_UNAVAILABLE, part="consumer")
                await asyncio.sleep(STORE_AWAY_S)

    # --- room ---------------------------------------------------------------------------------------------------------

    async def _has_room(self, limit: float) -> bool:
        return not self._overloaded() and await self._waiting() < limit

    async def _waiting(self) -> int:
        waiting: int = await self._offered(lambda: self._db(count_waiting, self._queue_limit + 1))
        return waiting

    async def _wait_for_room(self, closed: asyncio.Event) -> None:
        """The broker keeps the rest; nothing is unacknowledged meanwhile."""
        BROKER_PAUSED.set(1)
        await self._db(raise_alarm, Cause(Alarm.CONSUMING_PAUSED))
        log.warning(Event.BROKER_PAUSED, count=self._queue_limit)
        while not closed.is_set() and not await self._has_room(self._queue_limit * RESUME_AT):  # noqa: ASYNC110
            await asyncio.sleep(ROOM_EVERY_S)
        await self._db(clear_alarm, Cause(Alarm.CONSUMING_PAUSED))
        BROKER_PAUSED.set(0)

    # --- tenants of whom nobody can say anything ----------------------------------------------------------------------

    async def _begin_holding(self) -> None:
        for tenant in await self._db(list_held_tenants):
            self._hold(tenant)

    def _hold(self, tenant: str) -> None:
        if tenant not in self._held:
            self._held[tenant] = asyncio.create_task(self._let_go(tenant), name="held")
            HELD.set(len(self._held))

    async def _let_go(self, tenant: str) -> None:
        """As soon as the tenant service has an answer: in the order in which they came."""
        while True:
            try:
                await self._tenants.wait_for(tenant)
                async with self._taking:
                    if not await self._let_go_some(tenant):
                        del self._held[tenant]
                        HELD.set(len(self._held))
                        return
            except (LeaseLost, asyncio.CancelledError):
                raise
            except Exception as bug:  # noqa: BLE001 -- one tenant's; the others are not to suffer
                log.error(Event.LOOP_FAILED, part="held", error=type(bug).__name__, at=where(bug))
                await asyncio.sleep(AGAIN_MOST_S)

    async def _let_go_some(self, tenant: str) -> bool:
        """Whether there may be more. What has to wait once more stays where it is, in its place."""
        waiting = await self._offered(lambda: self._db(list_held, tenant, HELD_AT_ONCE))
        judged = await self._offered(lambda: self._understanding.understand([held.delivery for held in waiting]))
        clear = list(takewhile(lambda each: not isinstance(each, ToHold), judged))
        if clear:
            await self._take(clear, [held.id for held in waiting[: len(clear)]])
        return bool(waiting)

    async def _stop_holding(self) -> None:
        tasks, self._held = tuple(self._held.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tag(arrived: _Arrived) -> int:
    return arrived.message.delivery_tag or 0


def _unstorable(each: Understood) -> ToRefuse:
    tenant_id = each.message.tenant_id if isinstance(each, ToAccept) else 0
    delivery = each.delivery._replace(reference="", headers="{}")
    return ToRefuse(delivery, tenant_id, "unstorable", "The database refuses this message.")
