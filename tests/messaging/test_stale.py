"""A send of which nothing was heard for an hour is marked; what waited for its turn, or has a status, is not (R38)."""

import pytest

from hailgate.core.status import Status
from hailgate.messaging.models import Message
from hailgate.messaging.outbound.stale import STALE_AFTER_S, find_stale
from messaging.acting import apply, claim, deliver_all, execute, fresh, send, told

SENT = 100


def stale(channel, after: float = STALE_AFTER_S + 1.0) -> set[int]:
    """The ids, ``after`` so many seconds."""
    [(now,)] = execute("SELECT max(started_at) FROM messaging_attempt") or [(0.0,)]
    messages = list(Message.objects.filter(tenant_id=channel.tenant_id).select_related("conversation", "channel"))
    return set(find_stale(channel.tenant_id, messages, (now or 0.0) + after))


@pytest.fixture
def sent(worker, channel) -> list[Message]:
    made = [send(channel, to, "hello") for to in range(1, 4)]
    deliver_all(worker)
    return [fresh(each) for each in made]


def test_what_nobody_spoke_of_for_an_hour_is_stale(channel, sent):
    assert stale(channel, STALE_AFTER_S - 1.0) == set()
    assert stale(channel) == {each.pk for each in sent}


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED])
def test_any_step_that_was_told_ends_it(channel, sent, status):
    apply(channel, told(channel, status, sent[0].provider_id))
    assert stale(channel) == {each.pk for each in sent[1:]}


def test_what_waits_or_is_unknown_is_not_sent_and_so_not_stale(worker, channel):
    send(channel, 1, "hello")
    assert stale(channel) == set()
    claim(worker)
    assert stale(channel) == set()


def test_what_waited_long_for_its_turn_counts_from_its_attempt(channel, sent):
    execute("UPDATE messaging_message SET accepted_at = accepted_at - 86400")
    assert stale(channel, STALE_AFTER_S - 1.0) == set()
    assert len(stale(channel)) == len(sent)


def test_a_hundred_sends_that_a_server_only_said_to_have_sent_are_all_marked(worker, wide):
    """The server answers 200 and sends nothing; of every other one it tells a step."""
    made = [send(wide, to, "hello") for to in range(1, SENT + 1)]
    deliver_all(worker)
    for each in made[::2]:
        apply(wide, told(wide, Status.SENT, fresh(each).provider_id))
    found = stale(wide)
    print(f"stale: {len(found)} of {SENT}")
    assert found == {each.pk for each in made[1::2]}


def test_another_tenants_rows_prove_nothing(channel, sent):
    messages = list(Message.objects.filter(tenant_id=channel.tenant_id))
    assert find_stale(channel.tenant_id + 1, messages, sent[0].accepted_at.timestamp() + 2 * STALE_AFTER_S) == set()
