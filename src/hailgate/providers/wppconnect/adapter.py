"""WPPConnect Server as a Receiver and a Provider."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import (
    AddressRefuses,
    ChannelDisconnected,
    OutcomeUnknown,
    ProviderUnavailable,
    RecipientUnreachable,
    SendError,
)
from hailgate.core.events import ProviderEvent
from hailgate.core.evidence import Findings
from hailgate.core.media import LARGEST_FILE, RemoteMedia
from hailgate.core.sessions import SessionReport, SessionState
from hailgate.providers.abilities import InboundPage, Sought
from hailgate.providers.contract import ChannelHealth, Connection, OutboundMessage, SendReceipt, WebhookRequest
from hailgate.providers.guard import Guard, unguarded
from hailgate.providers.jids import render_jid
from hailgate.providers.wppconnect.config import WppChannel, WppHook
from hailgate.providers.wppconnect.message_ids import token_of
from hailgate.providers.wppconnect.token import SessionToken
from hailgate.providers.wppconnect.webhook import parse_webhook
from hailgate.providers.wppconnect.wire import (
    WppconnectCall,
    fits,
    parse_file,
    parse_messages,
    parse_number,
    parse_own_number,
    parse_send_answer,
    parse_session,
    parse_token,
    render_send,
    tells_of_session,
    unnamed_id,
)

if TYPE_CHECKING:
    from hailgate.providers.transport import HttpReply

NUMBER_KNOWN_S = 86_400.0
MOST_NUMBERS = 10_000
LISTED = 50  # messages of a chat that a look reads
# A server's clock may lie behind ours by this much; a message is not older than its attempt by more.
CLOCK_SKEW_S = 120.0
SMALL_ANSWER = 1 << 20
LARGEST_ANSWER = LARGEST_FILE // 3 * 4 + SMALL_ANSWER
CODE_PATIENCE_S = 60.0


class WppReceiver:
    """One session's webhook. Nothing but the hook's URL proves it: the server signs nothing."""

    def __init__(self, hook: WppHook) -> None:
        self._session = hook.session

    def verify(self, request: WebhookRequest) -> None:
        """Whoever knows the URL is believed."""

    def parse(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        return parse_webhook(request.body, self._session)


class WppProvider:
    """One session."""

    def __init__(self, connection: Connection[WppChannel]) -> None:
        self._config = connection.config
        self._transport, self._clock = connection.transport, connection.clock
        self._hook_url = connection.hook_url
        self._token = SessionToken(self._make_token, connection.keep, connection.secrets, connection.clock)
        self._numbers: dict[str, tuple[float, bool]] = {}
        self._own_number: str | None = None

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        call = render_send(message)
        await self._check_recipient(message.to)
        reply = await self._post(call, guard, again=lambda: render_send(message))
        try:
            return parse_send_answer(*reply, self._clock(), unnamed=unnamed_id(message))
        except AddressRefuses as refused:
            raise refused.at(self._config.api_url) from None

    async def check(self) -> ChannelHealth:
        try:
            report = await self.session_state()
        except SendError as error:
            return ChannelHealth(ok=False, detail=error.detail)
        is_open = report.state is SessionState.OPEN
        return ChannelHealth(ok=is_open, detail=f"The session is {report.state}.", facts={"session": report.state})

    async def mark_read(self, message_id: str, *, typing: bool) -> None:
        chat = message_id.split("_")[1] if message_id.count("_") >= 2 else ""
        place = {"phone": chat.partition("@")[0], "isGroup": chat.endswith("@g.us"), "isLid": chat.endswith("@lid")}
        await self._post(WppconnectCall("send-seen", msgspec.json.encode(place)))
        if typing:
            await self._post(WppconnectCall("typing", msgspec.json.encode({**place, "value": True})))

    async def fetch_media(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        yield parse_file(*await self._get(f"get-media-by-message/{quote(media.provider_id, safe='@')}", LARGEST_ANSWER))

    async def _check_recipient(self, to: Address) -> None:
        """A send to a number that is not on WhatsApp is refused and goes on all the same: it is asked for first."""
        if to.kind is not AddressKind.PHONE:
            return
        known = self._numbers.get(to.value)
        if known is None or self._clock() - known[0] >= NUMBER_KNOWN_S:
            reply = await self._get(f"check-number-status/{to.value}")
            if reply.status == 404 and tells_of_session(reply.body):
                raise ChannelDisconnected
            if (exists := parse_number(*reply)) is None:
                return
            known = self._remember(to.value, exists=exists)
        if not known[1]:
            raise RecipientUnreachable("This number is not on WhatsApp.", code="not_on_whatsapp")

    def _remember(self, number: str, *, exists: bool) -> tuple[float, bool]:
        if len(self._numbers) >= MOST_NUMBERS:
            self._numbers.pop(next(iter(self._numbers)))
        self._numbers[number] = self._clock(), exists
        return self._numbers[number]

    # --- the session --------------------------------------------------------------------------------------------------

    async def session_state(self) -> SessionReport:
        report = parse_session(*await self._get("status-session"))
        if report.state is not SessionState.OPEN:
            self._own_number = None  # the next phone may be another
            return report
        self._own_number = self._own_number or parse_own_number(*await self._get("get-phone-number"))
        return SessionReport(state=report.state, number=self._own_number)

    async def start_session(self, *, phone: str | None = None) -> SessionReport:
        wanted: dict[str, Any] = {"waitQrCode": bool(phone)}
        if self._hook_url:
            wanted["webhook"] = self._hook_url
        if phone:
            wanted["phone"] = phone  # its code is told in the answer alone: the call stays open until there is one
        call = WppconnectCall("start-session", msgspec.json.encode(wanted))
        return parse_session(*await self._post(call, timeout=CODE_PATIENCE_S if phone else None))

    async def end_session(self) -> SessionReport:
        """It may answer 500 and yet have closed: the state says what became of it."""
        await self._post(WppconnectCall("close-session", b"{}"))
        return await self.session_state()

    async def log_out(self) -> SessionReport:
        await self._post(WppconnectCall("logout-session", b"{}"))
        await self._post(WppconnectCall("close-session", b"{}"))
        report = await self.session_state()
        if report.state is SessionState.CLOSED:
            return SessionReport(state=SessionState.UNPAIRED)
        return report

    async def validate_token(self) -> bool:
        held = self._token.held
        return bool(held) and (await self._got("check-connection-session", held, SMALL_ANSWER)).status != 401

    async def generate_token(self) -> None:
        await self._token.renew(self._token.held)

    # --- evidence -----------------------------------------------------------------------------------------------------

    async def find_sent(self, sought: Sought) -> Findings:
        chat = render_jid(sought.message.to, "c.us")
        listed = parse_messages(*await self._get(f"get-messages/{chat}?count={LISTED}", LARGEST_ANSWER))
        since = sought.attempted_at - CLOCK_SKEW_S
        recent = [told for told in listed if _written_at(told) >= since]
        known = {token_of(each) or each for each in sought.known}
        # One message may be listed under both names of its chat.
        matches = {
            token: str(told["id"]) for told in recent
            if isinstance(told.get("id"), str) and fits(told, sought.message)
            and (token := token_of(told["id"]) or told["id"]) not in known
        }  # fmt: skip
        newer = any(_written_at(told) > sought.attempted_at for told in recent)
        return Findings(
            matches=tuple(matches.values()), newer=newer, settled=_was_open(sought) and not _pending(recent)
        )

    async def poll_inbound(self, since: float, after: str | None = None) -> InboundPage:
        del after  # the server gives all that is unread at once
        told = parse_messages(*await self._get("all-unread-messages", LARGEST_ANSWER))
        missed = [each for each in told if each.get("fromMe") is not True and _written_at(each) >= since]
        named = ({**each, "event": "onmessage", "session": self._config.session} for each in missed)
        return InboundPage([msgspec.json.encode(each) for each in named])

    # --- calls --------------------------------------------------------------------------------------------------------

    async def _make_token(self) -> str:
        try:
            reply = await self._transport.post(self._config.token_url, headers={}, body=b"{}")
        except OutcomeUnknown as unclear:  # one token more does no harm
            raise ProviderUnavailable(unclear.detail) from None
        return parse_token(*reply)

    async def _post(
        self,
        call: WppconnectCall,
        guard: Guard = unguarded,
        *,
        again: Callable[[], WppconnectCall] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it bounds the exchange, and its end is an outcome
    ) -> "HttpReply":
        """Once more with a new token where the old one is refused: then the server did nothing else."""
        token = await self._token.get()
        reply = await self._posted(call, token, guard, timeout)
        if reply.status != 401:
            return reply
        token = await self._token.renew(token)
        return await self._posted(again() if again else call, token, guard, timeout)

    async def _posted(self, call: WppconnectCall, token: str, guard: Guard, timeout: float | None) -> "HttpReply":  # noqa: ASYNC109
        return await self._transport.post(
            f"{self._config.session_url}/{call.path}",
            headers=_bearing(token),
            body=call.body,
            guard=guard,
            timeout=timeout or self._config.timeout_s,
        )

    async def _get(self, path: str, limit: int = SMALL_ANSWER) -> "HttpReply":
        token = await self._token.get()
        reply = await self._got(path, token, limit)
        if reply.status != 401:
            return reply
        return await self._got(path, await self._token.renew(token), limit)

    async def _got(self, path: str, token: str, limit: int) -> "HttpReply":
        return await self._transport.get(
            f"{self._config.session_url}/{path}", headers=_bearing(token), limit=limit, timeout=self._config.timeout_s
        )


def _bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _written_at(told: Mapping[str, Any]) -> float:
    at = told.get("t", told.get("timestamp"))
    return float(at) if isinstance(at, int | float) else 0.0


def _pending(listed: Sequence[Mapping[str, Any]]) -> bool:
    """Something of ours still waits in the browser to leave it."""
    return any(told.get("fromMe") is True and told.get("ack") == 0 for told in listed)


def _was_open(sought: Sought) -> bool:
    return 0.0 < sought.open_since <= sought.attempted_at
