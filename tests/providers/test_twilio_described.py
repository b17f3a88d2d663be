"""What the Twilio adapter asks, held against Twilio's own descriptions of its API (HAILGATE_OPENAPI_DIR)."""

import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jsonschema
import pytest

from hailgate.core.content import parse_outbound
from hailgate.core.evidence import Findings
from hailgate.providers.abilities import HookPlace, Sought
from hailgate.providers.contract import OutboundMessage
from hailgate.providers.guard import unguarded

from .conformance import MESSAGE, PHONE
from .loopback import Loopback, answer, answer_json
from .test_twilio import BUTTONS, LINK, LIST
from .twilio_case import ACCOUNT, HOOK_URL, NUMBER, OUTCOMES, connected, content

pytestmark = pytest.mark.anyio

WHERE = os.environ.get("HAILGATE_OPENAPI_DIR")
FORM = "application/x-www-form-urlencoded"
SENDER = "XE" + "d" * 32
CARD = {"name": {"formatted_name": "Ana", "first_name": "Ana"}, "phones": [{"phone": "+1 555"}]}
TEMPLATE = {
    "name": "order_update", "language": {"code": "en"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}],
}  # fmt: skip
TEMPLATED = content("order_update") | {"sid": "HX" + "e" * 32}
SENDS = [
    {"type": "text", "text": {"body": "Hello"}},
    *({"type": kind, kind: {"link": LINK}} for kind in ("image", "video", "audio", "document", "sticker")),
    {"type": "location", "location": {"latitude": 1.5, "longitude": -2.5, "name": "Cafe"}},
    {"type": "contacts", "contacts": [CARD]},
    {"type": "interactive", "interactive": BUTTONS},
    {"type": "interactive", "interactive": LIST},
    {"type": "template", "template": TEMPLATE},
]


@pytest.fixture(scope="module")
def described():
    """The paths of all descriptions, as ``(pattern, methods, whole)``."""
    if WHERE is None:
        pytest.skip("HAILGATE_OPENAPI_DIR is not set: there are no descriptions")
    found = []
    for file in Path(WHERE).glob("twilio/openapi/*.json"):
        whole = json.loads(file.read_text())
        for path, methods in whole["paths"].items():
            found.append((re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), methods, whole))
    assert found
    return found


async def script(connection):
    """Twilio, as far as each of these calls needs an answer."""
    head, _ = await connection.peek()
    if head.startswith(b"DELETE"):
        await answer(204)(connection)
        return
    answers = {
        b"GET /v1/Content": (200, {"contents": [TEMPLATED], "meta": {}}),
        b"POST /v1/Content": (201, {"sid": "HX" + "b" * 32}),
        b"GET /v2/Channels": (200, {"senders": [{"sid": SENDER, "sender_id": f"whatsapp:+{NUMBER}"}], "meta": {}}),
        b"POST /v2/Channels": (202, {"sid": SENDER}),
        b"POST /v2/Indicators": (200, {"success": True}),
        b"GET /2010-04-01": (200, {"messages": []}),
    }
    known = next((each for start, each in answers.items() if head.startswith(start)), None)
    await (answer_json(*known) if known else OUTCOMES["taken"][1])(connection)


async def every_call() -> list[tuple[str, str, str, bytes]]:
    """``(method, target, content type, body)`` of all that the adapter asks."""
    async with Loopback(script) as server, connected(server) as provider:
        for document in SENDS:
            message = OutboundMessage(id=MESSAGE.id, attempt=1, to=PHONE, content=parse_outbound(document))
            await provider.send(message, unguarded)
        sought = Sought(message=message, attempted_at=1_790_000_000.0)
        assert await provider.find_sent(sought) == Findings()
        await provider.list_templates()
        await provider._api.delete(f"{server.url}/v1/Content/{TEMPLATED['sid']}")
        await provider.mark_read("SM" + "a" * 32, typing=True)
        assert await provider.register_hook(take_over=False) is HookPlace.OURS
        return [called(head, body) for head, body in zip(server.heads, server.bodies, strict=True)]


def called(head: bytes, body: bytes) -> tuple[str, str, str, bytes]:
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return method, target, headers.get("content-type", "").partition(";")[0], body


def faults(described, method: str, target: str, kind: str, body: bytes) -> list[str]:
    """What the description says against a call."""
    parts = urlsplit(target)
    for pattern, methods, whole in described:
        if pattern.fullmatch(parts.path) and method.lower() in methods:
            operation = methods[method.lower()]
            asked = {name for name, _ in parse_qsl(parts.query)}
            taken = {parameter["name"] for parameter in operation.get("parameters", ())}
            return [*(f"no parameter {name}" for name in asked - taken), *wrong(operation, whole, kind, body)]
    return ["no such call"]


def wrong(operation, whole, kind: str, body: bytes) -> list[str]:
    if not body:
        return []
    kinds = operation["requestBody"]["content"]
    if kind not in kinds:
        return [f"{kind} is not taken"]
    schema = kinds[kind]["schema"]
    told = json.loads(body) if kind.endswith("json") else as_object(schema, body)
    validator = jsonschema.Draft202012Validator({**schema, "components": whole.get("components", {})})
    return [f"{error.json_path}: {error.message[:80]}" for error in validator.iter_errors(told)] + (
        [f"no field {name}" for name in told.keys() - schema["properties"].keys()] if "properties" in schema else []
    )


def as_object(schema, body: bytes) -> dict:
    """A form, with what may come several times as lists."""
    many = {name for name, each in schema.get("properties", {}).items() if each.get("type") == "array"}
    return {name: values if name in many else values[-1] for name, values in parse_qs(body.decode()).items()}


async def test_every_call_is_one_that_twilio_describes(described, capsys):
    calls = await every_call()
    found = {
        f"{method} {target}": said
        for method, target, kind, body in calls
        if (said := faults(described, method, target, kind, body))
    }
    assert found == {}
    with capsys.disabled():
        print(
            f"\ntwilio: {len(calls)} calls of {len({(m, urlsplit(t).path) for m, t, *_ in calls})} kinds are described"
        )


async def test_a_sender_that_posts_elsewhere_is_left_alone_unless_told_otherwise():
    there = {"sid": SENDER, "sender_id": f"whatsapp:+{NUMBER}", "webhook": {"callback_url": "https://other.example/x"}}

    async def answers(connection):
        head, _ = await connection.peek()
        await answer_json(200 if head.startswith(b"GET") else 202, {"senders": [there], "meta": {}})(connection)

    async with Loopback(answers) as server, connected(server) as provider:
        assert await provider.register_hook(take_over=False) is HookPlace.ANOTHERS
        assert [head.partition(b" ")[0] for head in server.heads] == [b"GET"]
        assert await provider.register_hook(take_over=True) is HookPlace.OURS
        assert json.loads(server.bodies[-1]) == {"webhook": {"callback_url": HOOK_URL, "callback_method": "POST"}}
        there["sender_id"] = "whatsapp:+15550100099"
        assert await provider.register_hook(take_over=True) is HookPlace.UNKNOWN
        assert ACCOUNT not in server.heads[-1].decode().partition(" ")[2].partition("\r\n")[0]
