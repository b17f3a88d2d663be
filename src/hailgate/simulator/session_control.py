"""The control of sessions: what a person does with the business's own phone, and how its connection is lost."""

from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hailgate.simulator.faults import Seconds
from hailgate.simulator.model import Channel
from hailgate.simulator.pairing import Act, Pairing
from hailgate.simulator.problems import Problem, json_response, read_json
from hailgate.simulator.provider import HangsSessions, PairsSessions
from hailgate.simulator.qrcodes import render_svg
from hailgate.simulator.sessions import Session
from hailgate.simulator.world import World

Number = Annotated[str, Meta(pattern=r"^[0-9]{5,15}$")]


class ScanOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`phone`: another than the channel's own. `code`: the pairing code is typed instead of scanning."""

    phone: Number | None = None
    code: str | None = None


class DropOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`seconds` until the connection is back; without, it stays away until the session is started."""

    seconds: Seconds | None = None


class SessionControl:
    def __init__(self, world: World) -> None:
        self._world = world
        self._pairings = {
            name: Pairing(world, provider)
            for name, provider in world.providers.items()
            if isinstance(provider, PairsSessions)
        }
        world.on_open.append(self._restore_all)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/_sim/sessions", self.show, methods=["GET"]),
            Route("/_sim/channels/{number}/qr.svg", self.show_code, methods=["GET"]),
            Route("/_sim/channels/{number}/scan", self.scan, methods=["POST"]),
            Route("/_sim/channels/{number}/unlink", self.unlink, methods=["POST"]),
            Route("/_sim/channels/{number}/drop", self.drop, methods=["POST"]),
            Route("/_sim/channels/{number}/hang", self.hang, methods=["POST"]),
        ]

    async def show(self, _request: Request) -> Response:
        providers = [provider for provider in self._world.providers.values() if isinstance(provider, PairsSessions)]
        sessions = [session for provider in providers for session in provider.sessions.list_all()]
        return json_response([session.describe() for session in sessions])

    async def show_code(self, request: Request) -> Response:
        _, provider = self._find(request)
        session = provider.sessions.of(self._world.channels[request.path_params["number"]])
        if session.state != "code":
            raise Problem(404, "No code is shown.")
        return Response(render_svg(session.code), media_type="image/svg+xml", headers={"cache-control": "no-store"})

    async def scan(self, request: Request) -> Response:
        channel, provider = self._find(request)
        order = await read_json(request, ScanOrder)
        session = provider.sessions.of(channel)
        check_code(session, order.code)
        phone = order.phone or channel.number
        return await self._act(channel, partial(provider.scan, phone=phone))

    async def unlink(self, request: Request) -> Response:
        channel, provider = self._find(request)
        if not provider.sessions.of(channel).paired_as:
            raise Problem(409, "No phone is linked.")
        return await self._act(channel, provider.unlink)

    async def drop(self, request: Request) -> Response:
        channel, provider = self._find(request)
        order = await read_json(request, DropOrder)
        if provider.sessions.of(channel).state != "open":
            raise Problem(409, "The session is not connected.")
        session = await self._pairings[channel.provider].drop(channel, order.seconds)
        return json_response(session.describe())

    async def hang(self, request: Request) -> Response:
        """It is starting for ever, without a word."""
        channel, provider = self._find(request)
        if not isinstance(provider, HangsSessions):
            raise Problem(409, f"Sessions of {channel.provider} do not hang.")
        return await self._act(channel, provider.hang)

    async def _act(self, channel: Channel, act: Act) -> Response:
        session = await self._pairings[channel.provider].act(channel, act)
        return json_response(session.describe())

    async def _restore_all(self) -> None:
        """The servers' own start: what was cut off when the simulator stopped connects again."""
        for channel in self._world.channels.values():
            if channel.provider in self._pairings:
                await self._pairings[channel.provider].restore(channel)

    def _find(self, request: Request) -> tuple[Channel, PairsSessions]:
        number = request.path_params["number"]
        channel = self._world.channels.get(number)
        if channel is None:
            raise Problem(404, f"There is no channel with the number {number[:20]}.")
        provider = self._world.providers[channel.provider]
        if not isinstance(provider, PairsSessions):
            raise Problem(409, f"{channel.provider} has no sessions.")
        return channel, provider


def check_code(session: Session, code: str | None) -> None:
    if session.state != "code":
        raise Problem(409, "No code is shown; the server must ask for one first.")
    if code is not None and code != session.pairing_code:
        raise Problem(409, "This is not the pairing code that is shown.")
