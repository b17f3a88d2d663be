"""The WPPConnect adapter on a scripted server, described."""

from contextlib import asynccontextmanager

from hailgate.core.errors import (
    AddressRefuses,
    OutcomeUnknown,
    RecipientUnconfirmed,
    Rejected,
    SessionLost,
)
from hailgate.core.status import Status
from hailgate.providers import wppconnect
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, SendReceipt
from hailgate.providers.transport import Transport
from hailgate.providers.wppconnect import WppChannel

from . import loopback, payloads_of
from .conformance import PHONE, Case, Connected, encode
from .loopback import Loopback, answer, answer_json

HOOK = {"session": "shop-one"}
CHANNEL = {"session": "shop-one", "secret_key": "FIXTURE-SECRET"}
ACKS = {Status.SENT: 1, Status.DELIVERED: 2, Status.READ: 3, Status.PLAYED: 4, Status.FAILED: -1}


def wrote(message_id, text):
    chat = f"{PHONE.value}@c.us"
    return encode(
        {
            "event": "onmessage", "session": "shop-one", "id": message_id, "body": text, "type": "chat",
            "t": 1767225600, "from": chat, "to": "15550100000@c.us", "chatId": chat, "fromMe": False,
        }
    )  # fmt: skip


def reached(message_id, status, _tracker):
    name = {"fromMe": True, "remote": f"{PHONE.value}@c.us", "id": "3EB0", "_serialized": message_id}
    return encode(
        {"event": "onack", "session": "shop-one", "id": name, "ack": ACKS[status], "to": f"{PHONE.value}@c.us"}
    )


def told(name):
    document = payloads_of.load("wppconnect", name)
    return answer_json(document["http_status"], document["body"])


OUTCOMES = {
    "taken": (SendReceipt, told("responses/send_message.json")),
    "taken, and told as one object": (
        SendReceipt,
        answer_json(200, {"response": {"id": "true_1"}}),
    ),
    "taken, of nobody": (Rejected, answer_json(201, {"status": "success", "response": [], "mapper": "return"})),
    "taken, without an id": (OutcomeUnknown, answer_json(201, {"status": "success", "response": [PHONE.value]})),
    "number missing": (RecipientUnconfirmed, told("errors/400_number_missing_but_send_may_follow.json")),
    "session inactive": (SessionLost, told("errors/404_session_inactive_but_send_may_follow.json")),
    "failed": (OutcomeUnknown, told("errors/500_send_error.json")),
    "failed, with a detail": (OutcomeUnknown, told("errors/500_send_error_with_detail.json")),
    "html 502": (OutcomeUnknown, answer(502, b"<html>", {"Content-Type": "text/html"})),
    "redirected": (AddressRefuses, answer(307, b"", {"Location": "http://127.0.0.1:1/"})),
    "broken JSON": (Rejected, answer(400, b"<html>stack", {"Content-Type": "text/html"})),
    "reset": (OutcomeUnknown, loopback.accept_then_reset),
    "garbage": (OutcomeUnknown, loopback.garbage),
}
TOKEN = told("responses/generate_token.json")
KNOWN = told("responses/check_number_exists.json")
OPEN = told("responses/status_session_connected.json")
WRONG = told("errors/401_token_wrong.json")


@asynccontextmanager
async def connect(outcome):
    scripts = {"ill": WRONG} | {name: script for name, (_, script) in OUTCOMES.items()}
    async with Loopback(adaptive(scripts[outcome], ill=outcome == "ill")) as server, Transport() as transport:
        config = parse_config(WppChannel, {**CHANNEL, "api_url": server.url})
        provider = wppconnect.SPEC.connect(Connection(config=config, transport=transport))
        yield Connected(provider, lambda: ["" for body in server.bodies if b'"message"' in body])


OWN_NUMBER = answer_json(200, {"status": "success", "response": "15550100000@c.us", "mapper": "device"})


def adaptive(script, *, ill=False):
    """The server's own questions are answered as it would; the rest is the script's."""

    async def adapted(connection):
        head, _ = await connection.peek()
        path = head.split(b" ")[1]
        if path.endswith(b"generate-token"):
            await TOKEN(connection)
        elif b"check-number-status" in path:
            await KNOWN(connection)
        elif path.endswith(b"status-session"):
            await (WRONG if ill else OPEN)(connection)
        elif path.endswith(b"get-phone-number"):
            await OWN_NUMBER(connection)
        elif path.endswith((b"send-seen", b"typing")):
            await answer_json(201, {"status": "success", "response": True})(connection)
        else:
            await script(connection)

    return adapted


WPPCONNECT = Case(
    spec=wppconnect.SPEC,
    hook=HOOK,
    channel=CHANNEL,
    secrets=frozenset({"secret_key"}),
    sign=lambda _: {},
    signature="",
    webhooks=payloads_of.webhooks("wppconnect"),
    wrote=wrote,
    reached=reached,
    outcomes={name: kind for name, (kind, _) in OUTCOMES.items()},
    templates=(),
    connect=connect,
)
