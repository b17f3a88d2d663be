"""WPPConnect's paths, under a prefix of the simulator's."""

import time
from collections.abc import Sequence

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from hailgate.simulator.pairing import Pairing
from hailgate.simulator.problems import json_response
from hailgate.simulator.world import World
from hailgate.simulator.wppconnect import errors
from hailgate.simulator.wppconnect.calls import SENDS
from hailgate.simulator.wppconnect.chats import (
    DeleteEndpoint,
    EditEndpoint,
    FileEndpoint,
    LidEndpoint,
    MessageEndpoint,
    MessagesEndpoint,
    NumberEndpoint,
    SeenEndpoint,
    TypingEndpoint,
    UnreadEndpoint,
)
from hailgate.simulator.wppconnect.messages import SendEndpoint
from hailgate.simulator.wppconnect.provider import WppConnect
from hailgate.simulator.wppconnect.session_calls import (
    CloseEndpoint,
    CodeEndpoint,
    ConnectionEndpoint,
    ListEndpoint,
    LogoutEndpoint,
    OwnNumberEndpoint,
    StartEndpoint,
    StateEndpoint,
    TokenEndpoint,
)

PATH = "/wppconnect"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Kind(Convertor[str]):
    """The sends."""

    regex = "|".join(SENDS)

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("wpp_send", Kind())


def routes(wppconnect: WppConnect, world: World) -> Sequence[BaseRoute]:
    pairing = Pairing(world, wppconnect)
    calls = [
        ("GET", "/api/{secret}/show-all-sessions", ListEndpoint),
        ("POST", "/api/{session}/{secret}/generate-token", TokenEndpoint),
        ("POST", "/api/{session}/start-session", StartEndpoint),
        ("GET", "/api/{session}/status-session", StateEndpoint),
        ("GET", "/api/{session}/check-connection-session", ConnectionEndpoint),
        ("GET", "/api/{session}/qrcode-session", CodeEndpoint),
        ("GET", "/api/{session}/get-phone-number", OwnNumberEndpoint),
        ("POST", "/api/{session}/close-session", CloseEndpoint),
        ("POST", "/api/{session}/logout-session", LogoutEndpoint),
        ("GET", "/api/{session}/check-number-status/{phone}", NumberEndpoint),
        ("GET", "/api/{session}/contact/pn-lid/{pn_lid}", LidEndpoint),
        ("GET", "/api/{session}/get-messages/{phone}", MessagesEndpoint),
        ("GET", "/api/{session}/message-by-id/{id}", MessageEndpoint),
        ("GET", "/api/{session}/all-unread-messages", UnreadEndpoint),
        ("GET", "/api/{session}/get-media-by-message/{id}", FileEndpoint),
        ("POST", "/api/{session}/download-media", FileEndpoint),
        ("POST", "/api/{session}/send-seen", SeenEndpoint),
        ("POST", "/api/{session}/typing", TypingEndpoint),
        ("POST", "/api/{session}/recording", TypingEndpoint),
        ("POST", "/api/{session}/edit-message", EditEndpoint),
        ("POST", "/api/{session}/delete-message", DeleteEndpoint),
        ("POST", "/api/{session}/{kind:wpp_send}", SendEndpoint),
    ]
    paths: list[BaseRoute] = [
        Route(path, endpoint(wppconnect, world, pairing), methods=[method]) for method, path, endpoint in calls
    ]
    health = Route("/healthz", tell_health, methods=["GET"])
    return [Mount(PATH, routes=[health, *paths, Route("/{path:path}", nothing_here, methods=METHODS)])]


async def tell_health(_request: Request) -> Response:
    return json_response({"uptime": time.monotonic(), "message": "OK", "timestamp": int(time.time() * 1000)})


async def nothing_here(request: Request) -> Response:
    return errors.nothing_here(request.method, request.url.path.removeprefix(PATH)).answer()
