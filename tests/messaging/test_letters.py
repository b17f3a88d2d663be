"""Dead letters as a work list: filtered, grouped by cause, and revived all at once without a second knock."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from hailgate.advice import ADVICE, ANY_OTHER
from hailgate.core.delivery import Action
from hailgate.core.status import Status
from hailgate.messaging import letters
from hailgate.messaging.letters import Wanted, find_letters, group_letters, revive_all
from hailgate.messaging.models import Receipt
from hailgate.problems import delivery_codes
from messaging.acting import (
    NOON,
    add_number,
    attempt,
    change,
    change_channel,
    claim,
    decided,
    deliver_all,
    new_worker,
    send,
    tell,
    work_of,
)


@pytest.fixture
def end(wide, worker, clock):
    """Send a message and let it end at its first attempt; returns it."""

    def end(code="rejected", *, action=Action.BURY, to=1, channel=wide, provider_code=""):
        message = send(channel, to)
        [one] = claim(worker)
        attempt(worker, one)
        tell(worker, decided(one, action, code=code)._replace(provider_code=provider_code))
        return message

    return end


def found(channel, /, **wanted) -> set[int]:
    return {work.message_id for work in find_letters(channel.tenant_id, Wanted(**wanted))}


def instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


# --- finding ----------------------------------------------------------------------------------------------------------


def test_letters_are_narrowed_by_each_filter_and_by_all_together(wide, tenant, hook, end, clock):
    other = add_number(tenant, hook, 3)
    change_channel(other, pair_burst=0)
    early = end("rejected")
    clock.forward(3600)
    unknown = end("outcome_unknown", action=Action.PARK, to=2)
    late = end("expired", to=3, channel=other)
    ids = {message.id for message in (early, unknown, late)}
    assert found(wide) == ids
    assert found(wide, state="dead") == {early.id, late.id}
    assert found(wide, state="unknown") == {unknown.id}
    assert found(wide, channel=wide.name) == found(wide, channel=str(wide.uid)) == {early.id, unknown.id}
    assert found(wide, code="expired") == found(wide, channel=other.name) == {late.id}
    assert found(wide, since=instant(NOON + 3600)) == {unknown.id, late.id}
    assert found(wide, until=instant(NOON + 3600)) == {early.id}
    assert found(wide, state="dead", code="rejected", channel=wide.name, until=instant(NOON + 1)) == {early.id}
    assert found(wide, state="unknown", code="rejected") == set()
    assert found(wide, channel="nowhere") == set()


def test_what_is_on_its_way_is_no_letter(wide):
    send(wide)
    assert found(wide) == set()


def test_a_strangers_letters_stay_hidden(wide, stranger, end):
    end()
    assert list(find_letters(stranger.id)) == group_letters(stranger.id) == []
    assert revive_all(stranger.id, Wanted()) == 0


# --- causes -----------------------------------------------------------------------------------------------------------


def test_letters_are_counted_by_cause_with_the_providers_code_the_most_frequent_first(wide, end, clock):
    for to in range(3):
        end("rejected", to=to, provider_code="131009")
        clock.forward(60)
    end("rejected", to=7, provider_code="131051")
    end("outcome_unknown", action=Action.PARK, to=8)
    causes = group_letters(wide.tenant_id)
    assert [(cause.state, cause.code, cause.provider_code, cause.count) for cause in causes] == [
        ("dead", "rejected", "131009", 3),
        ("dead", "rejected", "131051", 1),
        ("unknown", "outcome_unknown", "", 1),
    ]
    first = causes[0]
    assert first.reason == "The provider refuses this message for good."
    assert first.advice == ADVICE["rejected"]
    assert (first.oldest_at, first.newest_at - first.oldest_at) == (instant(NOON), timedelta(minutes=2))


def test_every_end_that_is_documented_has_its_advice():
    assert {code.code for code in delivery_codes()} <= ADVICE.keys()


def test_a_code_that_nobody_documents_still_has_an_advice(wide, end):
    end("a_plug_ins_own")
    [cause] = group_letters(wide.tenant_id)
    assert (cause.reason, cause.advice) == ("", ANY_OTHER)


# --- reviving ---------------------------------------------------------------------------------------------------------


def test_all_that_match_are_sent_again_once_and_in_order(wide, worker, end, monkeypatch):
    monkeypatch.setattr(letters, "REVIVED_AT_ONCE", 3)
    rows = [end("expired") for _ in range(8)]
    other = end("rejected", to=2)
    assert revive_all(wide.tenant_id, Wanted(code="expired")) == 8
    assert [one.message_id for one in deliver_all(worker)] == [row.id for row in rows]
    assert found(wide) == {other.id}


def test_the_unknown_are_revived_only_by_name(wide, end):
    unknown = end("outcome_unknown", action=Action.PARK)
    assert revive_all(wide.tenant_id, Wanted()) == 0
    assert found(wide) == {unknown.id}
    assert revive_all(wide.tenant_id, Wanted(state="unknown")) == 1


def test_what_was_proven_sent_is_passed_over(wide, worker, end):
    """And does not hold up those behind it."""
    proven, dead = end(to=1), end(to=2)
    change(proven, status=Status.DELIVERED.value)
    assert revive_all(wide.tenant_id, Wanted()) == 1
    assert [one.message_id for one in deliver_all(worker)] == [dead.id]


def test_the_revived_keep_to_their_channels_rate(wide, worker, end, clock):
    for to in range(30):
        end(to=to)
    change_channel(wide, rate_interval=0.1, rate_burst=1, rate_tat=0.0)
    revive_all(wide.tenant_id, Wanted())
    sent = 0
    for _ in range(10):
        sent += len(deliver_all(worker))
        clock.forward(0.1)
    assert sent == 10


def test_two_operators_who_revive_all_at_once_send_each_once(wide, end, postgresql):
    rows = [end(to=to) for to in range(40)]
    together, counts, sent = threading.Barrier(3), [], []

    def revive() -> None:
        together.wait(10)
        counts.append(revive_all(wide.tenant_id, Wanted()))
        connections.close_all()

    def deliver() -> None:
        mine = new_worker()
        together.wait(10)
        for _ in range(40):
            sent.extend(one.message_id for one in deliver_all(mine))
        connections.close_all()

    threads = [threading.Thread(target=play) for play in (revive, revive, deliver)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.extend(one.message_id for one in deliver_all(new_worker()))
    assert sorted(sent) == sorted(row.id for row in rows)
    assert sum(counts) == Receipt.objects.filter(tenant_id=wide.tenant_id, event="revived").count() == 40
    assert [row for row in rows if work_of(row)] == []
