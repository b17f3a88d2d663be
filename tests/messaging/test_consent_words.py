"""Who writes STOP gets no templates and no bulk any more, is told so once, and is still answered."""

import pytest

from hailgate.core.consent_scopes import ASSISTANT, UNASKED
from hailgate.core.content import content_as_json
from hailgate.core.slots import open_room
from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns
from hailgate.messaging.models import Consent, Conversation, Direction, WorkKind
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.people.suppressions import record_opt_outs
from hailgate.messaging.store.sql import atomic_cursor

from .acting import (
    add_number,
    apply,
    change_channel,
    claim,
    deliver_all,
    messages,
    new_message,
    phone,
    send,
    send_all,
    work,
    wrote,
)


def told(channel) -> list[str]:
    rows = messages(channel.tenant_id, direction=Direction.OUTBOUND, sender="consent")
    return [content_as_json(row.content)["text"]["body"] for row in rows]


def templates(channel, priority=0):
    send_all(channel, [new_message(channel)._replace(kind="template", priority=priority)])


def record_opt_out(channel, at):
    """As the provider reports it: a message was refused."""
    with atomic_cursor() as cursor:
        record_opt_outs(cursor, [(channel.tenant_id, phone(1), at)])


def test_it_is_kept_with_its_proof_and_time_and_told_once(wide, clock):
    apply(wide, wrote(wide, 1, body="Stop", at=clock.now))
    consent = Consent.objects.get(tenant_id=wide.tenant_id)
    (said,) = messages(wide.tenant_id, direction=Direction.INBOUND)
    assert (consent.scope, consent.wanted, consent.reason) == (UNASKED, False, "wrote_it")
    assert (consent.proof, consent.at.timestamp()) == (str(said.uid), clock.now)
    apply(wide, wrote(wide, 1, body="STOP", at=clock.forward(60)))
    assert len(told(wide)) == 1


def test_templates_and_bulk_are_stopped_and_answers_are_not(wide, worker, clock):
    apply(wide, wrote(wide, 1, body="Stop", at=clock.now))
    deliver_all(worker)
    templates(wide)
    assert [one.unasked for one in claim(worker)] == [True]


@pytest.mark.parametrize(("priority", "stopped"), [(0, False), (1, True)])
def test_bulk_is_stopped(wide, worker, clock, priority, stopped):
    apply(wide, wrote(wide, 1, body="Stop", at=clock.now))
    deliver_all(worker)
    send(wide, priority=priority)
    assert [one.unasked for one in claim(worker)] == [stopped]


def test_who_starts_again_is_told_and_gets_everything(wide, worker, clock):
    for body in ("stop", "start"):
        apply(wide, wrote(wide, 1, body=body, at=clock.forward(60)))
    assert len(told(wide)) == 2
    deliver_all(worker)
    templates(wide, priority=1)
    assert [one.unasked for one in claim(worker)] == [False]


def test_start_means_nothing_to_who_has_not_stopped(wide, clock):
    apply(wide, wrote(wide, 1, body="start", at=clock.now))
    assert told(wide) == []


def test_no_assistant_answers_it_and_each_answers_what_comes_next(answering, clock):
    apply(answering, wrote(answering, 1, body="stop", at=clock.now))
    assert work(answering.tenant_id, kind=WorkKind.TURN) == []
    apply(answering, wrote(answering, 1, body="Are you open?", at=clock.forward(60)))
    assert len(work(answering.tenant_id, kind=WorkKind.TURN)) == 1


def test_what_is_said_beside_it_is_answered(answering, clock):
    said = [wrote(answering, 1, body=body, at=clock.now, message_id=body) for body in ("chest pain", "STOP")]
    apply(answering, *said)
    assert len(work(answering.tenant_id, kind=WorkKind.TURN)) == 1
    assert len(told(answering)) == 1


def test_words_are_of_the_channels_languages(wide, clock):
    apply(wide, wrote(wide, 1, body="parar", at=clock.now))
    assert told(wide) == []
    change_channel(wide, consent_languages="en,pt")
    apply(wide, wrote(wide, 1, body="parar", at=clock.forward(60)))
    assert "QUERO RECEBER" in told(wide)[0]


def test_a_channel_may_look_for_no_words(wide, clock):
    change_channel(wide, consent_languages="")
    apply(wide, wrote(wide, 1, body="stop", at=clock.now))
    assert not Consent.objects.filter(tenant_id=wide.tenant_id).exists()


def test_a_repeated_webhook_tells_nothing_twice(wide, clock):
    said = wrote(wide, 1, body="stop", at=clock.now)
    apply(wide, said)
    apply(wide, said)
    assert len(told(wide)) == 1


# --- the assistant ----------------------------------------------------------------------------------------------------


def refuse(channel, clock, to=1) -> None:
    apply(channel, wrote(channel, to, body="No bot", at=clock.forward(60)))


def test_who_refuses_the_assistant_is_answered_by_people_and_told_so_once(answering, clock):
    for _ in range(2):
        refuse(answering, clock)
    talk = Conversation.objects.get(tenant_id=answering.tenant_id)
    assert talk.answered_by == "person"
    assert len(told(answering)) == 1
    assert Consent.objects.get(tenant_id=answering.tenant_id, scope=ASSISTANT).proof
    apply(answering, wrote(answering, 1, body="Are you open?", at=clock.forward(60)))
    assert work(answering.tenant_id, kind=WorkKind.TURN) == []


def test_an_answer_that_has_not_left_is_cancelled(answering, worker, clock):
    apply(answering, wrote(answering, 1, body="Hello", at=clock.now))
    (turn,) = claim_turns(worker, open_room(10)).claims
    given = {"sender": "scripted", "cause": turn.id, "conversation_id": turn.conversation_id}
    finish_turns(worker, [Finished(turn, [new_message(answering, turn.to, "Yes.", **given)], hand_over=False)])
    refuse(answering, clock)
    (answer,) = messages(answering.tenant_id, direction=Direction.OUTBOUND, sender="scripted")
    assert answer.code == "cancelled"


def test_their_refusal_holds_wherever_else_they_write(tenant, hook, answering, worker, clock):
    refuse(answering, clock)
    other = add_number(tenant, hook, 8, answered_by="scripted")
    apply(other, wrote(other, 1, body="Hello", at=clock.forward(60)))
    (turn,) = claim_turns(worker, open_room(10)).claims
    assert turn.refused


def test_only_a_person_gives_them_back(answering, worker, clock):
    refuse(answering, clock)
    clock.forward(60)
    uid = str(Conversation.objects.get(tenant_id=answering.tenant_id).uid)
    assert hand_over(answering.tenant_id, uid, "scripted")
    apply(answering, wrote(answering, 1, body="Hello", at=clock.forward(60)))
    (turn,) = claim_turns(worker, open_room(10)).claims
    assert not turn.refused
    consent = Consent.objects.get(tenant_id=answering.tenant_id, scope=ASSISTANT)
    assert (consent.wanted, consent.reason) == (True, "given_back")


def test_what_is_said_after_it_in_the_same_batch_takes_nothing_back(answering, clock):
    said = [wrote(answering, 1, body=body, at=clock.now, message_id=body) for body in ("STOP", "chest pain")]
    apply(answering, *said)
    assert len(work(answering.tenant_id, kind=WorkKind.TURN)) == 1
    assert len(told(answering)) == 1
    assert not Consent.objects.get(tenant_id=answering.tenant_id).wanted


def test_a_stop_and_a_start_in_one_batch_end_as_the_later(wide, clock):
    start = wrote(wide, 1, body="START", at=clock.forward(60))
    apply(wide, start, wrote(wide, 1, body="STOP", at=clock.now - 30))
    assert Consent.objects.get(tenant_id=wide.tenant_id, scope=UNASKED).wanted
    assert told(wide) == []


def test_a_stop_that_comes_after_a_later_start_is_not_confirmed(wide, clock):
    for body in ("stop", "start"):
        apply(wide, wrote(wide, 1, body=body, at=clock.forward(60)))
    before = told(wide)
    apply(wide, wrote(wide, 1, body="STOP", at=clock.now - 30))
    assert told(wide) == before


# --- a provider that keeps a list of its own --------------------------------------------------------------------------


@pytest.mark.parametrize("languages", ["en", ""])
def test_its_list_is_followed_whatever_the_word_and_it_alone_confirms(wide, worker, clock, languages):
    change_channel(wide, consent_languages=languages)
    apply(wide, wrote(wide, 1, body="chega", at=clock.now, wants=False))
    (said,) = messages(wide.tenant_id, direction=Direction.INBOUND)
    consent = Consent.objects.get(tenant_id=wide.tenant_id)
    assert (consent.scope, consent.wanted, consent.proof) == (UNASKED, False, str(said.uid))
    assert told(wide) == []
    templates(wide)
    assert [one.unasked for one in claim(worker)] == [True]


def test_who_is_on_it_no_more_gets_everything_again(wide, worker, clock):
    apply(wide, wrote(wide, 1, body="chega", at=clock.now, wants=False))
    record_opt_out(wide, clock.forward(30))
    apply(wide, wrote(wide, 1, body="volta", at=clock.forward(60), wants=True))
    assert told(wide) == []
    templates(wide, priority=1)
    assert [(one.unasked, one.opted_out) for one in claim(worker)] == [(False, False)]


def test_a_known_word_is_confirmed_by_it_alone_and_no_assistant_answers(answering, clock):
    apply(answering, wrote(answering, 1, body="STOP", at=clock.now, wants=False))
    assert told(answering) == []
    assert work(answering.tenant_id, kind=WorkKind.TURN) == []


def test_a_start_lifts_what_the_provider_reported_of_a_stop(wide, worker, clock):
    record_opt_out(wide, clock.now)
    apply(wide, wrote(wide, 1, body="start", at=clock.forward(60)))
    assert "again" in told(wide)[0]
    deliver_all(worker)
    templates(wide)
    assert [(one.unasked, one.opted_out) for one in claim(worker)] == [(False, False)]
