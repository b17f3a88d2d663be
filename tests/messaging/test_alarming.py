"""What the look round finds, and that it ends with its cause."""

from datetime import UTC, datetime

import pytest

from hailgate.accounts.models import RaisedAlarm
from hailgate.core.alarms import DEAD_GROWTH, DOWN_FAILURES, LONG_REST_S, REJECTED_CALLS, REJECTED_WINDOW_S
from hailgate.core.delivery import Action
from hailgate.core.silence import LEAST_S
from hailgate.edge.doors.rejections import KEPT, Rejection, record_rejected
from hailgate.messaging.channels.admin import change_settings, pause_channel, resume_channel
from hailgate.messaging.models import Hook
from hailgate.messaging.outbound.failover import sign_off
from hailgate.messaging.upkeep.alarm_checks import AlarmChecks, keeps_house
from hailgate.messaging.upkeep.silence import EVERY_S
from messaging.acting import (
    HOLD_S,
    apply,
    attempt,
    change_channel,
    channel_row,
    claim,
    claim_one,
    decided,
    hook_id_of,
    new_worker,
    send,
    tell,
    wrote,
)

DAY_S = 86_400.0


@pytest.fixture
def look(store, clock):
    """Looks round and returns the codes that stand."""
    watchman = AlarmChecks()

    def look() -> list[str]:
        watchman.look_round()
        return sorted(RaisedAlarm.objects.filter(cleared_at=None).values_list("code", flat=True))

    return look


def test_all_is_well(wide, worker, look):
    send(wide)
    assert look() == []


def test_a_channel_that_its_provider_shut_out_is_told_and_one_paused_by_hand_is_not(wide, look):
    pause_channel(wide.tenant_id, wide.uid)
    assert look() == []
    change_channel(wide, paused_reason="channel_unauthorized")
    assert look() == ["channel_paused"]
    resume_channel(wide.tenant_id, wide.uid)
    assert look() == []


@pytest.mark.parametrize(
    ("reason", "code"),
    [("channel_unauthorized", "channel_paused"), ("channel_refused", "channel_paused"),
     ("number_unknown", "channel_paused"), ("account_restricted", "channel_restricted"),
     ("payment_problem", "channel_restricted"), ("number_not_registered", "channel_restricted"),
     ("channel_disconnected", "session_unpaired")],
)  # fmt: skip
def test_a_pause_is_told_by_what_may_end_it(wide, look, reason, code):
    pause_channel(wide.tenant_id, wide.uid)
    change_channel(wide, provider="cloud", paused_reason=reason)
    assert look() == [code]


def test_a_provider_that_stays_down_is_told(wide, clock, look):
    change_channel(wide, breaker_failures=DOWN_FAILURES - 1, breaker_opened_at=clock.now)
    assert look() == []
    change_channel(wide, breaker_failures=DOWN_FAILURES)
    assert look() == ["provider_down"]


def test_a_channel_that_was_told_to_rest_for_long_is_told(wide, clock, look):
    change_channel(wide, ready_at=clock.now + LONG_REST_S)
    assert look() == []
    change_channel(wide, ready_at=clock.now + 3600)
    assert look() == ["channel_rests"]
    clock.forward(3600 - LONG_REST_S)
    assert look() == []


def test_a_channel_that_rests_and_is_paused_by_hand_troubles_nobody(wide, clock, look):
    change_channel(wide, ready_at=clock.now + 3600)
    pause_channel(wide.tenant_id, wide.uid)
    assert look() == []


def test_dead_letters_that_grow_are_told_and_old_ones_are_not(wide, worker, clock, look):
    def die(count: int) -> None:
        for to in range(count):
            send(wide, to)
        for one in claim(worker):
            attempt(worker, one)
            tell(worker, decided(one, Action.BURY))

    die(DEAD_GROWTH)
    assert look() == []
    die(DEAD_GROWTH - 1)
    assert look() == []
    die(1)
    assert look() == ["dead_letters"]
    clock.forward(1_000)
    assert look() == []


def test_an_unknown_outcome_is_told_once_nothing_will_settle_it_by_itself(wide, worker, clock, look):
    send(wide)
    attempt(worker, one := claim_one(worker))
    tell(worker, decided(one, Action.PARK))
    assert look() == []
    clock.forward(HOLD_S)
    assert look() == ["unknown_outcomes"]


def test_many_rejected_calls_are_told(wide, clock, look):
    place = (wide.tenant_id, hook_id_of(wide))
    record_rejected({place: [Rejection(clock.now, "No.", 1)] * (REJECTED_CALLS - 1)})
    assert look() == []
    record_rejected({place: [Rejection(clock.now, "No.", 1)]})
    assert look() == ["webhooks_rejected"]
    assert REJECTED_CALLS < KEPT
    clock.forward(REJECTED_WINDOW_S + 1)
    assert look() == []


def test_one_rejected_call_is_told_where_the_provider_repeats_none(wide, clock, look):
    Hook.objects.filter(tenant_id=wide.tenant_id, pk=hook_id_of(wide)).update(provider="evolution")
    record_rejected({(wide.tenant_id, hook_id_of(wide)): [Rejection(clock.now, "No.", 1)]})
    assert look() == ["webhooks_rejected"]


def test_one_worker_keeps_house_and_the_next_takes_over(store, clock):
    first, second = new_worker(), new_worker()
    assert [keeps_house(first), keeps_house(second)] == [True, False]
    sign_off(first, HOLD_S)
    assert [keeps_house(first), keeps_house(second)] == [False, True]


def test_a_channel_that_falls_silent_is_told_until_it_hears_again(wide, clock, look):
    """Every half hour for eight days, and then nothing."""
    for number in range(8 * 48):
        apply(wide, wrote(wide, number % 7, at=clock.forward(1800.0)))
    assert look() == []
    clock.forward(LEAST_S - 1.0)
    assert look() == []
    clock.forward(EVERY_S)
    assert look() == ["channel_silent"]
    assert look() == ["channel_silent"]
    apply(wide, wrote(wide, 1, at=clock.forward(EVERY_S)))
    assert look() == []


def test_a_version_that_ends_is_told_ninety_days_before_until_another_is_set(channel, clock, look):
    row = channel_row(channel)
    change_settings(row, {"version": "v21.0"})
    clock.now = datetime(2026, 10, 22, tzinfo=UTC).timestamp()
    assert look() == []
    clock.forward(DAY_S)
    assert look() == ["settings_ending"]
    [raised] = RaisedAlarm.objects.filter(tenant_id=channel.tenant_id)
    assert raised.subject == f"channel:{channel.uid}"
    change_settings(row, {"version": "v26.0"})
    clock.forward(EVERY_S)
    assert look() == []


def test_nothing_is_usual_before_a_week_has_passed(wide, clock, look):
    for _ in range(6 * 8):
        apply(wide, wrote(wide, 1, at=clock.forward(3 * 3600.0)))
    clock.forward(30 * 86_400.0)
    assert look() == []
