"""Twilio as a Receiver and a Provider: Messages, Content and Typing."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from hailgate.core.content.outbound import Interactive, Template
from hailgate.core.errors import (
    InputError,
    OutcomeUnknown,
    ProviderUnavailable,
    Rejected,
    SendError,
    TemplateUnavailable,
    TooLarge,
)
from hailgate.core.events import ProviderEvent
from hailgate.core.evidence import Findings
from hailgate.core.media import RemoteMedia
from hailgate.providers.abilities import HookPlace, Sought
from hailgate.providers.contract import (
    ChannelHealth,
    Connection,
    OutboundMessage,
    SendReceipt,
    TemplatePage,
    WebhookRequest,
)
from hailgate.providers.guard import Guard
from hailgate.providers.twilio.config import TwilioChannel, TwilioHook
from hailgate.providers.twilio.contents import Shaped, parse_template, shape_question
from hailgate.providers.twilio.evidence import Listed, find_matches, find_newer, parse_listed
from hailgate.providers.twilio.kinds import LARGEST
from hailgate.providers.twilio.signature import check_signature
from hailgate.providers.twilio.webhook import PREFIX, TRACKER, parse_webhook
from hailgate.providers.twilio.wire import (
    CONTENT_SID,
    Form,
    encode_form,
    harmless,
    needs_content,
    parse_answer,
    parse_send_answer,
    render_address,
    render_body,
    render_content,
    template_variables,
)

if TYPE_CHECKING:
    from hailgate.providers.transport import HttpReply

FORM: Final = "application/x-www-form-urlencoded"
# Where Twilio keeps files; only these and the channel's own API get to see its credentials.
HOSTS: Final = ("twilio.com",)
PAGE: Final = 50
MOST_PAGES: Final = 40
MOST_SENDERS: Final = 1000
LARGEST_LIST: Final = 8 << 20


class TwilioReceiver:
    """One account's webhooks."""

    def __init__(self, hook: TwilioHook) -> None:
        self._hook = hook

    def verify(self, request: WebhookRequest) -> None:
        check_signature(self._hook, request)

    def parse(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        return parse_webhook(request)


class TwilioProvider:
    """One sender."""

    def __init__(self, connection: Connection[TwilioChannel]) -> None:
        from hailgate.providers.egress import OwnHosts  # who only receives needs no network library

        self._config, self._transport, self._clock = connection.config, connection.transport, connection.clock
        self._number, self._hook_url = connection.number or "", connection.hook_url
        self._messages_url = f"{self._config.account_url}/Messages.json"
        self._content_url = f"{self._config.host('content')}/v1/Content"
        user, password = self._config.credentials
        self._headers = {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
        self._files = OwnHosts(self._config.api_url, HOSTS)
        self._contents: dict[str, str] = {}
        self._finding = asyncio.Lock()

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        form = [
            ("To", render_address(message.to)),
            *self._sender(),
            *await self._said(message),
            *self._callback(message),
        ]
        reply = await self._transport.post(
            self._messages_url, headers=self._headers, body=encode_form(form), content_type=FORM, guard=guard
        )
        return parse_send_answer(*reply, self._clock())

    def _sender(self) -> Form:
        if self._config.messaging_service_sid:
            return [("MessagingServiceSid", self._config.messaging_service_sid)]
        return [("From", f"{PREFIX}+{self._number}")]

    def _callback(self, message: OutboundMessage) -> Form:
        """Our id comes back with every step: Twilio echoes nothing else."""
        if self._hook_url is None:
            return []
        return [("StatusCallback", f"{self._hook_url}?{urlencode({TRACKER: message.tracker})}")]

    async def _said(self, message: OutboundMessage) -> Form:
        content = message.content
        if not needs_content(content):
            return render_body(content)
        if isinstance(content, Template):
            sid = await self._template_sid(content.template.name, content.template.language.code)
            return render_content(sid, template_variables(content.template))
        assert isinstance(content, Interactive)  # noqa: S101 -- needs_content says so
        shaped = shape_question(content.interactive)
        return render_content(await self._shape_sid(shaped), shaped.variables)

    # --- contents -----------------------------------------------------------------------------------------------------

    async def _template_sid(self, name: str, language: str) -> str:
        """By its SID, or by the name that its account gave it."""
        if CONTENT_SID.fullmatch(name):
            return name
        sid = await self._find_content(name, language)
        if sid is None:
            raise TemplateUnavailable("The account has no content of this name and language.")
        return sid

    async def _shape_sid(self, shaped: Shaped) -> str:
        async with self._finding:
            sid = await self._find_content(shaped.name)
            if sid is None:
                sid = await self._create(shaped)
                self._contents[f"{shaped.name}/"] = sid
        return sid

    async def _create(self, shaped: Shaped) -> str:
        """What became of it does not matter: a second one of the same shape does no harm."""
        try:
            reply = await self._transport.post(self._content_url, headers=self._headers, body=shaped.creation())
        except OutcomeUnknown as unclear:
            raise harmless(unclear) from None
        return str(self._read(reply).get("sid", ""))

    async def _find_content(self, name: str, language: str = "") -> str | None:
        """One that was there when last asked is there: contents are never changed, and rarely deleted."""
        key = f"{name}/{language}"
        if key not in self._contents:
            async for content in self._listed(f"{self._content_url}?PageSize={PAGE}", "contents"):
                if content.get("friendly_name") == name and language in {"", content.get("language")}:
                    self._contents[key] = str(content.get("sid"))
                    break
        return self._contents.get(key)

    async def list_templates(self, after: str | None = None) -> TemplatePage:
        page = await self._get(after or f"{self._config.host('content')}/v1/ContentAndApprovals?PageSize={PAGE}")
        found = (parse_template(each, _part(each, "approval_requests")) for each in _dicts(page.get("contents")))
        return TemplatePage([template for template in found if template], self._next(page))

    # --- around it ----------------------------------------------------------------------------------------------------

    async def mark_read(self, message_id: str, *, typing: bool) -> None:
        """Typing marks it read as well; without it Twilio has no way to."""
        if not typing:
            return
        form = encode_form([("messageId", message_id), ("channel", "whatsapp")])
        url = f"{self._config.host('messaging')}/v2/Indicators/Typing.json"
        self._read(await self._transport.post(url, headers=self._headers, body=form, content_type=FORM))

    async def fetch_media(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        try:
            async with self._files.get(media.link, limit=LARGEST, headers=self._headers) as fetched:
                if fetched.status in {404, 410}:
                    raise Rejected("Twilio does not have the file, or not any more.", code="media_gone")
                if fetched.status != 200:
                    raise ProviderUnavailable(f"The download of the file was answered with {fetched.status}.")
                async for chunk in fetched.chunks:
                    yield chunk
        except TooLarge as refused:
            raise Rejected(refused.detail, code=refused.code) from None
        except InputError as refused:
            raise Rejected(f"The link to the file leads nowhere. {refused.detail}", code=refused.code) from None

    async def find_sent(self, sought: Sought) -> Findings:
        """The list by recipient; where nothing fits, the newest of the sender tell whether the list is up to date."""
        since = time.strftime("%Y-%m-%d", time.gmtime(sought.attempted_at - 1.0))
        to = {"To": render_address(sought.message.to), "DateSent>": since, "PageSize": "200"}
        matches = find_matches(await self._list_sent(to), sought)
        if matches:
            return Findings(matches=matches, newer=True)
        newest = await self._list_sent({"From": f"{PREFIX}+{self._number}", "PageSize": "20"})
        return Findings(newer=find_newer(newest, sought))

    async def _list_sent(self, query: Mapping[str, str]) -> list[Listed]:
        page = await self._get(f"{self._messages_url}?{urlencode(query)}")
        return [parse_listed(message) for message in _dicts(page.get("messages"))]

    async def register_hook(self, *, take_over: bool) -> HookPlace:
        """At the sender itself. Of a messaging service it is the service that says where, unless it defers to these."""
        senders = f"{self._config.host('messaging')}/v2/Channels/Senders"
        page = await self._get(f"{senders}?Channel=whatsapp&PageSize={MOST_SENDERS}")
        ours = (each for each in _dicts(page.get("senders")) if each.get("sender_id") == f"{PREFIX}+{self._number}")
        sender = next(ours, None)
        if sender is None or self._hook_url is None:
            return HookPlace.UNKNOWN
        there = _part(sender, "webhook").get("callback_url")
        if there and there != self._hook_url and not take_over:
            return HookPlace.ANOTHERS
        body = msgspec.json.encode({"webhook": {"callback_url": self._hook_url, "callback_method": "POST"}})
        self._read(await self._transport.post(f"{senders}/{sender.get('sid')}", headers=self._headers, body=body))
        return HookPlace.OURS

    async def check(self) -> ChannelHealth:
        try:
            account = await self._get(f"{self._config.account_url}.json")
        except SendError as error:
            return ChannelHealth(ok=False, detail=error.detail)
        if account.get("status") != "active":
            return ChannelHealth(ok=False, detail="The Twilio account is not active.")
        detail = "Twilio answers, and the account is active."
        if self._hook_url is None:
            detail += " Without HAILGATE_PUBLIC_URL no step comes back, and unknown outcomes may need people."
        return ChannelHealth(ok=True, detail=detail, facts={"account": str(account.get("friendly_name", ""))})

    # --- calls --------------------------------------------------------------------------------------------------------

    async def _get(self, url: str) -> dict[str, Any]:
        return self._read(await self._transport.get(url, headers=self._headers, limit=LARGEST_LIST))

    def _read(self, reply: "HttpReply") -> dict[str, Any]:
        try:
            return parse_answer(*reply, self._clock())
        except SendError as error:
            raise harmless(error) from None

    async def _listed(self, url: str, name: str) -> AsyncIterator[dict[str, Any]]:
        following: str | None = url
        for _ in range(MOST_PAGES):
            if following is None:
                return
            page = await self._get(following)
            for each in _dicts(page.get(name)):
                yield each
            following = self._next(page)

    def _next(self, page: Mapping[str, Any]) -> str | None:
        """The next page, at the host that this channel is told to call."""
        meta = page.get("meta")
        told = meta.get("next_page_url") if isinstance(meta, dict) else None
        if not isinstance(told, str) or "/v1/" not in told:
            return None
        return f"{self._config.host('content')}/v1/{told.partition('/v1/')[2]}"


def _dicts(value: object) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = whole.get(name)
    return found if isinstance(found, dict) else {}
