"""Threads that several responders share: while another owns one, nothing of an assistant leaves."""

import msgspec
import pytest

from hailgate.core.delivery import Action
from hailgate.core.errors import ThreadElsewhere
from hailgate.core.events import EchoedMessage, ThreadOwnerChange
from hailgate.core.slots import open_room
from hailgate.core.thread_owner import IDLE_S, ThreadOwner
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns
from hailgate.messaging.models import Conversation, Direction, Message, WorkKind
from hailgate.messaging.outbound.accept import Accepted, accept_messages
from hailgate.messaging.outbound.assistant_stop import stop_assistants
from hailgate.messaging.outbound.new_message import Idempotency
from hailgate.messaging.outbound.takeover import hand_over

from .acting import NO_WAIT, account_of, apply, attempt, claim, decided, messages, new_message, phone, tell, work, wrote


def owned(channel, at, *, ours=False, source="handover.1", role="meta_agent") -> ThreadOwnerChange:
    return ThreadOwnerChange(account_of(channel), source, (phone(1),), ours, role, at)


def standby(channel, at, body="hello", message_id="in.standby"):
    """As a provider tells a message of somebody else's thread."""
    said = wrote(channel, 1, body=body, at=at, message_id=message_id)
    return said, owned(channel, at, source=message_id, role="")


def answered_elsewhere(channel, at, body="Meta's own agent here", message_id="out.other") -> EchoedMessage:
    said = wrote(channel, 1, body=body, at=at, message_id=message_id)
    return EchoedMessage(**msgspec.structs.asdict(said), responder=True)


def thread(channel) -> Conversation:
    return Conversation.objects.get(tenant_id=channel.tenant_id)


def turns(channel) -> int:
    return len(work(channel.tenant_id, kind=WorkKind.TURN))


def deliveries(channel) -> int:
    return len(work(channel.tenant_id, kind=WorkKind.DELIVERY))


def claim_turn(worker):
    (only,) = claim_turns(worker, open_room(10)).claims
    return only


def reply(channel, turn):
    return new_message(channel, turn.to, "Yes.", sender="scripted", cause=turn.id, conversation_id=turn.conversation_id)


def test_a_message_of_somebody_elses_thread_is_shown_and_asks_no_assistant(answering, clock):
    assert apply(answering, *standby(answering, clock.now)) == "1 message, 1 owner"
    assert [row.sender for row in messages(answering.tenant_id)] == ["contact"]
    assert thread(answering).thread_owner == ThreadOwner.OTHER
    assert turns(answering) == 0


@pytest.mark.parametrize("order", [("standby", "messages"), ("messages", "standby")])
@pytest.mark.parametrize("together", [True, False])
def test_a_message_told_in_both_ways_has_one_effect_and_gets_no_answer(answering, worker, clock, order, together):
    said, owner = standby(answering, clock.now)
    tellings = [(said, owner) if way == "standby" else (said,) for way in order]
    for telling in [sum(tellings, ())] if together else tellings:
        apply(answering, *telling, debounce=Debounce(1.5, 8.0))
    clock.forward(10)
    assert len(messages(answering.tenant_id)) == 1
    assert claim_turns(worker, open_room(10)).claims == []
    assert turns(answering) == 0


def test_what_an_assistant_composes_is_dropped_when_another_takes_the_thread(answering, worker, clock):
    apply(answering, wrote(answering, 1, at=clock.now))
    turn = claim_turn(worker)
    apply(answering, owned(answering, clock.forward(1)))
    assert finish_turns(worker, [Finished(turn, [reply(answering, turn)], hand_over=False)]) == ["dropped"]
    assert deliveries(answering) == 0


def take_thread(channel, clock):
    apply(channel, owned(channel, clock.forward(1)))


def take_over(channel, _):
    assert hand_over(channel.tenant_id, str(thread(channel).uid), "person")


def write_on_the_phone(channel, clock):
    said = wrote(channel, 1, body="I am here", at=clock.forward(1), message_id="typed.1")
    apply(channel, EchoedMessage(**msgspec.structs.asdict(said)))


def stop_all(channel, _):
    stop_assistants(channel.tenant_id)


def refuse(channel, clock):
    apply(channel, wrote(channel, 1, at=clock.forward(1), body="no bot"))


@pytest.mark.parametrize("ends", [take_thread, take_over, write_on_the_phone, stop_all, refuse])
@pytest.mark.parametrize("spends", [False, True])
def test_what_has_not_left_is_cancelled_also_what_was_refused_once(answering, worker, clock, ends, spends):
    apply(answering, wrote(answering, 1, at=clock.now))
    turn = claim_turn(worker)
    finish_turns(worker, [Finished(turn, [reply(answering, turn)], hand_over=False)])
    (claimed,) = claim(worker)
    attempt(worker, claimed)
    tell(worker, decided(claimed, Action.RETRY, clock.now + 5, spends=spends))
    assert deliveries(answering) == 1
    ends(answering, clock)
    (row, *_) = Message.objects.filter(tenant_id=answering.tenant_id, cause__isnull=False)
    assert row.code == "cancelled"


def test_what_the_other_answers_stands_in_the_thread_as_theirs(answering, clock):
    apply(answering, *standby(answering, clock.now))
    apply(answering, answered_elsewhere(answering, clock.forward(1)))
    assert [row.sender for row in messages(answering.tenant_id)] == ["contact", "responder"]
    talk = thread(answering)
    assert (talk.answered_by, talk.last_message_id) == ("scripted", messages(answering.tenant_id)[-1].id)


@pytest.mark.parametrize("answered", [True, False])
def test_control_that_is_passed_to_us_asks_for_what_the_other_left_unanswered(answering, worker, clock, answered):
    apply(answering, *standby(answering, clock.now))
    if answered:
        apply(answering, answered_elsewhere(answering, clock.forward(1)))
    apply(answering, owned(answering, clock.forward(1), ours=True, source="handover.2"))
    assert thread(answering).thread_owner == ThreadOwner.US
    assert turns(answering) == (0 if answered else 1)


def test_an_older_telling_does_not_undo_a_newer_one(answering, clock):
    apply(answering, owned(answering, clock.now, ours=True, source="handover.2"))
    apply(answering, owned(answering, clock.now - 60))
    assert thread(answering).thread_owner == ThreadOwner.US


def test_a_thread_of_which_nothing_was_told_for_a_day_is_ours_again(answering, clock):
    apply(answering, *standby(answering, clock.now))
    clock.forward(IDLE_S)
    apply(answering, wrote(answering, 1, at=clock.now))
    assert turns(answering) == 1


def test_a_message_told_to_us_alone_in_their_thread_brings_a_person(answering, clock):
    apply(answering, *standby(answering, clock.now))
    apply(answering, wrote(answering, 1, at=clock.forward(60)))
    talk = thread(answering)
    assert (talk.thread_owner, talk.answered_by, turns(answering)) == (ThreadOwner.UNKNOWN, "person", 0)


def test_a_turn_that_waits_when_another_takes_the_thread_ends_without_an_answer(answering, worker, clock):
    apply(answering, wrote(answering, 1, at=clock.now))
    apply(answering, owned(answering, clock.forward(1)))
    assert claim_turns(worker, open_room(10)).claims == []
    assert turns(answering) == 0


# --- sending ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(channel, clock):
    apply(channel, *standby(channel, clock.now))
    return channel


def test_a_send_that_would_take_the_thread_is_refused_and_leaves_nothing(elsewhere):
    key = Idempotency("a" * 40, "b" * 40)
    (refused,) = accept_messages([new_message(elsewhere, idempotency=key)])
    assert isinstance(refused, ThreadElsewhere)
    assert deliveries(elsewhere) == 0
    again = Idempotency("a" * 40, "c" * 40)
    (accepted,) = accept_messages([new_message(elsewhere, idempotency=again, takes_thread=True)])
    assert isinstance(accepted, Accepted)
    assert thread(elsewhere).thread_owner == ThreadOwner.US


def test_others_of_its_batch_are_accepted(elsewhere):
    answers = accept_messages([new_message(elsewhere, to) for to in (2, 1, 3)])
    assert [type(answer) for answer in answers] == [Accepted, ThreadElsewhere, Accepted]
    assert Message.objects.filter(tenant_id=elsewhere.tenant_id, direction=Direction.OUTBOUND).count() == 2


def test_a_template_takes_no_thread(elsewhere):
    (accepted,) = accept_messages([new_message(elsewhere)._replace(kind="template")])
    assert isinstance(accepted, Accepted)
    assert thread(elsewhere).thread_owner == ThreadOwner.OTHER


def test_after_a_day_anybody_may_send(elsewhere, clock):
    clock.forward(IDLE_S)
    (accepted,) = accept_messages([new_message(elsewhere)])
    assert isinstance(accepted, Accepted)


def test_another_responder_in_two_hundred_threads_nothing_is_sent(answering, worker, clock):
    """Messages told in both ways and in either order, handovers among them; nothing of ours leaves."""
    sends = 0
    for n in range(200):
        at = clock.forward(0.5)
        who = (phone(100 + n),)
        said = wrote(answering, *who, at=at, message_id=f"in.{n}.both")
        owner = ThreadOwnerChange(account_of(answering), f"in.{n}.both", who, False, "", at)
        tellings = [(said,), (said, owner)] if n % 2 else [(said, owner), (said,)]
        for telling in tellings:
            apply(answering, *telling, debounce=NO_WAIT if n % 4 > 1 else Debounce(1.5, 8.0))
        clock.forward(2)
        for turn in claim_turns(worker, open_room(10)).claims:
            sends += finish_turns(worker, [Finished(turn, [reply(answering, turn)], hand_over=False)]).count("kept")
    assert sends == 0
    assert deliveries(answering) == 0
