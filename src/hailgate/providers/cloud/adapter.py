"""The Cloud API as a Receiver and a Provider."""

import hmac
from collections.abc import AsyncIterator, Sequence

from hailgate.core.errors import AddressRefuses, Rejected, SendError, SignatureInvalid
from hailgate.core.events import ProviderEvent
from hailgate.core.media import LocalMedia, RemoteMedia
from hailgate.providers.cloud.config import CloudChannel, CloudHook
from hailgate.providers.cloud.media import Library
from hailgate.providers.cloud.templates import list_path, parse_page
from hailgate.providers.cloud.webhook import parse_webhook
from hailgate.providers.cloud.wire import (
    HEALTH_FIELDS,
    parse_ack,
    parse_health,
    parse_send_answer,
    render_read,
    render_send,
)
from hailgate.providers.contract import (
    ChannelHealth,
    Connection,
    OutboundMessage,
    SendReceipt,
    TemplatePage,
    WebhookRequest,
)
from hailgate.providers.guard import Guard
from hailgate.providers.spec import HandshakeProbe

SIGNATURE = "x-hub-signature-256"
MAX_CHALLENGE = 1024


class CloudReceiver:
    """One Meta app's webhook."""

    def __init__(self, hook: CloudHook) -> None:
        self._key = hook.app_secret.reveal().encode()
        self._token = hook.verify_token.reveal().encode()

    def verify(self, request: WebhookRequest) -> None:
        """Exactly one signature in exactly Meta's spelling, over the bytes as they came."""
        expected = "sha256=" + hmac.digest(self._key, request.body, "sha256").hex()
        given = request.headers.get(SIGNATURE, "")
        if not (self._key and _same(given, expected.encode())):
            raise SignatureInvalid

    def handshake(self, request: WebhookRequest) -> str:
        """Answer the GET, which Meta does not sign; it knows the verify token instead."""
        query = request.params
        challenge = query.get("hub.challenge", "")
        token_matches = bool(self._token) and _same(query.get("hub.verify_token", ""), self._token)
        subscribes = query.get("hub.mode") == "subscribe" and 0 < len(challenge) <= MAX_CHALLENGE
        if not (token_matches and subscribes):
            raise SignatureInvalid("The verify token of the handshake does not match this hook's.")
        return challenge

    def parse(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        return parse_webhook(request.body)


class CloudProvider:
    """One number."""

    def __init__(self, connection: Connection[CloudChannel]) -> None:
        channel = connection.config
        self._transport, self._clock = connection.transport, connection.clock
        self._api_url = channel.api_url
        self._messages_url = f"{channel.number_url}/messages"
        self._health_url = f"{channel.number_url}?fields={HEALTH_FIELDS}"
        self._version_url, self._waba_id = channel.version_url, channel.waba_id
        self._library = Library(connection)
        self._headers = {"Authorization": f"Bearer {channel.access_token.reveal()}"}

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        reply = await self._transport.post(
            self._messages_url, headers=self._headers, body=render_send(message), guard=guard
        )
        try:
            return parse_send_answer(*reply, self._clock())
        except AddressRefuses as refused:
            raise refused.at(self._api_url) from None

    async def mark_read(self, message_id: str, *, typing: bool) -> None:
        reply = await self._transport.post(
            self._messages_url, headers=self._headers, body=render_read(message_id, typing=typing)
        )
        parse_ack(*reply, self._clock())

    def fetch_media(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        return self._library.fetch(media)

    async def upload_media(self, media: LocalMedia) -> str:
        return await self._library.upload(media)

    async def list_templates(self, after: str | None = None) -> TemplatePage:
        if self._waba_id is None:
            raise Rejected("Setting waba_id is missing.", code="templates_nowhere")
        url = f"{self._version_url}/{list_path(self._waba_id, after)}"
        return parse_page(*await self._transport.get(url, headers=self._headers), self._clock())

    async def check(self) -> ChannelHealth:
        try:
            reply = await self._transport.get(self._health_url, headers=self._headers)
            return parse_health(*reply, self._clock())
        except AddressRefuses as refused:
            return ChannelHealth(ok=False, detail=refused.at(self._api_url).detail)
        except SendError as error:
            return ChannelHealth(ok=False, detail=error.detail)


def probe_handshake(hook: CloudHook, challenge: str) -> HandshakeProbe:
    """What Meta asks when the hook's URL is entered."""
    token = hook.verify_token.reveal()
    return HandshakeProbe({"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge}, challenge)


def _same(given: str, expected: bytes) -> bool:
    """Constant time, and over bytes: compare_digest refuses a string that is not ASCII."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected)
