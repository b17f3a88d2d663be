"""The door of the Cloud API through which a business sends and marks as read."""

from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope
from starlette.types import Send as Sender

from hailgate.simulator import mishaps
from hailgate.simulator.cloud import errors
from hailgate.simulator.cloud.calls import ReadCall, SendCall, parse_call
from hailgate.simulator.cloud.doors import authorise, refuse, spoil
from hailgate.simulator.cloud.errors import GraphError, answer_error
from hailgate.simulator.cloud.references import Prepared, needs_store, prepare, resolve_user
from hailgate.simulator.cloud.wire import new_wamid, render_accepted
from hailgate.simulator.exchange import ReadMark
from hailgate.simulator.faults import Call, Do, Plan
from hailgate.simulator.problems import BodyTooLarge, json_response, read_body
from hailgate.simulator.provider import Channel, Send
from hailgate.simulator.world import World

if TYPE_CHECKING:
    from hailgate.simulator.cloud import Cloud


class MessagesDoor:
    """`POST /{version}/{phone_number_id}/messages`.

    An ASGI application rather than a view: statuses follow the answer, so it must know when that is out.
    """

    def __init__(self, cloud: "Cloud", world: World) -> None:
        self._cloud = cloud
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Sender) -> None:
        request = Request(scope, receive)
        wamid = new_wamid()
        try:
            answer = await self._serve(request, wamid)
            await answer(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            self._world.office.release(wamid)

    async def _serve(self, request: Request, wamid: str) -> Response:
        try:
            channel = authorise(self._cloud, request)
            body = await read_body(request)
            call = await self._resolve(parse_call(body))
            plan = self._plan(channel, call)
            if await self._world.stops_within(plan.delay):
                return await mishaps.cut(request)
            if plan.refusal:
                return await refuse(request, plan.refusal)
            answer = await self._carry_out(channel, call, body, wamid, plan)
            return await spoil(request, answer, plan.mishap)
        except BodyTooLarge:
            return answer_error(errors.body_too_large())
        except GraphError as error:
            return answer_error(error)

    async def _resolve(self, call: SendCall | ReadCall) -> SendCall | ReadCall:
        if isinstance(call, ReadCall) or not call.by_user_id:
            return call
        return await self._world.store.read(partial(resolve_user, call=call))

    def _plan(self, channel: Channel, call: SendCall | ReadCall) -> Plan:
        match call:
            case SendCall(to=to):
                return self._world.faults.plan(Call("cloud", "send", channel.number, to))
            case ReadCall(operation=operation):
                return self._world.faults.plan(Call("cloud", operation, channel.number))

    async def _carry_out(
        self, channel: Channel, call: SendCall | ReadCall, body: bytes, wamid: str, plan: Plan
    ) -> Response:
        if isinstance(call, ReadCall):
            return await self._mark_read(channel, call, body)
        if call.to == channel.number:
            raise GraphError(131021, "Recipient phone number cannot be the sender's.")
        prepared = await self._prepare(channel, call)
        send = Send(
            channel,
            call.to,
            wamid,
            {"id": wamid, **prepared.message},
            call.correlation,
            body,
            call.to_group,
            prepared.category,
            prepared.doom,
        )
        await self._world.accept(send, plan.statuses)
        if plan.mishap and plan.mishap.do is Do.STATUS_BEFORE_ANSWER:
            await self._world.office.hurry(wamid, plan.mishap.value)
        return json_response(render_accepted(call, wamid))

    async def _prepare(self, channel: Channel, call: SendCall) -> Prepared:
        if not needs_store(call):
            return Prepared(call.message)
        now = self._world.clock.now()
        return await self._world.store.read(partial(prepare, channel=channel, call=call, now=now))

    async def _mark_read(self, channel: Channel, call: ReadCall, body: bytes) -> Response:
        if not await self._world.mark_read(ReadMark(channel, call.message_id, call.operation, body)):
            raise GraphError(131009, "Param message_id is not a message that this number received.")
        return json_response({"success": True})
