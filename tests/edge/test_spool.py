"""The spool beside the event loop: 200 once it is on disk, order kept while it drains, nothing twice."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from django.db import IntegrityError

import given
from edge.test_segments import die
from edge.test_store_away import Outage
from hailgate.core.errors import Overloaded, SpoolUnavailable, StoreUnavailable
from hailgate.messaging.channels.hooks import find_hook
from hailgate.messaging.inbound.receive import ReceivedWebhook, SpooledWebhook, spool_webhook, store_spooled
from hailgate.messaging.models import WebhookEvent
from hailgate.messaging.store.ids import uuid7
from hailgate.pipeline.bridge import Gate
from hailgate.spool import webhooks as module
from hailgate.spool.segments import REFUSED, Segments
from hailgate.spool.webhooks import Arrived, DiskThread, Spool, decode, encode, keep_all
from hailgate.telemetry.metrics import SPOOL_FAILING
from serving import serving

pytestmark = pytest.mark.anyio


def webhook(number: int, hook_id: int = 7) -> ReceivedWebhook:
    return ReceivedWebhook(uuid7(), 1, hook_id, "{}", str(number).encode())


class Store:
    """A store that can be away, refuses some bodies, and may break before, or after, a commit."""

    def __init__(self) -> None:
        self.rows: dict[object, SpooledWebhook] = {}
        self.away = False
        self.refuses: set[bytes] = set()
        self.breaks_at = self.unanswered = -1
        self.asked = 0

    async def __call__(self, function, batch: Sequence[SpooledWebhook]) -> list[bool]:
        assert function is store_spooled
        self.asked += len(batch)
        await asyncio.sleep(0)
        if self.away or self._is_time("breaks_at"):
            raise StoreUnavailable
        if any(item.body in self.refuses for item in batch):
            raise IntegrityError
        for item in batch:
            self.rows.setdefault(item.uid, item)
        if self._is_time("unanswered"):
            raise StoreUnavailable
        return [True] * len(batch)

    def _is_time(self, name: str) -> bool:
        setattr(self, name, (left := getattr(self, name)) - 1)
        return left == 0

    @property
    def bodies(self) -> list[bytes]:
        return [row.body for row in self.rows.values()]


class House:
    """One process after the other, on the same folder and before the same store."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, Store()
        self.begin()

    def begin(self) -> None:
        self.segments = Segments(self.root, 1 << 20, segment_bytes=400)
        self.disk = DiskThread()
        gate: Gate[Arrived, None] = Gate(self.disk, partial(keep_all, self.segments))
        self.spool = Spool(
            self.segments, self.disk, gate=gate, db=self.store, serves=lambda _: True, wanted=True
        )  # fmt: skip

    async def receive(self, *numbers: int) -> None:
        await asyncio.gather(*(self.spool.submit(webhook(number)) for number in numbers))

    def die(self) -> None:
        die(self.segments)
        self.disk.close()


@pytest.fixture
async def house(tmp_path: Path):
    house = House(tmp_path / "spool")
    yield house
    await house.spool.close()


def bodies(*numbers: int) -> list[bytes]:
    return [str(number).encode() for number in numbers]


# --- by itself --------------------------------------------------------------------------------------------------------


async def test_what_was_kept_is_brought_in_order_and_then_it_is_idle(house: House) -> None:
    assert not house.spool.busy
    for number in range(50):
        await house.receive(number)
    assert (house.spool.busy, house.spool.waiting, house.store.rows) == (True, 50, {})
    await house.spool.bring()
    assert house.store.bodies == bodies(*range(50))
    assert (house.spool.busy, house.spool.waiting) == (False, 0)


async def test_who_waits_together_shares_a_sync(house: House, monkeypatch) -> None:
    import os

    syncs = []
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (syncs.append(descriptor), sync(descriptor)))
    await house.receive(*range(100))
    assert house.spool.waiting == 100
    assert len(syncs) <= 3


async def test_while_the_store_is_away_one_webhook_is_tried_and_not_all(house: House) -> None:
    await house.receive(*range(20))
    house.store.away = True
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            await house.spool.bring()
    assert house.store.asked == 5
    assert house.spool.busy


@pytest.mark.parametrize("when", ["breaks_at", "unanswered"])
@pytest.mark.parametrize("commit", range(6))
async def test_a_store_that_breaks_half_way_gets_each_once_and_in_order(house, monkeypatch, when, commit) -> None:
    monkeypatch.setattr(module, "BATCH", 7)
    await house.receive(*range(30))
    setattr(house.store, when, commit)
    with pytest.raises(StoreUnavailable):
        await house.spool.bring()
    await house.receive(30)
    await house.spool.bring()
    assert house.store.bodies == bodies(*range(31))


@pytest.mark.parametrize("when", ["breaks_at", "unanswered"])
@pytest.mark.parametrize("commit", range(6))
async def test_a_process_that_is_killed_while_it_brings_leaves_the_rest_to_the_next(
    house, monkeypatch, when, commit
) -> None:
    monkeypatch.setattr(module, "BATCH", 7)
    for number in range(30):
        await house.receive(number)
    setattr(house.store, when, commit)
    with pytest.raises(StoreUnavailable):
        await house.spool.bring()
    house.die()
    house.begin()
    assert not house.spool.busy
    await house.spool.look_round()
    assert house.spool.busy
    await house.receive(30)
    await house.spool.bring()
    assert house.store.bodies == bodies(*range(31))
    assert not house.spool.busy


async def test_a_process_that_stops_leaves_what_waits_to_the_next(house: House) -> None:
    await house.receive(1, 2)
    await house.spool.close()
    house.begin()
    await house.spool.look_round()
    await house.spool.bring()
    assert house.store.bodies == bodies(1, 2)


@pytest.fixture
def other(house: House):
    """A process that has something of before this one began."""
    segments = Segments(house.root, 1 << 20)
    segments.append([encode(spool_webhook(webhook(1), 0.0))])
    yield segments
    segments.close()


async def test_what_another_process_took_over_is_stored_before_what_comes_now(house, other, monkeypatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    await house.spool.look_round()
    assert house.spool.busy  # nothing of its own, and yet nobody may overtake
    await house.receive(2)
    bringing = asyncio.create_task(house.spool.bring())
    await asyncio.sleep(0.1)
    assert (bringing.done(), house.store.rows) == (False, {})
    segment, records = other.first()
    await house.store(store_spooled, [decode(record) for record in records])
    other.finish(segment)
    await bringing
    assert house.store.bodies == bodies(1, 2)
    assert not house.spool.busy


async def test_a_process_that_hangs_is_passed_but_not_while_the_store_is_away(house, other, monkeypatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    monkeypatch.setattr(module, "OTHERS_S", 0.05)
    await house.spool.look_round()
    await house.receive(2)
    house.store.away = True
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            await house.spool.bring()
    house.store.away = False
    await house.spool.bring()
    assert house.store.bodies == bodies(2)


async def test_it_stays_busy_while_somebody_is_on_the_way_to_the_disk(house: House) -> None:
    """Whoever came after that one would overtake it in the store."""
    await house.receive(1)
    late = asyncio.create_task(house.receive(2))
    await asyncio.sleep(0)
    while house.spool.waiting:
        await house.spool.bring()
        assert house.spool.busy or late.done()
    await late
    await house.spool.bring()
    assert house.store.bodies == bodies(1, 2)
    assert not house.spool.busy


async def test_it_brings_by_itself_whatever_happens(house: House, monkeypatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.001)
    monkeypatch.setattr(module, "LOOK_ROUND_S", 0.01)
    running = asyncio.create_task(house.spool.run_for_ever())
    house.store.away = True
    await house.receive(*range(10))
    house.store.away = False
    house.store.breaks_at = 1
    await house.receive(*range(10, 20))
    while house.spool.busy:
        await asyncio.sleep(0.001)
    assert house.store.bodies == bodies(*range(20))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_the_store_refuses_holds_up_nobody_and_is_kept(house: House, capture_log) -> None:
    house.store.refuses = {b"1"}
    await house.receive(0, 1, 2)
    await house.spool.bring()
    assert house.store.bodies == bodies(0, 2)
    assert [path.suffix for path in house.root.glob("*/*")] == [REFUSED]
    assert [line["event"] for line in capture_log] == [
        "spool.began", "gate.row_refused", "spool.kept", "spool.ended",
    ]  # fmt: skip


async def test_a_disk_that_fails_is_told_once_and_tried_until_it_heals(house: House, monkeypatch, capture_log) -> None:
    house.root.write_text("no folder")
    monkeypatch.setattr(module, "LOOK_ROUND_S", 0.0)
    for _ in range(3):
        with pytest.raises(SpoolUnavailable):
            await house.receive(1)
        await house.spool.look_round()
        await house.spool.bring()
    assert (house.spool.failing, house.spool.busy) == (True, False)
    assert SPOOL_FAILING._value.get() == 1
    house.root.unlink()
    await house.spool.look_round()
    assert not house.spool.failing
    assert SPOOL_FAILING._value.get() == 0
    assert [(line["event"], line["error"]) for line in capture_log] == [("spool.failed", "EEXIST")]


async def test_a_disk_that_hangs_is_not_waited_for(house: House, monkeypatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    hanging = asyncio.Event()

    class Hanging:
        async def submit(self, _: Arrived) -> None:
            await hanging.wait()

    monkeypatch.setattr(house.spool, "_gate", Hanging())
    with pytest.raises(SpoolUnavailable):
        await house.receive(1)


async def test_what_reached_the_disk_after_its_caller_was_told_503_is_brought_all_the_same(house, monkeypatch) -> None:
    """It may be stored, and it must not lie there until the next outage."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    with pytest.raises(SpoolUnavailable):
        await house.receive(1)
    while not house.spool.waiting:
        await asyncio.sleep(0.001)
    await house.spool.bring()
    assert house.store.bodies == bodies(1)
    assert not house.spool.busy


def test_a_webhook_is_the_same_after_the_disk_and_sealed_where_content_is(monkeypatch) -> None:
    from hailgate.accounts import seal
    from hailgate.accounts.seal import Sealer

    sealer = Sealer([f"k1:{'AB' * 21}A="], content=True)
    monkeypatch.setattr(seal, "_sealer", sealer)
    arrived = ReceivedWebhook(uuid7(), 1, 2, '{"a": "é"}', b"what a person wrote")
    record = encode(spool_webhook(arrived, 1.5))
    assert b"person" not in record
    back = decode(record)
    assert back[:5] == (arrived.uid, 1, 2, 1.5, arrived.headers)
    assert sealer.unseal_bytes(back.body) == arrived.body


# --- behind the door --------------------------------------------------------------------------------------------------


@pytest.fixture
def outage(monkeypatch) -> Outage:
    return Outage(monkeypatch)


@pytest.fixture
def spooling_env(env, tmp_path):
    return env.model_copy(update={"spool": "always", "spool_folder": tmp_path / "spool"})


@pytest.fixture
def env():
    from hailgate.settings import ENV

    return ENV


def opened(env):
    from hailgate.asgi import create_app

    return serving(create_app(env, with_worker=False))


async def post(site, hook, number: int) -> int:
    body = given.text_webhook(message_id=f"wamid.{number}")
    return (await site.post(hook.path, body, headers=given.signed(body))).status


def stored(tenant_id: int) -> list[bytes]:
    rows = WebhookEvent.objects.filter(tenant_id=tenant_id).order_by("id").values_list("body", flat=True)
    return [bytes(body) for body in rows]


def expected(numbers: Sequence[int]) -> list[bytes]:
    return [given.text_webhook(message_id=f"wamid.{number}") for number in numbers]


async def idle(site) -> None:
    async with asyncio.timeout(30):
        while (await site.get("/readyz")).json["spool"]["waiting"]:
            await asyncio.sleep(0.01)


async def test_while_the_store_is_away_webhooks_are_answered_200_and_stored_when_it_is_back(
    outage, spooling_env, hook, tenant, db
) -> None:
    async with opened(spooling_env) as site:
        assert await post(site, hook, 0) == 200
        outage.lasts = True
        assert [await post(site, hook, number) for number in range(1, 6)] == [200] * 5
        assert (await site.post(hook.path, b"{}")).code == "signature_invalid"
        ready = (await site.get("/readyz")).json
        assert (ready["status"], ready["spool"]) == ("unavailable", {"status": "ok", "waiting": 5})
        shown = (await site.get("/metrics")).body.decode()
        assert "hailgate_spool_webhooks 5.0" in shown
        outage.lasts = False
        assert [await post(site, hook, number) for number in range(6, 9)] == [200] * 3
        await idle(site)
        assert await post(site, hook, 9) == 200
        await idle(site)  # it may have gone behind the last of them
        assert await db(stored, tenant.id) == expected(range(10))
        assert (await site.get("/health")).json["components"]["spool"] == {"status": "ok", "waiting": 0}


async def test_it_was_received_when_it_came_and_not_when_it_was_stored(outage, spooling_env, hook, tenant, db) -> None:
    async with opened(spooling_env) as site:
        await post(site, hook, 0)
        outage.lasts = True
        begun = time.time()
        await post(site, hook, 1)
        ended = time.time()
        outage.lasts = False
        await idle(site)
    came = await db(WebhookEvent.objects.filter(tenant_id=tenant.id).order_by("-id").first)
    assert begun - 1 <= came.received_at.timestamp() <= ended + 1  # of two clocks


async def test_what_waits_at_the_end_is_stored_by_the_next_process_before_anything_new(
    outage, spooling_env, hook, tenant, db
) -> None:
    async with opened(spooling_env) as site:
        await post(site, hook, 0)
        outage.lasts = True
        await post(site, hook, 1)
        await post(site, hook, 2)
    outage.lasts = False
    async with opened(spooling_env) as site:
        assert await post(site, hook, 3) == 200
        await idle(site)
    assert await db(stored, tenant.id) == expected(range(4))


async def test_what_was_left_is_stored_even_where_nothing_is_spooled_any_more(
    outage, spooling_env, hook, tenant, db
) -> None:
    async with opened(spooling_env) as site:
        await post(site, hook, 0)
        outage.lasts = True
        await post(site, hook, 1)
    outage.lasts = False
    never = spooling_env.model_copy(update={"spool": "never"})
    async with opened(never) as site, asyncio.timeout(30):
        while len(await db(stored, tenant.id)) < 2:
            await asyncio.sleep(0.01)
        assert "spool" not in (await site.get("/readyz")).json


@pytest.mark.parametrize("spool", ["needed", "never"])
async def test_a_provider_that_repeats_is_told_to(outage, spooling_env, hook, spool) -> None:
    async with opened(spooling_env.model_copy(update={"spool": spool})) as site:
        await post(site, hook, 0)
        outage.lasts = True
        assert await post(site, hook, 1) == 503
        assert not list(spooling_env.spool_folder.rglob("*.segment"))
        outage.lasts = False


@pytest.fixture
def _eager(monkeypatch) -> None:
    """Hooks are read again and again."""
    from hailgate.edge.doors import hooks

    monkeypatch.setattr(hooks, "REMEMBER_EVERY_S", 0.01)


@pytest.mark.usefixtures("_eager")
async def test_a_hook_is_known_before_anybody_posts_to_it(outage, spooling_env, hook) -> None:
    async with opened(spooling_env) as site:
        async with asyncio.timeout(30):  # it is read in the background
            while await _is_unknown(site, outage, hook):
                await asyncio.sleep(0.01)
        outage.lasts = True
        assert await post(site, hook, 1) == 200
        unknown = await site.post("/hooks/" + "x" * 43, b"{}")
        assert (unknown.status, unknown.code) == (503, "store_unavailable")
        outage.lasts = False


async def _is_unknown(site, outage, hook) -> bool:
    outage.lasts = True
    forged = await site.post(hook.path, b"{}")
    outage.lasts = False
    return forged.status == 503


@pytest.mark.usefixtures("_eager")
async def test_a_hook_that_was_switched_off_is_not_believed_while_the_store_is_away(
    outage, spooling_env, hook, tenant, db
) -> None:
    from hailgate.messaging.models import Hook

    async with opened(spooling_env) as site:
        assert await post(site, hook, 0) == 200
        await db(lambda: Hook.objects.filter(tenant_id=tenant.id).update(active=False))
        async with asyncio.timeout(30):
            while await post(site, hook, 1) != 404:
                await asyncio.sleep(0.01)
        outage.lasts = True
        assert await post(site, hook, 2) in {404, 503}
        outage.lasts = False
    assert await db(find_hook, hook.token) is None


async def test_a_full_spool_answers_503_with_retry_after(outage, spooling_env, hook, tenant, db) -> None:
    full = spooling_env.model_copy(update={"spool_bytes": 2_000})
    async with opened(full) as site:
        await post(site, hook, 0)
        outage.lasts = True
        answers = [await post(site, hook, number) for number in range(1, 9)]
        kept = answers.count(200)
        assert answers == [200] * kept + [503] * (8 - kept)
        assert 0 < kept < 8
        body = given.text_webhook()
        refused = await site.post(hook.path, body, headers=given.signed(body))
        assert (refused.code, refused.headers["Retry-After"]) == ("spool_unavailable", "5")
        assert (await site.get("/readyz")).json["spool"]["status"] == "unavailable"
        outage.lasts = False
        await idle(site)
        assert await post(site, hook, 9) == 200
        await idle(site)  # it may have gone behind the last of them
        assert await db(stored, tenant.id) == expected([*range(kept + 1), 9])


async def test_a_spool_that_cannot_be_written_is_seen_before_it_is_needed(outage, spooling_env, hook) -> None:
    spooling_env.spool_folder.write_text("no folder")
    async with opened(spooling_env) as site:
        ready = await site.get("/readyz")
        assert (ready.status, ready.json["spool"]["reason"]) == (200, "its disk takes no webhooks")
        assert (await site.get("/health")).json["components"]["spool"]["status"] == "unavailable"
        assert await post(site, hook, 0) == 200
        outage.lasts = True
        assert await post(site, hook, 1) == 503
        outage.lasts = False


async def test_a_store_with_too_much_to_do_is_relieved(spooling_env, hook, tenant, db, monkeypatch) -> None:
    from hailgate.pipeline.store_watchdog import GuardedGate

    async def full(*_: object) -> None:
        raise Overloaded("too much is waiting to be written")

    async with opened(spooling_env) as site:
        monkeypatch.setattr(GuardedGate, "submit", full)
        assert await post(site, hook, 0) == 200
        monkeypatch.undo()
        await idle(site)
    assert await db(stored, tenant.id) == expected([0])


async def test_an_idle_spool_is_not_asked(spooling_env, hook, monkeypatch) -> None:
    """The price of an ordinary webhook is one look at an attribute."""
    asked = []
    async with opened(spooling_env) as site:
        monkeypatch.setattr(Spool, "submit", lambda *_: asked.append("submit"))
        assert [await post(site, hook, number) for number in range(20)] == [200] * 20
    assert asked == []
