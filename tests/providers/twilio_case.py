"""The Twilio adapter on a scripted server, described."""

import hmac
import re
from base64 import b64encode
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode

from hailgate.core.errors import (
    AddressRefuses,
    ChannelRefused,
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    TemplateUnavailable,
)
from hailgate.core.status import Status
from hailgate.providers import twilio
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, SendReceipt, WebhookRequest
from hailgate.providers.transport import Transport
from hailgate.providers.twilio import TwilioChannel

from . import loopback, payloads_of
from .conformance import PHONE, URL, Case, Connected
from .loopback import Loopback, answer, answer_json

NUMBER = "15550100000"
TOKEN = "fixture_auth_token_0123456789abcd"
ACCOUNT = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
HOOK = {"auth_token": TOKEN}
CHANNEL = {"account_sid": ACCOUNT, "auth_token": TOKEN}
HOOK_URL = "https://hailgate.example/hooks/token"
TEMPLATES = ("order_update", "promo")
WEBHOOKS = Path(__file__).parents[1] / "fixtures" / "twilio" / "webhooks"
# Half a character has no form in UTF-8: whoever writes a form puts this in its place.
HALF = re.compile("[\ud800-\udfff]")
WORDS = {Status.SENT: "sent", Status.DELIVERED: "delivered", Status.READ: "read", Status.FAILED: "undelivered"}


def signature(url, body):
    values = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        values.setdefault(name, set()).add(value)
    whole = url + "".join(f"{name}{value}" for name in sorted(values) for value in sorted(values[name]))
    return b64encode(hmac.digest(TOKEN.encode(), whole.encode("utf-8", "surrogatepass"), "sha1")).decode()


def posted(url, body):
    return WebhookRequest(
        url=url,
        method="POST",
        query=url.partition("?")[2],
        headers={"x-twilio-signature": signature(url, body)},
        body=body,
    )


def form(**fields):
    told = {"AccountSid": ACCOUNT, "ApiVersion": "2010-04-01"} | fields
    return urlencode({name: HALF.sub("\ufffd", value) for name, value in told.items()}).encode()


def wrote(message_id, text):
    return form(
        MessageSid=message_id, From=f"whatsapp:+{PHONE.value}", To=f"whatsapp:+{NUMBER}", Body=text,
        MessageType="text", NumMedia="0", SmsStatus="received", WaId=PHONE.value,
    )  # fmt: skip


def reached(message_id, status, tracker):
    """Our id comes back in the URL that we asked Twilio to call."""
    body = form(
        MessageSid=message_id, MessageStatus=WORDS[status], To=f"whatsapp:+{PHONE.value}", From=f"whatsapp:+{NUMBER}"
    )
    return posted(f"{URL}?{urlencode({'tracker': tracker})}", body)


def told(name, status=200):
    """Twilio's own answer; an error's status stands in it."""
    document = payloads_of.load("twilio", name)
    if "raw_body" in document:
        return answer(document["http_status"], document["raw_body"].encode(), {"Content-Type": "text/html"})
    return answer_json(document["status"] if isinstance(document.get("status"), int) else status, document)


def coded(code, status=400):
    return answer_json(status, {"code": code, "message": "", "status": status})


TAKEN = told("responses/create_201_queued.json")
OUTCOMES = {
    "taken": (SendReceipt, TAKEN),
    "taken, by a service": (SendReceipt, told("responses/create_201_messaging_service_accepted.json")),
    "credentials": (ChannelUnauthorized, told("errors/20003_http_401.json")),
    "too many at once": (ProviderThrottled, told("errors/20429_http_429.json")),
    "failed inside": (OutcomeUnknown, told("errors/20500_http_500.json")),
    "away": (ProviderUnavailable, told("errors/20503_http_503.json")),
    "no number": (RecipientUnreachable, told("errors/21211_http_400.json")),
    "nothing in it": (Rejected, told("errors/21602_http_400.json")),
    "opted out": (RecipientOptedOut, told("errors/21610_http_400.json")),
    "queue full": (ProviderThrottled, told("errors/21611_http_429.json")),
    "variables": (TemplateUnavailable, told("errors/21656_http_400.json")),
    "no such sender": (ChannelRefused, told("errors/63007_http_400.json")),
    "window closed": (Rejected, told("errors/63016_http_400.json")),
    "daily limit": (ProviderThrottled, told("errors/63038_http_429.json")),
    "html 502": (OutcomeUnknown, told("errors/html_502.json")),
    "bare 500": (OutcomeUnknown, answer(500)),
    "bare 429": (ProviderThrottled, answer(429)),
    "unknown code": (Rejected, coded(21999)),
    "unknown code of its own trouble": (OutcomeUnknown, coded(20555, 400)),
    "unknown code, unknown outcome": (OutcomeUnknown, coded(21999, 500)),
    "unknown code of a pace": (ProviderThrottled, coded(20998, 429)),
    "unknown code of credentials": (ChannelUnauthorized, coded(20998, 401)),
    "success, but of nothing": (OutcomeUnknown, answer_json(201, {})),
    "reset": (OutcomeUnknown, loopback.accept_then_reset),
    "garbage": (OutcomeUnknown, loopback.garbage),
    "redirected": (AddressRefuses, answer(307, b"", {"Location": "http://127.0.0.1:1/"})),
}


def content(name):
    return {
        "sid": f"HX{name:0<32}"[:34],
        "friendly_name": name,
        "language": "en",
        "types": {"twilio/text": {"body": "Hello {{1}}"}},
        "approval_requests": {"status": "approved", "category": "UTILITY"},
    }


def content_page(path):
    second = b"PageToken=2" in path
    following = None if second else "https://content.twilio.com/v1/ContentAndApprovals?PageToken=2"
    return answer_json(200, {"contents": [content(TEMPLATES[second])], "meta": {"next_page_url": following}})


def adaptive(script, *, ill):
    """Twilio's other calls are answered as it would; the sends are the script's."""

    async def adapted(connection):
        head, _ = await connection.peek()
        path = head.split(b" ")[1]
        if ill or not (head.startswith(b"GET") or b"Typing" in path):
            await script(connection)
        elif b"ContentAndApprovals" in path:
            await content_page(path)(connection)
        elif b"Typing" in path:
            await told("responses/typing_200.json")(connection)
        else:
            await answer_json(200, {"sid": ACCOUNT, "status": "active"})(connection)

    return adapted


@asynccontextmanager
async def connected(server, *, hook_url=HOOK_URL, **changes):
    async with Transport() as transport:
        config = parse_config(TwilioChannel, {**CHANNEL, "api_url": server.url, **changes})
        yield twilio.SPEC.connect(
            Connection(config=config, transport=transport, number=NUMBER, hook_url=hook_url, clock=lambda: 1.0)
        )


@asynccontextmanager
async def connect(outcome):
    scripts = {"ill": OUTCOMES["credentials"][1]} | {name: script for name, (_, script) in OUTCOMES.items()}
    async with Loopback(adaptive(scripts[outcome], ill=outcome == "ill")) as server, connected(server) as provider:
        yield Connected(provider, lambda: [tracker_of(body) for body in server.bodies if b"StatusCallback" in body])


def tracker_of(body):
    [callback] = parse_qs(body.decode())["StatusCallback"]
    return parse_qs(callback.partition("?")[2])["tracker"][0]


TWILIO = Case(
    spec=twilio.SPEC,
    hook=HOOK,
    channel=CHANNEL,
    secrets=frozenset({"auth_token"}),
    sign=lambda body: {"x-twilio-signature": signature(URL, body)},
    signature="x-twilio-signature",
    webhooks={path.stem: path.read_bytes().strip() for path in sorted(WEBHOOKS.glob("*.form"))},
    wrote=wrote,
    reached=reached,
    statuses=frozenset(WORDS),
    outcomes={name: kind for name, (kind, _) in OUTCOMES.items()},
    templates=TEMPLATES,
    connect=connect,
)
