"""Clients that send at a steady pace and insist on an answer."""

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp

from .blueprint import PEOPLE, Blueprint, Place, person
from .ledgers import ClientLedger, Promise, accept
from .stand import Stand

PATIENCE_S = 5.0
# How long clients go on asking after the load has ended before a message counts as never answered.
INSIST_S = 45.0
# Answers that mean "not now": the same key is asked again.
NOT_NOW = frozenset({409, 425, 429})


class Conversation(NamedTuple):
    place: Place
    phone: str

    @property
    def key(self) -> str:
        """As the simulator's ledger names it."""
        return f"{self.place.number}/{self.phone}"


def conversations(places: Iterable[Place] = Blueprint.places, people: int = PEOPLE) -> list[Conversation]:
    return [Conversation(place, person(number)) for place in places for number in range(1, people + 1)]


class Client:
    """Sends single messages, each under an idempotency key of its own, until the product has answered."""

    def __init__(
        self, stand: Stand, ledger: ClientLedger, session: aiohttp.ClientSession | None = None, *, key: str = ""
    ) -> None:
        self._session, self._ledger = session or stand.session, ledger
        self._address = f"{stand.web}/v1/messages"
        self._key = key or stand.blueprint.key
        self.errors: dict[int, int] = {}

    async def send(self, conversation: Conversation, **more: object) -> Promise:
        promise = self._ledger.ask(conversation.key)
        await self.insist(promise, render(conversation, promise, **more))
        return promise

    async def insist(self, promise: Promise, body: bytes) -> None:
        """Ask under the promise's own key until there is an answer."""
        while not await self._ask(promise, body):
            promise.troubles += 1
            await asyncio.sleep(0.1 * min(promise.troubles, 5))

    async def _ask(self, promise: Promise, body: bytes) -> bool:
        """True once there is an answer that stands."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Idempotency-Key": promise.token,
            "Content-Type": "application/json",
        }
        patience = aiohttp.ClientTimeout(total=PATIENCE_S)
        try:
            async with self._session.post(self._address, data=body, headers=headers, timeout=patience) as answer:
                document = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return False
        if answer.status == 202:
            accept(promise, document["id"])
            return True
        self.errors[answer.status] = self.errors.get(answer.status, 0) + 1
        if answer.status >= 500 or answer.status in NOT_NOW:
            return False
        promise.refused = answer.status
        return True


class Load:
    """Sends at `rate` messages a second while it is open.

    A conversation has one message under way at a time, so that the order in which they must arrive is known.
    """

    def __init__(
        self,
        client: Client,
        dice: Random,
        chosen: Sequence[Conversation] | None = None,
        *,
        rate: float = 50.0,
        insist_s: float = INSIST_S,
    ) -> None:
        self._client, self._dice, self._rate, self._insist_s = client, dice, rate, insist_s
        self._idle = list(conversations() if chosen is None else chosen)
        self._sending: set[asyncio.Task[None]] = set()
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._clock = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.cancel()
        with suppress(asyncio.CancelledError):
            await self._clock
        if self._sending and error is None:
            await asyncio.wait(self._sending, timeout=self._insist_s)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def reaches(self, count: int) -> None:
        """Until this many messages were begun."""
        while self.sent < count:
            await asyncio.sleep(0.05)

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self._idle:
                self._begin(self._idle.pop(self._dice.randrange(len(self._idle))))

    def _begin(self, conversation: Conversation) -> None:
        self.sent += 1
        task = asyncio.create_task(self._send(conversation))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, conversation: Conversation) -> None:
        await self._client.send(conversation)
        self._idle.append(conversation)


def render(conversation: Conversation, promise: Promise, **more: object) -> bytes:
    message = {
        "channel": conversation.place.name,
        "to": f"+{conversation.phone}",
        "type": "text",
        "text": {"body": f"{promise.token} is on its way"},
        **more,
    }
    return json.dumps(message).encode()
