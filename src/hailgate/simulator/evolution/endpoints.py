"""What every endpoint of Evolution does: which instance is asked for, who may enter, errors in its shape."""

import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import endpoints
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.evolution import errors
from hailgate.simulator.evolution.calls import parse_json
from hailgate.simulator.evolution.provider import Evolution
from hailgate.simulator.evolution.wire import is_newer, token_of
from hailgate.simulator.faults import Plan
from hailgate.simulator.model import Channel
from hailgate.simulator.pairing import Pairing
from hailgate.simulator.problems import read_body
from hailgate.simulator.sessions import Session
from hailgate.simulator.world import World

MAX_BODY = 136 * 1024 * 1024


class Endpoint(endpoints.Endpoint):
    """One path. `operation` is what a fault calls it."""

    provider = "evolution"
    errors = errors
    operation = "check"

    def __init__(self, evolution: Evolution, world: World, pairing: Pairing) -> None:
        super().__init__(world)
        self._evolution = evolution
        self._pairing = pairing

    async def ask(self, request: Request) -> Asked:
        return Asked(self.enter(request), self.operation, None, await self.read(request))

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        return await self.serve(request, asked.channel, asked.call[0])

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:
        raise NotImplementedError

    async def drop_session(self, channel: Channel, seconds: float | None) -> None:
        await self._pairing.drop(channel, seconds)

    def enter(self, request: Request) -> Channel:
        """An instance that is unknown is said before the key is looked at."""
        name = request.path_params["instance"]
        channel = self._evolution.channels.get(name)
        if channel is None or self.session_of(channel).state == "absent":
            raise errors.instance_unknown(name)
        check_license(channel)
        if not is_key_of(channel, request, token_of(channel)):
            raise errors.unauthorized()
        return channel

    def enter_server(self, request: Request) -> list[Channel]:
        """For what needs the server's own key: the channels of that server."""
        channels = [channel for channel in self._evolution.channels.values() if is_key_of(channel, request)]
        if not channels:
            raise errors.unauthorized()
        check_license(channels[0])
        return channels

    def session_of(self, channel: Channel) -> Session:
        return self._evolution.sessions.of(channel)

    async def read(self, request: Request) -> tuple[dict[str, Any], bytes]:
        """The call, and its body as it came."""
        body = await read_body(request, MAX_BODY)
        return parse_json(body), body


def is_key_of(channel: Channel, request: Request, *others: str) -> bool:
    given = request.headers.get("apikey", "").encode()
    return any(hmac.compare_digest(known.encode(), given) for known in (channel.credentials["api_key"], *others))


def check_license(channel: Channel) -> None:
    if is_newer(channel) and channel.credentials.get("licensed") == "false":
        raise errors.license_required()
