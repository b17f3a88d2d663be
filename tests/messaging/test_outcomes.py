"""What an attempt came to, for its row, its message, its conversation and its channel."""

import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.delivery import Action, ProviderWaits, RetryPolicy, decide
from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelUnauthorized,
    LeaseLost,
    MessageFault,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    TemplateUnavailable,
)
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.inbound.statuses import apply_early_statuses
from hailgate.messaging.models import Attempt, ContactAddress, Message, Receipt, Suppression, WorkState
from hailgate.messaging.outbound.attempts import Outcome
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.outbound.parked import settle_parked
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.people.conversations import address_digest
from hailgate.messaging.upkeep.pull_in import pull_in
from hailgate.messaging.work import rows
from hailgate.messaging.work.sweep import promote_all
from messaging.acting import (
    HOLD_S,
    apply,
    attempt,
    change,
    change_channel,
    channel_row,
    claim,
    claim_one,
    conversation_of,
    decided,
    deliver,
    failed,
    fresh,
    messages,
    new_worker,
    phone,
    send,
    sent,
    tell,
    told,
    work,
    work_of,
    wrote,
)

READY, LEASED, PARKED, DEAD = WorkState.READY, WorkState.LEASED, WorkState.PARKED, WorkState.DEAD
SURE = RetryPolicy(max_attempts=3, waits=ProviderWaits(longest=86_400.0))


def attempts(channel) -> list[Attempt]:
    return list(Attempt.objects.filter(tenant_id=channel.tenant_id).order_by("id"))


def knock(worker):
    """The only message that is due, with its attempt recorded."""
    one = claim_one(worker)
    assert attempt(worker, one) == {one.id}
    return one


def outcome_of(claim, error, clock):
    """As the pipeline decides it, without chance."""
    decision = decide(error, claim.past, clock.now, SURE, lambda: 0.5)
    return Outcome(claim, attempted=True, decision=decision, provider_code=error.provider_code or "")


# --- attempts ---------------------------------------------------------------------------------------------------------


def test_an_attempt_is_on_record_before_anything_is_sent(wide, worker, clock):
    message = send(wide)
    knock(worker)
    (one,) = attempts(wide)
    assert (one.message_id, one.number, one.worker_id, one.started_at.timestamp()) == (message.id, 1, worker, clock.now)
    assert (one.finished_at, one.outcome) == (None, "")
    assert (work_of(message).attempting, work_of(message).knocks) == (True, 1)


def test_recording_an_attempt_twice_records_it_once(wide, worker):
    send(wide)
    one = knock(worker)
    assert attempt(worker, one) == {one.id}
    assert len(attempts(wide)) == 1


def test_attempts_are_numbered_by_knocks_and_never_reused(wide, worker, clock):
    message = send(wide)
    for _ in range(3):
        tell(worker, decided(knock(worker), Action.SNOOZE, clock.now))
    tell(worker, decided(knock(worker), Action.BURY))
    send_again(wide.tenant_id, [work_of(message).id])
    tell(worker, sent(knock(worker)))
    assert [one.number for one in attempts(wide)] == [1, 2, 3, 4, 5]


def test_an_attempt_tells_its_outcome(wide, worker, clock):
    send(wide)
    error = ProviderUnavailable("Down.", provider_code="2")
    tell(worker, outcome_of(knock(worker), error, clock))
    clock.forward(100)
    tell(worker, sent(knock(worker)))
    first, second = attempts(wide)
    assert (first.outcome, first.code, first.provider_code, first.detail) == (
        "retry", "provider_unavailable", "2", "Down.",
    )  # fmt: skip
    assert first.next_at.timestamp() > first.finished_at.timestamp()
    assert (second.outcome, second.code, second.next_at) == ("sent", "", None)


# --- sent -------------------------------------------------------------------------------------------------------------


def test_a_sent_message_has_the_providers_id_and_no_row(wide, worker):
    message = send(wide)
    assert tell(worker, sent(knock(worker), "wamid.1")) == [True]
    after = fresh(message)
    assert (after.status, after.provider_id, after.unknown) == (Status.SENT, "wamid.1", False)
    assert work_of(message) is None


def test_an_outcome_told_twice_counts_once(wide, worker):
    message = send(wide)
    outcome = sent(knock(worker))
    assert tell(worker, outcome) == [True]
    assert tell(worker, outcome) == [False]
    assert len(attempts(wide)) == 1
    assert fresh(message).status == Status.SENT


def test_a_batch_of_outcomes_of_every_kind_is_written_at_once(wide, worker, clock):
    rows = [send(wide, to=to) for to in range(5)]
    claims = claim(worker)
    attempt(worker, *claims)
    good, later, pause, dead, unknown = claims
    told_all = tell(
        worker,
        sent(good),
        decided(later, Action.RETRY, clock.now + 5),
        decided(pause, Action.SNOOZE, clock.now + 5),
        decided(dead, Action.BURY),
        failed(unknown, OutcomeUnknown()),
    )
    assert told_all == [True] * 5
    states = [work_of(row) and WorkState(work_of(row).state) for row in rows]
    assert states == [None, READY, READY, DEAD, PARKED]


def test_the_providers_name_for_the_recipient_is_learned(wide, worker):
    """Brazil's ninth digit: what the provider calls the person is one more address of the same contact."""
    message = send(wide, to=1)
    tell(worker, sent(knock(worker), address=Address(AddressKind.PHONE, "5511987654321")))
    contact = conversation_of(message).contact_id
    digests = set(ContactAddress.objects.filter(tenant_id=wide.tenant_id, contact_id=contact).values_list("digest"))
    assert digests == {(address_digest(phone(1)),), (address_digest(Address(AddressKind.PHONE, "5511987654321")),)}
    apply(wide, wrote(wide, Address(AddressKind.PHONE, "5511987654321")))
    assert {row.conversation_id for row in messages(wide.tenant_id)} == {message.conversation_id}


def test_a_name_that_belongs_to_somebody_else_stays_theirs(wide, worker):
    other = send(wide, to=2)
    deliver(worker, claim_one(worker))
    message = send(wide, to=1)
    tell(worker, sent(knock(worker), address=phone(2)))
    found = ContactAddress.objects.get(tenant_id=wide.tenant_id, digest=address_digest(phone(2)))
    assert found.contact_id == conversation_of(other).contact_id != conversation_of(message).contact_id


# --- each error does what its class says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (ProviderUnavailable(), (READY, 0)),
        (MessageFault(), (READY, 1)),
        (LeaseLost(), (READY, 0)),
        (ProviderThrottled(retry_after=30.0), (READY, 0)),
        (ChannelUnauthorized(), (READY, 0)),
        (ChannelDisconnected(), (READY, 0)),
        (Rejected(), (DEAD, 1)),
        (RecipientUnreachable(), (DEAD, 1)),
        (TemplateUnavailable(), (DEAD, 1)),
        (RecipientOptedOut(), (DEAD, 1)),
        (OutcomeUnknown(), (PARKED, 1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_class_of_an_error_is_the_instruction(wide, worker, clock, error, becomes):
    message = send(wide)
    assert tell(worker, outcome_of(knock(worker), error, clock)) == [True]
    row = work_of(message)
    assert ((row.state, row.attempts), row.code) == (becomes, error.code)
    assert (row.worker_id, row.attempting) == (None, False)
    assert (row.due_at > clock.now) is (row.state == READY)


def test_a_buried_message_has_failed_and_says_why(wide, worker, clock):
    message = send(wide)
    tell(worker, outcome_of(knock(worker), Rejected("The provider refuses."), clock))
    after = fresh(message)
    assert (after.status, after.code, after.detail) == (Status.FAILED, "rejected", "The provider refuses.")


def test_an_unknown_message_stays_queued_and_says_so(wide, worker, clock):
    message = send(wide)
    tell(worker, outcome_of(knock(worker), OutcomeUnknown(), clock))
    assert (fresh(message).status, fresh(message).unknown) == (Status.QUEUED, True)
    assert work_of(message).hold_until == clock.now + HOLD_S


def test_attempts_run_out(wide, worker, clock):
    message = send(wide)
    for _ in range(SURE.max_attempts):
        tell(worker, outcome_of(knock(worker), MessageFault(), clock))
        clock.forward(BREAKER.cooldown + 60)
    assert (work_of(message).state, fresh(message).code) == (DEAD, "attempts_exhausted")


def test_throttles_never_use_up_attempts(wide, worker, clock):
    message = send(wide)
    for _ in range(2 * SURE.max_attempts):
        tell(worker, outcome_of(knock(worker), ProviderThrottled(retry_after=10), clock))
        clock.forward(60)
    assert (work_of(message).state, work_of(message).attempts, work_of(message).knocks) == (READY, 0, 6)


def test_a_refusal_before_any_attempt_leaves_no_attempt(wide, worker):
    """Expired, suppressed, outside the window: nobody knocked."""
    message = send(wide)
    one = claim_one(worker)
    tell(worker, decided(one, Action.BURY, code="expired")._replace(attempted=False))
    assert attempts(wide) == []
    assert (fresh(message).status, fresh(message).code) == (Status.FAILED, "expired")


def test_what_is_revived_within_the_rest_that_its_provider_asks_for_waits_until_then(wide, worker, clock):
    message = send(wide)
    error = RecipientUnreachable(least_wait=86_400.0)
    tell(worker, outcome_of(knock(worker), error, clock))
    send_again(wide.tenant_id, [work_of(message).id])
    clock.forward(86_399)
    promote_all()
    assert claim(worker) == []
    clock.forward(1)
    promote_all()
    assert claim_one(worker).message_id == message.id


def test_a_snooze_of_a_day_is_no_clock_that_ran_ahead(wide, worker, clock):
    send(wide)
    tell(worker, failed(knock(worker), ProviderThrottled(), clock.now + 86_400))
    (row,) = work(wide.tenant_id)
    assert pull_in(10.0, HOLD_S, 86_400.0) == 0
    assert work(wide.tenant_id)[0].due_at == row.due_at >= clock.now + 86_400


def test_what_was_sent_again_meanwhile_is_not_taken_for_settled(wide, worker, clock, monkeypatch):
    """By hand, between the look at what is proven and the lock of its conversation."""
    message = send(wide)
    tell(worker, outcome_of(knock(worker), OutcomeUnknown(), clock))
    change(fresh(message), status=Status.SENT)
    lock = rows.lock_conversations

    def sent_again(cursor, keys):
        change(work_of(message), state=READY)
        lock(cursor, keys)

    monkeypatch.setattr(rows, "lock_conversations", sent_again)
    settle_parked()
    assert work_of(message).state == READY
    assert fresh(message).unknown


def test_an_opt_out_suppresses_marketing_once(wide, worker, clock):
    for _ in range(2):
        send(wide)
        tell(worker, outcome_of(knock(worker), RecipientOptedOut(), clock))
    (one,) = Suppression.objects.filter(tenant_id=wide.tenant_id)
    assert (one.digest, one.scope, one.reason) == (address_digest(phone(1)), "marketing", "recipient_opted_out")


def test_long_sentences_are_cut_to_what_is_stored(wide, worker):
    message = send(wide)
    outcome = decided(knock(worker), Action.BURY)
    tell(worker, outcome._replace(decision=type(outcome.decision)(Action.BURY, None, "c", "x" * 999, *[False] * 3)))
    assert len(fresh(message).detail) == 300


# --- the channel learns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ChannelUnauthorized(), ChannelDisconnected()], ids=lambda error: error.code)
def test_a_channel_that_somebody_has_to_mend_is_paused_with_its_reason(wide, worker, clock, error):
    send(wide, to=1)
    tell(worker, outcome_of(knock(worker), error, clock))
    send(wide, to=2)
    row = channel_row(wide)
    assert (row.paused_reason, row.paused_at.timestamp()) == (error.code, clock.now)
    assert claim(worker) == []


def test_the_first_reason_of_a_pause_stays(wide, worker, clock):
    for to in (1, 2):
        send(wide, to=to)
    first, second = claim(worker)
    attempt(worker, first, second)
    tell(worker, outcome_of(first, ChannelUnauthorized(), clock))
    clock.forward(5)
    tell(worker, outcome_of(second, ChannelDisconnected(), clock))
    row = channel_row(wide)
    assert (row.paused_reason, row.paused_at.timestamp()) == ("channel_unauthorized", clock.now - 5)


def test_good_answers_in_flight_do_not_lift_a_pause(wide, worker, clock):
    for to in (1, 2):
        send(wide, to=to)
    first, second = claim(worker)
    attempt(worker, first, second)
    tell(worker, outcome_of(first, ChannelUnauthorized(), clock))
    tell(worker, sent(second))
    assert channel_row(wide).paused_at is not None


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (ProviderUnavailable(), 1),
        (OutcomeUnknown(), 1),
        (ProviderThrottled(), 0),
        (Rejected(), 0),
        (RecipientUnreachable(), 0),
        (ChannelUnauthorized(), 0),
        (LeaseLost(), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_breaker_counts_faults_of_the_provider_alone(wide, worker, clock, error, counted):
    send(wide)
    tell(worker, outcome_of(knock(worker), error, clock))
    assert channel_row(wide).breaker_failures == counted


@pytest.mark.parametrize(
    ("error", "closes"),
    [(None, True), (ProviderThrottled(), True), (Rejected(), True), (LeaseLost(), False), (OutcomeUnknown(), False)],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_answer_closes_an_open_breaker_and_our_own_trouble_does_not(wide, worker, clock, error, closes):
    change_channel(wide, breaker_failures=5, breaker_opened_at=clock.now - BREAKER.cooldown)
    send(wide)
    probe = knock(worker)
    tell(worker, outcome_of(probe, error, clock) if error else sent(probe))
    assert (channel_row(wide).breaker_opened_at is None) is closes


def test_a_share_of_failures_opens_the_breaker_for_a_short_rest(wide, worker, clock):
    """No five of them follow each other."""
    row = channel_row(wide)
    told = 0
    while row.breaker_opened_at is None and told < 200:
        send(wide, to=told)
        each = knock(worker)
        tell(worker, sent(each) if told % 2 else outcome_of(each, OutcomeUnknown(), clock))
        row, told = channel_row(wide), told + 1
    assert (row.breaker_opened_at, row.breaker_failures) == (clock.now, 1)
    send(wide, to=told)
    assert claim_deliveries(worker, open_room(10)) == ([], clock.now, clock.now + BREAKER.rest)
    clock.forward(BREAKER.rest)
    assert len(claim(worker)) == 1


def test_twenty_that_pass_in_a_row_forget_what_failed_of_late(wide, worker, clock):
    change_channel(wide, breaker_share=0.4, successes=0)
    for to in range(1, 21):
        send(wide, to=to)
        tell(worker, sent(knock(worker)))
        assert (channel_row(wide).breaker_share == 0) is (to == 20)


def test_a_fault_does_not_end_a_rest_that_the_provider_asked_for(wide, worker, clock):
    change_channel(wide, ready_at=clock.now + 300, successes=0)
    row = channel_row(wide)
    for error in (OutcomeUnknown(), Rejected()):
        change_channel(wide, ready_at=0)
        send(wide, to=1 if isinstance(error, Rejected) else 2)
        each = knock(worker)
        change_channel(wide, ready_at=row.ready_at)
        tell(worker, outcome_of(each, error, clock))
        assert channel_row(wide).ready_at == row.ready_at


def test_a_refusal_of_our_own_tells_the_channel_nothing(wide, worker, clock):
    change_channel(wide, breaker_failures=3)
    send(wide)
    tell(worker, decided(claim_one(worker), Action.BURY)._replace(attempted=False))
    assert channel_row(wide).breaker_failures == 3


def test_a_channel_in_good_health_is_not_written_when_it_sends(wide, worker, django_executes):
    send(wide)
    outcome = sent(knock(worker))
    with django_executes() as statements:
        tell(worker, outcome)
    assert not any("UPDATE messaging_channel" in statement for statement in statements)


def test_a_channel_that_is_to_rest_as_a_whole_sends_nothing_until_then(wide, worker, clock):
    """Hammering makes such restrictions longer; that another person is written to changes nothing."""
    for to in (1, 2, 3):
        send(wide, to=to)
    (first,) = claim(worker, 1)
    attempt(worker, first)
    tell(worker, decided(first, Action.SNOOZE, clock.now + 300)._replace(rests_until=clock.now + 300))
    assert claim_deliveries(worker, open_room(10)) == ([], clock.now, clock.now + 300)
    clock.forward(299)
    assert claim(worker) == []
    clock.forward(1)
    assert len(claim(worker)) == 3


def test_the_longest_of_several_rests_counts_and_good_answers_do_not_end_it(wide, worker, clock):
    for to in (1, 2, 3, 4):
        send(wide, to=to)
    claims = claim(worker, 3)
    attempt(worker, *claims)
    long, short = (
        decided(one, Action.SNOOZE, clock.now + rest)._replace(rests_until=clock.now + rest)
        for one, rest in zip(claims, (300, 5), strict=False)
    )
    tell(worker, long, short)
    tell(worker, sent(claims[2]))
    clock.forward(10)
    assert claim(worker) == []


def test_a_rest_concerns_its_own_channel(tenant, hook, wide, worker, clock):
    from messaging.acting import add_number

    send(wide)
    one = knock(worker)
    tell(worker, decided(one, Action.SNOOZE, clock.now + 300)._replace(rests_until=clock.now + 300))
    other = send(add_number(tenant, hook, 1))
    assert claim_one(worker).message_id == other.id


def test_a_rest_of_an_hour_is_not_taken_for_a_clock_that_ran_ahead(wide, worker, clock):
    for to in (1, 2):
        send(wide, to=to)
    (one,) = claim(worker, 1)
    tell(worker, decided(one, Action.SNOOZE, clock.now + 3600)._replace(rests_until=clock.now + 3600))
    assert claim(worker) == []
    clock.forward(3599)
    assert claim(worker) == []


# --- evidence that comes before our own answer ------------------------------------------------------------------------


def test_a_status_with_our_tracker_proves_a_message_while_it_is_being_sent(wide, worker):
    message = send(wide)
    one = knock(worker)
    apply(wide, told(wide, Status.DELIVERED, "wamid.1", tracker=f"{message.uid}.1"))
    assert (fresh(message).status, fresh(message).provider_id) == (Status.DELIVERED, "wamid.1")
    tell(worker, sent(one, "wamid.1"))
    assert (fresh(message).status, work_of(message)) == (Status.DELIVERED, None)


def test_an_unknown_outcome_of_a_proven_message_is_no_unknown(wide, worker):
    message = send(wide)
    follower = send(wide)
    one = knock(worker)
    apply(wide, told(wide, Status.SENT, "wamid.1", tracker=f"{message.uid}.1"))
    tell(worker, failed(one, OutcomeUnknown()))
    assert (work_of(message), fresh(message).unknown) == (None, False)
    assert work_of(follower).state == READY


def test_a_status_without_a_tracker_waits_for_the_providers_id(wide, worker):
    """It was faster than the answer to our call."""
    message = send(wide)
    one = knock(worker)
    apply(wide, told(wide, Status.READ, "wamid.1"))
    assert apply_early_statuses() == 0
    tell(worker, sent(one, "wamid.1"))
    assert apply_early_statuses() == 1
    assert fresh(message).status == Status.READ


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED])
def test_a_later_status_settles_a_parked_message(wide, worker, clock, status):
    message = send(wide)
    follower = send(wide)
    tell(worker, failed(knock(worker), OutcomeUnknown()))
    apply(wide, told(wide, status, "wamid.1", tracker=f"{message.uid}.1"))
    assert settle_parked() == 1
    assert (work_of(message), fresh(message).unknown, fresh(message).status) == (None, False, status)
    assert fresh(conversation_of(message)).held_until is None
    assert work_of(follower).state == READY


def test_what_nothing_has_proven_stays_parked(wide, worker):
    message = send(wide)
    tell(worker, failed(knock(worker), OutcomeUnknown()))
    assert settle_parked() == 0
    assert work_of(message).state == PARKED


def test_settling_one_leaves_the_hold_of_another(wide, worker, clock):
    from hailgate.messaging.work.sweep import promote_all

    first, second = send(wide), send(wide)
    tell(worker, failed(knock(worker), OutcomeUnknown()))
    clock.forward(HOLD_S)
    promote_all()
    tell(worker, failed(knock(worker), OutcomeUnknown()))
    apply(wide, told(wide, Status.SENT, "wamid.1", tracker=f"{first.uid}.1"))
    settle_parked()
    assert fresh(conversation_of(second)).held_until == clock.now + HOLD_S


# --- sending again by hand --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [lambda one: decided(one, Action.BURY), lambda one: failed(one, OutcomeUnknown())])
def test_a_dead_or_parked_message_is_sent_again_by_hand(wide, worker, outcome):
    message = send(wide)
    tell(worker, outcome(knock(worker)))
    assert len(send_again(wide.tenant_id, [work_of(message).id])) == 1
    after = fresh(message)
    assert (after.status, after.unknown, after.code) == (Status.QUEUED, False, "")
    deliver(worker, claim_one(worker))
    assert fresh(message).status == Status.SENT


def test_what_was_sent_again_says_so(wide, worker):
    message = send(wide)
    tell(worker, decided(knock(worker), Action.BURY))
    send_again(wide.tenant_id, [work_of(message).id])
    (note,) = Receipt.objects.filter(tenant_id=wide.tenant_id, message_id=message.id)
    assert note.event == "revived"


def test_two_people_send_again_and_it_is_sent_once(wide, worker):
    message = send(wide)
    tell(worker, decided(knock(worker), Action.BURY))
    work_id = work_of(message).id
    assert [send_again(wide.tenant_id, [work_id]) for _ in range(2)] == [[work_id], []]
    assert len(claim(worker)) == 1


def test_nobody_sends_again_what_is_not_theirs(wide, worker, stranger):
    message = send(wide)
    tell(worker, decided(knock(worker), Action.BURY))
    assert send_again(stranger.id, [work_of(message).id]) == []
    assert work_of(message).state == DEAD


@pytest.mark.parametrize("state", [WorkState.WAITING, READY, LEASED])
def test_what_is_under_way_is_not_sent_again(wide, worker, state):
    message = send(wide)
    change(work_of(message), state=state)
    assert send_again(wide.tenant_id, [work_of(message).id]) == []


def test_the_second_life_has_all_its_attempts_and_does_not_expire(wide, worker, clock):
    message = send(wide, expires_at=clock.now + 60)
    tell(worker, decided(knock(worker), Action.BURY, code="expired"))
    clock.forward(3600)
    send_again(wide.tenant_id, [work_of(message).id])
    one = claim_one(worker)
    assert (one.spent, one.crashes, one.expires_at) == (0, 0, None)


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.READ])
def test_what_a_status_has_proven_is_not_sent_again(wide, worker, status):
    message = send(wide)
    tell(worker, failed(knock(worker), OutcomeUnknown()))
    apply(wide, told(wide, status, "wamid.1", tracker=f"{message.uid}.1"))
    assert send_again(wide.tenant_id, [work_of(message).id]) == []
    assert claim(new_worker()) == []
    assert fresh(message).status == status


def test_a_late_status_of_the_first_knock_keeps_a_revived_message_from_a_second(wide, worker):
    """Evidence that came between the hand and the next claim."""
    message = send(wide)
    tell(worker, failed(knock(worker), OutcomeUnknown()))
    send_again(wide.tenant_id, [work_of(message).id])
    apply(wide, told(wide, Status.DELIVERED, "wamid.1", tracker=f"{message.uid}.1"))
    assert claim(worker) == []
    assert Message.objects.get(tenant_id=wide.tenant_id, id=message.id).status == Status.DELIVERED
