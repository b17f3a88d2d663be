"""The providers that the simulator speaks: the registry. A further one is its package and one line in `SPOKEN`."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.routing import BaseRoute

from hailgate.simulator.cloud.provider import Cloud
from hailgate.simulator.cloud.routes import routes as cloud_routes
from hailgate.simulator.cloud.wire import Credentials as CloudCredentials
from hailgate.simulator.evolution.provider import Evolution
from hailgate.simulator.evolution.routes import PATH as EVOLUTION_PATH
from hailgate.simulator.evolution.routes import routes as evolution_routes
from hailgate.simulator.evolution.wire import Credentials as EvolutionCredentials
from hailgate.simulator.provider import Provider
from hailgate.simulator.twilio.provider import Twilio
from hailgate.simulator.twilio.routes import routes as twilio_routes
from hailgate.simulator.twilio.wire import Credentials as TwilioCredentials
from hailgate.simulator.world import World
from hailgate.simulator.wppconnect.provider import WppConnect
from hailgate.simulator.wppconnect.routes import PATH as WPPCONNECT_PATH
from hailgate.simulator.wppconnect.routes import routes as wppconnect_routes
from hailgate.simulator.wppconnect.wire import Credentials as WppConnectCredentials


class Spoken(msgspec.Struct, frozen=True):
    """`path` is where its API begins. `build` takes the length in seconds of its customer service window, or None.

    `pairs_sessions`: a phone must scan a code before messages flow.
    """

    name: str
    label: str
    credentials: type[msgspec.Struct]
    build: Callable[[float | None], Any]
    routes: Callable[[Any, World], Sequence[BaseRoute]]
    path: str = ""
    pairs_sessions: bool = False

    def describe(self, home: str) -> dict[str, Any]:
        """`home` is the simulator's address."""
        fields = msgspec.structs.fields(self.credentials)
        return {
            "name": self.name,
            "label": self.label,
            "api_url": home + self.path,
            "credentials": [{"name": field.name, "required": field.required} for field in fields],
            "pairs_sessions": self.pairs_sessions,
        }


SPOKEN = (
    Spoken("cloud", "Meta Cloud API", CloudCredentials, Cloud, cloud_routes),
    Spoken("twilio", "Twilio", TwilioCredentials, Twilio, twilio_routes),
    Spoken("evolution", "Evolution API", EvolutionCredentials, Evolution, evolution_routes, EVOLUTION_PATH, True),
    Spoken(
        "wppconnect", "WPPConnect Server", WppConnectCredentials, WppConnect, wppconnect_routes, WPPCONNECT_PATH, True
    ),
)


def build_providers(window_s: float | None) -> dict[str, Provider]:
    return {spoken.name: spoken.build(window_s) for spoken in SPOKEN}


def list_routes(world: World) -> list[BaseRoute]:
    return [route for spoken in SPOKEN for route in spoken.routes(world.providers[spoken.name], world)]
