"""How each provider speaks: what a send looks like to it, and what it answers, reports and signs. Pure."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, parse_qsl, urlencode
from uuid import UUID

APP_SECRET = "a secret of the app"
AUTH_TOKEN = "a token of the account"
ACCOUNT_SID = f"AC{'a' * 32}"
PUBLIC_URL = "https://hailgate.example"


class Send(NamedTuple):
    """``account`` is who sends it, as webhooks name them; uid and attempt travel with it as its tracker."""

    account: str
    uid: UUID
    attempt: int
    to: str
    text: str

    @property
    def tracker(self) -> str:
        return f"{self.uid}.{self.attempt}"


class Listed(NamedTuple):
    """One that the provider took, as whoever looks it up is shown it."""

    send: Send
    provider_id: str
    at: float


class Call(NamedTuple):
    """A webhook: what is posted to the hook's URL. ``told`` are the ids of people's messages in it."""

    body: bytes
    query: str = ""
    told: tuple[str, ...] = ()


class Told(NamedTuple):
    """A step that a message took; without its tracker where the provider lost that."""

    step: str
    at: int
    tracked: bool


class Refusals(NamedTuple):
    """By what went wrong: HTTP statuses, and the provider's codes."""

    throttled: tuple[Sequence[int], Sequence[int]]
    failing: tuple[Sequence[int], Sequence[int]]
    final: tuple[Sequence[int], Sequence[int]]
    opted_out: tuple[Sequence[int], Sequence[int]]
    expired: tuple[Sequence[int], Sequence[int]]


class Dialect(Protocol):
    provider: str
    hook: Mapping[str, str]
    refusals: Refusals
    header: str
    public_url: str
    finds_sent: bool

    def channel(self, account: str, /) -> Mapping[str, str]: ...
    def account(self, number: str, /) -> str: ...
    def read(self, url: str, request: bytes, /) -> Send | None:
        """None for a call that sends nothing."""

    def taken(self, send: Send, provider_id: str, /) -> tuple[int, dict[str, Any]]: ...
    def error(self, code: int, /) -> dict[str, Any]: ...
    def status(self, send: Send, provider_id: str, told: Told, /) -> Call: ...
    def messages(self, account: str, written: Sequence[tuple[str, str, str]], at: int, /) -> list[Call]:
        """People wrote: (id, number, text)."""

    def proof(self, url: str, body: bytes, /) -> str: ...
    def shown(self, url: str, listed: Sequence[Listed], until: float, /) -> dict[str, Any]:
        """Where what was sent can be looked up; others sent something, too, at ``until``."""


class Cloud:
    provider = "cloud"
    hook = {"app_secret": APP_SECRET, "verify_token": "verify"}
    header = "x-hub-signature-256"
    public_url = ""
    finds_sent = False
    refusals = Refusals(
        throttled=((400, 429), (130429, 131056)),
        failing=((500,), (131016, 131000, 2)),
        final=((400,), (131026, 131051)),
        opted_out=((400,), (131050,)),
        expired=((401,), (190,)),
    )
    failed_later = 131049

    def channel(self, account: str) -> Mapping[str, str]:
        return {"phone_number_id": account, "access_token": "token", "api_url": "http://127.0.0.1:9"}

    def account(self, number: str) -> str:
        return number[-3:]

    def read(self, url: str, request: bytes) -> Send | None:
        call = json.loads(request)
        if "biz_opaque_callback_data" not in call:
            return None
        return Send(url.split("/")[-2], *_tracked(call["biz_opaque_callback_data"]), call["to"], call["text"]["body"])

    def taken(self, send: Send, provider_id: str) -> tuple[int, dict[str, Any]]:
        return 200, {"messages": [{"id": provider_id}], "contacts": [{"wa_id": send.to}]}

    def error(self, code: int) -> dict[str, Any]:
        return {"error": {"message": "no", "type": "OAuthException", "code": code, "fbtrace_id": "A"}}

    def status(self, send: Send, provider_id: str, told: Told) -> Call:
        status: dict[str, Any] = {"id": provider_id, "status": told.step, "timestamp": str(told.at)}
        status["recipient_id"] = send.to
        if told.step == "failed":
            status["errors"] = [{"code": self.failed_later, "title": "late"}]
        if told.tracked:
            status["biz_opaque_callback_data"] = send.tracker
        return self._call(send.account, {"statuses": [status]})

    def messages(self, account: str, written: Sequence[tuple[str, str, str]], at: int) -> list[Call]:
        """All in one webhook."""
        messages = [
            {"id": id_, "from": sender, "timestamp": str(at), "type": "text", "text": {"body": text}}
            for id_, sender, text in written
        ]
        return [self._call(account, {"messages": messages})._replace(told=tuple(id_ for id_, _, _ in written))]

    def proof(self, _: str, body: bytes) -> str:
        return "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()

    def shown(self, _: str, __: Sequence[Listed], ___: float) -> dict[str, Any]:
        return {}

    def _call(self, account: str, news: Mapping[str, Any]) -> Call:
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": account}, **news}
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        return Call(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())


class Twilio:
    """Its forms, our id in the URL that it calls back, and a list of what it sent."""

    provider = "twilio"
    hook = {"auth_token": AUTH_TOKEN}
    header = "x-twilio-signature"
    public_url = PUBLIC_URL
    finds_sent = True
    refusals = Refusals(
        throttled=((429,), (20429, 21611, 63018)),
        failing=((503,), (20503, 63009, 63010)),
        final=((400,), (21211, 21614)),
        opted_out=((400,), (21610,)),
        expired=((401,), (20003,)),
    )
    failed_later = 63024

    def channel(self, _: str) -> Mapping[str, str]:
        return {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "api_url": "http://127.0.0.1:9"}

    def account(self, number: str) -> str:
        return number

    def read(self, _: str, request: bytes) -> Send | None:
        form = dict(parse_qsl(request.decode()))
        if "StatusCallback" not in form:
            return None
        [tracker] = parse_qs(form["StatusCallback"].partition("?")[2])["tracker"]
        return Send(_number(form["From"]), *_tracked(tracker), _number(form["To"]), form["Body"])

    def taken(self, _: Send, provider_id: str) -> tuple[int, dict[str, Any]]:
        return 201, {"sid": provider_id, "status": "queued"}

    def error(self, code: int) -> dict[str, Any]:
        return {"code": code, "message": "no"}

    def status(self, send: Send, provider_id: str, told: Told) -> Call:
        fields = {"MessageSid": provider_id, "MessageStatus": told.step, **_between(send.account, send.to)}
        if told.step == "failed":
            fields["ErrorCode"] = str(self.failed_later)
        return Call(urlencode(fields).encode(), urlencode({"tracker": send.tracker}) if told.tracked else "")

    def messages(self, account: str, written: Sequence[tuple[str, str, str]], _: int) -> list[Call]:
        """One webhook each."""
        return [
            Call(urlencode({"MessageSid": id_, "Body": text, **_between(sender, account)}).encode(), told=(id_,))
            for id_, sender, text in written
        ]

    def proof(self, url: str, body: bytes) -> str:
        fields = "".join(f"{name}{value}" for name, value in sorted(parse_qsl(body.decode())))
        return b64encode(hmac.digest(AUTH_TOKEN.encode(), (url + fields).encode(), "sha1")).decode()

    def shown(self, url: str, listed: Sequence[Listed], until: float) -> dict[str, Any]:
        query = dict(parse_qsl(url.partition("?")[2]))
        ours = [_shown(one.send.to, one.send.text, one.provider_id, one.at) for one in listed]
        others = _shown("15550999999", "of others", "wamid.others", until)
        return {"messages": [one for one in (*ours, others) if query.get("To") in {None, one["to"]}]}


def _shown(to: str, text: str, sid: str, at: float) -> dict[str, str]:
    created = format_datetime(datetime.fromtimestamp(int(at), UTC))
    return {
        "sid": sid, "to": f"whatsapp:+{to}", "body": text, "num_media": "0", "date_created": created,
        "direction": "outbound-api",
    }  # fmt: skip


DIALECTS: Mapping[str, Dialect] = {dialect.provider: dialect for dialect in (Cloud(), Twilio())}


def _tracked(tracker: str) -> tuple[UUID, int]:
    uid, _, attempt = tracker.partition(".")
    return UUID(uid), int(attempt)


def _number(told: str) -> str:
    return told.removeprefix("whatsapp:+")


def _between(sender: str, to: str) -> dict[str, str]:
    return {"From": f"whatsapp:+{sender}", "To": f"whatsapp:+{to}"}
