"""The product's store, used from inside one process: to make what a measurement needs, and to time its verbs.

Runs in processes of its own (``python -m benchmarks.inside TASK``), since Django is set up once per process.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks import crowd, filling, verbs, webhooks


def compose() -> None:
    import django

    django.setup()
    from hailgate.accounts.seal import Sealer, use_sealer
    from hailgate.settings import ENV

    use_sealer(Sealer(ENV.sealing_keys, content=ENV.seal_content))


def make_world(api_url: str) -> dict[str, Any]:
    """A tenant with a key, a hook and a channel whose limits are lifted; an assistant answers."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from hailgate.accounts.keys import add_key, add_tenant
    from hailgate.messaging.channels.hooks import add_hook
    from hailgate.messaging.channels.registry import add_channel

    tenant = add_tenant("benchmark")
    hook = add_hook(tenant.pk, "cloud", {"app_secret": webhooks.APP_SECRET, "verify_token": webhooks.VERIFY_TOKEN})
    channel = add_channel(
        tenant.pk,
        "cloud",
        "benchmark",
        webhooks.BUSINESS_NUMBER,
        {"phone_number_id": webhooks.PHONE_NUMBER_ID, "access_token": "benchmark-token", "api_url": api_url},
        hook=hook.id,
        answered_by="scripted",
    )
    lift_limits()
    return {"path": hook.path, "key": add_key(tenant.pk).key, "channel": str(channel)}


def lift_limits() -> None:
    """What is measured is the product, not the pace that a provider asks for. Read receipts are another call each."""
    from hailgate.messaging.models import Channel

    Channel.objects.update(rate_interval=1e-4, rate_burst=10_000_000, pair_interval=0, pair_burst=0, marks_read=False)


def queue_messages(count: int, people: int) -> dict[str, Any]:
    """Accept ``count`` messages to ``people`` who wrote just now."""
    from hailgate.messaging.models import Conversation
    from hailgate.messaging.outbound.accept import accept_messages

    new = outbound(count, people)
    for start in range(0, count, 500):
        accept_messages(new[start : start + 500])
    Conversation.objects.update(last_inbound_at=time.time(), last_inbound_id=1)
    return {"queued": count}


def outbound(count: int, people: int) -> "list[Any]":
    from hailgate.core.address import Address, AddressKind
    from hailgate.core.content import Text, TextBody, encode_content
    from hailgate.messaging.models import Channel
    from hailgate.messaging.outbound.new_message import NewMessage
    from hailgate.messaging.store.ids import uuid7

    channel = Channel.objects.get()
    content = encode_content(Text(TextBody("Your appointment is confirmed. ".ljust(300, "x"))))
    return [
        NewMessage(
            uid=uuid7(),
            tenant_id=channel.tenant_id,
            channel_id=channel.pk,
            to=Address(AddressKind.PHONE, webhooks.person(index % people)),
            kind="text",
            content=content,
            sender="api",
            answered_by="scripted",
            life_s=86_400.0,
        )
        for index in range(count)
    ]


def render_bodies(count: int) -> list[str]:
    """What the product would send for queued messages."""
    from hailgate.core.content import decode_outbound
    from hailgate.providers.cloud.wire import render_send
    from hailgate.providers.contract import OutboundMessage

    return [
        render_send(OutboundMessage(id=new.uid, attempt=1, to=new.to, content=decode_outbound(new.content))).decode()
        for new in outbound(count, count)
    ]


def meet_people(count: int) -> dict[str, Any]:
    """Conversations with ``count`` people who wrote just now."""
    from hailgate.core.address import Address, AddressKind
    from hailgate.messaging.models import Channel, Conversation
    from hailgate.messaging.people.conversations import Party, open_conversations
    from hailgate.messaging.store.sql import atomic_cursor

    channel = Channel.objects.get()
    for start in range(0, count, 500):
        numbers = map(webhooks.person, range(start, min(start + 500, count)))
        addresses = (Address(AddressKind.PHONE, number) for number in numbers)
        with atomic_cursor() as cursor:
            parties = [Party(channel.tenant_id, channel.pk, (address,), "scripted") for address in addresses]
            open_conversations(cursor, parties, time.time())
    Conversation.objects.update(last_inbound_at=time.time())
    return {"met": count}


TASKS: dict[str, Callable[..., Any]] = {
    "world": make_world,
    "meet": meet_people,
    "queue": queue_messages,
    "bodies": render_bodies,
    "fill": filling.fill,
    "fill_queue": filling.fill_queue,
    "verbs": verbs.measure,
    "gather": crowd.gather,
    "pages": crowd.measure,
}


def main(arguments: Sequence[str]) -> None:
    compose()
    task, *rest = arguments
    result = TASKS[task](*(int(each) if each.isdigit() else each for each in rest))
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
