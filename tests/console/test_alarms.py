"""The page of alarms."""

import pytest

from hailgate.accounts.alarms import raise_alarm
from hailgate.accounts.models import RaisedAlarm
from hailgate.core.alarms import Alarm, Cause


@pytest.fixture
def raised(channel):
    raise_alarm(Cause(Alarm.CHANNEL_PAUSED, f"channel:{channel.uid}", channel.tenant_id))
    raise_alarm(Cause(Alarm.DISK_LOW, "host:here"))
    return RaisedAlarm.objects.get(code="channel_paused")


def test_an_owner_sees_the_tenants_alarms_with_the_channels_name(owner, raised):
    page = owner.text("alarms")
    assert Alarm.CHANNEL_PAUSED.sentence in page
    assert "front desk" in page
    assert Alarm.DISK_LOW.sentence not in page


def test_a_command_stands_in_its_own_letters_and_not_in_backticks(owner, raised):
    page = owner.text("alarms")
    assert "<code>hailgate channel set</code>" in page
    assert "`" not in page


def test_who_owns_the_installation_sees_its_alarms_too(owner, olivia, raised):
    olivia.is_superuser = True
    olivia.save()
    assert Alarm.DISK_LOW.sentence in owner.text("alarms")


def test_seen_to_it_is_over(owner, raised):
    assert owner.post(f"alarms/{raised.uid.hex}/clear", part=False).status_code == 302
    raised.refresh_from_db()
    assert raised.cleared_at is not None


def test_others_neither_see_nor_clear_it(agent, eve, raised):
    assert agent.get("alarms").status_code == 403
    assert Alarm.CHANNEL_PAUSED.sentence not in eve.text("alarms")
    assert eve.post(f"alarms/{raised.uid.hex}/clear", part=False).status_code == 404


def test_the_overview_counts_them(owner, raised):
    assert 'class="hot"><dt>Alarms</dt><dd>1</dd>' in owner.text("overview")
