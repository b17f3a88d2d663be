"""Giving up takes time: what blames the provider is ridden out, a pair slows down, a channel heals by itself."""

import pytest

from hailgate.core.delivery import RIDDEN_OUT_S, RetryPolicy, decide
from hailgate.core.errors import ChannelRefused, ChannelUnauthorized, ProviderThrottled, ProviderUnavailable, Scope
from hailgate.core.events import ChannelFault
from hailgate.core.retry_budget import WELL_AFTER
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.channels.admin import pause_channel, resume_channel
from hailgate.messaging.channels.checks import FIRST_CHECK_S, LONGEST_CHECK_S, claim_checks, record_check
from hailgate.messaging.models import Work, WorkKind, WorkState
from hailgate.messaging.outbound.attempts import Outcome
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.upkeep.alarm_checks import AlarmChecks
from hailgate.providers import cloud
from hailgate.providers.cloud.errors import find_channel_fault
from messaging.acting import (
    apply,
    attempt,
    change_channel,
    channel_row,
    claim,
    claim_one,
    conversation_of,
    deliver,
    deliver_all,
    fresh,
    new_message,
    send,
    send_all,
    tell,
    told,
    work_of,
)

POLICY = RetryPolicy(waits=cloud.SPEC.capabilities.waits)
DOWN = ProviderUnavailable("Meta is down.")
TOO_FAST = ProviderThrottled(scope=Scope.PAIR, code="pair_throttled")
SHUT_OUT = ChannelRefused("The address answered 403.")


def fail(worker, claim, error, clock):
    attempt(worker, claim)
    decision = decide(error, claim.past, clock.now, POLICY, lambda: 0.5)
    assert tell(worker, Outcome(claim, attempted=True, decision=decision)) == [True]
    return decision


def meet(worker, message, error, clock, seconds):
    """The message alone meets this for so long; the breaker is kept out of it."""
    until = clock.now + seconds
    while clock.now <= until and work_of(message).state == WorkState.READY:
        clock.now = max(clock.now, work_of(message).due_at)
        change_channel_of(message, breaker_failures=0, breaker_opened_at=None, breaker_share=0, ready_at=0)
        fail(worker, claim_one(worker), error, clock)


def change_channel_of(message, **columns):
    from hailgate.messaging.models import Channel

    Channel.objects.filter(tenant_id=message.tenant_id, id=message.channel_id).update(**columns)


# --- trouble of the provider ------------------------------------------------------------------------------------------


def test_trouble_of_the_provider_spends_no_attempt_and_says_since_when(wide, worker, clock):
    message = send(wide)
    began = clock.now
    fail(worker, claim_one(worker), DOWN, clock)
    clock.now = work_of(message).due_at
    fail(worker, claim_one(worker), DOWN, clock)
    row = work_of(message)
    assert (row.state, row.attempts, row.knocks, row.failing_since) == (WorkState.READY, 0, 2, began)


def test_while_the_whole_channel_fails_its_messages_wait_for_hours(wide, worker, clock):
    message = send(wide)
    meet(worker, message, DOWN, clock, 4 * 3600.0)
    assert work_of(message).state == WorkState.READY
    assert work_of(message).knocks > 10


def let_others_pass(worker, channel, count):
    """Those that failed before wait meanwhile, even where they are due."""
    failed = Work.objects.filter(tenant_id=channel.tenant_id, failing_since__isnull=False)
    due = dict(failed.values_list("id", "due_at"))
    failed.update(due_at=2**40)
    send_all(channel, [new_message(channel, to=100 + number) for number in range(count)])
    change_channel(channel, breaker_failures=0, breaker_opened_at=None, ready_at=0)
    others = claim(worker)
    assert len(others) == count
    deliver(worker, *others)
    for id_, due_at in due.items():
        failed.filter(id=id_).update(due_at=due_at)


def test_a_message_that_alone_meets_trouble_ends_and_its_followers_go_on(wide, worker, clock):
    stuck, follower = send(wide, to=1), send(wide, to=1)
    fail(worker, claim_one(worker), DOWN, clock)
    let_others_pass(worker, wide, 1)
    meet(worker, stuck, DOWN, clock, RIDDEN_OUT_S)
    assert work_of(stuck).state == WorkState.READY
    clock.forward(1)
    let_others_pass(worker, wide, WELL_AFTER)
    assert channel_row(wide).successes == WELL_AFTER
    meet(worker, stuck, DOWN, clock, 300.0)
    assert (work_of(stuck).state, fresh(stuck).code) == (WorkState.DEAD, "trouble_lasted")
    change_channel_of(stuck, breaker_failures=0, breaker_opened_at=None, ready_at=0)
    deliver_all(worker)
    assert fresh(follower).status == 1


def let_all_fail(worker, channel, clock):
    """Five messages in a row open the breaker."""
    send_all(channel, [new_message(channel, to=number) for number in range(5)])
    for one in claim(worker):
        fail(worker, one, DOWN, clock)
    assert channel_row(channel).breaker_opened_at is not None


def let_one_fail(worker, channel, clock):
    """Of those that failed before, once they are due."""
    ready = Work.objects.filter(tenant_id=channel.tenant_id, state=WorkState.READY)
    clock.now = max(clock.now, *(row.due_at for row in ready))
    change_channel(channel, breaker_failures=0, breaker_opened_at=None, ready_at=0)
    return fail(worker, claim(worker)[0], DOWN, clock)


def test_what_waited_out_an_outage_with_all_others_is_not_ended_by_one_failure_after_it(wide, worker, clock):
    let_others_pass(worker, wide, 1)
    let_all_fail(worker, wide, clock)
    clock.forward(2 * 3600)
    let_others_pass(worker, wide, WELL_AFTER)
    assert channel_row(wide).successes == WELL_AFTER
    assert let_one_fail(worker, wide, clock).due_at is not None
    clock.forward(RIDDEN_OUT_S)
    assert let_one_fail(worker, wide, clock).code == "trouble_lasted"


def test_a_probe_of_a_provider_that_is_down_ends_nothing(wide, worker, clock):
    """Others passed for long, and now all of them fail."""
    message = send(wide)
    change_channel(wide, passed_at=clock.now, successes=WELL_AFTER)
    fail(worker, claim_one(worker), DOWN, clock)
    clock.forward(2 * RIDDEN_OUT_S)
    change_channel(wide, successes=WELL_AFTER, breaker_failures=5, breaker_opened_at=clock.now - 60, ready_at=0)
    assert fail(worker, claim_one(worker), DOWN, clock).due_at is not None
    assert work_of(message).state == WorkState.READY


def test_after_a_pause_the_ten_minutes_begin_anew(wide, worker, clock):
    send(wide)
    change_channel(wide, passed_at=clock.now, successes=WELL_AFTER)
    fail(worker, claim_one(worker), DOWN, clock)
    pause_channel(wide.tenant_id, wide.uid)
    clock.forward(2 * RIDDEN_OUT_S)
    resume_channel(wide.tenant_id, wide.uid)
    let_others_pass(worker, wide, WELL_AFTER)
    assert let_one_fail(worker, wide, clock).due_at is not None


def test_in_a_brown_out_nothing_is_given_up(wide, worker, clock):
    """Others pass, but never many in a row."""
    unlucky = send(wide, to=1)
    meet(worker, unlucky, DOWN, clock, RIDDEN_OUT_S)
    for _ in range(5):
        clock.forward(130)
        send_all(wide, [new_message(wide, to=100 + number) for number in range(6)])
        change_channel(wide, breaker_failures=0, breaker_opened_at=None, ready_at=0)
        claims = {one.message_id: one for one in claim(worker)}
        mine = claims.pop(unlucky.id)
        sick, *others = claims.values()
        deliver(worker, *others)
        fail(worker, sick, DOWN, clock)
        fail(worker, mine, DOWN, clock)
        Work.objects.filter(tenant_id=wide.tenant_id).exclude(message_id=unlucky.id).delete()
    assert work_of(unlucky).state == WorkState.READY


def test_what_one_message_meets_again_and_again_does_not_hide_that_others_pass(wide, worker, clock):
    stuck = send(wide, to=1)
    meet(worker, stuck, DOWN, clock, RIDDEN_OUT_S)
    let_others_pass(worker, wide, 5)
    assert channel_row(wide).successes == 5
    clock.now = work_of(stuck).due_at
    change_channel_of(stuck, breaker_failures=0, breaker_opened_at=None, ready_at=0)
    fail(worker, claim_one(worker), DOWN, clock)
    assert channel_row(wide).successes == 5


def test_what_is_sent_again_by_hand_is_ridden_out_anew(wide, worker, clock):
    message = send(wide)
    fail(worker, claim_one(worker), DOWN, clock)
    Work.objects.filter(tenant_id=wide.tenant_id).update(state=WorkState.DEAD)
    send_again(wide.tenant_id, [work_of(message).id])
    assert work_of(message).failing_since is None


# --- a healed backlog -------------------------------------------------------------------------------------------------


def test_after_twenty_in_a_row_what_failed_before_counts_as_new(wide, worker, clock):
    change_channel(wide, rate_burst=100_000)
    send_all(wide, [new_message(wide, to=number) for number in range(200)])
    for one in claim(worker, 200):
        fail(worker, one, DOWN, clock)
    assert channel_row(wide).successes == 0
    change_channel(wide, breaker_failures=0, breaker_opened_at=None, ready_at=0)
    clock.forward(60)
    few = claim(worker, 200)
    assert 0 < len(few) <= 40  # the floor of the budget
    deliver(worker, *few[:WELL_AFTER])
    assert (channel_row(wide).successes, channel_row(wide).passed_at) == (WELL_AFTER, clock.now)
    assert len(claim(worker, 200)) == 200 - len(few)


def test_one_failure_begins_the_count_anew(wide, worker, clock):
    change_channel(wide, successes=0)
    for number in range(5):
        send(wide, to=number)
    deliver_all(worker)
    assert channel_row(wide).successes == 5
    send(wide, to=9)
    fail(worker, claim_one(worker), DOWN, clock)
    assert channel_row(wide).successes == 0


def test_a_channel_in_good_health_writes_nothing_about_it(wide, worker, clock):
    send(wide)
    deliver_all(worker)
    assert (channel_row(wide).successes, channel_row(wide).passed_at) == (WELL_AFTER, None)


# --- a pair that is written to too fast -------------------------------------------------------------------------------


def test_one_persons_throttle_grows_and_heals(wide, worker, clock):
    message = send(wide)
    waits = []
    for _ in range(4):
        decision = fail(worker, claim_one(worker), TOO_FAST, clock)
        waits.append(decision.due_at - clock.now - POLICY.base / 2)
        clock.now = work_of(message).due_at
    assert waits == [4, 16, 64, 256]
    assert work_of(message).attempts == 0
    deliver(worker, claim_one(worker))
    assert conversation_of(message).pair_refusals == 3
    for left in (2, 1, 0, 0):
        send(wide)
        deliver(worker, claim_one(worker))
        assert conversation_of(message).pair_refusals == left


def test_it_is_the_conversations_whichever_message_knocks(wide, worker, clock):
    send(wide)
    fail(worker, claim_one(worker), TOO_FAST, clock)
    Work.objects.filter(tenant_id=wide.tenant_id).delete()
    send(wide)
    assert claim_one(worker).pair_refusals == 1


def test_others_are_written_to_meanwhile(wide, worker, clock):
    send(wide, to=1)
    fail(worker, claim_one(worker), TOO_FAST, clock)
    other = send(wide, to=2)
    deliver_all(worker)
    assert fresh(other).status == 1
    assert conversation_of(other).pair_refusals == 0


def test_refusals_are_counted_no_further_than_they_matter(wide, worker, clock):
    message = send(wide)
    for _ in range(8):
        fail(worker, claim_one(worker), TOO_FAST, clock)
        clock.now = work_of(message).due_at
    assert conversation_of(message).pair_refusals == 6  # 4**6 s are more than an hour


# --- a channel that heals by itself -----------------------------------------------------------------------------------


@pytest.fixture
def refused(wide, worker, clock):
    """Its only message met a proxy that shuts it out."""
    send(wide)
    fail(worker, claim_one(worker), SHUT_OUT, clock)
    return wide


def check_of(channel) -> Work | None:
    return Work.objects.filter(tenant_id=channel.tenant_id, kind=WorkKind.CHECK).first()


def check(worker, *, passed):
    (one,) = claim_checks(worker, open_room(10)).claims
    assert record_check(worker, one, passed=passed, detail="Why.")
    return one


def test_a_channel_that_is_shut_out_is_paused_and_asked_again_after_a_minute(refused, worker, clock):
    row = channel_row(refused)
    assert (row.paused_reason, row.paused_at.timestamp()) == ("channel_refused", clock.now)
    assert check_of(refused).due_at == clock.now + FIRST_CHECK_S
    assert claim_checks(worker, open_room(10)).claims == []
    assert claim_checks(worker, open_room(10)).again_at == clock.now + FIRST_CHECK_S


def test_one_that_is_shut_out_again_is_asked_again_after_a_minute(refused, worker, clock):
    """However late its last check had become before somebody resumed it."""
    for _ in range(6):
        clock.now = check_of(refused).due_at
        check(worker, passed=False)
    resume_channel(refused.tenant_id, refused.uid)
    clock.forward(60)
    fail(worker, claim_one(worker), SHUT_OUT, clock)
    clock.forward(FIRST_CHECK_S)
    check(worker, passed=False)
    assert check_of(refused).due_at == clock.now + 2 * FIRST_CHECK_S
    assert check_of(refused).attempts == 1


def test_once_a_check_passes_the_channel_goes_on_by_itself(refused, worker, clock):
    clock.forward(FIRST_CHECK_S)
    check(worker, passed=True)
    assert (channel_row(refused).paused_at, check_of(refused)) == (None, None)
    clock.forward(60)
    assert len(deliver_all(worker)) == 1


def test_checks_in_vain_come_later_each_time_and_the_third_tells_somebody(refused, worker, clock):
    alarms = AlarmChecks()
    waits, told = [], []
    for _ in range(8):
        clock.now = check_of(refused).due_at
        check(worker, passed=False)
        waits.append(check_of(refused).due_at - clock.now)
        alarms.look_round()
        told.append(is_told())
    assert waits == [120, 240, 480, 960, 1920, *[LONGEST_CHECK_S] * 3]
    assert told == [False, False, *[True] * 6]
    assert channel_row(refused).paused_at is not None


def is_told() -> bool:
    from hailgate.accounts.models import RaisedAlarm

    return RaisedAlarm.objects.filter(cleared_at=None, code="channel_paused").exists()


@pytest.mark.parametrize("by_hand", [resume_channel, None])
def test_a_check_changes_nothing_that_somebody_decided_in_the_meantime(refused, worker, clock, by_hand):
    resume_channel(refused.tenant_id, refused.uid)
    if by_hand is None:
        pause_channel(refused.tenant_id, refused.uid)
    before = channel_row(refused).paused_reason
    clock.forward(FIRST_CHECK_S)
    check(worker, passed=by_hand is None)
    assert channel_row(refused).paused_reason == before
    assert check_of(refused) is None


def test_credentials_that_were_refused_wait_for_a_person(wide, worker, clock):
    send(wide)
    fail(worker, claim_one(worker), ChannelUnauthorized(), clock)
    assert channel_row(wide).paused_reason == "channel_unauthorized"
    assert check_of(wide) is None


def test_a_channel_is_checked_once_however_many_messages_were_refused(wide, worker, clock):
    send_all(wide, [new_message(wide, to=number) for number in range(3)])
    claims = claim(worker)
    attempt(worker, *claims)
    refusals = [decide(SHUT_OUT, one.past, clock.now, POLICY, lambda: 0.5) for one in claims]
    tell(worker, *(Outcome(one, True, refusal) for one, refusal in zip(claims, refusals, strict=True)))
    assert Work.objects.filter(tenant_id=wide.tenant_id, kind=WorkKind.CHECK).count() == 1


def test_a_worker_declared_dead_resumes_nothing(refused, worker, clock):
    from messaging.acting import execute

    clock.forward(FIRST_CHECK_S)
    (one,) = claim_checks(worker, open_room(10)).claims
    execute(f"UPDATE messaging_worker SET alive = FALSE WHERE id = {worker}")
    assert not record_check(worker, one, passed=True, detail="")
    assert channel_row(refused).paused_at is not None


def test_new_settings_resume_it_too(refused, worker, clock):
    from hailgate.messaging.channels.admin import is_mended_by_settings
    from hailgate.providers import get_provider

    assert is_mended_by_settings(get_provider("cloud"), channel_row(refused).paused_reason)


# --- what a failure says of the whole channel -------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [("131042", "payment_problem"), ("131031", "account_restricted")])
def test_an_owners_trouble_told_by_a_status_pauses_the_channel_as_an_answer_does(wide, worker, clock, code, reason):
    apply(wide, failed_by(wide, code, clock.now))
    assert channel_row(wide).paused_reason == reason


def test_what_heals_by_itself_is_asked_again_also_where_a_status_told_of_it(wide, worker, clock):
    from msgspec.structs import replace

    status = told(wide, Status.FAILED, "SM1", at=clock.now, code="63007")
    apply(wide, replace(status, channel_fault=ChannelFault(ChannelRefused.code, pauses=True)))
    assert channel_row(wide).paused_reason == ChannelRefused.code
    clock.forward(FIRST_CHECK_S)
    check(worker, passed=True)
    assert channel_row(wide).paused_at is None


def test_a_spam_limit_told_by_a_status_rests_the_channel(wide, worker, clock):
    apply(wide, failed_by(wide, "131048", clock.now))
    assert (channel_row(wide).paused_at, channel_row(wide).ready_at) == (None, clock.now + 3600)


def test_a_failure_of_one_recipient_says_nothing_of_the_channel(wide, worker, clock):
    apply(wide, failed_by(wide, "131026", clock.now))
    assert (channel_row(wide).paused_at, channel_row(wide).ready_at) == (None, 0)


def test_an_old_status_says_nothing_of_the_channel_as_it_is_now(wide, worker, clock):
    apply(wide, failed_by(wide, "131042", clock.now - 3600))
    assert channel_row(wide).paused_at is None


def failed_by(channel, code, at):
    from msgspec.structs import replace

    status = told(channel, Status.FAILED, f"wamid.{code}", at=at, code=code)
    return replace(status, channel_fault=find_channel_fault(int(code)))
