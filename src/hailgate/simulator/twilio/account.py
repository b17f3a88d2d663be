"""The account, its WhatsApp senders with their webhook addresses, and the typing indicator."""

from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import documents
from hailgate.simulator.message_flow import ReadMark
from hailgate.simulator.model import Channel
from hailgate.simulator.problems import json_response, read_body
from hailgate.simulator.twilio.calls import is_web_address
from hailgate.simulator.twilio.endpoints import Endpoint
from hailgate.simulator.twilio.errors import TwilioError, not_found
from hailgate.simulator.twilio.provider import SENDER
from hailgate.simulator.twilio.wire import account_of, parse_form, sender_sid

ADDRESSES = ("callback_url", "fallback_url", "status_callback_url")


class AccountEndpoint(Endpoint):
    """`/2010-04-01/Accounts/{account}.json`."""

    async def serve(self, request: Request, account: str) -> Response:
        known = {"sid": account, "friendly_name": "Simulated account", "status": "active", "type": "Full"}
        return json_response({**known, "uri": request.url.path})


class SendersEndpoint(Endpoint):
    """`/v2/Channels/Senders`."""

    async def serve(self, request: Request, account: str) -> Response:
        if request.query_params.get("Channel", "whatsapp") != "whatsapp":
            raise TwilioError(20422, "Channel is whatsapp")
        shown = [self.render(channel) for channel in self.list_channels(account)]
        url = f"https://messaging.twilio.com{request.url.path}?PageSize=50&Page=0&Channel=whatsapp"
        meta = {"page": 0, "page_size": 50, "first_page_url": url, "previous_page_url": None, "url": url}
        return json_response({"senders": shown, "meta": {**meta, "next_page_url": None, "key": "senders"}})

    def list_channels(self, account: str) -> list[Channel]:
        return [channel for channel in self._twilio.channels.values() if account_of(channel) == account]

    def render(self, channel: Channel) -> dict[str, Any]:
        webhook = {"callback_url": channel.webhook_url, "callback_method": "POST"}
        return {
            "sid": sender_sid(channel),
            "status": "ONLINE",
            "sender_id": f"whatsapp:+{channel.number}",
            "configuration": {"waba_id": "102000000000001"},
            "webhook": webhook | self._twilio.webhooks.get(channel.number, {}),
            "profile": {"name": "Simulated Business", "about": f"The simulated business +{channel.number}"},
            "properties": {"quality_rating": "HIGH", "messaging_limit": "250 Customers/24hr"},
            "offline_reasons": None,
        }


class SenderEndpoint(SendersEndpoint):
    """`/v2/Channels/Senders/{sid}`: its webhook addresses are set here."""

    async def serve(self, request: Request, account: str) -> Response:
        sid = request.path_params["sid"]
        channel = next((channel for channel in self.list_channels(account) if sender_sid(channel) == sid), None)
        if channel is None:
            raise not_found(request.url.path)
        if request.method != "POST":
            return json_response(self.render(channel))
        await self._change(channel, parse_webhook(await read_body(request)))
        return json_response(self.render(channel), 202)

    async def _change(self, channel: Channel, webhook: dict[str, str]) -> None:
        settings = self._twilio.webhooks.get(channel.number, {}) | webhook
        change = partial(documents.put, kind=SENDER, document_id=channel.number, document=settings)
        await self._world.store.write(change)
        self._twilio.webhooks[channel.number] = settings


class TypingEndpoint(Endpoint):
    """`/v2/Indicators/Typing.json`: shows that an answer is being written, and marks as read."""

    operation = "typing"

    async def serve(self, request: Request, account: str) -> Response:
        body = await read_body(request)
        given = parse_typing(request, body)
        if given.get("channel") != "whatsapp":
            raise TwilioError(20422, "channel is whatsapp")
        for channel in self._twilio.channels.values():
            mark = ReadMark(channel, given.get("messageId", ""), "typing", msgspec.json.encode(given))
            if account_of(channel) == account and await self._world.mark_read(mark):
                return json_response({"success": True})
        raise not_found(f"{request.url.path}: messageId")


def parse_typing(request: Request, body: bytes) -> dict[str, str]:
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_form(body))
    try:
        return msgspec.json.decode(body, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TwilioError(20422, f"Invalid parameter: {error}") from None


class SenderUpdate(msgspec.Struct, frozen=True):
    webhook: dict[str, str | None] = {}


def parse_webhook(body: bytes) -> dict[str, str]:
    try:
        given = msgspec.json.decode(body, type=SenderUpdate).webhook
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TwilioError(20422, f"Invalid parameter: {error}") from None
    for name in ADDRESSES:
        if given.get(name) and not is_web_address(str(given[name])):
            raise TwilioError(20422, f"Invalid parameter: webhook.{name} is no URL")
    return {name: value or "" for name, value in given.items()}
