"""What every endpoint of WPPConnect does: whose session it is, whose token, errors in its shapes."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import endpoints
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.faults import Plan
from hailgate.simulator.model import Channel
from hailgate.simulator.pairing import Pairing
from hailgate.simulator.problems import ProviderError, read_body
from hailgate.simulator.sessions import Session
from hailgate.simulator.world import World
from hailgate.simulator.wppconnect import errors
from hailgate.simulator.wppconnect.calls import parse_json
from hailgate.simulator.wppconnect.provider import WppConnect
from hailgate.simulator.wppconnect.wire import is_token_of

MAX_BODY = 140 * 1024 * 1024


class Endpoint(endpoints.Endpoint):
    """One path. `operation` is what a fault calls it; `needs_session`: 404 where none is connected."""

    provider = "wppconnect"
    errors = errors
    operation = "check"
    needs_session = True

    def __init__(self, wppconnect: WppConnect, world: World, pairing: Pairing) -> None:
        super().__init__(world)
        self._wppconnect = wppconnect
        self._pairing = pairing

    async def ask(self, request: Request) -> Asked:
        channel = self.enter(request)
        body = await read_body(request, MAX_BODY)
        return Asked(channel, self.operation, None, (parse_json(body), body))

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        call, body = asked.call
        if self.needs_session and self.session_of(asked.channel).state != "open":
            answer = errors.session_inactive().answer()
        else:
            try:
                answer = await self.serve(request, asked.channel, call, body)
            except ProviderError as error:
                answer = error.answer()
        return self.name_session(request, asked.channel, answer)

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:
        raise NotImplementedError

    async def drop_session(self, channel: Channel, seconds: float | None) -> None:
        await self._pairing.drop(channel, seconds)

    def enter(self, request: Request) -> Channel:
        """By header, or by `session:token` in the path."""
        name, _, in_path = request.path_params["session"].partition(":")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not in_path and (scheme.lower() != "bearer" or not token):
            raise errors.token_missing()
        channel = self._wppconnect.channels.get(name)
        if channel is None or not is_token_of(channel, in_path or token):
            raise errors.token_wrong()
        return channel

    def session_of(self, channel: Channel) -> Session:
        return self._wppconnect.sessions.of(channel)

    def name_session(self, request: Request, channel: Channel, answer: Response) -> Response:
        """Every JSON answer gets the client's session, where the request said that it is exactly JSON."""
        is_json = answer.media_type == "application/json"
        if request.headers.get("content-type") != "application/json" or not is_json:
            return answer
        whole = msgspec.json.decode(answer.body)
        session = self.session_of(channel)
        if isinstance(whole, dict) and "session" not in whole:
            whole["session"] = "" if session.state in {"closed", "absent"} else session.name
        return Response(msgspec.json.encode(whole), answer.status_code, media_type="application/json")
