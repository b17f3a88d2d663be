"""The figures of the store, and the counters beside it: what is committed is counted once, and costs no statement."""

import pytest

from hailgate.core.delivery import Action
from hailgate.core.errors import ProviderUnavailable
from hailgate.messaging.channels.admin import pause_channel
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.accept import accept_messages
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.outbound.expire import bury_expired
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.outbound.new_message import Idempotency
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.upkeep.queue_stats import count_figures, oldest_undone
from hailgate.telemetry.metrics import ACCEPTED, DEAD, PARKED, RATE_LIMITED, of_channel
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    attempt,
    change_channel,
    claim,
    claim_one,
    decided,
    failed,
    hook_id_of,
    let_expire,
    new_message,
    send,
    tell,
)


def shown(metric, channel, **labels) -> float:
    return metric.labels(**of_channel(channel.tenant_id, channel.id), **labels)._value.get()


def test_rows_are_told_by_channel_kind_and_state_with_the_age_of_the_oldest(wide, worker, clock):
    for to in (1, 1, 2):
        send(wide, to)
    clock.forward(60)
    [first, _] = claim(worker)
    attempt(worker, first)
    tell(worker, decided(first, Action.BURY))
    figures = count_figures()
    counted = {(row.kind, row.state): row.number for row in figures.rows}
    assert counted == {
        (WorkKind.DELIVERY, WorkState.DEAD): 1,
        (WorkKind.DELIVERY, WorkState.READY): 1,
        (WorkKind.DELIVERY, WorkState.LEASED): 1,
    }
    assert oldest_undone(figures.rows) == {(wide.tenant_id, wide.id): 60.0}
    assert figures.oldest_ready_s == 60.0


def test_what_is_scheduled_is_not_old(wide, clock):
    send(wide, send_at=clock.now + 3600)
    figures = count_figures()
    assert oldest_undone(figures.rows) == {(wide.tenant_id, wide.id): 0.0}
    assert figures.oldest_ready_s == 0.0


def test_breaker_and_pause_are_told(wide, worker, clock):
    def told():
        [channel] = count_figures().channels
        return channel.breaker, channel.paused

    assert told() == (0, False)
    for to in range(BREAKER.failures):
        send(wide, to)
    for one in claim(worker):
        attempt(worker, one)
        tell(worker, failed(one, ProviderUnavailable("No.")))
    assert told() == (2, False)
    pause_channel(wide.tenant_id, wide.uid)
    assert told() == (2, True)


def test_accepted_are_counted_after_their_commit_and_repeats_are_not(wide):
    before = shown(ACCEPTED, wide)
    message = new_message(wide, idempotency=Idempotency("one", "same"))
    accept_messages([message, new_message(wide, 2)])
    accept_messages([new_message(wide, idempotency=Idempotency("one", "same"))])
    assert shown(ACCEPTED, wide) == before + 2


def test_what_is_rolled_back_is_not_counted(wide):
    from django.db import transaction

    before = shown(ACCEPTED, wide)
    with transaction.atomic():
        accept_messages([new_message(wide)])
        transaction.set_rollback(True)
    assert shown(ACCEPTED, wide) == before


def test_counting_adds_no_statement(wide, django_executes):
    accept_messages([new_message(wide, 1)])
    with django_executes() as one:
        accept_messages([new_message(wide, 1)])
    with django_executes() as many:
        accept_messages([new_message(wide, 1) for _ in range(50)])
    assert len(many) == len(one)


def test_what_expires_unclaimed_is_counted_as_dead(wide, clock):
    before = shown(DEAD, wide, code="expired")
    send(wide, expires_at=clock.now + 5)
    clock.forward(10)
    assert bury_expired() == 1
    assert shown(DEAD, wide, code="expired") == before + 1


def test_what_a_lost_worker_was_sending_is_counted_as_parked(wide, worker, clock):
    before = shown(PARKED, wide)
    send(wide)
    attempt(worker, claim_one(worker))
    let_expire(worker)
    declare_dead(worker, LEASE_S, HOLD_S)
    assert shown(PARKED, wide) == before + 1


def test_what_the_recipients_limit_holds_back_is_counted(wide, worker, clock):
    before = shown(RATE_LIMITED, wide, by="recipient")
    change_channel(wide, pair_interval=6.0, pair_burst=1)
    for _ in range(2):
        send(wide)
    attempt(worker, one := claim_one(worker))
    tell(worker, decided(one, Action.BURY))
    assert claim(worker) == []
    assert shown(RATE_LIMITED, wide, by="recipient") == before + 1


@pytest.mark.parametrize("pending", [0, 3])
def test_webhooks_not_yet_understood_are_counted_with_the_age_of_the_oldest(wide, clock, pending):
    for _ in range(pending):
        store_webhooks([ReceivedWebhook(uuid7(), wide.tenant_id, hook_id_of(wide), "{}", b"{}")])
        clock.forward(10)
    figures = count_figures()
    assert (figures.pending_webhooks, figures.oldest_webhook_s) == (pending, pending * 10.0)
