"""Dead letters as a work list: filtered, grouped by cause, and revived all at once without a second knock."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from hailgate.core.delivery import Action
from hailgate.core.errors import Conflict
from hailgate.core.status import Status
from hailgate.delivery_codes import ADVICE, ANY_OTHER, advise, explain, list_codes, list_provider_codes
from hailgate.messaging.deadletters import dead_letters
from hailgate.messaging.deadletters.dead_letters import DeadLetterFilter, find_letters, group_letters, revive_all
from hailgate.messaging.deadletters.deeds import Again, dismiss_failures, settle_unknown
from hailgate.messaging.models import Receipt
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.providers import cloud
from messaging.acting import (
    NOON,
    add_number,
    apply,
    attempt,
    change,
    change_channel,
    claim,
    decided,
    deliver,
    deliver_all,
    fresh,
    messages,
    new_worker,
    send,
    tell,
    told,
    work_of,
)

AGAIN = Again(86_400.0, "a test")


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
    return {letter.pk for letter in find_letters(channel.tenant_id, DeadLetterFilter(**wanted))}


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
    assert revive_all(stranger.id, DeadLetterFilter(), AGAIN.send) == 0


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
    assert {code.code for code in list_codes()} <= ADVICE.keys()


def test_what_a_provider_says_of_a_code_is_its_own_words_before_ours(wide, end):
    end("channel_unauthorized")
    [cause] = group_letters(wide.tenant_id)
    note = cloud.SPEC.codes["channel_unauthorized"]
    assert (cause.reason, cause.advice) == (note.sentence, note.advice) != ("", ADVICE["channel_unauthorized"])
    assert advise("channel_unauthorized") == ADVICE["channel_unauthorized"]


def test_a_code_of_one_provider_is_explained_where_nobody_says_which_provider_it_was():
    for provider in list_provider_codes():
        for code, note in provider.notes.items():
            assert (explain(code, provider.name), advise(code, provider.name)) == (note.sentence, note.advice)
            assert explain(code)


def test_a_code_that_nobody_documents_still_has_an_advice(wide, end):
    end("a_plug_ins_own")
    [cause] = group_letters(wide.tenant_id)
    assert (cause.reason, cause.advice) == ("", ANY_OTHER)


# --- reviving ---------------------------------------------------------------------------------------------------------


def test_all_that_match_are_sent_again_once_and_in_order(wide, worker, end, monkeypatch):
    monkeypatch.setattr(dead_letters, "REVIVED_AT_ONCE", 3)
    rows = [end("expired") for _ in range(8)]
    other = end("rejected", to=2)
    assert revive_all(wide.tenant_id, DeadLetterFilter(code="expired"), AGAIN.send) == 8
    assert [one.message_id for one in deliver_all(worker)] == [row.id for row in rows]
    assert found(wide) == {other.id}


def test_the_unknown_are_revived_only_by_name(wide, end):
    unknown = end("outcome_unknown", action=Action.PARK)
    assert revive_all(wide.tenant_id, DeadLetterFilter(), AGAIN.send) == 0
    assert found(wide) == {unknown.id}
    assert revive_all(wide.tenant_id, DeadLetterFilter(state="unknown"), AGAIN.send) == 1


def test_what_was_proven_sent_is_passed_over(wide, worker, end):
    """And does not hold up those behind it."""
    proven, dead = end(to=1), end(to=2)
    change(proven, status=Status.DELIVERED.value)
    assert revive_all(wide.tenant_id, DeadLetterFilter(), AGAIN.send) == 1
    assert [one.message_id for one in deliver_all(worker)] == [dead.id]


def test_the_revived_keep_to_their_channels_rate(wide, worker, end, clock):
    for to in range(30):
        end(to=to)
    change_channel(wide, rate_interval=0.1, rate_burst=1, rate_tat=0.0)
    revive_all(wide.tenant_id, DeadLetterFilter(), AGAIN.send)
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
        counts.append(revive_all(wide.tenant_id, DeadLetterFilter(), AGAIN.send))
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


# --- after acceptance -------------------------------------------------------------------------------------------------


@pytest.fixture
def refused_later(wide, worker):
    """A message that its provider took, and told a failure of afterwards."""
    message = send(wide)
    [one] = claim(worker)
    deliver(worker, one)
    apply(wide, told(wide, Status.FAILED, f"wamid.{message.uid}", code="131026"))
    return message


def test_a_failure_that_is_told_later_is_on_the_list_with_its_cause(wide, refused_later):
    [letter] = find_letters(wide.tenant_id)
    assert (letter.pk, letter.state, letter.tries) == (refused_later.id, "failed", 1)
    [cause] = group_letters(wide.tenant_id)
    assert (cause.state, cause.code, cause.provider_code) == ("failed", "131026", "131026")
    assert cause.advice == ADVICE["recipient_unreachable"]
    assert cause.remedy == "again"


def test_again_after_acceptance_is_a_new_message_that_names_the_old_one(wide, worker, refused_later):
    assert AGAIN.send(wide.tenant_id, [refused_later.id]) == [refused_later.id]
    assert AGAIN.send(wide.tenant_id, [refused_later.id]) == []
    assert fresh(refused_later).status == Status.FAILED
    [again] = messages(wide.tenant_id, again_of=refused_later.id)
    assert (again.content, again.address) == (refused_later.content, refused_later.address)
    assert list(find_letters(wide.tenant_id)) == []
    assert [one.message_id for one in deliver_all(worker)] == [again.id]


@pytest.mark.parametrize("which", ["the old one", "the new one"])
def test_that_one_of_the_two_arrived_is_told_at_both(wide, worker, refused_later, which):
    AGAIN.send(wide.tenant_id, [refused_later.id])
    deliver_all(worker)
    [again] = messages(wide.tenant_id, again_of=refused_later.id)
    arrived, other = (refused_later, again) if which == "the old one" else (again, refused_later)
    for status in (Status.DELIVERED, Status.READ):
        apply(wide, told(wide, status, f"wamid.{arrived.uid}"))
    events = Receipt.objects.filter(tenant_id=wide.tenant_id, message_id=other.id).values_list("event", flat=True)
    assert list(events).count("other_delivered") == 1
    assert fresh(arrived).status == Status.READ


def test_what_was_cancelled_or_arrived_after_all_is_no_failure(wide, worker, refused_later):
    apply(wide, told(wide, Status.DELIVERED, f"wamid.{refused_later.uid}"))
    cancel_message(wide.tenant_id, send(wide, 2).uid)
    assert list(find_letters(wide.tenant_id)) == []


def test_a_failure_is_dismissed_once_and_keeps_its_end(wide, end, refused_later):
    dead = end("rejected", to=5)
    assert dismiss_failures(wide.tenant_id, [dead.uid, refused_later.uid], "a test") == [refused_later.uid, dead.uid]
    assert dismiss_failures(wide.tenant_id, [dead.uid], "a test") == []
    assert list(find_letters(wide.tenant_id)) == []
    assert fresh(dead).code == "rejected"


def test_an_unknown_one_is_settled_as_sent_and_its_followers_go_on(wide, worker, end):
    unknown = end("outcome_unknown", action=Action.PARK)
    follower = send(wide)
    settle_unknown(wide.tenant_id, unknown.uid, sent=True)
    assert (fresh(unknown).status, fresh(unknown).unknown) == (Status.SENT, False)
    assert [one.message_id for one in deliver_all(worker)] == [follower.id]
    with pytest.raises(Conflict):
        settle_unknown(wide.tenant_id, unknown.uid, sent=True)


def test_or_as_not_sent_and_is_a_letter_like_any_other(wide, worker, end):
    unknown = end("outcome_unknown", action=Action.PARK)
    settle_unknown(wide.tenant_id, unknown.uid, sent=False)
    [letter] = find_letters(wide.tenant_id)
    assert (letter.state, letter.end_code) == ("dead", "not_sent")
    assert AGAIN.send(wide.tenant_id, [unknown.id]) == [unknown.id]
    assert [one.message_id for one in deliver_all(worker)] == [unknown.id]
