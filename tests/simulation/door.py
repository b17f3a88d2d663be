"""The process that answers people's callers and the provider: the product's gates behind a door that may fall shut."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from hailgate.core.address import parse_address
from hailgate.core.content import Text, TextBody, check_content, encode_content
from hailgate.core.errors import HailgateError
from hailgate.messaging.channels.hooks import HookView, find_hook
from hailgate.messaging.channels.registry import get_channel
from hailgate.messaging.inbound.receive import ReceivedWebhook, find_stored, store_webhooks
from hailgate.messaging.outbound.accept import Accepted, accept_messages, find_accepted
from hailgate.messaging.outbound.new_message import Idempotency, NewMessage
from hailgate.messaging.store.ids import uuid7
from hailgate.pipeline.bridge import Gate
from hailgate.providers.contract import WebhookRequest

from .dialects import Call
from .loop import Process
from .store import ProcessDatabase

if TYPE_CHECKING:
    from .world import World

# A caller that hears nothing for so long asks again.
PATIENCE_S = 8.0
# Longer than any story: what never ends is not ended by its age.
LIFE_S = 3600.0


class Order(NamedTuple):
    """What a caller asks for; ``tenant_id`` is who the caller is, proven by its key."""

    tenant_id: int
    channel: str
    to: str
    text: str
    key: str
    send_in: float | None = None
    lives_for: float = LIFE_S


class Door:
    def __init__(self, world: "World", name: str) -> None:
        self._world, self._loop, self._faults = world, world.loop, world.faults
        self.process = Process(name, world, host="web")
        self.db = ProcessDatabase(world.loop, self.process, world)
        self._hook: HookView | None = None
        self._webhooks = Gate[ReceivedWebhook, bool](self.db, store_webhooks, read_back=find_stored)
        self._messages = Gate[NewMessage, Accepted](self.db, accept_messages, read_back=find_accepted)

    # --- from outside: an answer, or None for every way of not getting one --------------------------------------------

    async def ask(self, what: "Request") -> UUID | None:
        await asyncio.sleep(self._faults.way())
        if self.process.dead or self._faults.strikes("lost_request"):
            return None
        answer = self._loop.create_future()
        self._loop.spawn(self.process, self._serve(what, answer))
        try:
            async with asyncio.timeout(PATIENCE_S):
                answered: UUID | None = await answer
        except TimeoutError:
            return None
        return None if self._faults.strikes("lost_answer") else answered

    async def _serve(self, what: "Request", answer: "asyncio.Future[UUID | None]") -> None:
        try:
            answered = await what(self)
        except HailgateError as refused:
            self._world.note("no", type(refused).__name__)
            answered = None
        self.process.check()
        outside = self._loop.outside.context
        self._loop.call_later(self._faults.way(), lambda: answer.done() or answer.set_result(answered), context=outside)

    # --- inside: what the edge does -----------------------------------------------------------------------------------

    async def receive_hook(self, call: Call, url: str, proof: str) -> UUID:
        hook = self._hook = self._hook or await self.db(find_hook, self._world.premises.hook_token)
        assert hook is not None
        headers = {self._world.dialect.header: proof}
        hook.receiver.verify(WebhookRequest(url=url, method="POST", query=call.query, headers=headers, body=call.body))
        webhook = ReceivedWebhook(uuid7(), hook.tenant_id, hook.id, "{}", call.body, query=call.query)
        await self._webhooks.submit(webhook)
        return webhook.uid

    async def create_message(self, order: Order) -> UUID:
        channel = await self.db(get_channel, order.tenant_id, order.channel)
        content = Text(TextBody(order.text))
        check_content(content, channel.spec.capabilities)
        accepted = await self._messages.submit(
            NewMessage(
                uid=uuid7(),
                tenant_id=order.tenant_id,
                channel_id=channel.id,
                to=parse_address(order.to),
                kind="text",
                content=encode_content(content),
                sender="api",
                answered_by=channel.answered_by,
                life_s=order.lives_for,
                idempotency=Idempotency(order.key, order.key),
                send_at=None if order.send_in is None else self._world.moment() + order.send_in,
            )
        )
        return accepted.uid


Request = Callable[[Door], Coroutine[Any, Any, UUID]]
