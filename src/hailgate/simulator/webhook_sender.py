"""Webhooks as a provider sends them: stored first, repeated as that provider repeats them, across restarts.

One courier per channel. Different webhooks may overtake each other, but those of one lane (a person's
messages to one number, the statuses of one message) start in order: the next one waits until the one before
was answered or has failed once.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable
from functools import partial

import aiohttp
from yarl import URL

from hailgate.simulator.clock import Clock
from hailgate.simulator.feed import Feed
from hailgate.simulator.model import Attempt, Channel, Retries
from hailgate.simulator.names import NameResolver
from hailgate.simulator.outbox import Webhook, find_due, postpone, remove, remove_arrived
from hailgate.simulator.phones import ChatEntry
from hailgate.simulator.provider import Provider
from hailgate.simulator.store import Store

IN_FLIGHT = 32  # calls at once for one channel
PAGE = 64  # webhooks taken from the store at a time
CONNECT_S = 5.0
IDLE_CONNECTION = 4.0  # seconds; below the 5 s after which many servers close an idle connection

log = logging.getLogger(__name__)


class WebhookSender:
    """The couriers of all channels and the lanes that wait for an answer to leave first."""

    def __init__(self, store: Store, clock: Clock, feed: Feed, retries: Retries) -> None:
        self.store = store
        self.clock = clock
        self.feed = feed
        self.retries = retries
        self.held_lanes: dict[str, str] = {}
        self._couriers: dict[str, Courier] = {}

    def open(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION, resolver=NameResolver())
        self.session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        await self._dismiss(list(self._couriers))
        await self.session.close()

    async def serve(self, channels: Iterable[tuple[Channel, Provider]]) -> None:
        """Couriers for these channels and no others."""
        wanted = {channel.number: (channel, provider) for channel, provider in channels}
        stale = [number for number, courier in self._couriers.items() if courier.terms != wanted.get(number)]
        await self._dismiss(stale)
        for number, terms in wanted.items():
            if number not in self._couriers:
                self._couriers[number] = Courier(terms, self)

    def wake(self, channel: str) -> None:
        if courier := self._couriers.get(channel):
            courier.wake()

    def hold(self, lane: str, channel: str) -> None:
        """Nothing of this lane goes before `release` (or a restart)."""
        self.held_lanes[lane] = channel

    def release(self, lane: str) -> None:
        if channel := self.held_lanes.pop(lane, None):
            self.wake(channel)

    async def hurry(self, lane: str, seconds: float) -> None:
        """Releases a lane and waits until its webhooks were tried once, or the time is over."""
        courier = self._couriers.get(self.held_lanes.get(lane, ""))
        self.release(lane)
        if courier:
            await courier.wait_for(lane, seconds)

    async def _dismiss(self, numbers: Iterable[str]) -> None:
        await asyncio.gather(*(self._couriers.pop(number).stop() for number in numbers))


class Courier:
    """Carries one channel's webhooks to its address."""

    def __init__(self, terms: tuple[Channel, Provider], sender: WebhookSender) -> None:
        self.terms = terms
        self._channel, self._provider = terms
        self._timeout = aiohttp.ClientTimeout(total=self._provider.patience_s, connect=CONNECT_S)
        self._sender = sender
        self._in_hand: set[int] = set()
        self._lanes: dict[str, deque[Webhook]] = {}
        self._done: dict[str, asyncio.Event] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._news = asyncio.Event()
        self._walks: set[asyncio.Task[None]] = set()
        self._rounds = asyncio.create_task(self._go_rounds())

    def wake(self) -> None:
        self._news.set()

    async def stop(self) -> None:
        tasks = [self._rounds, *self._walks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait_for(self, lane: str, seconds: float) -> None:
        done = self._done.setdefault(lane, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await done.wait()
        except TimeoutError:
            pass
        finally:
            self._done.pop(lane, None)

    async def _go_rounds(self) -> None:
        while True:
            self._news.clear()
            pause = await self._take_due() if len(self._in_hand) < IN_FLIGHT else None
            await self._rest(pause)

    async def _take_due(self) -> float | None:
        """Takes what is due; the seconds until something else is, None for nothing."""
        held = self._sender.held_lanes
        limit = PAGE + len(self._in_hand) + 2 * len(held)
        known = self._in_hand.copy()  # what is put down while we read is still in the answer
        due, next_at = await self._sender.store.read(partial(find_due, channel=self._channel.number, limit=limit))
        for webhook in due:
            if webhook.seq not in known and webhook.lane not in held:
                self._take(webhook)
        return None if next_at is None else max(0.0, next_at - time.time())

    async def _rest(self, pause: float | None) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            pass

    def _take(self, webhook: Webhook) -> None:
        self._in_hand.add(webhook.seq)
        if webhook.attempts:  # it has had its turn; nobody waits for it
            self._start(deque([webhook]), None)
        elif webhook.lane in self._lanes:
            self._lanes[webhook.lane].append(webhook)
        else:
            self._lanes[webhook.lane] = deque([webhook])
            self._start(self._lanes[webhook.lane], webhook.lane)

    def _start(self, queue: deque[Webhook], lane: str | None) -> None:
        walk = asyncio.create_task(self._walk(queue, lane))
        self._walks.add(walk)
        walk.add_done_callback(self._walks.discard)

    async def _walk(self, queue: deque[Webhook], lane: str | None) -> None:
        while queue:
            async with self._slots:
                status = await self._call(queue[0])
            self._settle(queue.popleft(), status)
        if lane is not None:
            del self._lanes[lane]
            if done := self._done.get(lane):
                done.set()

    async def _call(self, webhook: Webhook) -> int | None:
        """The answer's status; None for no answer."""
        address = self._find_address(webhook).partition("#")[0]
        try:
            async with self._sender.session.post(
                URL(address, encoded=True),  # byte for byte, since some sign it
                data=webhook.body,
                headers=self._provider.sign(self._channel, address, webhook.body),
                timeout=self._timeout,
                allow_redirects=False,
            ) as answer:
                await answer.read()  # or the connection cannot be used again
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.debug("webhook_failed %s %s", self._channel.number, type(error).__name__)
            return None

    def _find_address(self, webhook: Webhook) -> str:
        return self._channel.webhook_url if webhook.url is None else webhook.url

    def _settle(self, webhook: Webhook, status: int | None) -> None:
        pause = self._find_pause(webhook, status)
        if status is not None and 200 <= status < 300:
            change = partial(remove_arrived, webhook=webhook)
        elif pause is None:
            change = partial(remove, webhook=webhook)
        else:
            change = partial(postpone, webhook=webhook, due_at=time.time() + pause)
        written = self._sender.store.write(change)
        written.add_done_callback(partial(self._put_down, webhook))

    def _find_pause(self, webhook: Webhook, status: int | None) -> float | None:
        """None: it is not called again."""
        if self._sender.clock.now() >= webhook.expires_at:
            return None
        attempt = Attempt(self._find_address(webhook), status, webhook.attempts + 1)
        return self._provider.find_pause(attempt, self._sender.retries)

    def _put_down(self, webhook: Webhook, written: asyncio.Future[list[ChatEntry]]) -> None:
        self._in_hand.discard(webhook.seq)
        self.wake()
        if not written.cancelled() and (entries := written.result()):
            self._sender.feed.publish("messages", entries)
