"""With 20,000 conversations the first page of the list, a search and a long thread come within 60 ms."""

import statistics
import time

import pytest

from console.conftest import Browser
from hailgate.core.content import Text, TextBody, encode_content
from hailgate.messaging.ids import uuid7
from hailgate.messaging.models import Channel, Contact, ContactAddress, Conversation, Direction, Message

CONVERSATIONS = 20_000
LONG = 2_000
BUDGET_S = 0.060
TIMES = 15
BATCH = 2_000
FIRST = 1_000_000  # beyond what fixtures make


@pytest.fixture
def crowd(tenant, channel) -> Conversation:
    """20,000 people who wrote once, a fifth of them unread; one of them wrote 2,000 times."""
    from django.db import connection

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


@pytest.mark.timeout(300)
def test_the_list_and_a_thread_come_within_60_ms(owner: Browser, crowd, record_property, capsys) -> None:
    pages = {
        "first page": ("conversations", {}),
        "list": ("conversations/list", {}),
        "unread": ("conversations/list", {"show": "unread"}),
        "thread": (f"conversations/{crowd.uid.hex}", {}),
        "search by name": ("conversations/list", {"q": "Person 1999"}),
        "search by number": ("conversations/list", {"q": "+1555 0012345"}),
    }
    took = {name: measure(owner, path, query) for name, (path, query) in pages.items()}
    told = {name: f"{cpu * 1000:.1f} ms, {wall * 1000:.1f} on the clock" for name, (cpu, wall) in took.items()}
    record_property("median of each page", told)
    with capsys.disabled():
        print(f"\n{told}")
    assert {name: told[name] for name, (cpu, _) in took.items() if cpu > BUDGET_S} == {}


def measure(browser: Browser, path: str, query: dict[str, str]) -> tuple[float, float]:
    """Of the processor, with SQLite's part of it, which is what is judged; and of the clock, which others move too."""
    taken = []
    for _ in range(TIMES):
        began = time.thread_time(), time.perf_counter()
        browser.text(path, query, part=path.count("/") == 1 and "list" not in path)
        taken.append((time.thread_time() - began[0], time.perf_counter() - began[1]))
    return tuple(map(statistics.median, zip(*taken, strict=True)))
