"""Assistants of a tenant: versions that never change, one that is live, limits of a day that nobody overspends."""

import os
import threading
import time
from collections import Counter

import pytest
from django.db import connection

from hailgate.accounts.keys import add_tenant
from hailgate.accounts.models import RaisedAlarm
from hailgate.assistant.contract import Usage
from hailgate.assistant.settings import AssistantSettings
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.core.slots import open_room
from hailgate.messaging.assistants.answers import AnswerRecord
from hailgate.messaging.assistants.budgets import BudgetKey, set_budget
from hailgate.messaging.assistants.registry import (
    add_assistant,
    choose_answering,
    draft_version,
    find_live,
    get_assistant,
    list_answering,
    publish_version,
    read_settings,
    switch_assistant,
)
from hailgate.messaging.assistants.spending import Amounts, Spender, limits_of, reserve
from hailgate.messaging.assistants.superseding import LONGEST_WAIT_S
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns, take_back_unsent
from hailgate.messaging.models import AssistantVersion, Conversation, Message, TurnAnswer
from hailgate.messaging.outbound.assistant_stop import resume_assistants, stop_assistants
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.outbound.timeline import tell_timeline
from hailgate.messaging.upkeep.alarm_checks import AlarmChecks
from hailgate.messaging.upkeep.assistant_checks import IN_A_ROW
from messaging.acting import add_number, apply, new_message, phone, send, wrote

SECRET = "sk-very-secret"
OPEN = AssistantSettings(vendor="scripted")
OPENAI = {"vendor": "openai", "model": "one", "api_key": SECRET}


def live(tenant, name="clinic"):
    with connection.cursor() as cursor:
        return find_live(cursor, [(tenant.pk, name)]).get((tenant.pk, name))


@pytest.fixture
def clinic(tenant):
    return add_assistant(tenant.pk, "clinic", OPENAI)


def test_the_first_version_is_live_at_once(tenant, clinic):
    found = live(tenant)
    assert (found.name, found.active, found.settings.model) == ("clinic", True, "one")


def test_a_draft_changes_nothing_until_it_is_published_and_an_older_version_takes_it_back(tenant, clinic):
    draft = draft_version(tenant.pk, "clinic", {"model": "two", "temperature": "0"})
    assert live(tenant).settings.model == "one"
    publish_version(tenant.pk, "clinic")
    assert (live(tenant).settings.model, live(tenant).settings.api_key) == ("two", SECRET)
    assert read_settings(draft).temperature == 0
    publish_version(tenant.pk, "clinic", 1)
    assert live(tenant).settings.model == "one"


def test_an_empty_value_gives_a_setting_its_default_again(tenant, clinic):
    draft_version(tenant.pk, "clinic", {"instructions": "Be brief."})
    assert read_settings(draft_version(tenant.pk, "clinic", {"instructions": ""})).instructions == ""


def test_a_draft_that_would_not_do_is_refused_and_leaves_nothing(tenant, clinic):
    with pytest.raises(InputError):
        draft_version(tenant.pk, "clinic", {"vendor": "compatible"})
    assert AssistantVersion.objects.filter(tenant_id=tenant.pk).count() == 1


def test_keys_lie_sealed(tenant, clinic):
    assert SECRET not in AssistantVersion.objects.get(tenant_id=tenant.pk).settings


@pytest.mark.parametrize("name", ["person", "api", "Clinic", "a b", "", "x" * 31])
def test_some_names_are_nobodys(tenant, name):
    with pytest.raises(InputError):
        add_assistant(tenant.pk, name, OPENAI)


def test_one_name_is_one_assistants(tenant, clinic):
    with pytest.raises(Conflict):
        add_assistant(tenant.pk, "clinic", OPENAI)


def test_what_is_not_there_is_told_with_what_is(tenant, clinic):
    with pytest.raises(NotFound, match="clinic"):
        get_assistant(tenant.pk, "shop")
    with pytest.raises(NotFound):
        publish_version(tenant.pk, "clinic", 7)


def test_another_tenant_has_none_of_them(tenant, clinic):
    other = add_tenant("shop")
    assert live(other) is None
    assert list_answering(other.pk) == ["scripted"]


def test_a_conversation_goes_back_to_its_channels_assistant_or_the_first(tenant, clinic):
    assert choose_answering(tenant.pk, "scripted") == "scripted"
    assert choose_answering(tenant.pk, "person") == "clinic"


def test_a_switched_off_assistant_is_known_to_be_off(tenant, clinic):
    assert switch_assistant(tenant.pk, "clinic", active=False)
    assert not switch_assistant(tenant.pk, "clinic", active=False)
    assert not live(tenant).active


# --- turns ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def answered(tenant, hook, clinic):
    return add_number(tenant, hook, 7, answered_by="clinic")


def hear(channel, body="Are you open?"):
    apply(channel, wrote(channel, body=body), debounce=Debounce(0.0, 0.0))


def claim_turn(worker):
    (turn,) = claim_turns(worker, open_room(10)).claims
    return turn


def test_a_turn_brings_the_version_that_is_live_and_whether_the_person_was_told(tenant, answered, worker):
    hear(answered)
    turn = claim_turn(worker)
    assert (turn.live.name, turn.live.settings.model, turn.disclosed) == ("clinic", "one", False)
    reply = new_message(answered, turn.to, "Yes.", sender="clinic", cause=turn.id, ordinal=0)
    record = AnswerRecord(
        "answered", "", "clinic", turn.live.version_id, True, Usage("openai", "one", 1, 9, 3), 0.5, reply.uid
    )
    assert finish_turns(worker, [Finished(turn, [reply], False, record)]) == ["kept"]
    hear(answered, "And tomorrow?")
    assert claim_turn(worker).disclosed
    kept = TurnAnswer.objects.get(tenant_id=tenant.pk)
    assert (kept.outcome, kept.version_id, kept.input_tokens, str(kept.message_uid)) == (
        "answered", turn.live.version_id, 9, str(reply.uid)
    )  # fmt: skip


def test_the_timeline_says_why_an_answer_was_given(tenant, answered, worker):
    hear(answered)
    turn = claim_turn(worker)
    reply = new_message(answered, turn.to, "Yes.", sender="clinic", cause=turn.id, ordinal=0)
    usage = Usage("openai", "one", 2, 9, 3)
    record = AnswerRecord("answered", "shortened", "clinic", turn.live.version_id, True, usage, 0.5, reply.uid)
    finish_turns(worker, [Finished(turn, [reply], False, record)])
    message = Message.objects.select_related("channel", "conversation").get(tenant_id=tenant.pk, uid=reply.uid)
    (composed,) = [told for told in tell_timeline(message) if told.event == "composed"]
    assert composed.code == "shortened"
    assert composed.detail == "By clinic, version 1: openai one, 2 calls, 12 tokens, 0.5 s."


def test_an_answer_that_is_dropped_leaves_no_record(tenant, answered, worker):
    hear(answered)
    turn = claim_turn(worker)
    hand_over(tenant.pk, str(Conversation.objects.get(tenant_id=tenant.pk).uid), "person")
    record = AnswerRecord("answered", "", "clinic", turn.live.version_id, True, Usage(), 0.5)
    assert finish_turns(worker, [Finished(turn, [], False, record)]) == ["dropped"]
    assert not TurnAnswer.objects.filter(tenant_id=tenant.pk).exists()


# --- superseded answers -----------------------------------------------------------------------------------------------


def end(worker, channel, turn, body="Yes.", **given):
    """The turn's end, with one answer that tells it is automated."""
    answer = new_message(channel, turn.to, body, sender="clinic", cause=turn.id, ordinal=0)
    record = AnswerRecord("answered", "", "clinic", turn.live.version_id, True, Usage("openai", "one", 1, 9, 3), 0.5)
    hand_over = given.get("hand_over", False)
    return finish_turns(worker, [Finished(turn, [answer], hand_over, record._replace(message_uid=answer.uid))])[0]


def asked_in(turn):
    return [line.content.split('"')[-2] for line in turn.unanswered]


def outcomes(tenant):
    return list(TurnAnswer.objects.filter(tenant_id=tenant.pk).order_by("id").values_list("outcome", flat=True))


def test_a_person_whose_first_answer_failed_was_told_nothing(tenant, answered, worker):
    hear(answered)
    turn = claim_turn(worker)
    reply = new_message(answered, turn.to, "I am automated. Yes.", sender="clinic", cause=turn.id, ordinal=0)
    record = AnswerRecord("answered", "", "clinic", turn.live.version_id, True, Usage(), 0.5, reply.uid)
    finish_turns(worker, [Finished(turn, [reply], False, record)])
    cancel_message(tenant.pk, reply.uid)
    hear(answered, "And tomorrow?")
    assert not claim_turn(worker).disclosed


def answers_of(tenant):
    return list(Message.objects.filter(tenant_id=tenant.pk, sender="clinic").order_by("id"))


def test_who_writes_on_while_it_is_composed_is_answered_once(tenant, answered, worker):
    hear(answered, "one")
    turn = claim_turn(worker)
    hear(answered, "two")
    assert end(worker, answered, turn) == "superseded"
    assert answers_of(tenant) == []
    again = claim_turn(worker)
    assert asked_in(again) == ["one", "two"]
    assert not again.disclosed
    assert end(worker, answered, again) == "kept"
    assert (outcomes(tenant), len(answers_of(tenant))) == (["superseded", "answered"], 1)


def test_an_answer_is_dropped_at_most_twice_in_a_row(tenant, answered, worker):
    hear(answered, "0")
    ends = []
    for number in range(4):
        turn = claim_turn(worker)
        hear(answered, str(number + 1))
        ends.append(end(worker, answered, turn))
    assert ends == ["superseded", "superseded", "kept", "superseded"]


def test_who_has_waited_long_enough_gets_the_answer_that_there_is(tenant, answered, worker, clock):
    hear(answered, "one")
    turn = claim_turn(worker)
    clock.forward(LONGEST_WAIT_S + 1)
    hear(answered, "two")
    assert end(worker, answered, turn) == "kept"
    assert asked_in(claim_turn(worker)) == ["two"]


def test_an_answer_that_brings_a_person_is_never_dropped_for_a_newer_message(tenant, answered, worker):
    hear(answered, "chest pain")
    turn = claim_turn(worker)
    hear(answered, "hello?")
    assert end(worker, answered, turn, hand_over=True) == "kept"


def test_an_answer_that_has_not_left_is_taken_back_for_a_newer_message(tenant, answered, worker):
    hear(answered, "one")
    assert end(worker, answered, claim_turn(worker)) == "kept"
    hear(answered, "two")
    turn = claim_turn(worker)
    assert turn.unsent
    wider = take_back_unsent(worker, turn)
    assert (asked_in(wider), wider.disclosed, wider.superseded) == (["one", "two"], False, 1)
    assert "Yes." not in str([line.content for line in wider.lines])
    assert end(worker, answered, wider, "Both.") == "kept"
    first, second = answers_of(tenant)
    assert (first.code, second.code) == ("cancelled", "")
    assert outcomes(tenant) == ["superseded", "answered"]


def test_an_answer_whose_attempt_is_on_record_is_not_taken_back(tenant, answered, worker):
    from hailgate.messaging.outbound.attempts import record_attempts
    from messaging.acting import claim_one

    hear(answered, "one")
    end(worker, answered, claim_turn(worker))
    record_attempts(worker, [claim_one(worker)])
    hear(answered, "two")
    turn = claim_turn(worker)
    assert not turn.unsent
    assert take_back_unsent(worker, turn) == turn
    assert [row.code for row in answers_of(tenant)] == [""]


def test_what_an_assistant_has_not_sent_when_a_person_takes_over_is_never_sent(tenant, answered, worker):
    hear(answered, "one")
    end(worker, answered, claim_turn(worker))
    hand_over(tenant.pk, str(Conversation.objects.get(tenant_id=tenant.pk).uid), "person")
    assert [row.code for row in answers_of(tenant)] == ["cancelled"]


def test_what_a_person_has_not_sent_goes_all_the_same(tenant, answered, worker):
    hear(answered, "one")
    send(answered, phone(1), "By hand.", sender="operator")
    hand_over(tenant.pk, str(Conversation.objects.get(tenant_id=tenant.pk).uid), "person")
    assert [row.code for row in Message.objects.filter(tenant_id=tenant.pk, sender="operator")] == [""]


# --- alarms -----------------------------------------------------------------------------------------------------------


def stand() -> set[str]:
    AlarmChecks().look_round()
    return set(RaisedAlarm.objects.filter(cleared_at=None).values_list("code", flat=True))


def fail(worker, channel, code):
    hear(channel)
    turn = claim_turn(worker)
    record = AnswerRecord("failed", code, "clinic", turn.live.version_id, False, Usage(), 0.5)
    finish_turns(worker, [Finished(turn, [], False, record)])


def test_a_wrong_key_is_an_alarm_until_the_assistant_answers_again(tenant, answered, worker):
    fail(worker, answered, "model_unauthorized")
    assert stand() == {"assistant_failing"}
    hear(answered)
    end(worker, answered, claim_turn(worker))
    assert stand() == set()


def test_passing_trouble_of_a_model_is_an_alarm_once_it_lasts(tenant, answered, worker):
    for _ in range(IN_A_ROW - 1):
        fail(worker, answered, "model_unavailable")
    assert stand() == set()
    fail(worker, answered, "model_unavailable")
    assert stand() == {"assistant_failing"}


def test_an_assistant_that_is_switched_off_troubles_nobody(tenant, answered, worker):
    fail(worker, answered, "model_unauthorized")
    switch_assistant(tenant.pk, "clinic", active=False)
    assert stand() == set()


@pytest.mark.parametrize(
    ("limits", "reserved", "raised"),
    [
        ({"messages_per_day": 5}, [1] * 3, False),
        ({"messages_per_day": 5}, [1] * 4, True),
        ({"tokens_per_day": 100}, [79], False),
        ({"tokens_per_day": 100}, [80], True),
        ({}, [10_000], False),
    ],
)
def test_four_fifths_of_a_days_budget_are_an_alarm(tenant, clinic, limits, reserved, raised):
    draft_version(tenant.pk, "clinic", {name: str(value) for name, value in limits.items()})
    publish_version(tenant.pk, "clinic")
    for contact, tokens in enumerate(reserved):
        spender = Spender(tenant.pk, clinic.pk, contact + 1, time.time())
        reserve(tenant.pk, limits_of(spender, live(tenant).settings, ()), Amounts(1, tokens))
    assert stand() == ({"assistant_budget"} if raised else set())


@pytest.mark.parametrize(("subject", "raised"), [("tenant", True), ("contact", False)])
def test_four_fifths_of_a_tenants_budget_are_an_alarm(tenant, clinic, subject, raised):
    limit = set_budget(tenant.pk, BudgetKey(subject, "month", "messages"), "5")
    for contact in range(4):
        reserve(tenant.pk, limits_of(Spender(tenant.pk, None, contact + 1, time.time()), OPEN, [limit]), Amounts(1))
    assert stand() == ({"budget_nearly_spent"} if raised else set())


# --- the kill switch --------------------------------------------------------------------------------------------------


def test_a_stopped_tenants_turn_says_nothing_and_a_person_goes_on(tenant, answered, worker):
    hear(answered)
    turn = claim_turn(worker)
    assert not turn.stopped
    stop_assistants(tenant.pk)
    assert end(worker, answered, turn) == "dropped"
    assert Conversation.objects.get(tenant_id=tenant.pk).answered_by == "person"
    assert (answers_of(tenant), outcomes(tenant)) == ([], ["silent"])


def test_what_has_not_left_when_the_switch_is_thrown_is_cancelled(tenant, answered, worker):
    hear(answered)
    assert end(worker, answered, claim_turn(worker)) == "kept"
    stop_assistants(tenant.pk)
    assert [row.code for row in answers_of(tenant)] == ["cancelled"]


def test_a_turn_knows_of_the_switch_and_another_tenants_does_not(tenant, answered, worker):
    other = add_tenant("shop")
    stop_assistants(other.pk)
    hear(answered)
    assert end(worker, answered, claim_turn(worker)) == "kept"
    stop_assistants(tenant.pk)
    hear(answered, "And tomorrow?")
    assert claim_turn(worker).stopped
    assert resume_assistants(tenant.pk)
    assert not resume_assistants(tenant.pk)


# --- races ------------------------------------------------------------------------------------------------------------


RACES = 100 * int(os.environ.get("SCALE", "1"))


@pytest.mark.timeout(120 + RACES)
def test_an_operator_and_an_assistant_that_answer_at_once_make_one_answer(tenant, answered, worker, postgresql):
    """`SCALE=20` makes it two thousand."""
    ends = Counter()
    for number in range(RACES):
        hear_from(answered, number)
        turn = claim_turn(worker)
        talk = Conversation.objects.get(tenant_id=tenant.pk, pk=turn.conversation_id)
        race(
            lambda turn=turn: ends.update([end(worker, answered, turn)]),
            lambda talk=talk: hand_over(tenant.pk, str(talk.uid), "person"),
        )
        talk = Conversation.objects.get(tenant_id=tenant.pk, pk=turn.conversation_id)
        rows = Message.objects.filter(tenant_id=tenant.pk, conversation_id=talk.pk, sender="clinic")
        assert talk.answered_by == "person"
        assert [row.code for row in rows] in ([], ["cancelled"])  # it came too late, or had not left
        assert claim_turns(worker, open_room(10)).claims == []
    print(f"{RACES} races: {dict(ends)}, 0 answers after a take-over")
    assert sum(ends.values()) == RACES


def hear_from(channel, number):
    apply(channel, wrote(channel, number, body="Are you open?"), debounce=Debounce(0.0, 0.0))


def race(*deeds):
    """Both at once, each on a connection of its own."""
    start = threading.Barrier(len(deeds))

    def run(deed):
        try:
            start.wait()
            deed()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
