"""The endpoint of the Cloud API through which a business sends and marks as read."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator.cloud.calls import ReadCall, SendCall, parse_call
from hailgate.simulator.cloud.endpoints import Endpoint, authorise
from hailgate.simulator.cloud.errors import GraphError
from hailgate.simulator.cloud.references import Prepared, needs_store, prepare, resolve_user
from hailgate.simulator.cloud.wire import new_wamid, render_accepted
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.faults import Plan
from hailgate.simulator.message_flow import ReadMark
from hailgate.simulator.model import Channel, Send
from hailgate.simulator.problems import json_response, read_body


class MessagesEndpoint(Endpoint):
    """`POST /{version}/{phone_number_id}/messages`."""

    async def ask(self, request: Request) -> Asked:
        channel = authorise(self._cloud, request)
        body = await read_body(request)
        call = await self._resolve(parse_call(body))
        if isinstance(call, ReadCall):
            return Asked(channel, call.operation, None, (call, body))
        return Asked(channel, "send", call.to, (call, body))

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:
        call, body = asked.call
        if isinstance(call, ReadCall):
            return await self._mark_read(asked.channel, call, body)
        if call.to == asked.channel.number:
            raise GraphError(131021, "Recipient phone number cannot be the sender's.")
        send = await self._compose(asked.channel, call, body)
        await self.accept(request, send, plan)
        return json_response(render_accepted(call, send.provider_id))

    async def _resolve(self, call: SendCall | ReadCall) -> SendCall | ReadCall:
        if isinstance(call, ReadCall) or not call.by_user_id:
            return call
        return await self._world.store.read(partial(resolve_user, call=call))

    async def _compose(self, channel: Channel, call: SendCall, body: bytes) -> Send:
        prepared, wamid = await self._prepare(channel, call), new_wamid()
        message = {"id": wamid, **prepared.message}
        group, category, doom = call.to_group, prepared.category, prepared.doom
        return Send(channel, call.to, wamid, message, call.correlation, body, group, category, doom)

    async def _prepare(self, channel: Channel, call: SendCall) -> Prepared:
        if not needs_store(call):
            return Prepared(call.message)
        now = self._world.clock.now()
        return await self._world.store.read(partial(prepare, channel=channel, call=call, now=now))

    async def _mark_read(self, channel: Channel, call: ReadCall, body: bytes) -> Response:
        if not await self._world.mark_read(ReadMark(channel, call.message_id, call.operation, body)):
            raise GraphError(131009, "Param message_id is not a message that this number received.")
        return json_response({"success": True})
