"""The console at 20,000 conversations: who is in it, and how long its pages take. Runs inside the product's process."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.filling import tidy

# Beyond what the world itself made.
FIRST = 1_000_000
BATCH = 2_000
REPEATS = 15


def gather(people: int, long: int) -> dict[str, Any]:
    """``people`` who wrote once, a fifth of them unread; with the first of them ``long`` more messages."""
    from hailgate.messaging.models import Channel, Contact, ContactAddress, Conversation, Message

    channel = Channel.objects.get()
    common = {"tenant_id": channel.tenant_id, "created_at": time.time()}
    contacts = [Contact(**common, name=f"Person {n} of many", origin=f"crowd {n}") for n in range(people)]
    Contact.objects.bulk_create(contacts, BATCH)
    ContactAddress.objects.bulk_create(
        [
            ContactAddress(
                tenant_id=channel.tenant_id, contact=contact, kind="phone", value=f"1555{n:07}", digest=f"crowd {n}"
            )
            for n, contact in enumerate(contacts)
        ],
        BATCH,
    )
    conversations = [
        Conversation(
            **common, pk=FIRST + n, channel=channel, contact=contact, answered_by="person", last_message_at=time.time(),
            last_inbound_at=time.time(), last_message_id=FIRST + n, last_inbound_id=FIRST + n,
            seen_id=0 if n % 5 == 0 else FIRST + n,
        )
        for n, contact in enumerate(contacts)
    ]  # fmt: skip
    conversations[0].last_message_id = conversations[0].last_inbound_id = FIRST + people + long - 1
    Conversation.objects.bulk_create(conversations, BATCH)
    places = [*conversations, *[conversations[0]] * long]
    Message.objects.bulk_create([_message(channel, each, n) for n, each in enumerate(places)], BATCH)
    tidy()
    return {"conversations": people, "longest": long}


def _message(channel: Any, conversation: Any, number: int) -> Any:
    from hailgate.core.content import Text, TextBody, encode_content
    from hailgate.messaging.models import Direction, Message
    from hailgate.messaging.store.ids import uuid7

    ours = number % 2 == 1
    return Message(
        pk=FIRST + number, uid=uuid7(), tenant_id=channel.tenant_id, conversation=conversation, channel=channel,
        direction=Direction.OUTBOUND if ours else Direction.INBOUND, sender="api" if ours else "contact", kind="text",
        content=encode_content(Text(TextBody(f"Message {number}, *as usual*."))), address_kind="phone",
        address="15550000001", author_kind="", author="", status=3 if ours else 0, provider_id=f"crowd {number}",
        accepted_at=time.time(),
    )  # fmt: skip


def measure() -> dict[str, float]:
    """Milliseconds of each page for an operator who is signed in, from the request to the last byte of the answer."""
    from hailgate.messaging.models import Conversation

    get = _sign_in()
    busy = f"/console/conversations/{Conversation.objects.get(pk=FIRST).uid.hex}"
    listing = "/console/conversations/list"
    pages: dict[str, tuple[str, dict[str, str]]] = {
        "page": ("/console/conversations", {}),
        "list": (listing, {}),
        "unread": (listing, {"show": "unread"}),
        "thread": (busy, {}),
        "name": (listing, {"q": "person 12345"}),
        "number": (listing, {"q": "0012345"}),
    }
    return {name: _middle(lambda page=page: get(*page)) for name, page in pages.items()}  # type: ignore[misc]


def _sign_in() -> Callable[[str, dict[str, str]], None]:
    from django.test import Client

    from hailgate.accounts.operators import add_operator, make_sign_in_link
    from hailgate.messaging.models import Channel

    operator = add_operator(Channel.objects.get().tenant_id, "crowd@benchmark.example")
    client = Client()
    client.get(f"/console/sign-in/{make_sign_in_link(operator, reusable=True)}")

    def get(path: str, query: dict[str, str]) -> None:
        headers = {} if path == "/console/conversations" else {"HX-Request": "true"}
        answer = client.get(path, query, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")

    return get


def _middle(act: Callable[[], None]) -> float:
    took = []
    for _ in range(REPEATS + 2):  # the first make plans and compile templates
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1e3)
    return median(took[2:])
