"""The Evolution adapter on a scripted server, described."""

import base64
import hmac
import json
import time
from contextlib import asynccontextmanager

from hailgate.core.errors import (
    AddressRefuses,
    ChannelDisconnected,
    ChannelRefused,
    ChannelUnauthorized,
    OutcomeUnknown,
    RecipientUnreachable,
    Rejected,
    SessionLost,
)
from hailgate.core.status import Status
from hailgate.providers import evolution
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, SendReceipt
from hailgate.providers.evolution import EvolutionChannel
from hailgate.providers.transport import Transport

from . import loopback, payloads_of
from .conformance import PHONE, URL, Case, Connected, encode
from .loopback import Loopback, answer, answer_json

KEY = "fixture-webhook-key"
HOOK = {"instance": "shop-one", "jwt_key": KEY}
CHANNEL = {"instance": "shop-one", "api_key": "FIXTURE-KEY", "jwt_key": KEY}
WORDS = {
    Status.SENT: "SERVER_ACK",
    Status.DELIVERED: "DELIVERY_ACK",
    Status.READ: "READ",
    Status.PLAYED: "PLAYED",
    Status.FAILED: "ERROR",
}


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(key=KEY, *, now=None, alg="HS256", **claims) -> str:
    """As the server makes it for each of its calls."""
    now = now or time.time()
    told = {"iat": int(now), "exp": int(now) + 600, "app": "evolution", "action": "webhook"} | claims
    head = f"{part(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{part(json.dumps(told).encode())}"
    return f"Bearer {head}.{part(hmac.digest(key.encode(), head.encode(), 'sha256'))}"


def told(event, data):
    return encode({"event": event, "instance": "shop-one", "data": data, "apikey": None})


def wrote(message_id, text):
    key = {"remoteJid": f"{PHONE.value}@s.whatsapp.net", "fromMe": False, "id": message_id}
    message = {"conversation": text}
    return told(
        "messages.upsert",
        {"key": key, "message": message, "messageType": "conversation", "messageTimestamp": 1767225600},
    )


def reached(message_id, status, _tracker):
    jid = f"{PHONE.value}@s.whatsapp.net"
    return told("messages.update", {"keyId": message_id, "remoteJid": jid, "fromMe": True, "status": WORDS[status]})


def answered(name):
    document = payloads_of.load("evolution", name)
    return answer_json(document["http_status"], document["body"])


def worded(status, message):
    return answer_json(status, {"status": status, "error": "x", "response": {"message": message}})


OUTCOMES = {
    "taken": (SendReceipt, answered("responses/send_text.json")),
    "taken, without a key": (Rejected, answer_json(201, {"message": "no", "code": 131030})),
    "taken, with an expired token behind": (
        ChannelUnauthorized,
        answer_json(201, {"type": "OAuthException", "code": 190}),
    ),
    "taken, of nothing": (OutcomeUnknown, answer_json(201, {})),
    "no route": (Rejected, answered("errors/404_route.json")),
    "one letter": (OutcomeUnknown, answered("errors/400_single_letter.json")),
    "name in use": (Rejected, answered("errors/403_name_in_use.json")),
    "not on WhatsApp": (RecipientUnreachable, answered("errors/400_number_not_on_whatsapp.json")),
    "internal": (OutcomeUnknown, answered("errors/500_internal.json")),
    "no sessions": (OutcomeUnknown, answered("errors/400_no_sessions.json")),
    "closed": (SessionLost, answered("errors/400_connection_closed.json")),
    "closed, before anything was done": (ChannelDisconnected, worded(500, "Connection Closed")),
    "over the limit": (OutcomeUnknown, answered("errors/400_rate_overlimit.json")),
    "schema": (Rejected, answered("errors/400_schema.json")),
    "wrong key": (ChannelUnauthorized, answered("errors/401_unauthorized.json")),
    "not activated": (ChannelRefused, answered("errors/503_license_required_v2_4.json")),
    "not activated, as 2.4 says": (
        ChannelRefused,
        answer_json(503, {"error": "service not activated", "code": "LICENSE_REQUIRED", "register_url": "x"}),
    ),
    "no such instance": (ChannelDisconnected, answered("errors/404_instance_missing.json")),
    "timed out": (OutcomeUnknown, answered("errors/400_timed_out.json")),
    "html 502": (OutcomeUnknown, answer(502, b"<html>", {"Content-Type": "text/html"})),
    "redirected": (AddressRefuses, answer(307, b"", {"Location": "http://127.0.0.1:1/"})),
    "reset": (OutcomeUnknown, loopback.accept_then_reset),
    "garbage": (OutcomeUnknown, loopback.garbage),
}
OPEN = answered("responses/connection_state_open.json")
LISTED = answered("responses/find_messages.json")


@asynccontextmanager
async def connect(outcome):
    scripts = {"ill": OUTCOMES["wrong key"][1]} | {name: script for name, (_, script) in OUTCOMES.items()}
    ill = outcome == "ill"
    async with Loopback(adaptive(scripts[outcome], ill=ill)) as server, Transport() as transport:
        config = parse_config(EvolutionChannel, {**CHANNEL, "api_url": server.url})
        provider = evolution.SPEC.connect(Connection(config=config, transport=transport, hook_url=URL))
        yield Connected(provider, lambda: ["" for body in server.bodies if b'"text"' in body])


def adaptive(script, *, ill=False):
    """The server's own questions are answered as it would; the rest is the script's."""

    async def adapted(connection):
        head, _ = await connection.peek()
        path = head.split(b" ")[1]
        if path.startswith(b"/message/") or ill:
            await script(connection)
        elif b"connectionState" in path:
            await OPEN(connection)
        elif b"findMessages" in path:
            await LISTED(connection)
        elif b"webhook/find" in path:
            await answer_json(200, {"enabled": True, "url": URL})(connection)
        else:
            await answer_json(200, [])(connection)

    return adapted


EVOLUTION = Case(
    spec=evolution.SPEC,
    hook=HOOK,
    channel=CHANNEL,
    secrets=frozenset({"api_key", "jwt_key"}),
    sign=lambda _: {"authorization": token()},
    signature="authorization",
    webhooks=payloads_of.webhooks("evolution"),
    wrote=wrote,
    reached=reached,
    outcomes={name: kind for name, (kind, _) in OUTCOMES.items()},
    templates=(),
    connect=connect,
)
