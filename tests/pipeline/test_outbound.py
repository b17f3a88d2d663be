"""Delivering: checked at the moment of sending, on record before the first byte, told whatever came of it."""

import asyncio
import time
from dataclasses import replace

import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import encode_content, parse_outbound
from hailgate.core.errors import (
    ChannelUnauthorized,
    ConfigurationError,
    LeaseLost,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    Rejected,
    Scope,
    StoreUnavailable,
)
from hailgate.core.status import Status
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.models import Work, WorkKind, WorkState
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.messaging.work.marks import find_prepared
from hailgate.pipeline import attempts
from hailgate.pipeline import outbound as module
from hailgate.providers.contract import SendReceipt
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    apply,
    change,
    change_channel,
    channel_row,
    let_expire,
    messages,
    new_message,
    send,
    send_all,
    work_of,
    wrote,
)
from pipeline.stage import NUMBER, until

READY, LEASED, PARKED, DEAD = WorkState.READY, WorkState.LEASED, WorkState.PARKED, WorkState.DEAD


@pytest.fixture(autouse=True)
def _at_once(monkeypatch) -> None:
    monkeypatch.setattr(module, "OFFER_AGAIN_S", 0.0)


# --- the way of a message ---------------------------------------------------------------------------------------------


async def test_a_message_is_sent_with_its_tracker_and_told_as_sent(desk):
    message = await desk.send()
    assert await desk.carry_out() == 1
    (taken,) = desk.provider.taken
    assert (taken.id, taken.attempt, taken.tracker) == (message.uid, 1, f"{message.uid}.1")
    after = await desk.fresh(message)
    assert (after.status, after.provider_id) == (Status.SENT, "fake.1")
    assert desk.outbound.slots.held == frozenset()


async def test_an_attempt_is_committed_before_the_provider_is_called(desk):
    seen = []

    class Looking:
        async def send(self, _message, guard):
            seen.extend(await desk.attempts())
            guard()
            return SendReceipt("x")

    desk.played.provider = Looking()
    await desk.send()
    await desk.carry_out()
    assert [(one.number, one.finished_at, one.outcome) for one in seen] == [(1, None, "")]


async def test_conversations_are_sent_to_at_the_same_time(desk):
    everybody = asyncio.Barrier(20)

    class Together:
        async def send(self, _message, guard):
            guard()
            await everybody.wait()
            return SendReceipt("x")

    desk.played.provider = Together()
    await desk.db(send_all, desk.channel, [new_message(desk.channel, to=to) for to in range(20)])
    async with asyncio.timeout(10):
        assert await desk.carry_out() == 20


async def test_one_connection_serves_many_sends(desk):
    await desk.db(send_all, desk.channel, [new_message(desk.channel, to=to) for to in range(5)])
    await desk.carry_out()
    assert desk.played.connected == 1


async def test_new_credentials_make_a_new_connection(desk):
    for version in (2, 3):
        await desk.send()
        await desk.carry_out()
        await desk.db(lambda version=version: change_channel(desk.channel, version=version))
    assert desk.played.connected == 2


async def test_what_a_message_answers_goes_along(desk):
    await desk.send(context_id="wamid.0")
    await desk.carry_out()
    assert desk.provider.taken[0].context_id == "wamid.0"


# --- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state", "spent"),
    [
        (ProviderUnavailable(), READY, 0),
        (ProviderThrottled(retry_after=30.0), READY, 0),
        (ChannelUnauthorized(), READY, 0),
        (LeaseLost(), READY, 0),
        (Rejected(), DEAD, 1),
        (RecipientOptedOut(), DEAD, 1),
        (OutcomeUnknown(), PARKED, 1),
        (RuntimeError("it quotes +15550000001"), PARKED, 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_each_error_ends_as_its_class_says(desk, error, state, spent):
    desk.provider._planned.append(error)
    if not isinstance(error, LeaseLost | ProviderUnavailable):
        desk.played.provider = Raising(error)
    message = await desk.send()
    await desk.carry_out()
    row = await desk.row_of(message)
    assert (row.state, row.attempts, row.knocks) == (state, spent, 1)
    assert "+1555" not in row.detail
    assert desk.outbound.slots.held == frozenset()


@pytest.mark.parametrize("kept_elsewhere", [True, False])
async def test_a_channel_whose_credentials_a_tenant_service_keeps_is_asked_again_after_a_refusal(
    desk, monkeypatch, kept_elsewhere
):
    connections = desk.outbound._connections
    ours = connections.get

    async def get(*arguments):
        return (await ours(*arguments))._replace(settings={} if kept_elsewhere else None)

    monkeypatch.setattr(connections, "get", get)
    desk.played.provider = Raising(ChannelUnauthorized())
    await desk.send()
    await desk.carry_out()
    checks = Work.objects.filter(tenant_id=desk.channel.tenant_id, kind=WorkKind.CHECK)
    assert await desk.db(checks.count) == kept_elsewhere


class Raising:
    """A provider with a bug, or with bad news."""

    def __init__(self, error) -> None:
        self.error = error

    async def send(self, _message, guard):
        guard()
        raise self.error


async def test_a_retry_knocks_again_and_is_told_apart(desk, clock):
    desk.provider.plan(ProviderUnavailable())
    message = await desk.send()
    await desk.carry_out()
    clock.forward(60)
    await desk.carry_out()
    assert [one.tracker for one in desk.provider.tried] == [f"{message.uid}.1", f"{message.uid}.2"]
    assert (await desk.fresh(message)).status == Status.SENT


async def test_a_batch_that_waited_to_begin_counts_from_its_claim(desk, clock):
    desk.provider.plan(ProviderThrottled(retry_after=30.0))
    message = await desk.send()
    await desk.outbound.begin(await desk.claim(), time.monotonic() - 5)
    await desk.outbound.drain(5.0)
    assert (await desk.row_of(message)).due_at >= clock.now + 5 + 30


async def test_a_throttle_waits_as_long_as_it_was_told_to(desk, clock):
    desk.provider.plan(ProviderThrottled(retry_after=30.0))
    message = await desk.send()
    await desk.carry_out()
    due_at = (await desk.row_of(message)).due_at
    assert clock.now + 30 <= due_at < clock.now + 35
    clock.forward(29)
    assert await desk.carry_out() == 0


@pytest.mark.parametrize(
    ("error", "rest"),
    [
        (ProviderThrottled(retry_after=300.0, scope=Scope.CHANNEL), 300.0),
        (ProviderThrottled(retry_after=300.0, scope=Scope.ACCOUNT), 300.0),
        (ProviderThrottled(retry_after=10 * 365 * 86_400.0, scope=Scope.CHANNEL), 3600.0),
        (ProviderThrottled(scope=Scope.CHANNEL), attempts.CHANNEL_REST_S),
        (ProviderThrottled(retry_after=300.0, scope=Scope.PAIR), 0.0),
        (ProviderThrottled(retry_after=300.0), 0.0),
        (ProviderUnavailable(retry_after=300.0, scope=Scope.CHANNEL), 0.0),
    ],
    ids=["channel", "account", "absurd", "without advice", "recipient", "message", "no throttle"],
)
async def test_a_throttle_of_the_whole_channel_lets_it_rest(desk, clock, error, rest):
    desk.provider.plan(error)
    await desk.send(to=1)
    await desk.carry_out()
    await desk.send(to=2)
    if rest:
        clock.forward(rest - 0.5)
        assert await desk.carry_out() == 0
        clock.forward(1.5)
    assert await desk.carry_out() >= 1


async def test_the_name_by_which_the_provider_knows_the_person_is_learned(desk):
    desk.provider.plan(SendReceipt("x", address=Address(AddressKind.PHONE, "5511987654321")))
    await desk.send()
    await desk.carry_out()
    await desk.db(lambda: apply(desk.channel, wrote(desk.channel, Address(AddressKind.PHONE, "5511987654321"))))
    assert len({row.conversation_id for row in await desk.db(messages, desk.channel.tenant_id)}) == 1


async def test_content_that_can_no_longer_be_read_is_rejected(desk):
    message = await desk.send()
    await desk.db(lambda: change(message, content='{"type":"hologram"}'))
    await desk.carry_out()
    assert (await desk.fresh(message)).code == "unreadable_content"
    assert desk.provider.tried == []


# --- what must not be sent now ----------------------------------------------------------------------------------------


async def test_what_expired_is_not_sent(desk, clock):
    message = await desk.send(life_s=60.0)
    clock.forward(60)
    await desk.carry_out()
    assert (await desk.fresh(message)).code == "expired"
    assert await desk.nothing_was_tried()


async def test_who_wants_no_messages_gets_none(desk):
    from hailgate.messaging.models import Suppression
    from hailgate.messaging.people.conversations import address_digest

    def suppress():
        digest = address_digest(new_message(desk.channel).to)
        Suppression.objects.create(tenant_id=desk.channel.tenant_id, digest=digest, scope="all", reason="x", at=0.0)
        return send(desk.channel)

    message = await desk.db(suppress)
    await desk.carry_out()
    assert (await desk.fresh(message)).code == "suppressed"
    assert await desk.nothing_was_tried()


@pytest.mark.parametrize(
    ("category", "sent"), [("MARKETING", False), (None, False), ("UTILITY", True), ("AUTHENTICATION", True)]
)
async def test_who_stopped_marketing_gets_no_template_but_one_that_is_known_to_be_other(desk, clock, category, sent):
    from hailgate.messaging.models import Business, Channel, Suppression, Template
    from hailgate.messaging.people.conversations import address_digest

    call = {"type": "template", "template": {"name": "visit", "language": {"code": "en"}}}

    def prepare():
        channel, tenant = desk.channel, {"tenant_id": desk.channel.tenant_id}
        business = Business.objects.create(**tenant, provider="fake", account="1")
        Channel.objects.filter(id=channel.id, **tenant).update(business_id=business.id)
        known = {"name": "visit", "language": "en", "category": category}
        if category:
            Template.objects.create(**tenant, business=business, provider_id="1", **known, changed_at=clock.now)
        template = new_message(channel)._replace(kind="template", content=encode_content(parse_outbound(call)))
        (message,) = send_all(channel, [template])
        digest = address_digest(template.to)  # after it was accepted: what counts is the moment of sending
        Suppression.objects.create(**tenant, digest=digest, scope="marketing", reason="x", at=0.0)
        return message

    message = await desk.db(prepare)
    await desk.carry_out()
    assert bool(desk.provider.tried) is sent
    assert ((await desk.fresh(message)).code == "suppressed") is not sent


async def test_who_stopped_marketing_is_still_answered(desk):
    from hailgate.messaging.models import Suppression
    from hailgate.messaging.people.conversations import address_digest

    digest = address_digest(new_message(desk.channel).to)
    suppressed = {"tenant_id": desk.channel.tenant_id, "digest": digest, "scope": "marketing", "reason": "x", "at": 0.0}
    await desk.db(lambda: Suppression.objects.create(**suppressed))
    message = await desk.send()
    await desk.carry_out()
    assert (await desk.fresh(message)).code == ""
    assert desk.provider.tried


@pytest.mark.parametrize(("ago", "sent"), [(None, False), (3599.0, True), (3600.0, False)])
async def test_outside_the_window_no_text_leaves(desk, clock, ago, sent):
    """Judged at the moment of sending, not when it was accepted."""
    desk.played.change(window_seconds=3600.0)
    if ago is not None:
        await desk.db(lambda: apply(desk.channel, wrote(desk.channel, 1, at=clock.now)))
        clock.forward(ago)
    message = await desk.send()
    await desk.carry_out()
    assert ((await desk.fresh(message)).code == "") is sent
    assert bool(desk.provider.tried) is sent


async def test_while_a_webhook_waits_to_be_understood_the_provider_judges_the_window(desk):
    """The person may have written in it: what WhatsApp would take is not refused here."""
    desk.played.change(window_seconds=3600.0)
    hook_id = (await desk.db(lambda: channel_row(desk.channel))).hook_id
    waiting = ReceivedWebhook(uuid7(), desk.channel.tenant_id, hook_id, "{}", b"{}")
    await desk.db(store_webhooks, [waiting])
    message = await desk.send()
    await desk.carry_out()
    assert (await desk.fresh(message)).code == ""
    assert desk.provider.tried


async def test_poison_is_buried_without_another_try(desk):
    message = await desk.send()
    await desk.db(lambda: change(work_of(message), tries=MOST_CRASHES))
    await desk.carry_out()
    assert (await desk.fresh(message)).code == "poison"
    assert await desk.nothing_was_tried()


# --- channels that cannot be used -------------------------------------------------------------------------------------


async def test_a_channel_whose_settings_cannot_be_read_waits_and_the_others_go_on(desk, tenant, clock):
    broken = await desk.db(lambda: desk.played.add_channel(tenant, "broken", "15550100001"))
    await desk.db(lambda: change_channel(broken, config="sealed:lost:gAAAA"))
    waits, goes = await desk.send(broken), await desk.send()
    await desk.carry_out()
    row = await desk.row_of(waits)
    assert (row.state, row.code, row.attempts, row.due_at) == (
        READY, "channel_misconfigured", 0, clock.now + module.MISCONFIGURED_S,
    )  # fmt: skip
    assert (await desk.fresh(goes)).status == Status.SENT


@pytest.mark.parametrize("error", [ValueError("bad"), KeyError("x"), ConfigurationError(["x"]), OSError()])
async def test_a_provider_that_cannot_connect_costs_nobody_elses_work(desk, tenant, error):
    """It may be a third party's: whatever it raises, only its own rows wait."""
    connect = desk.played._connect

    def connect_all_but_one(connection):
        if connection.number != NUMBER:
            raise error
        return connect(connection)

    desk.played.spec = replace(desk.played.spec, connect=connect_all_but_one)
    broken = await desk.db(lambda: desk.played.add_channel(tenant, "broken", "15550100001"))
    waits, goes = await desk.send(broken), await desk.send()
    await desk.carry_out()
    assert (await desk.row_of(waits)).code == "channel_misconfigured"
    assert (await desk.fresh(goes)).status == Status.SENT


async def test_a_channel_that_was_mended_is_used_again(desk, clock):
    config = (await desk.db(channel_row, desk.channel)).config
    await desk.db(lambda: change_channel(desk.channel, config="sealed:lost:gAAAA"))
    message = await desk.send()
    await desk.carry_out()
    await desk.db(lambda: change_channel(desk.channel, config=config))
    clock.forward(module.MISCONFIGURED_S)
    await desk.carry_out()
    assert (await desk.fresh(message)).status == Status.SENT


# --- leases -----------------------------------------------------------------------------------------------------------


async def test_a_worker_whose_lease_ended_sends_nothing(desk):
    def ended():
        raise LeaseLost

    desk.outbound = desk.new_outbound(check_lease=ended)
    message = await desk.send()
    await desk.carry_out()
    assert (len(desk.provider.tried), desk.provider.taken) == (1, [])
    assert (await desk.row_of(message)).attempts == 0


async def test_a_mark_says_until_the_first_byte_that_an_attempt_has_not_begun(desk):
    message = await desk.send()
    seen = []

    class Watched:
        async def send(self, _message, guard):
            row = await desk.row_of(message)
            seen.append((row.attempting, find_prepared(desk.memory) == {(row.id, 1)}))
            guard()
            seen.append(find_prepared(desk.memory))
            raise ProviderUnavailable("later")

    desk.played.provider = Watched()
    await desk.carry_out()
    assert seen == [(True, True), frozenset()]


async def test_a_worker_whose_lease_ended_leaves_its_attempt_marked_as_unsent_until_that_is_on_record(desk):
    message = await desk.send()
    seen = []

    def ended():
        seen.append(find_prepared(desk.memory))
        raise LeaseLost

    desk.outbound = desk.new_outbound(check_lease=ended)
    await desk.carry_out()
    assert seen == [{((await desk.row_of(message)).id, 1)}]
    assert find_prepared(desk.memory) == frozenset()


async def test_what_was_taken_over_before_the_attempt_is_not_sent(desk):
    await desk.send()
    claimed = await desk.claim()
    await desk.db(lambda: (let_expire(desk.worker), declare_dead(desk.worker, LEASE_S, HOLD_S)))
    await desk.outbound.begin(claimed, time.monotonic())
    await desk.outbound.drain(5.0)
    assert (desk.provider.tried, desk.outbound.slots.held) == ([], frozenset())


async def test_what_was_taken_over_while_it_was_sent_writes_nothing(desk):
    message = await desk.send()

    class Slow:
        async def send(self, _message, guard):
            guard()
            await desk.db(lambda: (let_expire(desk.worker), declare_dead(desk.worker, LEASE_S, HOLD_S)))
            return SendReceipt("late")

    desk.played.provider = Slow()
    await desk.carry_out()
    assert ((await desk.fresh(message)).provider_id, (await desk.row_of(message)).state) == (None, PARKED)
    assert desk.outbound.slots.held == frozenset()


# --- a store that comes and goes --------------------------------------------------------------------------------------


class Away:
    """A bridge that is down for the next calls of some functions."""

    def __init__(self, db, *names, calls=2, after=False) -> None:
        self.db, self.names, self.calls, self.after = db, names, calls, after

    async def __call__(self, function, *arguments):
        hit = self.calls > 0 and getattr(function, "__name__", "") in self.names
        if hit and not self.after:
            self.calls -= 1
            raise StoreUnavailable
        answer = await self.db(function, *arguments)
        if hit:
            self.calls -= 1
            raise StoreUnavailable
        return answer


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
async def test_an_attempt_is_offered_until_the_store_takes_it(desk, after):
    away = Away(desk.db, "record_attempts", after=after)
    desk.outbound = desk.new_outbound(db=away)
    message = await desk.send()
    await desk.carry_out()
    assert (await desk.fresh(message)).status == Status.SENT
    assert len(desk.provider.taken) == len(await desk.attempts()) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
async def test_an_outcome_is_offered_until_the_store_takes_it(desk, after):
    away = Away(desk.db, "write", after=after)
    desk.outbound = desk.new_outbound(outcomes_db=away)
    message = await desk.send()
    await desk.carry_out()
    assert (await desk.fresh(message)).status == Status.SENT
    assert len(desk.provider.taken) == 1
    assert desk.outbound.slots.held == frozenset()


async def test_a_batch_that_could_not_be_begun_holds_nothing(desk):
    """Its rows become strays, which are given back."""
    desk.outbound = desk.new_outbound(db=Away(desk.db, "get_credentials"))
    await desk.send()
    claimed = await desk.claim()
    with pytest.raises(StoreUnavailable):
        await desk.outbound.begin(claimed, time.monotonic())
    assert desk.outbound.slots.held == frozenset()


# --- stopping ---------------------------------------------------------------------------------------------------------


async def test_draining_waits_for_a_send_in_flight(desk):
    answer = asyncio.Event()

    class Slow:
        async def send(self, _message, guard):
            guard()
            await answer.wait()
            return SendReceipt("x")

    desk.played.provider = Slow()
    message = await desk.send()
    await desk.outbound.begin(await desk.claim(), time.monotonic())
    draining = asyncio.create_task(desk.outbound.drain(10.0))
    await asyncio.sleep(0)
    answer.set()
    await draining
    assert (await desk.fresh(message)).status == Status.SENT


async def test_what_is_still_out_when_patience_ends_is_no_success(desk):
    class Endless:
        async def send(self, _message, guard):
            guard()
            await asyncio.Event().wait()

    desk.played.provider = Endless()
    message = await desk.send()
    await desk.outbound.begin(await desk.claim(), time.monotonic())
    await desk.outbound.drain(0.01)
    row = await desk.row_of(message)
    assert (row.state, row.attempting) in {(LEASED, True), (PARKED, False)}


async def test_stopping_while_an_attempt_is_being_recorded_leaves_no_unknown(desk):
    """The attempt is committed, so the send it stands for is carried out, not cut off in between."""
    recording, go_on = asyncio.Event(), asyncio.Event()

    class Slowly:
        async def __call__(self, function, *arguments):
            if function.__name__ == "record_attempts":
                recording.set()
                await go_on.wait()
            return await desk.db(function, *arguments)

    desk.outbound = desk.new_outbound(db=Slowly())
    message = await desk.send()
    claimed = await desk.claim()
    step = desk.outbound.begin(claimed, time.monotonic())
    await recording.wait()
    step.cancel()
    await asyncio.wait([step])
    draining = asyncio.create_task(desk.outbound.drain(10.0))
    await asyncio.sleep(0)
    go_on.set()
    await draining
    assert (await desk.fresh(message)).status == Status.SENT
    assert len(desk.provider.taken) == 1


async def test_an_abandoned_attempt_that_the_store_never_took_is_not_waited_for(desk):
    desk.outbound = desk.new_outbound(db=Away(desk.db, "record_attempts", calls=10**9))
    await desk.send()
    claimed = await desk.claim()
    step = desk.outbound.begin(claimed, time.monotonic())
    await until(lambda: desk.outbound.slots.held)
    step.cancel()
    await asyncio.wait([step])
    async with asyncio.timeout(5):
        await desk.outbound.drain(0.05)
    assert desk.provider.tried == []
