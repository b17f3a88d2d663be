"""Evolution API as a Receiver and a Provider."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hailgate.core.errors import AddressRefuses, OutcomeUnknown, ProviderUnavailable, SendError
from hailgate.core.events import ProviderEvent
from hailgate.core.evidence import Findings
from hailgate.core.media import LARGEST_FILE, RemoteMedia
from hailgate.core.sessions import SessionReport, SessionState
from hailgate.providers.abilities import InboundPage, Sought
from hailgate.providers.contract import ChannelHealth, Connection, OutboundMessage, SendReceipt, WebhookRequest
from hailgate.providers.evolution.config import EvolutionChannel, EvolutionHook
from hailgate.providers.evolution.proof import check_token
from hailgate.providers.evolution.webhook import parse_webhook
from hailgate.providers.evolution.wire import (
    EVENTS,
    EvolutionCall,
    fits,
    own_id,
    parse_file,
    parse_found,
    parse_number,
    parse_send_answer,
    parse_state,
    refusal,
    render_find,
    render_send,
    render_webhook,
    written_at,
)
from hailgate.providers.guard import Guard, unguarded
from hailgate.providers.reading import read

if TYPE_CHECKING:
    from hailgate.providers.transport import HttpReply

LISTED = 50  # messages of a chat that a look reads
POLLED = 100  # messages in a page of a poll
CLOCK_SKEW_S = 120.0
SMALL_ANSWER = 1 << 20
LARGEST_ANSWER = LARGEST_FILE // 3 * 4 + SMALL_ANSWER
KEEPS_OPEN = "The server keeps its own connection to the phone; its webhook to us is switched off."


class EvolutionReceiver:
    """One instance's webhook, proven by the token that the server makes with our key."""

    def __init__(self, hook: EvolutionHook, clock: Callable[[], float] = time.time) -> None:
        self._instance, self._key = hook.instance, hook.jwt_key.reveal().encode()
        self._clock = clock

    def verify(self, request: WebhookRequest) -> None:
        check_token(request.headers.get("authorization", ""), self._key, self._clock())

    def parse(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        return parse_webhook(request.body, self._instance)


class EvolutionProvider:
    """One instance."""

    def __init__(self, connection: Connection[EvolutionChannel]) -> None:
        self._config = connection.config
        self._transport, self._clock = connection.transport, connection.clock
        self._hook_url = connection.hook_url
        self._key = self._config.api_key.reveal()

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        call = render_send(message, native_menus=self._config.native_menus, own_ids=self._config.own_ids)
        reply = await self._transport.post(
            self._config.url(call.path),
            headers=self._headers,
            body=call.body,
            guard=guard,
            timeout=self._config.timeout_s,
        )
        try:
            return parse_send_answer(*reply, self._clock())
        except AddressRefuses as refused:
            raise refused.at(self._config.api_url) from None

    async def check(self) -> ChannelHealth:
        try:
            report = await self.session_state()
            webhook = await self._webhook_fault()
        except SendError as error:
            return ChannelHealth(ok=False, detail=error.detail)
        is_open = report.state is SessionState.OPEN
        if webhook:
            return ChannelHealth(ok=False, detail=webhook, sends=is_open)
        return ChannelHealth(ok=is_open, detail=f"The session is {report.state}.", facts={"session": report.state})

    async def mark_read(self, message_id: str, *, typing: bool) -> None:
        """Typing is not shown: that call would need the chat, and holds its connection open."""
        del typing
        found = parse_found(*await self._post(_find_by_id(message_id)))
        keys = [record["key"] for record in found.records[:1] if isinstance(record.get("key"), dict)]
        if keys:
            read = [{name: key.get(name) for name in ("remoteJid", "fromMe", "id")} for key in keys]
            await self._post(EvolutionCall("chat/markMessageAsRead", msgspec.json.encode({"readMessages": read})))

    async def fetch_media(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        asked = {"message": {"key": {"id": media.provider_id}}, "convertToMp4": False}
        call = EvolutionCall("chat/getBase64FromMediaMessage", msgspec.json.encode(asked))
        yield parse_file(*await self._post(call, LARGEST_ANSWER))

    # --- the session --------------------------------------------------------------------------------------------------

    async def session_state(self) -> SessionReport:
        report = parse_state(*await self._get("instance/connectionState"))
        if report.state is SessionState.STARTING:  # the code is shown by another call
            return parse_state(*await self._get("instance/connect"))
        if report.state is SessionState.OPEN:
            return SessionReport(state=report.state, number=await self._find_number())
        return report

    async def start_session(self, *, phone: str | None = None) -> SessionReport:
        """Make the instance where there is none, point its webhook at us, and ask for a code.

        One that hangs while it connects is restarted, which keeps its login.
        """
        known = await self._get("instance/connectionState")
        if known.status == 404:
            return await self._create(phone)
        await self._set_webhook(enabled=True)
        if parse_state(*known).state is SessionState.STARTING:
            await self._post(EvolutionCall("instance/restart", b"{}"))
        return parse_state(*await self._get("instance/connect", f"?number={phone}" if phone else ""))

    async def end_session(self) -> SessionReport:
        """The server cannot end a connection and keep its login: it only stops telling us.

        Where it shows a code there is no login that could be lost.
        """
        report = parse_state(*await self._get("instance/connectionState"))
        if report.state is SessionState.STARTING:
            report = parse_state(*await self._get("instance/connect"))
        if report.state is SessionState.PAIRING:
            await self._delete("instance/logout")
            return SessionReport(state=SessionState.CLOSED)
        if report.state in {SessionState.OPEN, SessionState.STARTING}:
            await self._set_webhook(enabled=False)
            return SessionReport(state=SessionState.CLOSED, detail=KEEPS_OPEN)
        return report

    async def log_out(self) -> SessionReport:
        """One that is not connected, or not there, is refused and has no phone all the same."""
        reply = await self._delete("instance/logout")
        if not (200 <= reply.status < 300 or reply.status in {400, 404}):
            raise refusal(reply.status, reply.body)
        return SessionReport(state=SessionState.UNPAIRED)

    async def delete_session(self) -> SessionReport:
        """The instance with its key and all that the server stored for it."""
        reply = await self._delete("instance/delete")
        if not (200 <= reply.status < 300 or reply.status == 404):
            raise refusal(reply.status, reply.body)
        return SessionReport(state=SessionState.UNPAIRED)

    async def _create(self, phone: str | None) -> SessionReport:
        wanted: dict[str, Any] = {
            "instanceName": self._config.instance,
            "integration": "WHATSAPP-BAILEYS",
            "qrcode": True,
            "rejectCall": False,
            "groupsIgnore": False,
            "alwaysOnline": False,
            "readMessages": False,
            "readStatus": False,
            "syncFullHistory": False,
        }
        if phone:
            wanted["number"] = phone
        if self._hook_url:
            wanted["webhook"] = render_webhook(self._hook_url, self._config.jwt_key.reveal())
        reply = await self._transport.post(
            self._config.create_url, headers=self._headers, body=msgspec.json.encode(wanted),
            timeout=self._config.timeout_s,
        )  # fmt: skip
        return parse_state(*reply)

    async def _set_webhook(self, *, enabled: bool) -> None:
        if self._hook_url is None:
            return
        webhook = render_webhook(self._hook_url, self._config.jwt_key.reveal())
        call = EvolutionCall("webhook/set", msgspec.json.encode({"webhook": {**webhook, "enabled": enabled}}))
        reply = await self._post(call)
        if not 200 <= reply.status < 300:
            raise refusal(reply.status, reply.body)

    async def _webhook_fault(self) -> str:
        """What keeps webhooks from coming: the server never repeats one that was refused, so it has to be right."""
        if self._hook_url is None:
            return "Without HAILGATE_PUBLIC_URL and a hook nothing comes in."
        reply = await self._get("webhook/find")
        if not 200 <= reply.status < 300:
            return "The server has no webhook for this instance: pair or connect the channel."
        told = _parts(read(msgspec.json.Decoder(), reply.body))
        if told.get("url") != self._hook_url or not told.get("enabled"):
            return "The server's webhook leads elsewhere."
        headers, events = told.get("headers"), told.get("events")
        if isinstance(headers, dict) and headers.get("jwt_key") != self._config.jwt_key.reveal():
            return "The server's webhook has another key, and is refused here: connect the channel once more."
        if isinstance(events, list) and not set(EVENTS) <= set(map(str, events)):
            return "The server's webhook leaves out events: connect the channel once more."
        return ""

    async def _find_number(self) -> str | None:
        reply = await self._transport.get(self._config.list_url, headers=self._headers, timeout=self._config.timeout_s)
        return parse_number(*reply)

    # --- evidence -----------------------------------------------------------------------------------------------------

    async def find_sent(self, sought: Sought) -> Findings:
        since, until = sought.attempted_at - CLOCK_SKEW_S, self._clock() + CLOCK_SKEW_S
        call = EvolutionCall("chat/findMessages", render_find(sought.message.to, since, until, 1, LISTED))
        records = parse_found(*await self._post(call, LARGEST_ANSWER)).records
        matches = [
            message_id for record in records
            if (message_id := _id_of(record)) and message_id not in sought.known
            and fits(record, sought.message, native_menus=self._config.native_menus)
        ]  # fmt: skip
        if self._config.own_ids and (ours := own_id(sought.message)) in map(_id_of, records):
            matches = [ours]  # the server kept our id: whatever else reads like the message is another
        newer = any(written_at(record) > sought.attempted_at for record in records)
        return Findings(matches=tuple(matches), newer=newer, settled=0.0 < sought.open_since <= sought.attempted_at)

    async def poll_inbound(self, since: float, after: str | None = None) -> InboundPage:
        page = int(after or 1)
        call = EvolutionCall("chat/findMessages", render_find(None, since, self._clock() + CLOCK_SKEW_S, page, POLLED))
        found = parse_found(*await self._post(call, LARGEST_ANSWER))
        theirs = [record for record in found.records if _parts(record.get("key")).get("fromMe") is not True]
        envelope = {"event": "messages.upsert", "instance": self._config.instance}
        bodies = [msgspec.json.encode({**envelope, "data": record}) for record in theirs]
        return InboundPage(bodies, str(page + 1) if found.more else None)

    # --- calls --------------------------------------------------------------------------------------------------------

    @property
    def _headers(self) -> dict[str, str]:
        return {"apikey": self._key}

    async def _post(self, call: EvolutionCall, limit: int = SMALL_ANSWER) -> "HttpReply":
        try:
            return await self._transport.post(
                self._config.url(call.path), headers=self._headers, body=call.body, guard=unguarded, limit=limit,
                timeout=self._config.timeout_s,
            )  # fmt: skip
        except OutcomeUnknown as unclear:  # harmless to repeat
            raise ProviderUnavailable(unclear.detail) from None

    async def _get(self, path: str, query: str = "") -> "HttpReply":
        return await self._transport.get(
            f"{self._config.url(path)}{query}", headers=self._headers, timeout=self._config.timeout_s
        )

    async def _delete(self, path: str) -> "HttpReply":
        return await self._transport.delete(self._config.url(path), headers=self._headers)


def _find_by_id(message_id: str) -> EvolutionCall:
    return EvolutionCall("chat/findMessages", msgspec.json.encode({"where": {"key": {"id": message_id}}}))


def _id_of(record: Mapping[str, Any]) -> str | None:
    name = _parts(record.get("key")).get("id")
    return name if isinstance(name, str) and name else None


def _parts(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}
