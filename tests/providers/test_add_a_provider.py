"""The page that tells how to add a provider, walked: its provider passes the suite, and its places are there."""

import re
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from hailgate.core.errors import OutcomeUnknown, Rejected
from hailgate.core.status import Status
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, SendReceipt
from hailgate.providers.transport import Transport

from . import loopback
from .conformance import PHONE, Case, Connected, encode
from .loopback import Loopback, answer, answer_json
from .test_broken_twins import PROPERTIES, holds

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "add-a-provider.md").read_text()
NUMBER = "15550100000"


def written_on_the_page():
    names = {"__name__": "echo"}
    exec(compile(re.search("```python\n(.*?)```", PAGE, re.DOTALL)[1], "add-a-provider.md", "exec"), names)
    return names


ECHO = written_on_the_page()
OUTCOMES = {
    "taken": (SendReceipt, answer_json(200, {"id": "1"})),
    "refused": (Rejected, answer(422)),
    "failed": (OutcomeUnknown, answer(500)),
    "success, but of nothing": (OutcomeUnknown, answer_json(200, {})),
    "reset": (OutcomeUnknown, loopback.accept_then_reset),
}


def told(**fields):
    return encode({"account": NUMBER, **fields})


def wrote(message_id, text):
    return told(id=message_id, sender=PHONE.value, text=text)


@asynccontextmanager
async def connect(outcome):
    script = answer(401) if outcome == "ill" else OUTCOMES[outcome][1]

    async def adapted(connection):
        head, _ = await connection.peek()
        await (answer(200) if head.startswith(b"GET") and outcome != "ill" else script)(connection)

    async with Loopback(adapted) as server, Transport() as transport:
        config = parse_config(ECHO["EchoChannel"], {"key": "fixture-key", "api_url": server.url})
        provider = ECHO["SPEC"].connect(Connection(config=config, transport=transport, number=NUMBER))
        yield Connected(provider, lambda: [msgspec.json.decode(body)["tracker"] for body in server.bodies if body])


CASE = Case(
    spec=ECHO["SPEC"],
    hook={"token": "fixture-token"},
    channel={"key": "fixture-key"},
    secrets=frozenset({"token", "key"}),
    sign=lambda _: {"x-echo-token": "fixture-token"},
    signature="x-echo-token",
    webhooks={"wrote": wrote("1", "hello"), "read": told(id="1", status="read", tracker="t")},
    wrote=wrote,
    reached=lambda message_id, status, tracker: told(id=message_id, status=status.word, tracker=tracker),
    statuses=frozenset({Status.SENT, Status.READ, Status.FAILED}),
    outcomes={name: kind for name, (kind, _) in OUTCOMES.items()},
    templates=(),
    connect=connect,
)


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_provider_of_the_page_passes_the_suite(name):
    assert holds(name, CASE)


def test_every_place_that_the_page_names_is_there():
    places = [place for place in re.findall(r"`([\w/.-]+/[\w/.-]*)`", PAGE) if "NAME" not in place]
    assert len(places) >= 8
    roots = (ROOT, ROOT / "src" / "hailgate")
    assert [place for place in places if not any((root / place).exists() for root in roots)] == []


def test_every_ability_that_the_page_names_is_one():
    from hailgate.providers import abilities, contract

    named = re.findall(r"`((?:Answers|Fetches|Stores|Marks|Lists|Pairs|Finds|Polls)\w+)`", PAGE)
    assert len(named) == 8
    assert [name for name in named if not hasattr(contract, name) and not hasattr(abilities, name)] == []
