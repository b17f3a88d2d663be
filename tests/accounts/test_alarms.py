"""An alarm is one row, told once; what comes back soon is the same one."""

import pytest

from hailgate.accounts import alarms
from hailgate.accounts.alarms import (
    claim_notices,
    clear_alarm,
    find_alarms,
    raise_alarm,
    record_told,
    settle,
    tell_later,
)
from hailgate.accounts.models import RaisedAlarm
from hailgate.core.alarms import Alarm, Cause
from hailgate.telemetry.events import Event
from hailgate.telemetry.metrics import ALARMS

PAUSED = Cause(Alarm.CHANNEL_PAUSED, "channel:1")


@pytest.fixture
def at(monkeypatch):
    """Turns the time that alarms are raised at."""
    clock = [1_800_000_000.0]
    monkeypatch.setattr(alarms.time, "time", lambda: clock[0])

    def forward(seconds: float) -> None:
        clock[0] += seconds

    return forward


def standing() -> list[tuple[str, str]]:
    return list(RaisedAlarm.objects.filter(cleared_at=None).order_by("id").values_list("code", "subject"))


def test_raised_again_it_is_one_row_one_line_and_one_count(store, capture_log):
    before = ALARMS.labels(code="channel_paused")._value.get()
    assert [raise_alarm(PAUSED) for _ in range(3)] == [True, False, False]
    assert RaisedAlarm.objects.get().times == 3
    assert ALARMS.labels(code="channel_paused")._value.get() == before + 1
    assert [line["event"] for line in capture_log] == [Event.ALARM_RAISED]


def test_what_comes_back_soon_is_the_same_alarm_and_is_not_told_again(store, at):
    raise_alarm(PAUSED)
    record_told(claim_notices())
    assert clear_alarm(PAUSED)
    at(60)
    assert not raise_alarm(PAUSED)
    assert claim_notices() == []
    clear_alarm(PAUSED)
    at(alarms.QUIET_S + 1)
    assert raise_alarm(PAUSED)
    assert len(claim_notices()) == 1


def test_settling_raises_what_is_new_and_clears_what_is_gone(store):
    raise_alarm(PAUSED)
    raise_alarm(Cause(Alarm.STORE_AWAY))
    settle([Cause(Alarm.PROVIDER_DOWN, "channel:2")], (Alarm.CHANNEL_PAUSED, Alarm.PROVIDER_DOWN))
    assert standing() == [("store_away", ""), ("provider_down", "channel:2")]


def test_settling_one_host_leaves_those_of_others(store):
    raise_alarm(Cause(Alarm.DISK_LOW, "host:a"))
    raise_alarm(Cause(Alarm.DISK_LOW, "host:b"))
    settle((), (Alarm.DISK_LOW,), "host:a")
    assert standing() == [("disk_low", "host:b")]


def test_what_stands_already_is_not_written_again(store, django_assert_writes):
    raise_alarm(PAUSED)
    with django_assert_writes() as writes:
        settle([PAUSED], (Alarm.CHANNEL_PAUSED,))
    assert writes == []


@pytest.fixture
def django_assert_writes():
    from contextlib import contextmanager

    from django.db import connection

    @contextmanager
    def listen():
        writes: list[str] = []

        def note(execute, statement, params, many, context):
            if not str(statement).lstrip().upper().startswith("SELECT"):
                writes.append(str(statement))
            return execute(statement, params, many, context)

        with connection.execute_wrapper(note):
            yield writes

    return listen


def test_a_notice_whose_process_ended_before_it_was_told_comes_again(store, at):
    raise_alarm(PAUSED)
    [claimed] = claim_notices()
    at(alarms.CLAIM_S + 1)
    assert claim_notices() == [claimed]
    record_told([claimed])
    at(1e6)
    assert claim_notices() == []


def test_a_notice_is_given_out_once_and_again_later_where_it_failed(store, at):
    raise_alarm(PAUSED)
    [notice] = claim_notices()
    assert claim_notices() == []
    for _ in range(alarms.MOST_TELLS - 1):
        tell_later([notice])
        assert claim_notices() == []
        at(alarms.TELL_AGAIN_S * 2**notice.tries)
        [notice] = claim_notices()
    tell_later([notice])
    at(1e6)
    assert claim_notices() == []
    assert standing() == [("channel_paused", "channel:1")]


def test_a_tenants_alarms_are_its_own(store, tenant):
    raise_alarm(Cause(Alarm.DEAD_LETTERS, "tenant:1", tenant.pk))
    raise_alarm(Cause(Alarm.DISK_LOW, "host:a"))
    assert [row.code for row in find_alarms(tenant.pk)] == ["dead_letters"]
    assert {row.code for row in find_alarms(tenant.pk, installation=True)} == {"dead_letters", "disk_low"}
    assert list(find_alarms(tenant.pk + 1)) == []
