"""Looking for messages whose outcome is unknown: what ends them, and what does not."""

import pytest

from hailgate.core.errors import OutcomeUnknown, RecipientUnconfirmed, RecipientUnreachable
from hailgate.core.evidence import LAST_LOOK_S, MOST_ASKED, Looks, Verdict
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.models import Contact, Receipt, Search, WorkKind, WorkState
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.outbound.search import (
    STILL_UNKNOWN,
    begin_searches,
    claim_searches,
    postpone_look,
    record_look,
)
from hailgate.messaging.people.byhand import join_by_hand
from messaging.acting import (
    HOLD_S,
    apply,
    attempt,
    claim,
    claim_one,
    deliver,
    deliver_all,
    failed,
    fresh,
    send,
    tell,
    told,
    work,
    work_of,
    wrote,
)

FINDERS = ["cloud", "wppconnect"]  # as if the first could be asked


@pytest.fixture
def unknown(worker, clock, wide):
    """A message whose outcome is unknown."""
    return lose(worker, send(wide))


def lose(worker, message, error=None):
    lost = claim_one(worker)
    attempt(worker, lost)
    tell(worker, failed(lost, error or OutcomeUnknown()))
    assert work_of(message).state == WorkState.PARKED
    return message


def look(worker, clock):
    """The next look that is due, however long that takes."""
    begin_searches(FINDERS)
    batch = claim_searches(worker, open_room(10))
    if not batch.claims and batch.again_at:
        clock.now = batch.again_at
        batch = claim_searches(worker, open_room(10))
    (only,) = batch.claims
    return only


def people_of(channel):
    return Contact.objects.filter(tenant_id=channel.tenant_id).order_by("id").values_list("uid", flat=True)


def notes_of(message):
    return list(
        Receipt.objects.filter(tenant_id=message.tenant_id, message_id=message.id).values_list("event", flat=True)
    )


def test_only_channels_that_can_be_asked_are_searched(worker, clock, unknown):
    assert begin_searches([]) == 0
    assert begin_searches(["another"]) == 0
    assert begin_searches(FINDERS) == 1
    assert begin_searches(FINDERS) == 0  # once for each attempt


def test_a_look_knows_the_attempt_and_what_else_was_sent(worker, clock, wide):
    before = send(wide)
    deliver(worker, claim_one(worker))
    clock.forward(5)
    message = lose(worker, send(wide))
    looked_for = look(worker, clock)
    assert looked_for.uid == message.uid
    assert looked_for.attempted_at == 1_800_000_005.0
    assert looked_for.known == {fresh(before).provider_id}
    assert looked_for.open_since == 0.0


def test_what_is_found_was_sent_and_its_followers_go_on(worker, clock, wide, unknown):
    follower = send(wide)
    assert claim(worker) == []
    assert record_look(worker, look(worker, clock), Verdict.SENT, Looks(0.0, 1), "found.1")
    after = fresh(unknown)
    assert (after.provider_id, after.status, after.unknown) == ("found.1", Status.SENT, False)
    assert work_of(unknown) is None
    assert claim_one(worker).message_id == follower.id
    assert notes_of(unknown) == ["sent"]
    assert work(unknown.tenant_id, kind=WorkKind.LOOK) == []


def test_what_is_absent_is_sent_again_in_its_place(worker, clock, wide, unknown):
    follower = send(wide)
    record_look(worker, look(worker, clock), Verdict.ABSENT, Looks(0.0, 3, 3))
    assert (fresh(unknown).unknown, fresh(unknown).status) == (False, Status.QUEUED)
    again = claim_one(worker)
    assert (again.message_id, again.attempt_no) == (unknown.id, 2)
    deliver(worker, again)
    assert claim_one(worker).message_id == follower.id
    assert notes_of(unknown) == ["absent"]


def test_what_is_absent_of_one_who_was_joined_to_another_is_sent_again_at_once(worker, clock, wide):
    """Its delivery stands under the root's key, and the message under its own conversation."""
    apply(wide, wrote(wide, 1))
    apply(wide, wrote(wide, 2))
    lost = lose(worker, send(wide, 2))
    clock.forward(HOLD_S + 1)
    assert join_by_hand(wide.tenant_id, *people_of(wide), "somebody")
    assert work_of(lost).key != lost.conversation_id
    record_look(worker, look(worker, clock), Verdict.ABSENT, Looks(0.0, 3, 3))
    assert claim_one(worker).message_id == lost.id


def test_what_one_got_in_a_conversation_that_was_joined_is_no_candidate(worker, clock, wide):
    apply(wide, wrote(wide, 1))
    apply(wide, wrote(wide, 2))
    got = send(wide, 1)
    deliver_all(worker)
    lost = lose(worker, send(wide, 2))
    clock.forward(HOLD_S + 1)
    join_by_hand(wide.tenant_id, *people_of(wide), "somebody")
    looked = look(worker, clock)
    assert (looked.uid, looked.known) == (lost.uid, {fresh(got).provider_id})
    record_look(worker, looked, Verdict.SENT, looked.looks, fresh(got).provider_id)
    assert fresh(lost).unknown


def test_its_life_goes_on_while_it_is_looked_for(worker, clock, wide, unknown):
    expires_at = work_of(unknown).expires_at
    assert expires_at is not None
    record_look(worker, look(worker, clock), Verdict.ABSENT, Looks(0.0, 3, 3))
    assert work_of(unknown).expires_at == expires_at


def test_a_second_unknown_attempt_is_searched_anew(worker, clock, unknown):
    record_look(worker, look(worker, clock), Verdict.ABSENT, Looks(0.0, 3, 3))
    lose(worker, unknown)
    again = look(worker, clock)
    assert (again.attempt_no, again.looks.count, again.looks.empty) == (2, 0, 0)
    assert Search.objects.filter(tenant_id=unknown.tenant_id).count() == 1


def test_an_absent_message_to_a_doubtful_number_is_never_queued_again(worker, clock, wide):
    message = lose(worker, send(wide), RecipientUnconfirmed())
    record_look(worker, look(worker, clock), Verdict.ABSENT, Looks(0.0, 3, 3))
    after = fresh(message)
    assert (after.status, after.code, after.unknown) == (Status.FAILED, RecipientUnreachable.code, False)
    assert work_of(message).state == WorkState.DEAD


@pytest.mark.parametrize("verdict", [Verdict.AMBIGUOUS, Verdict.GIVEN_UP])
def test_without_evidence_it_stays_unknown_for_a_person(worker, clock, unknown, verdict):
    record_look(worker, look(worker, clock), verdict, Looks(0.0, 1))
    row = work_of(unknown)
    assert (row.state, row.detail) == (WorkState.PARKED, STILL_UNKNOWN[verdict])
    assert fresh(unknown).unknown
    assert begin_searches(FINDERS) == 0
    assert send_again(unknown.tenant_id, [row.id]) == [row.id]


def test_an_open_look_is_followed_by_another_which_remembers(worker, clock, unknown):
    first = look(worker, clock)
    record_look(worker, first, Verdict.OPEN, Looks(first.looks.since, 1, 1, clock.now))
    second = look(worker, clock)
    assert (second.looks.count, second.looks.empty) == (1, 1)
    postpone_look(worker, second, "The server is away.")
    assert look(worker, clock).looks.count == 1  # no look was taken


def test_a_provider_that_does_not_answer_is_asked_ever_less_often(worker, clock, unknown):
    waits = []
    for _ in range(MOST_ASKED + 2):
        begun = clock.now
        missed = look(worker, clock)
        waits.append(clock.now - begun)
        postpone_look(worker, missed, "The session is away.")
    assert waits[:7] == [2.0, 4.0, 8.0, 16.0, 32.0, LAST_LOOK_S, LAST_LOOK_S]
    assert waits[-1] == LAST_LOOK_S
    answered = look(worker, clock)
    record_look(worker, answered, Verdict.OPEN, Looks(answered.looks.since, 1))
    begun = clock.now
    look(worker, clock)
    assert clock.now - begun == 4.0  # as after any first look


def test_a_status_that_comes_meanwhile_wins(worker, clock, wide, unknown):
    looked_for = look(worker, clock)
    apply(wide, told(wide, Status.DELIVERED, "proof.1", tracker=f"{unknown.uid}.1"))
    from hailgate.messaging.outbound.parked import settle_parked

    settle_parked()
    assert not record_look(worker, looked_for, Verdict.ABSENT, Looks(0.0, 3, 3))
    assert fresh(unknown).status == Status.DELIVERED
    assert work(unknown.tenant_id) == []


def test_whoever_sent_it_again_by_hand_is_not_overruled(worker, clock, unknown):
    looked_for = look(worker, clock)
    send_again(unknown.tenant_id, [work_of(unknown).id])
    assert not record_look(worker, looked_for, Verdict.ABSENT, Looks(0.0, 3, 3))
    deliver(worker, claim_one(worker))
    assert work(unknown.tenant_id) == []


def test_a_search_whose_message_was_settled_ends_at_its_next_look(worker, clock, unknown):
    begin_searches(FINDERS)
    row = work_of(unknown)
    send_again(unknown.tenant_id, [row.id])
    deliver(worker, claim_one(worker))
    clock.forward(60)
    assert claim_searches(worker, open_room(10)).claims == []
    assert work(unknown.tenant_id, kind=WorkKind.LOOK) == []


def test_looks_outlive_the_worker_that_took_them(worker, clock, unknown):
    from hailgate.messaging.outbound.failover import declare_dead
    from messaging.acting import LEASE_S, let_expire, new_worker

    look(worker, clock)
    let_expire(worker)
    other = new_worker()
    declare_dead(worker, LEASE_S, HOLD_S)
    assert look(other, clock).uid == unknown.uid


def test_one_message_is_found_once(worker, clock, wide):
    """Of two that are alike, each gets an id of its own: what another look took meanwhile is no candidate."""
    first = lose(worker, send(wide, 1, "same"))
    clock.forward(HOLD_S + 1)
    second = lose(worker, send(wide, 1, "same"))
    begin_searches(FINDERS)
    clock.forward(10)
    claims = claim_searches(worker, open_room(10)).claims
    assert {one.uid for one in claims} == {first.uid, second.uid}
    for one in claims:
        record_look(worker, one, Verdict.SENT, one.looks, "the.only.one")
    [left] = [message for message in (first, second) if fresh(message).unknown]
    again = look(worker, clock)
    assert (again.uid, again.known) == (left.uid, {"the.only.one"})
