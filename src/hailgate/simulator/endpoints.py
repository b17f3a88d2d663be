"""One path of a provider's API: who asks, what goes wrong on purpose, the answer, and then the statuses.

An ASGI application rather than a view: statuses follow the answer, so it must know when that is out.
"""

from typing import Any, Protocol

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope
from starlette.types import Send as Sender

from hailgate.simulator.faults import Call, Do, Error, Fault, Plan, Throttle
from hailgate.simulator.model import Channel, Send
from hailgate.simulator.problems import BodyTooLarge, ProviderError
from hailgate.simulator.wire_faults import cut, spoil
from hailgate.simulator.world import World


class Asked(msgspec.Struct, frozen=True):
    """A call that was let in. `operation` and `to` are what faults match; `call` is the provider's own reading."""

    channel: Channel
    operation: str
    to: str | None = None
    call: Any = None


class Errors(Protocol):
    """A provider's `errors` module: refusals in its own shape."""

    def body_too_large(self) -> ProviderError: ...

    def token_revoked(self) -> ProviderError: ...

    def answer_throttle(self, throttle: Throttle) -> Response: ...

    def answer_outage(self, error: Error) -> Response: ...


class Endpoint:
    """Subclasses say who may enter (`ask`) and what is done (`carry_out`); both raise ProviderError."""

    provider: str
    errors: Errors

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Sender) -> None:
        request = Request(scope, receive)
        request.state.lanes = []
        try:
            answer = await self._answer(request)
            await answer(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            for lane in request.state.lanes:
                self._world.webhooks.release(lane)

    async def ask(self, request: Request) -> Asked:
        raise NotImplementedError

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:
        raise NotImplementedError

    async def drop_session(self, channel: Channel, seconds: float | None) -> None:
        """Of providers that have sessions; others do not notice."""

    async def accept(self, request: Request, send: Send, plan: Plan) -> None:
        """The message is on its way; its statuses wait until the answer is out, or go before it by a fault."""
        request.state.lanes.append(send.provider_id)
        await self._world.accept(send, plan.statuses)
        if plan.spoiler and plan.spoiler.do is Do.STATUS_BEFORE_ANSWER:
            await self._world.webhooks.hurry(send.provider_id, plan.spoiler.value)

    async def _answer(self, request: Request) -> Response:
        try:
            asked = await self.ask(request)
            plan = self._world.faults.plan(Call(self.provider, asked.operation, asked.channel.number, asked.to))
            if await self._world.stops_within(plan.delay):
                return await cut(request)
            if plan.drop:
                await self.drop_session(asked.channel, plan.drop.value)
            if plan.refusal:
                return await self._refuse(request, plan.refusal)
            answer = await self.carry_out(request, asked, plan)
            if plan.spoiler and plan.spoiler.do is Do.ACCEPT_THEN_ERROR:
                return self.errors.answer_outage(plan.spoiler.value)
            return await spoil(request, answer, plan.spoiler)
        except BodyTooLarge:
            return self.errors.body_too_large().answer()
        except ProviderError as error:
            return error.answer()

    async def _refuse(self, request: Request, fault: Fault) -> Response:
        """Nothing is accepted."""
        match fault.do:
            case Do.RESET_BEFORE_READ:
                return await cut(request)
            case Do.REVOKE_TOKEN:
                raise self.errors.token_revoked()
            case Do.THROTTLE:
                return self.errors.answer_throttle(fault.value)
            case _:
                return self.errors.answer_outage(fault.value)
