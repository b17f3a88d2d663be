"""The queue is read in order, once, and never acknowledged before the commit; what cannot be taken is a dead letter."""

import asyncio
import json
import struct
import time
from datetime import UTC, datetime

import pytest
from pamqp import encode

from connectors.post import DAY_S, envelope, running, until
from hailgate.accounts.models import RaisedAlarm
from hailgate.connectors.rabbitmq import consumer as consumer_module
from hailgate.connectors.tenants import TenantPending
from hailgate.connectors.understanding import Understanding
from hailgate.core.content import content_as_json
from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.models import ConsumedMessage, Message, Publication, Work
from hailgate.messaging.outbound.consumed import Delivery, ToHold, as_headers, take
from hailgate.messaging.outbound.failover import sign_off
from hailgate.messaging.upkeep.purge import Housekeeping, RetentionPeriods
from messaging.acting import HOLD_S, new_worker

pytestmark = pytest.mark.usefixtures("outbox")


def bodies(channel) -> list[str]:
    rows = Message.objects.filter(tenant_id=channel.tenant_id).order_by("id")
    return [content_as_json(content)["text"]["body"] for content in rows.values_list("content", flat=True)]


def letters(channel) -> list[tuple[str, str]]:
    rows = Publication.objects.filter(tenant_id__in=(channel.tenant_id, 0), event="dead_letter").order_by("id")
    return list(rows.values_list("reference", "code"))


def holds(db, function, *arguments):
    async def ask():
        return await db(function, *arguments)

    return ask


def has(db, channel, count):
    return holds(db, lambda: Message.objects.filter(tenant_id=channel.tenant_id).count() >= count)


async def test_messages_are_accepted_in_the_order_of_the_queue(db, post, wide, worker):
    await post.publish(*(envelope(number) for number in range(120)))
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 120))
        await until(lambda: _is_empty(post))
    assert await db(bodies, wide) == [f"number {number}" for number in range(120)]
    assert await db(Work.objects.filter(tenant_id=wide.tenant_id, kind=1).count) == 120


async def _is_empty(post) -> bool:
    return await post.depth() == 0


async def test_amqps_own_message_id_serves_where_the_envelope_names_none(db, post, wide, worker):
    unnamed = envelope(1)
    del unnamed["id"]
    await post.publish(unnamed, unnamed, message_id="from-the-header")
    async with running(post.consumer(db, worker)):
        await until(lambda: _is_empty(post))
        await until(has(db, wide, 1))
    row = await db(ConsumedMessage.objects.filter(tenant_id=wide.tenant_id).get)
    assert row.reference == "from-the-header"
    assert len(await db(bodies, wide)) == 1


async def test_the_same_id_is_accepted_once_and_with_another_body_is_a_dead_letter(db, post, wide, worker):
    reordered = dict(reversed(envelope(1).items()))
    await post.publish(envelope(1), reordered, envelope(1, body="something else"), envelope(2))
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 2))
    assert await db(bodies, wide) == ["number 1", "number 2"]
    assert await db(letters, wide) == [("order-1", "id_reused")]


@pytest.mark.parametrize(("days", "accepted"), [(29, [1, 2]), (31, [1, 1, 2])])
async def test_an_id_is_remembered_for_thirty_days(db, post, wide, days, accepted):
    worker = await db(new_worker)
    await post.publish(envelope(1))
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 1))
        await db(grow_old, wide, days)
        await post.publish(envelope(1), envelope(2))
        await until(has(db, wide, len(accepted)))
    assert await db(bodies, wide) == [f"number {number}" for number in accepted]


def grow_old(channel, days: int) -> None:
    """All that came, which was sent meanwhile; then the house is kept."""
    Work.objects.filter(tenant_id=channel.tenant_id).delete()
    at = time.time() - days * 86_400
    ConsumedMessage.objects.filter(tenant_id=channel.tenant_id).update(created_at=at)
    house = Housekeeping(RetentionPeriods())
    while house.some():
        pass


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (b"no JSON", "malformed_body"),
        (b'{"tenant": "\xff"}', "malformed_body"),
        (b"[" * 50_000, "invalid_request"),
        (b'{"tenant": "clinic", "id": "a\\u0000b", "to": "+15550100042", "type": "text", "text": {"body": "hi"}}',
         "invalid_request"),
        (envelope(1, tenant="nobody"), "unknown_tenant"),
        (envelope(1, channel="no such"), "unknown_channel"),
        (envelope(1, to="no number"), "invalid_address"),
        (envelope(1, colour="red"), "invalid_request"),
        (envelope(1, expires_at="2001-01-01T00:00:00Z"), "invalid_schedule"),
        (envelope(1, context={"message_id": "00000000-0000-4000-8000-000000000000"}), "unknown_context"),
        ({k: v for k, v in envelope(1).items() if k != "tenant"}, "invalid_request"),
        ({k: v for k, v in envelope(1).items() if k != "text"}, "invalid_request"),
    ],
)  # fmt: skip
async def test_what_cannot_be_taken_is_a_dead_letter_and_what_follows_goes_on(db, post, wide, given, code):
    worker = await db(new_worker)
    await post.publish(given, envelope(2))
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 1))
        await until(lambda: _is_empty(post))
    assert await db(bodies, wide) == ["number 2"]
    assert [found for _, found in await db(letters, wide)] == [code]


async def test_a_reader_that_ends_between_its_commit_and_the_ack_accepts_nothing_twice(
    db, post, wide, worker, monkeypatch
):
    """As a kill at that moment does: the deliveries come back, and their ids are known."""
    committed = asyncio.Event()

    async def never():
        committed.set()
        await asyncio.Event().wait()

    await post.publish(*(envelope(number) for number in range(60)))
    with monkeypatch.context() as stuck:
        stuck.setattr(consumer_module.Consumer, "_acknowledge", lambda *_: never())
        async with running(post.consumer(db, worker)):
            await committed.wait()
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 60))
        await until(lambda: _is_empty(post))
    assert await db(bodies, wide) == [f"number {number}" for number in range(60)]


async def test_one_reads_and_another_stands_by_until_it_has_ended(db, post, wide, worker):
    other = await db(new_worker)
    await post.publish(*(envelope(number) for number in range(20)))
    async with running(post.consumer(db, other)):
        async with running(post.consumer(db, worker)):
            await until(has(db, wide, 20))
        await post.publish(*(envelope(number) for number in range(20, 40)))
        readers = await db(lambda: len(bodies(wide)))
        await db(sign_off, worker, HOLD_S)
        await db(sign_off, other, HOLD_S)
        third = await db(new_worker)
        async with running(post.consumer(db, third)):
            await until(has(db, wide, 40))
    assert readers >= 20
    assert await db(bodies, wide) == [f"number {number}" for number in range(40)]


async def test_a_worker_that_was_declared_dead_accepts_nothing(db, post, wide, worker):
    from hailgate.core.errors import LeaseLost
    from hailgate.messaging.broker.election import take_queue

    other = await db(new_worker)
    assert await db(take_queue, worker, "a queue")
    assert not await db(take_queue, other, "a queue")
    await db(sign_off, worker, HOLD_S)
    assert await db(take_queue, other, "a queue")
    with pytest.raises(LeaseLost):
        await db(take, worker, "a queue", [])
    assert await db(take, other, "a queue", []) == []


async def test_while_the_store_is_away_nothing_is_acknowledged(db, post, wide, worker):
    away = True

    async def moody(function, *arguments):
        if away and function is take:
            raise StoreUnavailable
        return await db(function, *arguments)

    await post.publish(*(envelope(number) for number in range(5)))
    async with running(post.consumer(moody, worker)):
        await until(lambda: _is_empty(post))  # they are in hand, not acknowledged
        assert await db(bodies, wide) == []
        away = False
        await until(has(db, wide, 5))
    assert await db(bodies, wide) == [f"number {number}" for number in range(5)]


async def test_a_queue_that_is_deleted_under_its_reader_is_declared_and_read_again(db, post, wide, worker):
    """A classic one: RabbitMQ 3.10 loses what is published to a quorum queue that was deleted just before."""
    await post.remove_queue(post.broker.queue)
    await post.add_queue(post.broker.queue, {})
    await post.publish(envelope(1))
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 1))
        await post.remove_queue(post.broker.queue)
        await until(post.has_queue)
        await post.publish(envelope(2))
        await until(has(db, wide, 2))


ODD_PROPERTIES = {
    "timestamp": ("timestamp", datetime(2026, 1, 1, tzinfo=UTC), struct.pack(">Q", 1_767_225_600_000_000)),
    "app_id": ("shortstr", "odd", b"\x02\xff\xfe"),
    "headers": ("table", {"odd": 1}, b"\0\0\0\x04\x01\xfft\x01"),
    "time in a header": ("table", {"odd": 1}, b"\0\0\0\x0b\x01aT" + struct.pack(">Q", 2**63)),
}


@pytest.mark.parametrize("name", ODD_PROPERTIES)
async def test_a_property_that_cannot_be_read_is_no_obstacle(db, post, wide, monkeypatch, name):
    worker = await db(new_worker)
    kind, given, odd = ODD_PROPERTIES[name]
    usual = encode.METHODS[kind]
    with monkeypatch.context() as sender:
        sender.setitem(encode.METHODS, kind, lambda value: odd if value == given else usual(value))
        await post.publish(envelope(1), **{"headers" if kind == "table" else name: given})
    await post.publish(envelope(2))
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 2))
    assert await db(bodies, wide) == ["number 1", "number 2"]


class Undecided:
    """A tenant service whose answer comes between the first message of a batch and the second."""

    def __init__(self, tenant_id: int) -> None:
        self._tenant_id, self._asked = tenant_id, 0

    async def get(self, _reference: str) -> int:
        self._asked += 1
        if self._asked == 1:
            raise TenantPending
        return self._tenant_id


async def test_what_comes_behind_one_that_has_to_wait_waits_too_though_the_answer_came_in_between(db, wide):
    batch = [Delivery("", json.dumps(envelope(number)).encode()) for number in range(3)]
    understanding = Understanding(db, Undecided(wide.tenant_id), life_s=DAY_S)
    assert [type(each) for each in await understanding.understand(batch)] == [ToHold] * 3


async def test_the_alarm_of_a_pause_that_was_cut_short_ends_with_the_next_reader(db, post, wide, worker, monkeypatch):
    monkeypatch.setattr(consumer_module, "ROOM_EVERY_S", 0.02)
    await post.publish(*(envelope(number) for number in range(40)))
    async with running(post.consumer(db, worker, queue_limit=10, prefetch=10)):
        await until(holds(db, lambda: bool(standing())))
    assert consumer_module.BROKER_PAUSED._value.get() == 0
    await db(Work.objects.filter(tenant_id=wide.tenant_id).delete)
    async with running(post.consumer(db, worker)):
        await until(has(db, wide, 40))
    assert await db(standing) == []


def standing() -> list[str]:
    rows = RaisedAlarm.objects.filter(code="consuming_paused", cleared_at=None)
    return list(rows.values_list("code", flat=True))


@pytest.mark.parametrize(
    "value", ["\\u0000", "a\0b", '"', 2**62, -1, 1e300, 0.5, float("inf"), True, None, b"\xff", [1]]
)
def test_every_header_of_a_sender_is_kept_as_something_that_can_be_told_or_not_at_all(value):
    kept = json.loads(as_headers({"given": value, "\\u0000": 1, "x-delivery-count": 2}))
    assert kept.keys() - {"given"} == {"\\u0000"}
    assert "\0" not in json.dumps(kept)
    encode.encode_table_value(kept)


async def test_while_the_doors_have_too_much_to_write_the_queue_is_not_read(db, post, wide, worker, monkeypatch):
    monkeypatch.setattr(consumer_module, "ROOM_EVERY_S", 0.02)
    crowd = [True]
    await post.publish(*(envelope(number) for number in range(20)))
    async with running(post.consumer(db, worker, prefetch=5, overloaded=lambda: bool(crowd))):
        await until(lambda: consumer_module.BROKER_PAUSED._value.get() == 1)
        assert len(await db(bodies, wide)) <= 5  # what was in hand
        crowd.clear()
        await until(has(db, wide, 20))
        await until(lambda: consumer_module.BROKER_PAUSED._value.get() == 0)


async def test_above_the_limit_the_queue_is_not_read_and_below_it_is_again(db, post, wide, worker, monkeypatch):
    monkeypatch.setattr(consumer_module, "ROOM_EVERY_S", 0.02)
    await post.publish(*(envelope(number) for number in range(400)))
    async with running(post.consumer(db, worker, queue_limit=100, prefetch=20)):
        await until(has(db, wide, 100))
        await until(lambda: consumer_module.BROKER_PAUSED._value.get() == 1)
        accepted = await db(lambda: len(bodies(wide)))
        assert await post.depth() == 400 - accepted
        await db(Work.objects.filter(tenant_id=wide.tenant_id).delete)
        await until(has(db, wide, accepted + 1))
    assert accepted < 400
