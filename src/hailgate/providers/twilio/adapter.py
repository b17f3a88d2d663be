"""Twilio as a Receiver and a Provider: Messages, Content and Typing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from hailgate.core.content.outbound import Interactive, Outbound, Template
from hailgate.core.errors import (
    AddressRefuses,
    InputError,
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
from hailgate.providers.twilio.api import TwilioApi, dicts, part
from hailgate.providers.twilio.config import TwilioChannel, TwilioHook
from hailgate.providers.twilio.content_store import PAGE, ContentStore
from hailgate.providers.twilio.contents import parse_template, shape_question
from hailgate.providers.twilio.evidence import Listed, find_alike, find_newer, find_words, parse_listed, reaches_back
from hailgate.providers.twilio.kinds import LARGEST
from hailgate.providers.twilio.signature import check_signature
from hailgate.providers.twilio.webhook import PREFIX, TRACKER, parse_webhook
from hailgate.providers.twilio.wire import (
    FORM,
    Form,
    encode_form,
    needs_content,
    parse_send_answer,
    render_address,
    render_body,
    render_content,
    template_variables,
)

# Where Twilio keeps files; only these and the channel's own API get to see its credentials.
HOSTS: Final = ("twilio.com",)
MOST_SENDERS: Final = 1000
MOST_LISTED: Final = 200


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
        self._address, self._hook_url = f"{PREFIX}+{connection.number or ''}", connection.hook_url
        self._messages_url = f"{self._config.account_url}/Messages.json"
        self._api = TwilioApi(connection)
        self._contents = ContentStore(self._api)
        self._files = OwnHosts(self._config.api_url, HOSTS)

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        said = await self._said(message.content)
        form = [("To", render_address(message.to)), *self._sender(), *said, *self._callback(message)]
        reply = await self._transport.post(
            self._messages_url, headers=self._api.headers, body=encode_form(form), content_type=FORM, guard=guard
        )
        try:
            return parse_send_answer(*reply, self._clock())
        except AddressRefuses as refused:
            raise refused.at(self._config.api_url) from None
        except TemplateUnavailable as refused:
            raise self._contents.explain(refused, message.content) from None

    def _sender(self) -> Form:
        if self._config.messaging_service_sid:
            return [("MessagingServiceSid", self._config.messaging_service_sid)]
        return [("From", self._address)]

    def _callback(self, message: OutboundMessage) -> Form:
        """Our id comes back with every step: Twilio echoes nothing else."""
        if self._hook_url is None:
            return []
        return [("StatusCallback", f"{self._hook_url}?{urlencode({TRACKER: message.tracker})}")]

    async def _said(self, content: Outbound) -> Form:
        if not needs_content(content):
            return render_body(content)
        if isinstance(content, Template):
            sid = await self._contents.template_sid(content.template.name, content.template.language.code)
            return render_content(sid, template_variables(content.template))
        assert isinstance(content, Interactive)  # noqa: S101 -- needs_content says so
        shaped = shape_question(content.interactive)
        return render_content(await self._contents.shape_sid(shaped), shaped.variables)

    async def list_templates(self, after: str | None = None) -> TemplatePage:
        page = await self._api.get(after or f"{self._api.host('content')}/v1/ContentAndApprovals?PageSize={PAGE}")
        found = (parse_template(each, part(each, "approval_requests")) for each in dicts(page.get("contents")))
        return TemplatePage([template for template in found if template], self._api.next_page(page))

    # --- around it ----------------------------------------------------------------------------------------------------

    async def mark_read(self, message_id: str, *, typing: bool) -> None:
        """Typing marks it read as well; without it Twilio has no way to."""
        if not typing:
            return
        url = f"{self._api.host('messaging')}/v2/Indicators/Typing.json"
        await self._api.post_form(url, [("messageId", message_id), ("channel", "whatsapp")])

    async def fetch_media(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        try:
            async with self._files.get(media.link, limit=LARGEST, headers=self._api.headers) as fetched:
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
        # Not by date: what still waits at Twilio has none.
        listed = await self._list_sent({"To": render_address(sought.message.to), "PageSize": str(MOST_LISTED)})
        sender = None if self._config.messaging_service_sid else self._address
        alike = find_alike(listed, sought, sender)
        words = await self._find_words(sought.message.content) if alike else None
        matches = tuple(one.sid for one in alike if one.body == words)
        if matches:
            return Findings(matches=matches, newer=True)
        if alike and isinstance(sought.message.content, Template):  # Twilio may show a template in words of its own
            return Findings()
        newest = await self._list_sent({"From": self._address, "PageSize": "20"})
        return Findings(newer=reaches_back(listed, sought, MOST_LISTED) and find_newer(newest, sought))

    async def _find_words(self, content: Outbound) -> str | None:
        if isinstance(content, Template):
            return await self._contents.fill(content.template)
        return find_words(content)

    async def _list_sent(self, query: Mapping[str, str]) -> list[Listed]:
        page = await self._api.get(f"{self._messages_url}?{urlencode(query)}")
        return [parse_listed(message) for message in dicts(page.get("messages"))]

    async def register_hook(self, *, take_over: bool) -> HookPlace:
        """At the sender itself. Of a messaging service it is the service that says where, unless it defers to these."""
        senders = f"{self._api.host('messaging')}/v2/Channels/Senders"
        page = await self._api.get(f"{senders}?Channel=whatsapp&PageSize={MOST_SENDERS}")
        ours = (each for each in dicts(page.get("senders")) if each.get("sender_id") == self._address)
        sender = next(ours, None)
        if sender is None or self._hook_url is None:
            return HookPlace.UNKNOWN
        there = part(sender, "webhook").get("callback_url")
        if there and there != self._hook_url and not take_over:
            return HookPlace.ANOTHERS
        webhook = {"callback_url": self._hook_url, "callback_method": "POST"}
        await self._api.post(f"{senders}/{sender.get('sid')}", {"webhook": webhook})
        return HookPlace.OURS

    async def check(self) -> ChannelHealth:
        try:
            account = await self._api.get(f"{self._config.account_url}.json")
        except SendError as error:
            return ChannelHealth(ok=False, detail=error.detail)
        if account.get("status") != "active":
            return ChannelHealth(ok=False, detail="The Twilio account is not active.")
        detail = "Twilio answers, and the account is active."
        if self._hook_url is None:
            detail += " Without HAILGATE_PUBLIC_URL no step comes back, and unknown outcomes may need people."
        return ChannelHealth(ok=True, detail=detail, facts={"account": str(account.get("friendly_name", ""))})
