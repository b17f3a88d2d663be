"""What becomes of messages is published, in order, until the broker has it; what is given up is a dead letter."""

import json

import pytest

from connectors.post import envelope, running, until
from hailgate.accounts.models import RaisedAlarm, Tenant
from hailgate.connectors.rabbitmq import publisher as publisher_module
from hailgate.core.address import Address, AddressKind
from hailgate.core.delivery import Action
from hailgate.core.status import Status
from hailgate.messaging.broker.outbox import BrokerDeadLetter, due_publications, record_dead_letters, use_outbox
from hailgate.messaging.models import Message, Publication
from hailgate.messaging.outbound.expire import bury_expired
from hailgate.messaging.store.sql import atomic_cursor, now
from messaging.acting import apply, attempt, claim_one, decided, deliver_all, new_worker, send, sent, tell, told, wrote


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("hailgate.messaging.broker.outbox.AGAIN_S", 0.05)


async def nothing_waits(db):
    return await db(Publication.objects.filter(tenant_id__gte=0).count) == 0


def keys(found) -> list[str]:
    return [message.routing_key for message in found]


@pytest.mark.usefixtures("outbox")
async def test_what_becomes_of_messages_is_told_in_order_under_tenant_channel_and_event(db, post, wide, worker):
    await post.listen("clinic.front-desk.#")
    await post.publish(envelope(1, metadata={"order": 7}))
    async with running(post.consumer(db, worker), post.publisher(db, worker)):
        message = await until(lambda: db(lambda: Message.objects.filter(tenant_id=wide.tenant_id).first()))
        await db(deliver_all, worker)
        person = Address(AddressKind.PHONE, "15550100042")
        await db(lambda: _hear(wide, person, message))
        found = await post.told(3)
        await until(lambda: nothing_waits(db))
    assert sorted(keys(found)) == sorted(
        f"clinic.front-desk.message.{event}" for event in ("sent", "delivered", "received")
    )
    by_event = {each.type: json.loads(each.body) for each in found}
    sent, received = by_event["message.sent"], by_event["message.received"]
    assert sent["message"]["reference"] == "order-1"
    assert sent["message"]["metadata"] == {"order": 7}
    assert sent["message"]["to"] == {"kind": "phone", "value": "15550100042"}
    assert sent["channel"] == {"id": str(wide.uid), "name": "front desk"}
    assert by_event["message.delivered"]["at"] == "2023-11-14T22:13:30.000Z"
    assert received["message"]["content"]["text"]["body"] == "thanks"
    assert all(each.message_id == json.loads(each.body)["id"] for each in found)
    assert all(each.delivery_mode == 2 for each in found)


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize(
    ("early", "events"),
    [
        ([], ["sent"]),
        ([Status.SENT], ["sent"]),
        ([Status.DELIVERED], ["delivered", "sent"]),
        ([Status.SENT, Status.DELIVERED], ["sent", "delivered"]),
    ],
    ids=lambda value: "+".join(map(str, value)) or "nothing",
)
def test_that_it_was_sent_is_told_once_though_a_status_comes_before_our_own_answer(wide, worker, early, events):
    message = send(wide)
    attempt(worker, one := claim_one(worker))
    for status in early:
        apply(wide, told(wide, status, "wamid.1", tracker=f"{message.uid}.1", at=1_700_000_010.0))
    assert tell(worker, sent(one, "wamid.1")) == [True]
    apply(wide, told(wide, Status.SENT, "wamid.1", at=1_700_000_010.0))
    assert [each.event for each in due_publications(10)] == [f"message.{event}" for event in events]


def _hear(channel, person, message):
    delivered = told(channel, Status.DELIVERED, f"wamid.{message.uid}", at=1_700_000_010.0)
    apply(channel, delivered, wrote(channel, person, body="thanks", message_id="wamid.theirs"))


@pytest.mark.usefixtures("outbox")
async def test_a_message_that_is_given_up_goes_to_the_dead_letter_queue_as_it_came(db, post, wide, worker):
    given = json.dumps(envelope(1, channel="front desk"), indent=2).encode()
    await post.listen()
    await post.publish(given, headers={"trace": "abc", "tries": 2})
    async with running(post.consumer(db, worker), post.publisher(db, worker)):
        await until(lambda: db(lambda: Message.objects.filter(tenant_id=wide.tenant_id).count()))
        await db(lambda: _fail(worker))
        [letter] = await post.letters(1)
        [event] = await post.told(1)
    assert letter.body == given
    assert letter.message_id == "order-1"
    told_of = {
        name: letter.headers[name] for name in letter.headers if name not in {"x-hailgate-at", "x-delivery-count"}
    }
    assert told_of == {
        "trace": "abc", "tries": 2, "x-hailgate-code": "recipient_unreachable", "x-hailgate-reason": "Why.",
        "x-hailgate-attempts": 1, "x-hailgate-queue": post.broker.queue,
    }  # fmt: skip
    assert event.type == "message.failed"
    assert json.loads(event.body)["error"] == {"code": "recipient_unreachable", "detail": "Why."}


def _fail(worker):
    claimed = claim_one(worker)
    attempt(worker, claimed)
    tell(worker, decided(claimed, Action.BURY, code="recipient_unreachable"))


@pytest.mark.usefixtures("outbox")
async def test_what_is_refused_and_what_expires_is_a_dead_letter_too(db, post, wide, worker):
    await post.publish(b"no JSON", envelope(1, expires_at="2040-01-01T00:00:00Z"))
    async with running(post.consumer(db, worker), post.publisher(db, worker)):
        await until(lambda: db(lambda: Message.objects.filter(tenant_id=wide.tenant_id).count()))
        await db(lambda: _expire(wide))
        letters = await post.letters(2)
    assert sorted(letter.headers["x-hailgate-code"] for letter in letters) == ["expired", "malformed_body"]
    assert b"no JSON" in [letter.body for letter in letters]


def _expire(channel):
    from hailgate.messaging.models import Work

    Work.objects.filter(tenant_id=channel.tenant_id).update(expires_at=1.0)
    assert bury_expired() == 1


@pytest.mark.usefixtures("outbox", "impatient")
async def test_an_event_that_no_queue_takes_waits_with_an_alarm_until_one_does(db, post, wide, worker):
    await db(lambda: (send(wide), deliver_all(worker)))
    async with running(post.publisher(db, worker)):
        await until(lambda: db(lambda: RaisedAlarm.objects.filter(code="unrouted", cleared_at=None).count()))
        before = await db(lambda: Publication.objects.filter(tenant_id=wide.tenant_id).get().uid)
        await post.listen()
        [event] = await post.told(1)
        await until(lambda: db(lambda: not RaisedAlarm.objects.filter(code="unrouted", cleared_at=None).count()))
    assert event.message_id == str(before)


@pytest.mark.usefixtures("outbox")
async def test_no_two_tenants_share_a_routing_key(db, post, wide, worker):
    """Whoever may listen for `a-clinic` is told nothing of `a clinic`."""
    await post.listen()
    rename = Tenant.objects.filter(id=wide.tenant_id).update
    for name in ("a-clinic", "a clinic", "a.clinic"):
        await db(lambda name=name: (rename(name=name), send(wide), deliver_all(worker)))
        if name == "a-clinic":
            async with running(post.publisher(db, worker)):
                await until(lambda: nothing_waits(db))
    uid = await db(lambda: str(Tenant.objects.get(id=wide.tenant_id).uid))
    async with running(post.publisher(db, worker)):
        found = await post.told(3)
    assert [key.split(".")[0] for key in keys(found)] == ["a-clinic", uid, uid]


@pytest.mark.usefixtures("outbox", "impatient")
async def test_the_alarm_stands_as_long_as_one_waits_though_others_are_taken(db, post, wide, worker):
    await post.listen("clinic.*.message.sent")
    async with running(post.publisher(db, worker)):
        await db(lambda: _fail_one(wide, worker))
        await until(lambda: db(lambda: Publication.objects.filter(tenant_id=wide.tenant_id, tries__gt=0).exists()))
        await db(lambda: (send(wide), deliver_all(worker)))
        await post.told(1)
        await until(lambda: db(lambda: Publication.objects.filter(tenant_id=wide.tenant_id).count() == 1))
        assert await db(RaisedAlarm.objects.filter(code="unrouted", cleared_at=None).count) == 1


async def is_up() -> bool:
    return publisher_module.BROKER_UP.labels("publisher")._value.get() == 1


def _fail_one(channel, worker):
    send(channel)
    _fail(worker)


def letter(*, body=b"{", reference="") -> BrokerDeadLetter:
    return BrokerDeadLetter(0, reference, body, "{}", "malformed_body", "Why.", 0)


def write_letters(*letters):
    with atomic_cursor() as cursor:
        record_dead_letters(cursor, letters, now(cursor))


@pytest.mark.usefixtures("outbox", "impatient")
async def test_of_two_letters_of_one_id_none_counts_as_told_while_no_queue_takes_them(db, post, wide, worker):
    """Ids are of each tenant; the broker's return names nothing else."""
    async with running(post.publisher(db, worker)):
        await until(is_up)
        await post.remove_queue(post.broker.dead_letter_queue)
        await db(write_letters, *(letter(reference="order-1") for _ in range(5)))
        await until(lambda: db(lambda: Publication.objects.filter(tenant_id=0, tries__gt=0).count() == 5))
        await post.add_queue(post.broker.dead_letter_queue)
        found = await post.letters(5)
    assert {each.message_id for each in found} == {"order-1"}


@pytest.mark.usefixtures("outbox")
async def test_a_letter_without_an_id_bears_the_same_one_again_and_one_that_is_too_long_is_no_obstacle(
    db, post, wide, worker
):
    await db(write_letters, letter(body=b"{"), letter(body=b"{"), letter(body=b"["), letter(reference="é" * 200))
    async with running(post.publisher(db, worker)):
        ids = [each.message_id for each in await post.letters(4)]
        await until(lambda: nothing_waits(db))
    assert len(set(ids)) == 3


@pytest.mark.usefixtures("outbox")
async def test_an_installation_may_choose_that_unrouted_events_are_dropped(db, post, wide, worker):
    await db(lambda: (send(wide), deliver_all(worker)))
    async with running(post.publisher(db, worker, drops_unrouted=True)):
        await until(lambda: nothing_waits(db))
    assert await db(RaisedAlarm.objects.count) == 0


@pytest.mark.usefixtures("outbox")
async def test_a_publisher_that_ends_before_it_may_forget_repeats_under_the_same_id(
    db, post, wide, worker, monkeypatch
):
    await post.listen()
    await db(lambda: ([send(wide, body=str(n)) for n in range(20)], deliver_all(worker)))
    with monkeypatch.context() as killed:
        killed.setattr(publisher_module, "finish_publications", _fails)
        async with running(post.publisher(db, worker)):
            first = await post.told(20)
    other = await db(lambda: (_end(worker), new_worker())[1])
    async with running(post.publisher(db, other)):
        again = await post.told(20)
        await until(lambda: nothing_waits(db))
    assert [each.message_id for each in first] == [each.message_id for each in again]


def _fails(*_):
    raise AssertionError("killed")


def _end(worker):
    from hailgate.messaging.outbound.failover import sign_off

    sign_off(worker, 1.0)


async def test_without_a_broker_nothing_is_written(db, wide, worker):
    use_outbox(events=False, dead_letters=False)
    await db(lambda: (send(wide), deliver_all(worker)))
    assert await db(due_publications, 10) == []
    assert await nothing_waits(db)


@pytest.mark.parametrize("events", [True, False])
async def test_dead_letters_are_written_with_or_without_events(db, wide, worker, events):
    use_outbox(events=events, dead_letters=True)
    try:
        await db(lambda: (send(wide), _fail(worker)))
        found = await db(lambda: [each.event for each in due_publications(10)])
    finally:
        use_outbox(events=False, dead_letters=False)
    assert found == (["message.failed"] if events else [])
