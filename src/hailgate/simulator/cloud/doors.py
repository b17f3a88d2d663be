"""What every door of the Graph API does: who may enter, what goes wrong on purpose, errors in Meta's shape."""

import hmac
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope
from starlette.types import Send as Sender

from hailgate.simulator import mishaps
from hailgate.simulator.cloud import errors
from hailgate.simulator.cloud.errors import GraphError, answer_error
from hailgate.simulator.cloud.wire import account_of
from hailgate.simulator.faults import Call, Do, Fault
from hailgate.simulator.problems import BodyTooLarge
from hailgate.simulator.provider import Channel
from hailgate.simulator.world import World

if TYPE_CHECKING:
    from hailgate.simulator.cloud import Cloud


class Door:
    """One path. `operation` is what a fault calls it."""

    operation = "check"

    def __init__(self, cloud: "Cloud", world: World) -> None:
        self._cloud = cloud
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Sender) -> None:
        answer = await self._admit(Request(scope, receive))
        await answer(scope, receive, send)

    async def enter(self, request: Request) -> Channel:
        """The channel that is asked for; raises the GraphError that Meta would answer."""
        return authorise(self._cloud, request)

    async def serve(self, request: Request, channel: Channel) -> Response:
        raise NotImplementedError

    async def _admit(self, request: Request) -> Response:
        try:
            channel = await self.enter(request)
            plan = self._world.faults.plan(Call("cloud", self.operation, channel.number))
            if await self._world.stops_within(plan.delay):
                return await mishaps.cut(request)
            if plan.refusal:
                return await refuse(request, plan.refusal)
            return await spoil(request, await self.serve(request, channel), plan.mishap)
        except BodyTooLarge:
            return answer_error(errors.body_too_large())
        except GraphError as error:
            return answer_error(error)
        except ClientDisconnect:
            return Response()


def authorise(cloud: "Cloud", request: Request) -> Channel:
    """The channel of the path, if the bearer token is its own."""
    node = request.path_params["node"]
    channel = cloud.channels.get(node)
    if channel and is_token_of(channel, take_token(request)):
        return channel
    find_holders(cloud, request)
    raise errors.object_unknown(node, request.method)


def authorise_account(cloud: "Cloud", request: Request) -> Channel:
    """A channel of the business account of the path, whose token this is."""
    node = request.path_params["node"]
    for channel in find_holders(cloud, request):
        if account_of(channel) == node:
            return channel
    raise errors.object_unknown(node, request.method)


def find_holders(cloud: "Cloud", request: Request) -> list[Channel]:
    """The channels that this bearer token belongs to, at least one."""
    token = take_token(request)
    holders = [channel for channel in cloud.channels.values() if is_token_of(channel, token)]
    if not holders:
        raise errors.token_wrong()
    return holders


def take_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise errors.token_missing()
    return token


def is_token_of(channel: Channel, token: str) -> bool:
    return hmac.compare_digest(channel.credentials["access_token"].encode(), token.encode())


async def refuse(request: Request, fault: Fault) -> Response:
    """Nothing is accepted."""
    match fault.do:
        case Do.RESET_BEFORE_READ:
            return await mishaps.cut(request)
        case Do.REVOKE_TOKEN:
            raise errors.token_revoked()
        case Do.THROTTLE:
            return errors.answer_throttle(fault.value)
        case _:
            return errors.answer_outage(fault.value)


async def spoil(request: Request, answer: Response, fault: Fault | None) -> Response:
    """What was asked is done; the answer does not arrive as it should."""
    match fault:
        case Fault(do=Do.ACCEPT_THEN_RESET):
            return await mishaps.cut(request)
        case Fault(do=Do.ACCEPT_THEN_GARBAGE):
            return mishaps.garble(answer)
        case Fault(do=Do.DRIP, value=seconds):
            return mishaps.drip(answer, seconds)
        case _:
            return answer
