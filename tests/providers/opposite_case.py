"""The third provider on a scripted server, described."""

import re
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from hailgate.core.embedded_files import LONGEST_STRING
from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientUnreachable,
    Rejected,
)
from hailgate.core.status import Status
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, SendReceipt
from hailgate.providers.transport import Transport
from opposite import provider as opposite

from . import loopback
from .conformance import PHONE, URL, Case, Connected
from .loopback import Loopback, answer, answer_json

SECRET = "fixture-secret"
CHANNEL = {"account": "desk", "key": "fixture-key"}
WORDS = {status: word for word, status in opposite.STATUSES.items()}
# Half a character has no form in UTF-8: whoever writes a form puts this in its place.
HALF = re.compile("[\ud800-\udfff]")
OUTCOMES = {
    "taken": (SendReceipt, answer_json(200, {"id": "opp.1"})),
    "credentials": (ChannelUnauthorized, answer(401)),
    "session away": (ChannelDisconnected, answer(409)),
    "nobody": (RecipientUnreachable, answer(404)),
    "too fast": (ProviderThrottled, answer(429)),
    "away": (ProviderUnavailable, answer(503)),
    "refused": (Rejected, answer(422)),
    "failed": (OutcomeUnknown, answer(500)),
    "success, but of nothing": (OutcomeUnknown, answer_json(200, {})),
    "reset": (OutcomeUnknown, loopback.accept_then_reset),
}


def form(**fields):
    return urlencode(
        {name: HALF.sub("\ufffd", value) for name, value in {"account": "desk", **fields}.items()}
    ).encode()


def wrote(message_id, text, **more):
    return form(event="message", id=message_id, **{"from": PHONE.value}, text=text, at="1.0", **more)


def reached(message_id, status, _tracker):
    return form(event="status", id=message_id, status=WORDS[status])


@asynccontextmanager
async def connect(outcome):
    script = answer(401) if outcome == "ill" else OUTCOMES[outcome][1]

    async def adapted(connection):
        head, _ = await connection.peek()
        looks = head.startswith(b"GET") and outcome != "ill"
        await (answer_json(200, {"state": "open"}) if looks else script)(connection)

    async with Loopback(adapted) as server, Transport() as transport:
        config = parse_config(
            opposite.OppositeChannel, {"account": "desk", "key": "fixture-key", "api_url": server.url}
        )
        provider = opposite.SPEC.connect(Connection(config=config, transport=transport))
        yield Connected(provider, lambda: ["" for body in server.bodies if body])


OPPOSITE = Case(
    spec=opposite.SPEC,
    hook={"secret": SECRET},
    channel=CHANNEL,
    secrets=frozenset({"secret", "key"}),
    sign=lambda body: {opposite.SIGNATURE: opposite.sign(SECRET, URL, body)},
    signature=opposite.SIGNATURE,
    webhooks={
        "wrote": wrote("1", "hello"),
        "a file": wrote("2", "look", kind="image", name="a.png", file="QUJD"),
        "delivered": reached("1", Status.DELIVERED, ""),
        "session": form(event="session", state="open"),
    },
    wrote=wrote,
    reached=reached,
    statuses=frozenset(WORDS),
    large=wrote("1", "with a file", kind="document", name="a.pdf", file="QUJD" * LONGEST_STRING),
    outcomes={name: kind for name, (kind, _) in OUTCOMES.items()},
    templates=(),
    connect=connect,
)
