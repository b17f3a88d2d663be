"""Turns: who is asked, when, about what; and an end that comes with its replies or not at all."""

import pytest

from hailgate.assistant import ScriptedAssistant
from hailgate.core.content import content_as_json
from hailgate.core.delivery import Action
from hailgate.core.slots import open_room
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turns import HISTORY_LENGTH, Finished, claim_turns, finish_turns, postpone_turn
from hailgate.messaging.models import PERSON, Conversation, Direction, WorkKind, WorkState
from hailgate.messaging.outbound.claim import UNREADABLE_S
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.work.sweep import promote_all, promote_lost_heads
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    apply,
    attempt,
    change,
    claim,
    decided,
    deliver,
    let_expire,
    messages,
    new_message,
    new_worker,
    send,
    tell,
    work,
    wrote,
)

WAITING, READY, LEASED, *_ = WorkState
PATIENT = Debounce(1.5, 8.0)


def hear(channel, body="hello", debounce=PATIENT, **given):
    apply(channel, wrote(channel, body=body, **given), debounce=debounce)


def turns_of(channel):
    return work(channel.tenant_id, kind=WorkKind.TURN)


def claim_turn(worker):
    (only,) = claim_turns(worker, open_room(10)).claims
    return only


def reply(channel, turn, body="Yes.", ordinal=0):
    return new_message(channel, turn.to, body, sender="scripted", cause=turn.id, ordinal=ordinal)


def finish(worker, turn, *replies, hand_over=False):
    """Whether they were kept."""
    return finish_turns(worker, [Finished(turn, replies, hand_over)]) == ["kept"]


def conversation(channel) -> Conversation:
    return Conversation.objects.get(tenant_id=channel.tenant_id)


def texts(lines):
    return [content_as_json(line.content)["text"]["body"] for line in lines]


def replies(channel):
    return messages(channel.tenant_id, direction=Direction.OUTBOUND)


# --- who is asked -----------------------------------------------------------------------------------------------------


def test_where_an_assistant_answers_a_message_calls_for_a_turn(answering, clock):
    hear(answering)
    (turn,) = turns_of(answering)
    assert (turn.state, turn.key) == (READY, conversation(answering).id)


def test_where_a_person_answers_nobody_is_asked(channel, clock):
    hear(channel)
    assert turns_of(channel) == []


def test_after_a_hand_over_nobody_is_asked_and_after_a_hand_back_again(answering, clock):
    hear(answering, debounce=Debounce(0.0, 0.0))
    worker = new_worker()
    finish(worker, claim_turn(worker))
    uid = str(conversation(answering).uid)
    assert hand_over(answering.tenant_id, uid, PERSON)
    hear(answering)
    assert turns_of(answering) == []
    assert hand_over(answering.tenant_id, uid, "scripted")
    hear(answering)
    assert len(turns_of(answering)) == 1


# --- when -------------------------------------------------------------------------------------------------------------


def test_a_turn_waits_a_little_after_the_last_message(answering, worker, clock):
    hear(answering)
    for _ in range(3):
        clock.forward(1.0)
        hear(answering)
    clock.forward(1.4)
    assert claim_turns(worker, open_room(10)).claims == []
    clock.forward(0.1)
    assert len(claim_turn(worker).unanswered) == 4


def test_a_turn_waits_no_longer_than_the_most_after_the_first_message(answering, worker, clock):
    hear(answering)
    for _ in range(7):
        clock.forward(1.0)
        hear(answering)
    clock.forward(0.9)
    hear(answering)
    assert claim_turns(worker, open_room(10)).claims == []
    clock.forward(0.1)
    assert len(claim_turn(worker).unanswered) == 9


def test_messages_that_come_together_call_for_one_turn(answering, clock):
    apply(answering, *(wrote(answering) for _ in range(5)), debounce=PATIENT)
    assert len(turns_of(answering)) == 1


def test_a_turn_that_waits_tells_when_it_is_due(answering, worker, clock):
    hear(answering)
    assert claim_turns(worker, open_room(10)) == ([], clock.now, clock.now + 1.5)


def test_without_a_debounce_a_turn_is_due_at_once(answering, worker, clock):
    hear(answering, debounce=Debounce(0.0, 0.0))
    assert claim_turn(worker)


def test_what_comes_while_an_answer_is_composed_calls_for_a_turn_of_its_own(answering, worker, clock):
    hear(answering, "first")
    clock.forward(2)
    composing = claim_turn(worker)
    hear(answering, "second")
    assert [WorkState(row.state) for row in turns_of(answering)] == [LEASED, WAITING]
    assert finish(worker, composing, reply(answering, composing))
    assert promote_lost_heads() == 0
    clock.forward(1.5)
    promote_all()
    assert texts(claim_turn(worker).unanswered) == ["second"]


def test_a_turn_that_waits_behind_another_grows_too(answering, worker, clock):
    hear(answering, "first")
    clock.forward(2)
    composing = claim_turn(worker)
    for body in ("second", "third"):
        hear(answering, body)
    assert len(turns_of(answering)) == 2
    clock.forward(20)
    assert claim_turns(worker, open_room(10)).claims == []
    finish(worker, composing)
    assert texts(claim_turn(worker).unanswered) == ["second", "third"]


# --- about what -------------------------------------------------------------------------------------------------------


@pytest.fixture
def remembering(monkeypatch):
    monkeypatch.setattr(ScriptedAssistant, "reads_history", True)


def test_a_turn_shows_the_conversation_and_what_is_not_answered(answering, worker, clock, remembering):
    hear(answering, "one")
    clock.forward(2)
    first = claim_turn(worker)
    finish(worker, first, reply(answering, first, "answer"))
    hear(answering, "two")
    hear(answering, "three")
    clock.forward(2)
    turn = claim_turn(worker)
    assert texts(turn.lines) == ["one", "answer", "two", "three"]
    assert texts(turn.unanswered) == ["two", "three"]
    assert [line.inbound for line in turn.lines] == [True, False, True, True]
    assert all(line.provider_id for line in turn.unanswered)


def test_an_assistant_that_reads_no_history_is_shown_what_it_has_to_answer(answering, worker, clock):
    hear(answering, "one")
    clock.forward(2)
    first = claim_turn(worker)
    finish(worker, first, reply(answering, first, "answer"))
    hear(answering, "two")
    clock.forward(2)
    turn = claim_turn(worker)
    assert texts(turn.lines) == ["answer", "two"]
    assert texts(turn.unanswered) == ["two"]


def test_a_turn_shows_the_latest_lines_of_what_was_answered(answering, worker, clock, monkeypatch):
    monkeypatch.setattr(ScriptedAssistant, "reads_history", True)
    apply(answering, *(wrote(answering, body=str(place)) for place in range(HISTORY_LENGTH + 5)), debounce=PATIENT)
    clock.forward(2)
    assert finish(worker, claim_turn(worker))
    hear(answering, "new")
    clock.forward(2)
    assert texts(claim_turn(worker).lines) == [*(str(place) for place in range(6, HISTORY_LENGTH + 5)), "new"]


@pytest.mark.parametrize("reads_history", [True, False])
def test_a_turn_brings_all_that_was_not_answered(answering, worker, clock, monkeypatch, reads_history):
    """Not the latest lines alone: an emergency may stand at the beginning of a burst."""
    monkeypatch.setattr(ScriptedAssistant, "reads_history", reads_history)
    hear(answering, "before")
    clock.forward(2)
    assert finish(worker, claim_turn(worker))
    burst = [str(place) for place in range(2 * HISTORY_LENGTH + 5)]
    apply(answering, *(wrote(answering, body=body) for body in burst), debounce=PATIENT)
    clock.forward(2)
    assert texts(claim_turn(worker).unanswered) == burst


def test_a_turn_shows_nothing_of_other_conversations(answering, worker, clock):
    apply(answering, wrote(answering, 1, body="mine"), wrote(answering, 2, body="theirs"), debounce=PATIENT)
    clock.forward(2)
    assert sorted(texts(turn.lines) for turn in claim_turns(worker, open_room(10)).claims) == [["mine"], ["theirs"]]


def test_an_answer_goes_where_the_last_message_came_from(answering, worker, clock):
    from hailgate.core.address import Address, AddressKind

    scoped = Address(AddressKind.BSUID, "US.1")
    apply(answering, wrote(answering, 1, scoped), wrote(answering, scoped), debounce=PATIENT)
    send(answering, to=1)
    clock.forward(2)
    assert claim_turn(worker).to == scoped


# --- claiming ---------------------------------------------------------------------------------------------------------


def test_no_more_turns_are_claimed_than_asked_for(answering, worker, clock):
    apply(answering, *(wrote(answering, to) for to in range(5)), debounce=PATIENT)
    clock.forward(2)
    assert [len(claim_turns(worker, open_room(limit)).claims) for limit in (2, 0, 10)] == [2, 0, 3]


def test_a_turn_that_told_no_end_is_claimed_alone(answering, worker, clock):
    apply(answering, *(wrote(answering, to) for to in range(3)), debounce=PATIENT)
    clock.forward(2)
    claim_turns(worker, open_room(10))
    let_expire(worker)
    declare_dead(worker, LEASE_S, HOLD_S)
    heir = new_worker()
    assert [len(claim_turns(heir, open_room(10)).claims) for _ in range(4)] == [1, 1, 1, 0]


@pytest.mark.parametrize("column", ["content", "address"])
def test_a_turn_that_can_no_longer_be_read_costs_nobody_elses_answer(answering, worker, clock, column):
    apply(answering, wrote(answering, 1, body="lost"), wrote(answering, 2, body="fine"), debounce=PATIENT)
    lost = messages(answering.tenant_id)[0]
    plain = getattr(lost, column)
    change(lost, **{column: "sealed:lost:gAAAA"})
    clock.forward(2)
    assert texts(claim_turn(worker).lines) == ["fine"]
    change(lost, **{column: plain})
    clock.forward(UNREADABLE_S)
    assert texts(claim_turn(worker).lines) == ["lost"]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_the_end_of_a_turn_comes_with_its_replies(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    turn = claim_turn(worker)
    assert finish(worker, turn, reply(answering, turn, "one"), reply(answering, turn, "two", ordinal=1))
    assert turns_of(answering) == []
    assert [(row.sender, row.cause, row.ordinal) for row in replies(answering)] == [
        ("scripted", turn.id, 0),
        ("scripted", turn.id, 1),
    ]
    assert len(work(answering.tenant_id, kind=WorkKind.DELIVERY)) == 2
    assert {row.conversation_id for row in messages(answering.tenant_id)} == {turn.conversation_id}


def test_a_turn_may_end_without_a_word(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    assert finish(worker, claim_turn(worker))
    assert (turns_of(answering), replies(answering)) == ([], [])


def test_a_turn_ends_once(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    turn = claim_turn(worker)
    assert [finish(worker, turn, reply(answering, turn)) for _ in range(2)] == [True, False]
    assert len(replies(answering)) == 1


def test_several_turns_end_in_one_transaction_each_with_its_own_answer(answering, worker, clock):
    apply(answering, *(wrote(answering, to) for to in range(3)), debounce=PATIENT)
    clock.forward(2)
    turns = claim_turns(worker, open_room(10)).claims
    taken = finish(worker, turns[1])
    ends = [Finished(turn, [reply(answering, turn)], hand_over=False) for turn in turns]
    assert (taken, finish_turns(worker, ends)) == (True, ["kept", "dropped", "kept"])
    assert {row.cause for row in replies(answering)} == {turns[0].id, turns[2].id}


def test_a_reply_composed_twice_is_stored_once(answering, worker, clock):
    """The worker was killed between its commit and its next breath: the heir composes nothing again."""
    hear(answering)
    clock.forward(2)
    turn = claim_turn(worker)
    finish(worker, turn, reply(answering, turn))
    let_expire(worker)
    declare_dead(worker, LEASE_S, HOLD_S)
    assert claim_turns(new_worker(), open_room(10)).claims == []
    assert len(replies(answering)) == 1


def test_a_worker_killed_between_compose_and_finish_leaves_exactly_one_reply(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    lost = claim_turn(worker)
    let_expire(worker)
    declare_dead(worker, LEASE_S, HOLD_S)
    heir = new_worker()
    turn = claim_turn(heir)
    assert (turn.id, turn.crashes) == (lost.id, 1)
    assert finish(heir, turn, reply(answering, turn))
    assert not finish(worker, lost, reply(answering, lost))
    assert not finish(heir, lost, reply(answering, lost))
    assert len(replies(answering)) == 1


def test_a_postponed_turn_comes_back_with_one_attempt_spent(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    assert postpone_turn(worker, claim_turn(worker), 2.0, "assistant_failed")
    assert claim_turns(worker, open_room(10)) == ([], clock.now, clock.now + 2.0)
    clock.forward(2.0)
    again = claim_turn(worker)
    assert (again.spent, again.crashes) == (1, 0)


# --- review -----------------------------------------------------------------------------------------------------------


def test_a_hand_over_while_composing_drops_the_reply(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    turn = claim_turn(worker)
    assert hand_over(answering.tenant_id, str(conversation(answering).uid), PERSON)
    assert not finish(worker, turn, reply(answering, turn))
    assert (turns_of(answering), replies(answering)) == ([], [])
    assert conversation(answering).answered_by == PERSON


def test_a_turn_that_hands_over_says_its_last_word_and_asks_a_person(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    turn = claim_turn(worker)
    assert finish(worker, turn, reply(answering, turn), hand_over=True)
    after = conversation(answering)
    assert (after.answered_by, after.version) == (PERSON, turn.version + 1)
    assert len(replies(answering)) == 1


def test_a_message_that_came_while_composing_does_not_drop_the_reply(answering, worker, clock):
    hear(answering)
    clock.forward(2)
    turn = claim_turn(worker)
    hear(answering, "one more thing")
    assert finish(worker, turn, reply(answering, turn))


@pytest.mark.parametrize("spelling", [str, lambda uid: uid.hex, lambda uid: str(uid).upper()])
def test_a_conversation_is_handed_over_by_either_spelling_of_its_id(answering, clock, spelling):
    hear(answering)
    uid = conversation(answering).uid
    assert hand_over(answering.tenant_id, spelling(uid), PERSON)
    assert conversation(answering).answered_by == PERSON


@pytest.mark.parametrize("uid", ["", "no id", "00000000-0000-0000-0000-000000000000"])
def test_what_is_no_conversation_is_not_handed_over(answering, clock, uid):
    assert not hand_over(answering.tenant_id, uid, PERSON)


def test_the_conversation_of_another_tenant_is_not_handed_over(answering, stranger, clock):
    hear(answering)
    assert not hand_over(stranger.id, str(conversation(answering).uid), PERSON)
    assert conversation(answering).answered_by == "scripted"


def test_what_was_written_before_a_hand_back_is_not_answered(answering, worker, clock):
    uid = None
    hear(answering, "to the person", debounce=Debounce(0.0, 0.0))
    uid = str(conversation(answering).uid)
    hand_over(answering.tenant_id, uid, PERSON)
    hear(answering, "to the person too")
    hand_over(answering.tenant_id, uid, "scripted")
    clock.forward(60)
    turns = claim_turns(worker, open_room(10)).claims
    assert [turn.unanswered for turn in turns] in ([], [()])
    assert answering.answered_by == "scripted"


def test_a_reply_of_several_messages_leaves_in_one_piece(answering, worker, clock):
    """Whoever else writes to the person meanwhile, with whatever priority, and also where a part is tried again."""
    hear(answering, debounce=Debounce(0.0, 0.0))
    turn = claim_turn(worker)
    send(answering, body="before", priority=1)
    parts = [reply(answering, turn, body, place) for place, body in enumerate(("one", "two", "three"))]
    assert finish(worker, turn, *parts)
    send(answering, body="after", priority=0)
    left = []
    for _ in range(2 * 5):
        for one in claim(worker):
            if one.attempt_no == 1:
                attempt(worker, one)
                tell(worker, decided(one, Action.RETRY, clock.now + 0.5))
            else:
                deliver(worker, one)
                left += texts([one])
        clock.forward(1.0)
    assert left == ["before", "one", "two", "three", "after"]
