"""Twilio's paths. Its three hosts (api, content, messaging) are one here."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from hailgate.simulator.twilio.account import AccountEndpoint, SenderEndpoint, SendersEndpoint, TypingEndpoint
from hailgate.simulator.twilio.content_api import ApprovalEndpoint, ContentEndpoint, ContentsEndpoint
from hailgate.simulator.twilio.fetch import MediaFetcher
from hailgate.simulator.twilio.media import BYTES_PATH, BytesView, MediaListEndpoint, MediumEndpoint
from hailgate.simulator.twilio.messages import MessageEndpoint, MessagesEndpoint
from hailgate.simulator.twilio.provider import Twilio
from hailgate.simulator.world import World

ACCOUNT = "/2010-04-01/Accounts/{account}"


def routes(twilio: Twilio, world: World) -> Sequence[BaseRoute]:
    messages = MessagesEndpoint(twilio, world, MediaFetcher(world))
    message, approval = f"{ACCOUNT}/Messages/{{sid}}", ApprovalEndpoint(twilio, world)
    return [
        Route(f"{ACCOUNT}/Messages.json", messages, methods=["GET", "POST"]),
        Route(f"{message}/Media.json", MediaListEndpoint(twilio, world), methods=["GET"]),
        Route(f"{message}/Media/{{medium}}", MediumEndpoint(twilio, world), methods=["GET", "DELETE"]),
        Route(f"{message}.json", MessageEndpoint(twilio, world), methods=["GET", "POST", "DELETE"]),
        Route(f"{ACCOUNT}.json", AccountEndpoint(twilio, world), methods=["GET"]),
        Route(BYTES_PATH + "{medium}", BytesView(world).show, methods=["GET"]),
        Route("/v{version:int}/Indicators/Typing.json", TypingEndpoint(twilio, world), methods=["POST"]),
        Route("/v1/Content", ContentsEndpoint(twilio, world), methods=["GET", "POST"]),
        Route("/v1/ContentAndApprovals", ContentsEndpoint(twilio, world), methods=["GET"]),
        Route("/v1/Content/{sid}/ApprovalRequests/whatsapp", approval, methods=["POST"]),
        Route("/v1/Content/{sid}/ApprovalRequests", approval, methods=["GET"]),
        Route("/v1/Content/{sid}", ContentEndpoint(twilio, world), methods=["GET", "DELETE"]),
        Route("/v2/Channels/Senders", SendersEndpoint(twilio, world), methods=["GET"]),
        Route("/v2/Channels/Senders/{sid}", SenderEndpoint(twilio, world), methods=["GET", "POST"]),
    ]
