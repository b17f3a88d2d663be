"""The queue as a page that follows."""

import re

import pytest

from hailgate.console.operations import queue
from hailgate.console.operations.overview import look_over
from hailgate.console.operations.queue import Counts, count_shown, look_at
from hailgate.core.status import Status
from hailgate.messaging.channels.admin import pause_channel
from hailgate.messaging.models import Message


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Nothing is remembered from another test."""
    monkeypatch.setattr(queue, "_counts", Counts(count_shown))


def test_each_channel_says_what_stands_where(tenant, told, channel):
    found = look_at(tenant.pk, count_shown(tenant.pk))
    [row] = found.channels
    assert (row.channel.name, row.to_send, row.sending, row.dead, row.unknown) == ("front desk", 1, 0, 1, 1)
    assert (found.to_send, found.stopped) == (1, 2)


def test_it_counts_what_failed_after_its_provider_took_it_as_the_overview_does(tenant, told, channel):
    Message.objects.filter(tenant_id=tenant.pk, pk=told.delivered.pk).update(status=Status.FAILED, code="131026")
    shown, overview = look_at(tenant.pk, count_shown(tenant.pk)), look_over(tenant.pk)
    assert shown.stopped == overview.dead + overview.parked == 3


def test_the_page_and_its_part_show_it(owner, told):
    page, part = owner.text("queue"), owner.text("queue", part=True)
    assert "<html" in page
    assert "<html" not in part
    for shown in (page, part):
        assert re.findall(r'data-chart="(all|[0-9a-f]{32})" data-value="(\d+)"', shown)[0] == ("all", "1")
        assert "front desk" in shown


def test_what_holds_a_channel_is_said(owner, channel, told):
    pause_channel(channel.tenant_id, channel.uid)
    assert "By hand." in owner.text("queue")


def test_pausing_there_comes_back_there(owner, channel):
    answer = owner.post(f"channels/{channel.uid.hex}/pause", {"back": "queue"})
    assert answer.headers["Location"] == "/console/queue"
    answer = owner.post(f"channels/{channel.uid.hex}/resume", {"back": "//evil.example"})
    assert answer.headers["Location"] == "/console/channels"


def test_agents_look_and_strangers_see_nothing(agent, eve, told):
    assert "front desk" in agent.text("queue")
    assert "/pause" not in agent.text("queue")
    assert "front desk" not in eve.text("queue")


def test_many_who_look_ask_the_store_once():
    asked = []
    counts = Counts(lambda tenant_id: asked.append(tenant_id) or [])
    for _ in range(5):
        counts.of(1)
        counts.of(2)
    assert asked == [1, 2]
