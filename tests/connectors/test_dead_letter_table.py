"""The table of dead letters in the documentation: every class of failure, as it is really seen in the queue."""

import json
import re
from pathlib import Path

import pytest

from connectors.post import envelope, running, until
from hailgate.core.delivery import Action
from hailgate.delivery_codes import list_codes
from hailgate.messaging.models import Message
from hailgate.messaging.outbound import consumed
from hailgate.telemetry.metrics import REGISTRY
from messaging.acting import attempt, claim, decided, tell

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "rabbitmq.md"
HEADERS = {f"x-hailgate-{name}" for name in ("code", "reason", "attempts", "queue", "at")}
ROW = re.compile(r"^\| [^|]+ \| (`[a-z_`, ]+`) \| (\S+(?: and more)?) \|$", re.MULTILINE)
UNKNOWN_MESSAGE = "00000000-0000-4000-8000-000000000000"
# One of each class that is refused before anything is stored.
REFUSED = {
    "malformed_body": b"no JSON",
    "invalid_request": envelope(1, colour="red"),
    "invalid_address": envelope(2, to="no number"),
    "invalid_schedule": envelope(3, expires_at="2001-01-01T00:00:00Z"),
    "unknown_context": envelope(4, context={"message_id": UNKNOWN_MESSAGE}),
    "id_reused": envelope("reused", body="another"),
    "unknown_tenant": envelope(6, tenant="nobody"),
    "unknown_channel": envelope(7, channel="no such"),
}
# What needs a client that gives no id, a tenant service, or a fault of the database: each has a test of its own.
ELSEWHERE = {"id_missing", "tenant_inactive", "unstorable"}


def table() -> list[tuple[set[str], str]]:
    """The codes of each row, and what it says of the attempts."""
    rows = re.findall(
        r"^\| [^|]+ \| (`[a-z_`, ]+`) \| (\S+(?: and more)?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [(set(re.findall(r"`([a-z_]+)`", codes)), attempts) for codes, attempts in rows]


def test_the_table_names_every_code_once():
    named = [code for codes, _ in table() for code in codes]
    assert len(named) == len(set(named))
    assert set(named) == {code.code for code in list_codes()} | REFUSED.keys() | ELSEWHERE


def test_the_eleven_metrics_of_the_page_are_there():
    page = PAGE.read_text(encoding="utf-8")
    kept = {metric.name for metric in REGISTRY.collect()}
    assert re.findall(r"^\| (\d+)\. ", page, re.MULTILINE) == [str(number) for number in range(1, 12)]
    assert {name.removesuffix("_total") for name in re.findall(r"`(hailgate_[a-z_]+)`", page)} <= kept


@pytest.mark.usefixtures("outbox")
async def test_what_is_refused_is_seen_with_the_headers_of_the_table(db, post, wide, worker):
    await post.publish(envelope("reused"), *REFUSED.values())
    async with running(post.consumer(db, worker), post.publisher(db, worker)):
        letters = await post.letters(len(REFUSED))
    assert sorted(letter.headers["x-hailgate-code"] for letter in letters) == sorted(REFUSED)
    assert all(letter.headers.keys() >= HEADERS for letter in letters)
    attempts = {code: attempts for codes, attempts in table() for code in codes}
    assert all(
        str(each.headers["x-hailgate-attempts"]) == attempts[each.headers["x-hailgate-code"]] for each in letters
    )


@pytest.mark.usefixtures("outbox")
async def test_what_is_given_up_later_is_seen_with_the_headers_of_the_table(db, post, wide, worker):
    codes = sorted({code.code for code in list_codes()})
    await post.publish(*(envelope(place, to=f"+1555010{place:04}") for place in range(len(codes))))
    async with running(post.consumer(db, worker), post.publisher(db, worker)):
        stored = Message.objects.filter(tenant_id=wide.tenant_id)
        await until(lambda: has_all(db, stored, len(codes)))
        await db(lambda: give_up(worker, codes))
        letters = await post.letters(len(codes))
    assert sorted(letter.headers["x-hailgate-code"] for letter in letters) == codes
    assert all(json.loads(letter.body)["id"] == letter.message_id for letter in letters)
    assert all(letter.headers.keys() >= HEADERS for letter in letters)
    assert {letter.headers["x-hailgate-attempts"] for letter in letters} == {1}


async def has_all(db, stored, count):
    return await db(stored.count) == count


def give_up(worker, codes):
    waiting = list(codes)
    while waiting:
        claims = claim(worker)[: len(waiting)]
        attempt(worker, *claims)
        tell(worker, *(decided(one, Action.BURY, code=waiting.pop()) for one in claims))


@pytest.mark.usefixtures("outbox")
async def test_what_the_database_refuses_is_seen_too(db, post, wide, worker, monkeypatch):
    accept_new = consumed.accept_new

    def refuse(cursor, new, moment):
        if any("number 1" in message.content for message in new):
            raise ValueError
        return accept_new(cursor, new, moment)

    monkeypatch.setattr(consumed, "accept_new", refuse)
    await post.publish(envelope(0), envelope(1), envelope(2))
    async with running(post.consumer(db, worker), post.publisher(db, worker)):
        [letter] = await post.letters(1)
    assert (letter.headers["x-hailgate-code"], letter.headers["x-hailgate-attempts"]) == ("unstorable", 0)
    assert letter.headers.keys() >= HEADERS
