"""The whole worker against a real Cloud API on the loopback: what is due is done, and nothing is lost when it ends."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

import given
from hailgate.assistant.scripted import ScriptedAssistant
from hailgate.core.errors import StoreUnavailable
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.channels.registry import add_channel, get_channel
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.models import Hook, Message, WebhookEvent, Work, Worker, WorkState
from hailgate.messaging.outbound.attempts import record_attempts
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.store.ids import uuid7
from hailgate.pipeline import worker as worker_module
from hailgate.pipeline import worker_run as life_module
from hailgate.telemetry.traces import teller, use_tracer
from hailgate.workers import make_worker
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    change,
    change_channel,
    execute,
    fresh,
    hook_id_of,
    let_expire,
    messages,
    new_message,
    send_all,
    work_of,
)
from pipeline.stage import sends, take, texts_to, until
from providers.loopback import Loopback, accept_then_reset

QUICK = {"lease_s": 10.0, "renew_s": 0.05, "poll_s": 0.05, "debounce_s": 0.02, "debounce_max_s": 0.1, "drain_s": 5.0}


def heard(text: str, **facts) -> bytes:
    """A person wrote a moment ago."""
    return given.text_webhook(text, at=int(time.time()), **facts)


class Door:
    """Of Meta's: it reads what arrives, and answers while it is open."""

    def __init__(self) -> None:
        self.arrived, self.opened = asyncio.Event(), asyncio.Event()
        self.opened.set()

    def close(self) -> None:
        self.opened.clear()
        self.arrived.clear()

    async def answer(self, connection) -> None:
        await connection.peek()
        self.arrived.set()
        await self.opened.wait()
        await take(connection)


class House:
    """A clinic with one number, a Cloud API that answers for it, and workers that come and go."""

    def __init__(self, db, server, channel, env, hook_path) -> None:
        self.db, self.server, self.channel, self.env = db, server, channel, env
        self.hook_path = hook_path

    @asynccontextmanager
    async def worker(self, db=None, **settings):
        worker = make_worker(self.env.model_copy(update=settings), db or self.db)
        running = asyncio.create_task(worker.run())
        try:
            await until(lambda: worker.healthy or running.done())
            yield worker
        finally:
            worker.stop()
            async with asyncio.timeout(20):
                await running

    async def post(self, *bodies: bytes) -> None:
        def store():
            hook_id = hook_id_of(self.channel)
            store_webhooks([ReceivedWebhook(uuid7(), self.channel.tenant_id, hook_id, "{}", body) for body in bodies])

        await self.db(store)

    async def send(self, *texts, to=1, **given_) -> list[Message]:
        batch = [new_message(self.channel, to, text, **given_) for text in texts]
        return await self.db(send_all, self.channel, batch)

    async def rows(self, **wanted) -> list[Message]:
        return await self.db(lambda: messages(self.channel.tenant_id, **wanted))

    async def all_are(self, status) -> bool:
        return {row.status for row in await self.rows(direction=2)} == {status}

    async def work_left(self) -> int:
        return await self.db(Work.objects.filter(tenant_id=self.channel.tenant_id).count)

    async def workers(self) -> list[Worker]:
        return await self.db(lambda: list(Worker.objects.order_by("id")))


@pytest.fixture
def quick(env, tmp_path):
    """Settings for a worker that loses no time."""
    return env.model_copy(update=QUICK | {"home": tmp_path})


@pytest.fixture
async def house(db, tenant, quick):
    door = Door()
    async with Loopback(door.answer) as server:
        house = await make_house(db, tenant, quick, server)
        house.door = door
        yield house
        door.opened.set()


async def make_house(db, tenant, env, server, answered_by="scripted") -> House:
    def make():
        hook = add_hook(tenant.id, "cloud", given.HOOK_SETTINGS)
        settings = given.CHANNEL_SETTINGS | {"api_url": server.url}
        add_channel(tenant.id, "cloud", "front", given.NUMBER, settings, hook=hook.id, answered_by=answered_by)
        channel = get_channel(tenant.id, "front")
        # Nobody has to write first before these tests write to them.
        change_channel(channel, rate_burst=1000)
        return channel, hook.path

    channel, hook_path = await db(make)
    return House(db, server, channel, env, hook_path)


async def open_window(house, *people) -> None:
    """Everybody wrote a moment ago, to a person."""
    await house.post(*(heard("hello", sender=f"1555{to:07}", message_id=f"w.{to}") for to in people))
    await until(house_is_quiet(house))


def house_is_quiet(house):
    async def quiet():
        pending = await house.db(WebhookEvent.objects.filter(tenant_id=house.channel.tenant_id, state=0).count)
        return pending == 0 and await house.work_left() == 0

    return quiet


# --- the way in and out -----------------------------------------------------------------------------------------------


async def test_a_person_who_writes_is_answered(house):
    async with house.worker():
        await house.post(heard("Are you open today?"))
        await until(lambda: sends(house.server))
        await until(lambda: house.all_are(Status.SENT))
    (answer,) = sends(house.server)
    assert answer["to"] == given.PERSON
    assert answer["text"]["body"] == "I am an automated assistant.\n\nYou wrote:\n> Are you open today?"
    (row,) = await house.rows(direction=2)
    assert answer["biz_opaque_callback_data"] == f"{row.uid}.1"
    assert row.provider_id == f"wamid.{row.uid}.1"


async def test_the_person_sees_that_they_were_read(house):
    async with house.worker():
        await house.post(heard("hello", message_id="wamid.theirs"))
        await until(lambda: any(b"typing_indicator" in body for body in house.server.bodies))
    shown = next(json.loads(body) for body in house.server.bodies if b"typing_indicator" in body)
    assert (shown["status"], shown["message_id"]) == ("read", "wamid.theirs")


@pytest.fixture
def spans():
    """What a tracing system would be given, once it is."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    use_tracer(teller(provider))
    yield kept.get_finished_spans
    use_tracer(None)


async def test_the_way_from_a_webhook_to_the_answers_status_is_one_chain_of_traces(house, site, spans):
    body = heard("Are you open today?")
    async with house.worker():
        assert (await site.post(house.hook_path, body, headers=given.signed(body))).status == 200
        await until(lambda: house.all_are(Status.SENT) if sends(house.server) else False)
        (asked,), (answer,) = await house.rows(direction=1), await house.rows(direction=2)
        await house.post(given.status_webhook(answer.provider_id, "read", tracker=f"{answer.uid}.1"))
        await until(lambda: house.all_are(Status.READ))
    told = {span.name: span for span in spans() if span.context.trace_id in {asked.uid.int, answer.uid.int}}
    traces = {name: "asked" if span.context.trace_id == asked.uid.int else "answered" for name, span in told.items()}
    assert traces == {
        "webhook": "asked", "ingest": "asked", "receive": "asked", "turn": "asked",
        "accept": "answered", "queue": "answered", "attempt": "answered", "status": "answered",
    }  # fmt: skip
    assert [link.context.trace_id for link in told["accept"].links] == [asked.uid.int]
    assert given.PERSON not in str([span.to_json() for span in spans()])


async def test_the_same_webhook_fifty_times_is_one_answer(house):
    async with house.worker(), house.worker():
        await asyncio.gather(*(house.post(*[heard("hello")] * 10) for _ in range(5)))
        await until(lambda: house.all_are(Status.SENT))
        await until(house_is_quiet(house))
    assert len(sends(house.server)) == 1
    assert len(await house.rows(direction=1)) == 1


async def test_messages_of_one_conversation_arrive_in_their_order(house):
    async with house.worker():
        await open_window(house, *range(4))
        house.server.bodies.clear()
        for place in range(10):
            for to in range(4):
                await house.send(f"{place}", to=to)
        await until(lambda: len(sends(house.server)) == 40)
    assert texts_to(house.server) == {f"1555{to:07}": [str(place) for place in range(10)] for to in range(4)}


async def test_statuses_of_what_was_sent_are_told(house):
    async with house.worker():
        await open_window(house, 1)
        (message,) = await house.send("hello")
        for status in ("read", "delivered", "sent"):
            await house.post(given.status_webhook(f"wamid.{message.uid}.1", status))
        await until(lambda: house.db(lambda: fresh(message).status == Status.READ))


async def test_a_provider_that_hangs_up_without_an_answer_is_not_called_again(db, tenant, quick):
    async with Loopback(accept_then_reset) as server:
        house = await make_house(db, tenant, quick, server, "person")
        async with house.worker():
            await open_window(house, 1)
            await house.send("once")
            await until(lambda: house.db(parked, house.channel.tenant_id))
        assert len(server.bodies) == 1


def parked(tenant_id) -> int:
    return Work.objects.filter(tenant_id=tenant_id, state=WorkState.PARKED).count()


# --- several workers --------------------------------------------------------------------------------------------------


async def test_two_workers_send_each_message_once(house):
    async with house.worker(), house.worker():
        await open_window(house, *range(10))
        house.server.bodies.clear()
        for place in range(5):
            await asyncio.gather(*(house.send(str(place), to=to) for to in range(10)))
        await until(lambda: len(sends(house.server)) >= 50)
        await until(house_is_quiet(house))
    assert texts_to(house.server) == {f"1555{to:07}": list("01234") for to in range(10)}


async def test_the_work_of_a_worker_that_vanished_is_taken_over(house):
    """It claimed, and was never heard of again."""
    from hailgate.messaging.outbound.claim import claim_deliveries
    from messaging.acting import new_worker

    async with house.worker():
        await open_window(house, 1)
    await house.send("left behind")
    gone = await house.db(new_worker)
    assert len((await house.db(claim_deliveries, gone, open_room(10))).claims) == 1
    await house.db(let_expire, gone)
    async with house.worker():
        await until(lambda: "left behind" in texts_to(house.server).get("15550000001", []))
    endings = {worker.id: worker.ending for worker in await house.workers()}
    assert endings[gone] == "lost"


# --- lives ------------------------------------------------------------------------------------------------------------


async def test_a_worker_that_was_declared_dead_begins_another_life(house):
    async with house.worker() as worker:
        (first,) = await house.workers()
        await house.db(let_die, first.id)
        await until(lambda: house.db(lambda: Worker.objects.filter(alive=True).exclude(id=first.id).exists()))
        await until(lambda: worker.healthy)
        await house.post(heard("still there?"))
        await until(lambda: sends(house.server))
    endings = [worker.ending for worker in await house.workers()]
    assert endings == ["lost", "stopped"]


def let_die(worker_id: int) -> None:
    """Again where it renewed its lease in between."""
    while Worker.objects.filter(id=worker_id, alive=True).exists():
        let_expire(worker_id)
        declare_dead(worker_id, LEASE_S, HOLD_S)


async def test_a_worker_that_was_declared_dead_stops_its_sends_and_writes_nothing(house):
    async with house.worker() as worker:
        await open_window(house, 1)
        house.door.close()
        (message,) = await house.send("in flight")
        await house.door.arrived.wait()
        first = (await house.workers())[-1]
        await house.db(let_die, first.id)
        await until(lambda: house.db(lambda: Worker.objects.filter(alive=True).exclude(id=first.id).exists()))
        house.door.opened.set()
        await until(lambda: worker.healthy)
        row = await house.db(lambda: Work.objects.get(tenant_id=message.tenant_id, message_id=message.id))
        assert (row.state, row.code) == (WorkState.PARKED, "worker_lost")
    assert (await house.rows(direction=2))[-1].provider_id is None


async def test_a_worker_waits_for_a_store_that_is_away_at_its_beginning(house, monkeypatch):
    monkeypatch.setattr(worker_module, "STORE_AWAY_S", 0.001)
    failures = [StoreUnavailable(), StoreUnavailable()]

    async def away(function, *arguments):
        if failures:
            raise failures.pop()
        return await house.db(function, *arguments)

    async with house.worker(db=away) as worker:
        assert worker.healthy
    assert failures == []
    assert [worker.ending for worker in await house.workers()] == ["stopped"]


async def test_a_store_that_is_away_for_a_moment_costs_nothing(house, monkeypatch):
    monkeypatch.setattr(life_module, "STORE_AWAY_S", 0.001)
    flaky = Flaky(house.db)
    async with house.worker(db=flaky):
        await open_window(house, 1)
        house.server.bodies.clear()
        for place in range(10):
            flaky.failures = 3
            await house.send(str(place))
        await until(lambda: len(sends(house.server)) >= 10)
        await until(house_is_quiet(house))
    assert texts_to(house.server) == {"15550000001": [str(place) for place in range(10)]}


class Flaky:
    """A bridge whose next calls do what they were asked, and say that they did not."""

    def __init__(self, db) -> None:
        self.db, self.failures = db, 0

    async def __call__(self, function, *arguments):
        answer = await self.db(function, *arguments)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable
        return answer


async def test_a_hook_that_cannot_be_read_costs_no_other_hook_its_webhooks(house, tenant):
    def break_another():
        hook = add_hook(tenant.id, "cloud", given.HOOK_SETTINGS)
        broken = Hook.objects.get(tenant_id=tenant.id, uid=hook.id)
        execute(f"UPDATE messaging_hook SET config = 'sealed:lost:gAAAA' WHERE id = {broken.id}")
        # It comes first in every round.
        execute(f"UPDATE messaging_channel SET hook_id = {broken.id}")
        store_webhooks([ReceivedWebhook(uuid7(), tenant.id, broken.id, "{}", heard("lost"))])
        mine = add_hook(tenant.id, "cloud", given.HOOK_SETTINGS)
        whole = Hook.objects.get(tenant_id=tenant.id, uid=mine.id)
        execute(f"UPDATE messaging_channel SET hook_id = {whole.id}")

    await house.db(break_another)
    async with house.worker():
        await house.post(heard("hello"))
        await until(lambda: sends(house.server))


# --- stopping ---------------------------------------------------------------------------------------------------------


async def test_a_worker_that_stops_leaves_nothing_behind(house, tmp_path):
    async with house.worker() as worker:
        await house.post(heard("hello"))
        await until(lambda: sends(house.server))
    assert not worker.healthy
    assert [worker.ending for worker in await house.workers()] == ["stopped"]
    assert list((tmp_path / "workers").iterdir()) == []
    hook = await house.db(lambda: Hook.objects.get(tenant_id=house.channel.tenant_id))
    assert hook.ingest_worker_id is None


async def test_a_worker_that_stops_finishes_its_sends(house):
    async with house.worker() as worker:
        await open_window(house, 1)
        house.door.close()
        (message,) = await house.send("in flight")
        await house.door.arrived.wait()
        worker.stop()
        house.door.opened.set()
    row = (await house.rows(direction=2))[-1]
    assert (row.uid, row.status, row.unknown) == (message.uid, Status.SENT, False)


async def test_a_worker_that_stops_waits_for_sends_and_answers_side_by_side(house, monkeypatch):
    """One after the other they would take twice as long as whoever stops it was told."""
    asked = asyncio.Event()

    async def think(*_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with house.worker(drain_s=2.0) as worker:
        await open_window(house, 1)
        monkeypatch.setattr(ScriptedAssistant, "compose", think)
        house.door.close()
        await house.send("in flight")
        await house.door.arrived.wait()
        await house.post(heard("and now?", sender="15550000002", message_id="w.2"))
        await asked.wait()
        begun = time.monotonic()
        worker.stop()
    assert time.monotonic() - begun < 2 * 2.0


@pytest.mark.parametrize("moment", range(8))
async def test_a_worker_that_stops_at_any_moment_leaves_no_unknown_and_sends_nothing_twice(house, moment):
    """Cut off after so many calls to the store; the next worker does the rest."""
    async with house.worker():
        await open_window(house, *range(6))
    house.server.bodies.clear()
    for to in range(6):
        await house.send("one", "two", to=to)
    stopping = Stopping(house.db, after=6 + 2 * moment)
    async with house.worker(db=stopping) as worker:
        stopping.worker = worker
        await until(lambda: stopping.stopped)
    assert await house.db(parked, house.channel.tenant_id) == 0
    async with house.worker():
        await until(house_is_quiet(house))
    assert texts_to(house.server) == {f"1555{to:07}": ["one", "two"] for to in range(6)}


class Noting:
    """A bridge that notes what it is asked to do with deliveries, in order, with how many rows it was about."""

    def __init__(self, db) -> None:
        self.db, self.calls = db, []

    async def __call__(self, function, *arguments):
        result = await self.db(function, *arguments)
        if function is claim_deliveries and result.claims:
            self.calls.append(("claim", len(result.claims)))
        elif function is record_attempts:
            self.calls.append(("attempt", len(result)))
        return result


async def test_nothing_is_claimed_while_a_row_is_prepared_that_may_end_the_process(house):
    """Else whoever is claimed meanwhile would count a run for each kill, and be buried with the killer."""
    async with house.worker():
        await open_window(house, *range(3))
    rows = [row for to in range(3) for row in await house.send("again", to=to)]
    await house.db(lambda: [change(work_of(row), tries=3) for row in rows])
    noting = Noting(house.db)
    async with house.worker(noting):
        await until(lambda: len(noting.calls) == 6)
    assert noting.calls == [("claim", 1), ("attempt", 1)] * 3


class Stopping:
    """A bridge that stops its worker in the middle of a call."""

    def __init__(self, db, after) -> None:
        self.db, self.after, self.worker, self.stopped = db, after, None, False

    async def __call__(self, function, *arguments):
        if self.worker is not None:
            self.after -= 1
            if self.after <= 0 and not self.stopped:
                self.stopped = True
                self.worker.stop()
                await asyncio.sleep(0)
        return await self.db(function, *arguments)


async def test_a_worker_told_to_stop_before_it_began_does_not_begin(house):
    worker = make_worker(house.env, house.db)
    worker.stop()
    await worker.run()
    assert await house.workers() == []
