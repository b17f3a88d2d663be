"""With 20,000 conversations a page reads what it shows, not what there is. How long that takes is the benchmark's."""

import time
from collections.abc import Callable

import pytest
from django.db import connection

from console.conftest import Browser
from hailgate.core.content import Text, TextBody, encode_content
from hailgate.messaging.models import Channel, Contact, ContactAddress, Conversation, Direction, Message
from hailgate.messaging.store.ids import uuid7

CONVERSATIONS = 20_000
LONG = 2_000
BUDGET_ROWS = 2_500
EVERY = 50
STEPS_PER_ROW = 20
BATCH = 2_000
FIRST = 1_000_000  # beyond what fixtures make


@pytest.fixture
def crowd(tenant, channel) -> Conversation:
    """20,000 people who wrote once, a fifth of them unread; one of them wrote 2,000 times."""
    channel_row = Channel.objects.get(tenant_id=tenant.pk)
    common = {"tenant": tenant, "created_at": 0.0}
    people = [Contact(**common, name=f"Person {n} of many", origin=f"o{n}") for n in range(CONVERSATIONS)]
    Contact.objects.bulk_create(people, BATCH)
    ContactAddress.objects.bulk_create(
        [
            ContactAddress(tenant=tenant, contact=person, kind="phone", value=f"1555{n:07}", digest=f"d{n}")
            for n, person in enumerate(people)
        ],
        BATCH,
    )
    now = time.time()
    conversations = [
        Conversation(
            **common, pk=FIRST + n, channel=channel_row, contact=person, answered_by="person", last_message_at=now,
            last_inbound_at=now, last_message_id=FIRST + n, last_inbound_id=FIRST + n,
            seen_id=0 if n % 5 == 0 else FIRST + n,
        )
        for n, person in enumerate(people)
    ]  # fmt: skip
    busy = conversations[0]
    busy.last_message_id = busy.last_inbound_id = FIRST + CONVERSATIONS + LONG - 1
    Conversation.objects.bulk_create(conversations, BATCH)
    places = [*conversations, *[busy] * LONG]
    messages = [_message(tenant, channel_row, conversation, n) for n, conversation in enumerate(places)]
    Message.objects.bulk_create(messages, BATCH)
    if connection.vendor == "postgresql":  # as autovacuum does within a minute
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return busy


def _message(tenant, channel, conversation, n: int) -> Message:
    return Message(
        pk=FIRST + n, uid=uuid7(), tenant=tenant, conversation=conversation, channel=channel,
        direction=Direction.INBOUND, sender="contact",
        kind="text", content=encode_content(Text(TextBody(f"Message {n}, *as usual*."))),
        address_kind="phone", address="15550000001", author_kind="", author="", status=0, accepted_at=time.time(),
    )  # fmt: skip


PAGES = {
    "first page": ("conversations", {}),
    "list": ("conversations/list", {}),
    "unread": ("conversations/list", {"show": "unread"}),
    "thread": ("conversations/{busy}", {}),
}


@pytest.mark.timeout(300)
def test_a_page_reads_what_it_shows(owner: Browser, crowd) -> None:
    read = measure_reads_of_postgresql if connection.vendor == "postgresql" else measure_reads_of_sqlite
    took = {
        name: read(lambda path=path, query=query: owner.text(path.format(busy=crowd.uid.hex), query))
        for name, (path, query) in PAGES.items()
    }
    assert {name: rows for name, rows in took.items() if rows > BUDGET_ROWS} == {}, took


def measure_reads_of_postgresql(act: Callable[[], object]) -> float:
    """Rows that were looked at, in tables and by way of indexes."""
    before = _rows_read()
    act()
    return _rows_read() - before


def _rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables"
            " WHERE relname LIKE 'messaging_%'"
        )
        return cursor.fetchone()[0]


def measure_reads_of_sqlite(act: Callable[[], object]) -> float:
    """The steps of SQLite's machine, of which a row needs about twenty."""
    rounds = 0

    def count() -> int:
        nonlocal rounds
        rounds += 1
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(count, EVERY)
    try:
        act()
    finally:
        connection.connection.set_progress_handler(None, EVERY)
    assert rounds
    return rounds * EVERY / STEPS_PER_ROW
