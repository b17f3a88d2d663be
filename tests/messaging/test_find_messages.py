"""Messages are found by their metadata within 31 days of one channel, in bounded time however many there are.

`SCALE=40` fills in a million messages, and prints how long it takes.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hailgate.core.errors import InputError
from hailgate.core.limits import CLOCK_SKEW
from hailgate.messaging.models import Message
from hailgate.messaging.people.find_messages import WALK, Wanted, find_messages
from messaging import acting

MESSAGES = 25_000 * int(os.environ.get("SCALE", "1"))
FIRST = 1_000_000  # beyond what fixtures make
BATCH = 20_000  # a statement ends within its time, also on a machine that is busy
DAYS = 30
LOOKS = 20
BUDGET_S = 0.05


@pytest.fixture
def month(channel) -> datetime:
    """A month of messages on one channel, the oldest first; when it began. Each has an order of its own."""
    begun = datetime.now(UTC) - timedelta(days=DAYS)
    model = acting.send(channel)
    changed = {"id": f"{FIRST} + n", "uid": _uid(begun), "metadata": _METADATA, "accepted_at": _instant(begun)}
    columns = [field.column for field in Message._meta.concrete_fields]
    with connection.cursor() as cursor:
        for start in range(0, MESSAGES, BATCH):
            cursor.execute(
                f"INSERT INTO messaging_message ({', '.join(columns)}) "
                f"WITH RECURSIVE numbers(n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM numbers "
                f"WHERE n < {min(start + BATCH, MESSAGES) - 1}) "
                f"SELECT {', '.join(changed.get(column, column) for column in columns)} "
                f"FROM messaging_message, numbers "
                f"WHERE messaging_message.id = {model.pk} AND tenant_id = {channel.tenant_id}"
            )
        cursor.execute("ANALYZE")
    return begun


_METADATA = """'{"order":"' || CAST(n AS TEXT) || '"}'"""


def _at(begun: datetime, number: int) -> datetime:
    return begun + timedelta(days=DAYS) * number / MESSAGES


def _instant(begun: datetime) -> str:
    return f"{begun.timestamp()!r} + n * {DAYS * 86_400 / MESSAGES!r}"


def _uid(begun: datetime) -> str:
    """As uuid7 makes it, but for what is random: the moment, then the number."""
    thousandths = f"CAST(({_instant(begun)}) * 1000 AS BIGINT)"
    if connection.vendor == "postgresql":
        return f"CAST(lpad(to_hex({thousandths}), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid)"
    return f"printf('%012x70008000%012x', {thousandths}, n)"


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
    most = WALK - ceil(3 * CLOCK_SKEW * MESSAGES / (DAYS * 86_400))
    with CaptureQueriesContext(connection) as asked:
        assert look_for(channel, month, MESSAGES // 2, most) == [MESSAGES // 2]
    for query in asked:
        assert "messaging_message" not in query["sql"] or _walks_an_index(query["sql"]), query["sql"]
    took = sorted(_timed(channel, month, number, most) for number in range(MESSAGES // 3, MESSAGES // 3 + LOOKS))
    with capsys.disabled():
        least, usual, most_ms = (took[place] * 1000 for place in (0, LOOKS // 2, -1))
        print(f"\nmetadata among {MESSAGES}: least {least:.1f} ms, p50 {usual:.1f} ms, most {most_ms:.1f} ms")
    if MESSAGES >= 1_000_000:  # the least: whoever else is on the machine only adds to it
        assert took[0] <= BUDGET_S


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
