"""The paths of the Graph API."""

from collections.abc import Sequence

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from hailgate.simulator.cloud.management import ProfileEndpoint, TemplateControl, TemplatesEndpoint
from hailgate.simulator.cloud.media import DOWNLOAD_PATH
from hailgate.simulator.cloud.messages import MessagesEndpoint
from hailgate.simulator.cloud.nodes import DownloadEndpoint, NodeEndpoint, UploadEndpoint
from hailgate.simulator.cloud.provider import Cloud
from hailgate.simulator.world import World


class Version(Convertor[str]):
    """Any `vNN.N`: a version lives about two years, the simulator should outlive them."""

    regex = r"v[0-9]{1,2}\.[0-9]"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("graph_version", Version())


def routes(cloud: Cloud, world: World) -> Sequence[BaseRoute]:
    node = "/{version:graph_version}/{node}"
    return [
        Route(f"{node}/messages", MessagesEndpoint(cloud, world), methods=["POST"]),
        Route(f"{node}/media", UploadEndpoint(cloud, world), methods=["POST"]),
        Route(f"{node}/whatsapp_business_profile", ProfileEndpoint(cloud, world), methods=["GET"]),
        Route(f"{node}/message_templates", TemplatesEndpoint(cloud, world), methods=["GET", "POST", "DELETE"]),
        Route(node, NodeEndpoint(cloud, world), methods=["GET", "DELETE"]),
        Route(DOWNLOAD_PATH, DownloadEndpoint(cloud, world), methods=["GET"]),
        *TemplateControl(cloud, world).routes(),
    ]
