"""What has had its time goes in small batches; what is still needed stays, and hides nothing behind it."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session

from hailgate.accounts.alarms import clear_alarm, raise_alarm
from hailgate.accounts.models import RaisedAlarm
from hailgate.core.alarms import Alarm, Cause
from hailgate.core.delivery import Action
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.models import Attempt, Effect, EventState, WebhookEvent
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.upkeep import purge
from hailgate.messaging.upkeep.purge import DAY_S, Housekeeping, RetentionPeriods
from messaging.acting import (
    NOON,
    apply,
    attempt,
    claim_one,
    decided,
    deliver,
    execute,
    hook_id_of,
    messages,
    send,
    tell,
    wrote,
)


@pytest.fixture
def keep(monkeypatch):
    """One round in batches of three; returns how many steps it took."""
    monkeypatch.setattr(purge, "AT_ONCE", 3)

    def keep(kept: RetentionPeriods = RetentionPeriods()) -> int:  # noqa: B008 -- immutable
        house, steps = Housekeeping(kept), 1
        while house.some():
            steps += 1
        return steps

    return keep


def webhooks(channel, count: int) -> None:
    hook = hook_id_of(channel)
    store_webhooks([ReceivedWebhook(uuid7(), channel.tenant_id, hook, "{}", b"{}") for _ in range(count)])


def events(channel) -> list[WebhookEvent]:
    return list(WebhookEvent.objects.filter(tenant_id=channel.tenant_id).order_by("id"))


def understand(channel, *places: int) -> None:
    ids = [event.id for place, event in enumerate(events(channel)) if place in places]
    WebhookEvent.objects.filter(tenant_id=channel.tenant_id, id__in=ids).update(state=EventState.DONE)


def test_webhooks_go_after_their_days_and_what_waits_to_be_understood_stays(wide, clock, keep):
    webhooks(wide, 10)
    understand(wide, *range(4, 10))
    clock.forward(30 * DAY_S + 1)
    webhooks(wide, 2)
    understand(wide, 4, 5, 6, 7, 8, 9, 10, 11)
    keep()
    assert [event.state for event in events(wide)] == [EventState.PENDING] * 4 + [EventState.DONE] * 2


def test_nothing_young_goes(wide, clock, keep):
    webhooks(wide, 5)
    understand(wide, *range(5))
    clock.forward(30 * DAY_S - 1)
    keep()
    assert len(events(wide)) == 5


def test_a_batch_is_small_and_a_walk_ends_at_the_first_young_row(wide, clock, keep, django_executes):
    webhooks(wide, 9)
    understand(wide, *range(9))
    clock.forward(30 * DAY_S + 1)
    webhooks(wide, 30)
    with django_executes() as statements:
        keep()
    looks = [one for one in statements if one.startswith("SELECT id, received_at")]
    assert len(looks) == 5


def test_attempts_of_what_is_through_go_and_those_that_explain_a_dead_letter_stay(wide, worker, clock, keep):
    for to in range(5):
        send(wide, to)
        attempt(worker, one := claim_one(worker))
        tell(worker, decided(one, Action.BURY))
    send(wide, 9)
    deliver(worker, claim_one(worker))
    clock.forward(91 * DAY_S)
    keep()
    assert Attempt.objects.filter(tenant_id=wide.tenant_id, outcome="sent").count() == 0
    assert Attempt.objects.filter(tenant_id=wide.tenant_id).count() == 5


def test_sessions_that_ended_go(store, keep):
    now = datetime.now(UTC)
    for place, hours in enumerate((-1, -2, -3, -4, 5)):
        Session.objects.create(session_key=f"s{place}", session_data="", expire_date=now + timedelta(hours=hours))
    keep()
    assert [session.session_key for session in Session.objects.all()] == ["s4"]


def test_alarms_that_are_over_go_after_their_time_and_standing_ones_stay(store, keep):
    past = time.time() - 100 * DAY_S
    for subject in ("a", "b"):
        raise_alarm(Cause(Alarm.CHANNEL_PAUSED, subject))
    raise_alarm(Cause(Alarm.WEBHOOK_BURIED, "c"))
    clear_alarm(Cause(Alarm.CHANNEL_PAUSED, "a"))
    RaisedAlarm.objects.update(last_at=past)
    RaisedAlarm.objects.filter(subject="a").update(cleared_at=past)
    keep()
    assert list(RaisedAlarm.objects.values_list("subject", flat=True)) == ["b"]


def test_where_there_is_nothing_to_do_nothing_but_workers_is_written(wide, clock, keep, django_executes):
    webhooks(wide, 2)
    assert clock.now == NOON
    with django_executes() as statements:
        keep()
    writes = [one for one in statements if one.upper().startswith(("DELETE", "UPDATE", "INSERT"))]
    assert len(writes) == 1
    assert "messaging_worker" in writes[0]


def test_a_retention_can_be_chosen(wide, clock, keep):
    webhooks(wide, 2)
    understand(wide, 0, 1)
    clock.forward(61)
    keep(RetentionPeriods(events_s=60))
    assert execute("SELECT count(*) FROM messaging_webhookevent") == [(0,)]


def effects(channel) -> int:
    return Effect.objects.filter(tenant_id=channel.tenant_id).count()


@pytest.mark.parametrize("days", [0.05, 1.1, 8, 29.9])
def test_what_a_provider_may_repeat_has_no_second_effect(channel, clock, keep, days):
    apply(channel, event := wrote(channel))
    clock.forward(days * DAY_S)
    keep()
    assert apply(channel, event) == "1 repeated"
    assert len(messages(channel.tenant_id)) == 1


def test_what_nobody_repeats_any_more_is_forgotten(channel, clock, keep):
    apply(channel, *(wrote(channel) for _ in range(7)))
    clock.forward(30 * DAY_S + 1)
    apply(channel, wrote(channel))
    keep()
    assert effects(channel) == 1


def test_effects_are_known_as_long_as_the_webhooks_that_told_of_them(channel, clock, keep):
    apply(channel, wrote(channel))
    clock.forward(59 * DAY_S)
    keep(RetentionPeriods(events_s=60 * DAY_S))
    assert effects(channel) == 1


def test_a_repeat_that_waits_to_be_understood_keeps_the_effects_before_it(channel, clock, keep):
    apply(channel, event := wrote(channel))
    clock.forward(7 * DAY_S)
    webhooks(channel, 1)
    clock.forward(25 * DAY_S)
    keep()
    assert apply(channel, event) == "1 repeated"
    understand(channel, 0)
    keep()
    assert effects(channel) == 0
