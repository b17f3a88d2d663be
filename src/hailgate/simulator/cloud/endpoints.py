"""What every endpoint of the Graph API does: who may enter, and errors in Meta's shape."""

import hmac

from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import endpoints
from hailgate.simulator.cloud import errors
from hailgate.simulator.cloud.provider import Cloud
from hailgate.simulator.cloud.wire import account_of
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.faults import Plan
from hailgate.simulator.model import Channel
from hailgate.simulator.world import World


class Endpoint(endpoints.Endpoint):
    """One path. `operation` is what a fault calls it."""

    provider = "cloud"
    errors = errors
    operation = "check"

    def __init__(self, cloud: Cloud, world: World) -> None:
        super().__init__(world)
        self._cloud = cloud

    async def ask(self, request: Request) -> Asked:
        return Asked(await self.enter(request), self.operation)

    async def enter(self, request: Request) -> Channel:
        """The channel that is asked for; raises the GraphError that Meta would answer."""
        return authorise(self._cloud, request)

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        return await self.serve(request, asked.channel)

    async def serve(self, request: Request, channel: Channel) -> Response:
        raise NotImplementedError


def authorise(cloud: Cloud, request: Request) -> Channel:
    """The channel of the path, if the bearer token is its own."""
    node = request.path_params["node"]
    channel = cloud.channels.get(node)
    if channel and is_token_of(channel, take_token(request)):
        return channel
    find_holders(cloud, request)
    raise errors.object_unknown(node, request.method)


def authorise_account(cloud: Cloud, request: Request) -> Channel:
    """A channel of the business account of the path, whose token this is."""
    node = request.path_params["node"]
    for channel in find_holders(cloud, request):
        if account_of(channel) == node:
            return channel
    raise errors.object_unknown(node, request.method)


def find_holders(cloud: Cloud, request: Request) -> list[Channel]:
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
