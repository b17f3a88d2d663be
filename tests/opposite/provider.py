"""The adapter. `SPEC` is what its entry point names, as that of any plug-in."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Meta, Struct

from hailgate.core.address import AddressKind
from hailgate.core.content import InboundText, Outbound, Text
from hailgate.core.content.inbound import Inbound, InboundDocument, InboundImage, ReceivedFile
from hailgate.core.content.outbound import Document, Image
from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelUnauthorized,
    OutcomeUnknown,
    PayloadForeign,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientUnreachable,
    Rejected,
    SendError,
    SignatureInvalid,
)
from hailgate.core.events import InboundMessage, MessageStatus, ProviderEvent, SessionChange
from hailgate.core.evidence import Findings
from hailgate.core.kinds import KindLimits
from hailgate.core.limits import Limit
from hailgate.core.media import StoredInWebhook
from hailgate.core.sessions import PairingCode, SessionReport, SessionState
from hailgate.core.status import Status
from hailgate.providers.abilities import InboundPage, Sought
from hailgate.providers.capabilities import Capabilities, TakesFiles
from hailgate.providers.config import Secret
from hailgate.providers.contract import ChannelHealth, Connection, OutboundMessage, SendReceipt, WebhookRequest
from hailgate.providers.guard import Guard, unguarded
from hailgate.providers.inline import FILE, FileInJson
from hailgate.providers.reading import address, identifier, instant, read
from hailgate.providers.spec import CodeNote, Proof, ProviderSpec, keep_headers
from hailgate.providers.transport import HttpReply

SIGNATURE: Final = "x-opposite-signature"
CODE_LIFE_S: Final = 30.0
CLOCK_SKEW_S: Final = 5.0
STATUSES: Final = {"sent": Status.SENT, "delivered": Status.DELIVERED, "read": Status.READ, "failed": Status.FAILED}


class OppositeHook(Struct, frozen=True, kw_only=True):
    secret: Annotated[Secret, Meta(title="Secret", description="Signs what is posted.")]


class OppositeChannel(Struct, frozen=True, kw_only=True):
    account: Annotated[str, Meta(title="Account", description="Its name on the server.")]
    key: Annotated[Secret, Meta(title="Key", description="Goes with every call.")]
    api_url: Annotated[str, Meta(title="Server", description="Where it is reached.")] = "http://127.0.0.1:9"


# --- webhooks ---------------------------------------------------------------------------------------------------------


def sign(secret: str, url: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), url.encode("utf-8", "surrogatepass") + body, "sha256").hex()


class OppositeReceiver:
    def __init__(self, hook: OppositeHook) -> None:
        self._secret = hook.secret.reveal()

    def verify(self, request: WebhookRequest) -> None:
        given = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, sign(self._secret, request.url, request.body).encode()):
            raise SignatureInvalid

    def parse(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        told = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        account = identifier(told.get("account"))
        event = _EVENTS.get(told.get("event", ""))
        found = event(account, told) if account and event else None
        if found is None:
            raise PayloadForeign
        return [found]


def _wrote(account: str, told: Mapping[str, str]) -> InboundMessage | None:
    message_id, sender = identifier(told.get("id")), address(AddressKind.PHONE, told.get("from"))
    if message_id is None or sender is None:
        return None
    kind = told.get("kind", "")
    media = StoredInWebhook(kind, "/file", told.get("sha256", ""), told.get("name", "")) if told.get("file") else None
    return InboundMessage(
        account, message_id, (sender,), None, None, instant(told.get("at", "")), _said(kind, told), None, media=media
    )


def _said(kind: str, told: Mapping[str, str]) -> Inbound:
    if kind not in _FILES:
        return InboundText(told.get("text", ""))
    file = ReceivedFile(id=told["id"], caption=told.get("text"), filename=told.get("name"))
    return InboundImage(file) if kind == "image" else InboundDocument(file)


def _reached(account: str, told: Mapping[str, str]) -> MessageStatus | None:
    message_id, status = identifier(told.get("id")), STATUSES.get(told.get("status", ""))
    if message_id is None or status is None:
        return None
    return MessageStatus(account, message_id, status, instant(told.get("at", "")), None, None, None, None)


_FILES: Final = {"image", "document"}
_EVENTS: Final = {
    "message": _wrote,
    "status": _reached,
    "session": lambda account, told: SessionChange(account, told.get("state", "")),
}


# --- calls ------------------------------------------------------------------------------------------------------------

_answer = msgspec.json.Decoder(dict[str, Any])


class OppositeProvider:
    def __init__(self, connection: Connection[OppositeChannel]) -> None:
        config = connection.config
        self._transport, self._hook_url = connection.transport, connection.hook_url
        self._url = f"{config.api_url}/{config.account}"
        self._headers = {"X-Opposite-Key": config.key.reveal()}

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        body = render(message)
        reply = await self._transport.post(f"{self._url}/send", headers=self._headers, body=body, guard=guard)
        provider_id = identifier(_told(reply).get("id"))
        if reply.status == 200 and provider_id:
            return SendReceipt(provider_id)
        raise refusal(reply.status)

    async def check(self) -> ChannelHealth:
        try:
            report = await self.session_state()
        except SendError as failed:
            return ChannelHealth(ok=False, detail=failed.detail)
        return ChannelHealth(ok=report.state is SessionState.OPEN, detail=f"The session is {report.state}.")

    async def session_state(self) -> SessionReport:
        return _report(await self._transport.get(f"{self._url}/session", headers=self._headers))

    async def start_session(self, *, phone: str | None = None) -> SessionReport:
        del phone  # it pairs by QR code alone
        return await self._session("start")

    async def end_session(self) -> SessionReport:
        return await self._session("end")

    async def log_out(self) -> SessionReport:
        return await self._session("log-out")

    async def find_sent(self, sought: Sought) -> Findings:
        asked = urlencode({"to": sought.message.to.value, "since": sought.attempted_at - CLOCK_SKEW_S})
        reply = await self._transport.get(f"{self._url}/sent?{asked}", headers=self._headers)
        if reply.status != 200:
            raise refusal(reply.status)
        listed = _told(reply).get("messages", [])
        fitting = [one for one in listed if one["text"] == words(sought.message.content)]
        return Findings(
            matches=tuple(one["id"] for one in fitting if one["id"] not in sought.known),
            newer=any(one["at"] > sought.attempted_at for one in listed),
        )

    async def poll_inbound(self, since: float, after: str | None = None) -> InboundPage:
        asked = urlencode({"since": since, "after": after or "0"})
        reply = await self._transport.get(f"{self._url}/inbox?{asked}", headers=self._headers)
        if reply.status != 200:
            raise refusal(reply.status)
        told = _told(reply)
        return InboundPage([form.encode() for form in told["forms"]], told["after"])

    async def _session(self, deed: str) -> SessionReport:
        wanted = msgspec.json.encode({"webhook": self._hook_url})
        try:
            return _report(
                await self._transport.post(
                    f"{self._url}/session/{deed}", headers=self._headers, body=wanted, guard=unguarded
                )
            )
        except OutcomeUnknown as unclear:  # harmless to repeat
            raise ProviderUnavailable(unclear.detail) from None


def render(message: OutboundMessage) -> bytes | FileInJson:
    """Raises Rejected."""
    content = message.content
    said = {"to": message.to.value, "text": words(content)}
    if isinstance(content, Image | Document):
        part = content.image if isinstance(content, Image) else content.document
        file = message.files.get(part.attachment or "")
        if file is None:
            raise Rejected("The file of the message is not stored any more.", code="file_removed")
        return FileInJson({**said, "file": FILE}, file)
    return msgspec.json.encode(said)


def words(content: Outbound) -> str:
    match content:
        case Text():
            return content.text.body
        case Image():
            return content.image.caption or ""
        case Document():
            return content.document.caption or ""
        case _:
            raise Rejected("Opposite sends texts, pictures and documents.", code="unsupported_content")


_REFUSALS: Final[Mapping[int, type[SendError]]] = {
    401: ChannelUnauthorized,
    409: ChannelDisconnected,
    404: RecipientUnreachable,
    429: ProviderThrottled,
    503: ProviderUnavailable,
}


def refusal(status: int) -> SendError:
    if status in _REFUSALS:
        return _REFUSALS[status](f"Opposite answers with {status}.")
    if 400 <= status < 500:
        return Rejected(f"Opposite refuses it with {status}.", code="opposite_refuses")
    return OutcomeUnknown(f"Opposite answers with {status}.")


def _told(reply: HttpReply) -> Mapping[str, Any]:
    return read(_answer, reply.body) or {}


def _report(reply: HttpReply) -> SessionReport:
    if reply.status != 200:
        raise refusal(reply.status)
    told = _told(reply)
    code = PairingCode(told["code"], typed=False, life_s=CODE_LIFE_S) if told.get("code") else None
    return SessionReport(state=SessionState(told["state"]), code=code, number=told.get("number"))


SPEC: Final = ProviderSpec(
    contract=2,
    name="opposite",
    label="Opposite, for tests",
    hook_config=OppositeHook,
    channel_config=OppositeChannel,
    capabilities=Capabilities(
        kinds={
            "text": KindLimits(text=1000, quotable=False),
            "image": KindLimits(caption=200, quotable=False),
            "document": KindLimits(caption=200, quotable=False),
        },
        channel_limit=Limit.per_second(50, 50),
        max_webhook_body=64 << 20,  # a file of 40 MB in base64, in a form
        keepalive_seconds=3.0,
        echoes_tracker=False,
        takes_files=TakesFiles.INLINE,
        pairs_session=True,
        finds_sent=True,
        polls_inbound=True,
    ),
    proof=Proof.URL_AND_FORM,
    account_of=lambda channel, _: channel.account,
    mask_headers=keep_headers("content-type"),
    receiver=OppositeReceiver,
    connect=OppositeProvider,
    needs_public_url=True,
    codes={"opposite_refuses": CodeNote("Opposite does not take the message.", "Change it, then send it again.")},
)
