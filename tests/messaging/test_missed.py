"""What a webhook told and a poll brings again has one effect, whichever of them comes first (R37)."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import pytest

from hailgate.messaging.models import Direction
from hailgate.providers.evolution import webhook as evolution
from hailgate.providers.wppconnect import webhook as wppconnect
from messaging.acting import account_of, apply, messages

MISSED = 500
BATCH = 50
PEOPLE = 20


class Twice(NamedTuple):
    """One message as its webhook tells it, and as the server's list does."""

    told: bytes
    listed: bytes


def of_evolution(number: int, account: str) -> Twice:
    data: dict[str, Any] = {
        "key": {"remoteJid": f"55119{number % PEOPLE:08d}@s.whatsapp.net", "fromMe": False, "id": f"3EB0{number:012X}"},
        "pushName": "Ana", "status": "DELIVERY_ACK", "messageType": "conversation", "messageTimestamp": 1_767_225_600,
        "message": {"conversation": f"missed {number}", "messageContextInfo": {"messageSecret": {"0": 1}}},
    }  # fmt: skip
    row = {**data, "id": f"row-{number}", "message": {"conversation": f"missed {number}"}, "MessageUpdate": []}
    named = {"event": "messages.upsert", "instance": account}
    return Twice(json.dumps({**named, "data": data}).encode(), json.dumps({**named, "data": row}).encode())


def of_wppconnect(number: int, _: str) -> Twice:
    chat = f"55119{number % PEOPLE:08d}@c.us"
    message = {
        "id": f"false_{chat}_3EB0{number:012X}", "type": "chat", "body": f"missed {number}", "from": chat,
        "chatId": chat, "fromMe": False, "t": 1_767_225_600, "notifyName": "Ana",
    }  # fmt: skip
    listed = {**message, "timestamp": message["t"], "hasReaction": False, "viewed": True}
    return Twice(
        json.dumps({"event": "onmessage", "session": "desk", **message}).encode(),
        json.dumps({"event": "unreadmessages", "session": "desk", **listed}).encode(),
    )


@pytest.mark.parametrize(("spell", "parse"), [(of_evolution, evolution), (of_wppconnect, wppconnect)])
@pytest.mark.parametrize("first", ["told", "listed", "either"])
def test_each_of_five_hundred_that_came_twice_is_there_once(channel, spell: Callable[..., Twice], parse, first) -> None:
    """All webhooks before the poll, all after it, or at random with a poll that overlaps them."""
    account = account_of(channel)
    came = [body for number in range(MISSED) for body in in_order(spell(number, account), first)]
    if first == "either":
        Random(37).shuffle(came)
    else:
        came = [*came[::2], *came[1::2]]
    events = [event for body in came for event in parse.parse_webhook(body, account)]
    assert len(events) == 2 * MISSED
    for start in range(0, len(events), BATCH):
        apply(channel, *events[start : start + BATCH])
    stored = messages(channel.tenant_id, direction=Direction.INBOUND)
    print(f"{2 * MISSED} came, {len(stored)} are stored")
    assert len({each.provider_id for each in stored}) == len(stored) == MISSED


def in_order(twice: Twice, first: str) -> tuple[bytes, bytes]:
    return (twice.listed, twice.told) if first == "listed" else (twice.told, twice.listed)
