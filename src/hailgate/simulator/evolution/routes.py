"""Evolution's paths, under a prefix of the simulator's."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from hailgate.simulator.evolution.chats import (
    DeleteMessageEndpoint,
    EditEndpoint,
    FileEndpoint,
    FindEndpoint,
    NumbersEndpoint,
    PresenceEndpoint,
    ReadEndpoint,
)
from hailgate.simulator.evolution.errors import EvolutionError
from hailgate.simulator.evolution.instances import (
    ConnectEndpoint,
    CreateEndpoint,
    DeleteEndpoint,
    ListEndpoint,
    LogoutEndpoint,
    RestartEndpoint,
    SettingsEndpoint,
    StateEndpoint,
    WebhookEndpoint,
)
from hailgate.simulator.evolution.messages import SendEndpoint
from hailgate.simulator.evolution.provider import Evolution
from hailgate.simulator.evolution.wire import VERSIONS
from hailgate.simulator.pairing import Pairing
from hailgate.simulator.problems import json_response
from hailgate.simulator.world import World

PATH = "/evolution"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def routes(evolution: Evolution, world: World) -> Sequence[BaseRoute]:
    pairing = Pairing(world, evolution)
    calls = [
        ("POST", "/instance/create", CreateEndpoint),
        ("GET", "/instance/connect/{instance}", ConnectEndpoint),
        ("GET", "/instance/connectionState/{instance}", StateEndpoint),
        ("GET", "/instance/fetchInstances", ListEndpoint),
        ("POST", "/instance/restart/{instance}", RestartEndpoint),
        ("DELETE", "/instance/logout/{instance}", LogoutEndpoint),
        ("DELETE", "/instance/delete/{instance}", DeleteEndpoint),
        ("POST", "/webhook/set/{instance}", WebhookEndpoint),
        ("GET", "/webhook/find/{instance}", WebhookEndpoint),
        ("POST", "/settings/set/{instance}", SettingsEndpoint),
        ("GET", "/settings/find/{instance}", SettingsEndpoint),
        ("POST", "/message/{kind}/{instance}", SendEndpoint),
        ("POST", "/chat/whatsappNumbers/{instance}", NumbersEndpoint),
        ("POST", "/chat/findMessages/{instance}", FindEndpoint),
        ("POST", "/chat/getBase64FromMediaMessage/{instance}", FileEndpoint),
        ("POST", "/chat/markMessageAsRead/{instance}", ReadEndpoint),
        ("POST", "/chat/sendPresence/{instance}", PresenceEndpoint),
        ("POST", "/chat/updateMessage/{instance}", EditEndpoint),
        ("DELETE", "/chat/deleteMessageForEveryone/{instance}", DeleteMessageEndpoint),
    ]
    paths: list[BaseRoute] = [
        Route(path, endpoint(evolution, world, pairing), methods=[method]) for method, path, endpoint in calls
    ]
    elsewhere = Route("/{path:path}", nothing_here, methods=METHODS)
    return [Mount(PATH, routes=[Route("/", welcome, methods=["GET"]), *paths, elsewhere])]


async def welcome(_request: Request) -> Response:
    message = "Welcome to the Evolution API, it is working!"
    return json_response({"status": 200, "message": message, "version": VERSIONS[0], "clientName": "simulator"})


async def nothing_here(request: Request) -> Response:
    path = request.url.path.removeprefix(PATH)
    return EvolutionError(404, [f"Cannot {request.method} {path}"]).answer()
