"""The control API: what tests, harnesses and the page use to see and to steer the world.

It has no key of its own: it belongs on a loopback address or inside a private network. A call that a browser
makes for a foreign page is refused.

`GET /_sim/providers` says what is spoken here: name, label, address of the API, credentials that a channel needs, and
whether a phone has to be paired. Beside what tests need there are, for people and the page: `GET` and
`PUT /_sim/phones/{number}` (name, reachable, online, read_receipts, username, hides_number, by_lid,
user_id),
`POST /_sim/phones/{number}/files` (a file to send: its id), `POST /_sim/phones/{number}/play` (a voice message),
`GET /_sim/files/{id}`, `POST /_sim/channels/{number}/handshake` (does the webhook address know its verify token?),
`GET /_sim/faults`, `GET /_sim/clock`, `GET` and `PUT /_sim/templates` (what Meta does to a template by itself), and
`GET /_sim/events` (what happens, as server-sent events).
"""

from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hailgate.simulator.faults import Fault
from hailgate.simulator.ledger import list_ledger
from hailgate.simulator.model import Channel
from hailgate.simulator.numbers import check_number, take_number
from hailgate.simulator.phones import get_phone, list_messages, list_phones
from hailgate.simulator.problems import (
    Problem,
    answer_problem,
    json_response,
    read_json,
    read_number,
)
from hailgate.simulator.provider import Provider, ShakesHands
from hailgate.simulator.providers import SPOKEN
from hailgate.simulator.world import World

TEN_YEARS_S = 315_576_000.0


class SendOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    to: str
    message: dict[str, Any]


class ReadOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one chat where `channel` is given, else of all."""

    up_to: Annotated[int, Meta(ge=0, le=2**62)]
    channel: str | None = None


class PlayOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: Annotated[int, Meta(ge=0, le=2**62)]


class ClockOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    offset_s: Annotated[float, Meta(ge=-TEN_YEARS_S, le=TEN_YEARS_S)]


class PhoneOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is absent stays as it is."""

    name: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    reachable: bool | None = None
    online: bool | None = None
    read_receipts: bool | None = None
    username: Annotated[str, Meta(min_length=3, max_length=35)] | None = None
    hides_number: bool | None = None
    by_lid: bool | None = None
    user_id: Annotated[str, Meta(pattern=r"^[A-Z]{2}\.[A-Za-z0-9]{1,128}$")] | None = None


class Control:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/_sim/providers", self.show_providers, methods=["GET"]),
            Route("/_sim/state", self.show_state, methods=["GET"]),
            Route("/_sim/channels", self.put_channels, methods=["PUT"]),
            Route("/_sim/channels/{number}/send", self.send_from_business, methods=["POST"]),
            Route("/_sim/channels/{number}/handshake", self.shake_hands, methods=["POST"]),
            Route("/_sim/phones/{number}", self.show_phone, methods=["GET"]),
            Route("/_sim/phones/{number}", self.update_phone, methods=["PUT"]),
            Route("/_sim/phones/{number}/send", self.send, methods=["POST"]),
            Route("/_sim/phones/{number}/messages", self.show_messages, methods=["GET"]),
            Route("/_sim/phones/{number}/play", self.play, methods=["POST"]),
            Route("/_sim/phones/{number}/read", self.read, methods=["POST"]),
            Route("/_sim/ledger", self.show_ledger, methods=["GET"]),
            Route("/_sim/faults", self.show_faults, methods=["GET"]),
            Route("/_sim/faults", self.put_faults, methods=["PUT"]),
            Route("/_sim/faults", self.delete_faults, methods=["DELETE"]),
            Route("/_sim/clock", self.show_clock, methods=["GET"]),
            Route("/_sim/clock", self.put_clock, methods=["PUT"]),
            Route("/_sim/reset", self.reset, methods=["POST"]),
            Route("/_sim/events", self.stream_events, methods=["GET"]),
        ]

    async def show_providers(self, request: Request) -> Response:
        home = f"{request.url.scheme}://{request.url.netloc}"
        return json_response([spoken.describe(home) for spoken in SPOKEN])

    async def show_state(self, _request: Request) -> Response:
        phones = await self._world.store.read(list_phones)
        return json_response(
            {
                "channels": [
                    {"provider": c.provider, "number": c.number, "webhook_url": c.webhook_url}
                    for c in self._world.channels.values()
                ],
                "phones": [{"number": phone.number, "name": phone.name} for phone in phones],
            }
        )

    async def put_channels(self, request: Request) -> Response:
        channels = await read_json(request, list[Channel])
        for channel in channels:
            self._check_channel(channel)
        check_unique("number", [channel.number for channel in channels])
        for provider in self._world.providers.values():
            check_identity(provider, channels)
        await self._world.put_channels(channels)
        return await self.show_state(request)

    async def shake_hands(self, request: Request) -> Response:
        channel = self._get_channel(request.path_params["number"])
        provider = self._world.providers[channel.provider]
        if not isinstance(provider, ShakesHands):
            raise Problem(409, f"{channel.provider} does not verify webhook addresses by a call.")
        try:
            return json_response(await provider.shake_hands(channel, self._world.webhooks.session))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return json_response({"matched": False, "status": None, "error": type(error).__name__})

    async def show_phone(self, request: Request) -> Response:
        number = take_number(request)
        return json_response(await self._world.store.write(lambda db: get_phone(db, number)))

    async def update_phone(self, request: Request) -> Response:
        order = await read_json(request, PhoneOrder)
        changes = {name: value for name, value in msgspec.structs.asdict(order).items() if value is not None}
        return json_response(await self._world.update_phone(take_number(request), changes))

    async def send(self, request: Request) -> Response:
        number = take_number(request)
        order = await read_json(request, SendOrder)
        channel = self._get_channel(order.to)
        try:
            self._world.providers[channel.provider].check_inbound(order.message)
        except ValueError as error:
            raise Problem(422, str(error)) from None
        try:
            return json_response({"id": await self._world.write_from_phone(number, channel, order.message)})
        except ValueError as error:
            raise Problem(422, str(error)) from None

    async def send_from_business(self, request: Request) -> Response:
        """Somebody types on the business's own phone: `to` is the person."""
        channel = self._get_channel(request.path_params["number"])
        order = await read_json(request, SendOrder)
        check_number(order.to)
        try:
            self._world.providers[channel.provider].check_inbound(order.message)
            return json_response({"id": await self._world.write_from_business(channel, order.to, order.message)})
        except ValueError as error:
            raise Problem(422, str(error)) from None

    async def play(self, request: Request) -> Response:
        order = await read_json(request, PlayOrder)
        return json_response({"played": await self._world.play_on_phone(take_number(request), order.seq)})

    async def show_messages(self, request: Request) -> Response:
        number = take_number(request)
        after = read_number(request.query_params, "after")
        entries = await self._world.store.read(lambda db: list_messages(db, number, after))
        return json_response([entry.as_answer() for entry in entries])

    async def read(self, request: Request) -> Response:
        order = await read_json(request, ReadOrder)
        read = await self._world.read_on_phone(take_number(request), order.up_to, order.channel)
        return json_response({"read": read})

    async def show_ledger(self, request: Request) -> Response:
        after = read_number(request.query_params, "after")
        return json_response(await self._world.store.read(lambda db: list_ledger(db, after)))

    async def show_faults(self, _request: Request) -> Response:
        return json_response(self._world.faults.list())

    async def put_faults(self, request: Request) -> Response:
        self._world.put_faults(await read_json(request, list[Fault]))
        return await self.show_faults(request)

    async def delete_faults(self, _request: Request) -> Response:
        self._world.put_faults([])
        return Response(status_code=204)

    async def put_clock(self, request: Request) -> Response:
        order = await read_json(request, ClockOrder)
        await self._world.set_clock(order.offset_s)
        return await self.show_clock(request)

    async def show_clock(self, _request: Request) -> Response:
        clock = self._world.clock
        return json_response({"offset_s": clock.offset_s, "now": clock.now()})

    async def reset(self, _request: Request) -> Response:
        await self._world.reset()
        return Response(status_code=204)

    async def stream_events(self, _request: Request) -> Response:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._world.feed.listen(), headers=headers, media_type="text/event-stream")

    def _check_channel(self, channel: Channel) -> None:
        check_number(channel.number)
        if not channel.webhook_url.startswith(("http://", "https://")):
            raise Problem(422, f"`webhook_url` of {channel.number} is no http address.")
        provider = self._world.providers.get(channel.provider)
        if provider is None:
            spoken = ", ".join(sorted(self._world.providers))
            wrong = f"`provider` of {channel.number} is {channel.provider[:40]!r}"
            raise Problem(422, f"{wrong}; the simulator speaks: {spoken}.")
        try:
            provider.check_credentials(channel.credentials)
        except ValueError as error:
            raise Problem(422, f"`credentials` of {channel.number}: {error}") from None

    def _get_channel(self, number: str) -> Channel:
        if number not in self._world.channels:
            raise Problem(404, f"There is no channel with the number {number[:20]}.")
        return self._world.channels[number]


class HomeOnly:
    """Refuses what a browser sends for a page of another site; programs send no such header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/_sim/"):
            request = Request(scope)
            if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
                refusal = await answer_problem(request, Problem(403, "This comes from a page of another site."))
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def check_identity(provider: Provider, channels: list[Channel]) -> None:
    if name := provider.identity:
        check_unique(name, [c.credentials[name] for c in channels if c.provider == provider.name])


def check_unique(name: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        raise Problem(422, f"Two channels have the same {name}.")
