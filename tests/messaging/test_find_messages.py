"""Messages are found by their metadata within 31 days of one channel, in bounded time however many there are.

`SCALE=40` fills in a million messages, and prints how long it takes.
"""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hailgate.core.errors import InputError
from hailgate.messaging.models import Channel, Conversation, Direction, Message
from hailgate.messaging.people.find_messages import WALK, Wanted, find_messages
from hailgate.messaging.store.ids import uuid7
from messaging import acting

MESSAGES = 25_000 * int(os.environ.get("SCALE", "1"))
FIRST = 1_000_000  # beyond what fixtures make
BATCH = 1_000  # PostgreSQL takes 65,535 parameters in one statement
DAYS = 30
LOOKS = 20
BUDGET_S = 0.05


@pytest.fixture
def month(channel) -> datetime:
    """A month of messages on one channel, the oldest first; when it began. Each has an order of its own."""
    begun = datetime.now(UTC) - timedelta(days=DAYS)
    talk = acting.conversation_of(acting.send(channel))
    content = Message.objects.get(tenant_id=channel.tenant_id).content
    for start in range(0, MESSAGES, BATCH):
        numbers = range(start, min(start + BATCH, MESSAGES))
        Message.objects.bulk_create(_message(talk, channel, number, content, begun) for number in numbers)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return begun


def _at(begun: datetime, number: int) -> datetime:
    return begun + timedelta(days=DAYS) * number / MESSAGES


def _message(talk: Conversation, channel: Channel, number: int, content: str, begun: datetime) -> Message:
    at = _at(begun, number)
    return Message(
        pk=FIRST + number, uid=_uid(at), tenant_id=channel.tenant_id, conversation_id=talk.pk, channel_id=channel.id,
        direction=Direction.OUTBOUND, sender="api", kind="text", content=content, address_kind="phone",
        address="15550000001", status=4, metadata=json.dumps({"order": f"{number}"}, separators=(",", ":")),
        accepted_at=at,
    )  # fmt: skip


def _uid(at: datetime) -> object:
    made = uuid7()
    return type(made)(int=int(at.timestamp() * 1000) << 80 | made.int & ((1 << 80) - 1))


def look_for(channel, begun: datetime, number: int, messages: int) -> list[int]:
    """Among that many messages around it."""
    half = timedelta(days=DAYS) * messages / MESSAGES / 2
    window = {"since": _at(begun, number) - half, "until": _at(begun, number) + half}
    wanted = Wanted(channel_id=channel.id, metadata={"order": f"{number}"}, **window)
    return [message.pk - FIRST for message in find_messages(channel.tenant_id, wanted, None, 50).messages]


@pytest.mark.timeout(1200)
def test_metadata_is_found_by_an_index_and_within_a_bounded_walk(channel, month, capsys) -> None:
    with pytest.raises(InputError, match=f"more than {WALK} messages"):
        look_for(channel, month, MESSAGES // 2, MESSAGES)
    # The clock's skew widens a window by a few minutes on either side.
    most = WALK - MESSAGES // 100
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert look_for(channel, month, MESSAGES // 2, most) == [MESSAGES // 2]
    for query in asked:
        assert "messaging_message" not in query["sql"] or _walks_an_index(query["sql"]), query["sql"]
    took = sorted(_timed(channel, month, number, most) for number in range(MESSAGES // 3, MESSAGES // 3 + LOOKS))
    with capsys.disabled():
        print(f"\nmetadata among {MESSAGES}: p50 {took[LOOKS // 2] * 1000:.1f} ms, most {took[-1] * 1000:.1f} ms")
    if MESSAGES >= 1_000_000:
        assert took[LOOKS // 2] <= BUDGET_S


def _timed(channel, begun: datetime, number: int, messages: int) -> float:
    started = time.perf_counter()
    assert look_for(channel, begun, number, messages) == [number]
    return time.perf_counter() - started


def _walks_an_index(statement: str) -> bool:
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {statement}")
        plan = "\n".join(str(row) for row in cursor.fetchall())
    return "Seq Scan on messaging_message" not in plan and "SCAN messaging_message" not in plan.replace(
        "SCAN messaging_message USING", ""
    )
