"""What every endpoint of Twilio does: who may enter (basic auth), and errors in Twilio's shape."""

import base64
import binascii
import hmac

from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import endpoints
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.faults import Plan
from hailgate.simulator.model import Channel
from hailgate.simulator.twilio import errors
from hailgate.simulator.twilio.errors import TwilioError, not_found
from hailgate.simulator.twilio.provider import Twilio
from hailgate.simulator.twilio.wire import account_of
from hailgate.simulator.world import World

PAGE, MAX_PAGE = 50, 1000


class Endpoint(endpoints.Endpoint):
    """One path. `operation` is what a fault calls it."""

    provider = "twilio"
    errors = errors
    operation = "check"

    def __init__(self, twilio: Twilio, world: World) -> None:
        super().__init__(world)
        self._twilio = twilio

    async def ask(self, request: Request) -> Asked:
        return Asked(authorise(self._twilio, request)[0], self.operation)

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        return await self.serve(request, account_of(asked.channel))

    async def serve(self, request: Request, account: str) -> Response:
        raise NotImplementedError

    def list_numbers(self, account: str) -> list[str]:
        return [number for number, channel in self._twilio.channels.items() if account_of(channel) == account]


def authorise(twilio: Twilio, request: Request) -> list[Channel]:
    """The channels of the account whose SID and token (or API key) these are; the path names no other account."""
    user, password = take_credentials(request)
    channels = [channel for channel in twilio.channels.values() if is_key_of(channel, user, password)]
    if not channels:
        raise TwilioError(20003)
    account = request.path_params.get("account")
    if account is not None and account != account_of(channels[0]):
        raise not_found(request.url.path)
    return channels


def take_credentials(request: Request) -> tuple[str, str]:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise TwilioError(20003) from None
    if scheme.lower() != "basic" or not user:
        raise TwilioError(20003)
    return user, password


def is_key_of(channel: Channel, user: str, password: str) -> bool:
    known = channel.credentials
    pairs = (("account_sid", "auth_token"), ("api_key_sid", "api_key_secret"))
    return any(
        known.get(name) == user and hmac.compare_digest(known.get(secret, "").encode(), password.encode())
        for name, secret in pairs
    )


def take_page_size(request: Request) -> int:
    text = request.query_params.get("PageSize", str(PAGE))
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= MAX_PAGE):
        raise TwilioError(20422, f"PageSize is a number from 1 to {MAX_PAGE}")
    return int(text)


def take_page(request: Request) -> int:
    text = request.query_params.get("Page", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
