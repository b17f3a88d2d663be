"""Summaries of conversations: kept as messages are, and gone with any change of what one covers."""

import os
import threading

import pytest
from django.db import connection

from hailgate.accounts.seal import MARK, Sealer, sealer, use_sealer
from hailgate.assistant.contract import Summary
from hailgate.core.content import InboundText
from hailgate.core.events import Change, MessageChange
from hailgate.core.slots import open_room
from hailgate.messaging.assistants import summaries
from hailgate.messaging.assistants.registry import add_assistant
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns
from hailgate.messaging.models import Contact, Conversation, ConversationSummary, Join
from hailgate.messaging.outbound.takeover import hand_over
from hailgate.messaging.people.byhand import join_by_hand, undo_join
from hailgate.messaging.people.joins import join_proven
from messaging.acting import account_of, add_number, apply, phone, wrote

AT_ONCE = Debounce(0.0, 0.0)
WORDS = "They asked for a cleaning."


@pytest.fixture
def clinic(tenant, hook):
    given = {"vendor": "openai", "model": "one", "api_key": "k", "context_messages": 30}
    add_assistant(tenant.pk, "clinic", given)
    return add_number(tenant, hook, 7, answered_by="clinic")


def hear(channel, *names, author=1):
    said = [wrote(channel, author, body=f"I say {name}", message_id=f"in.{name}") for name in names]
    apply(channel, *said, debounce=AT_ONCE)


def claim(worker):
    (turn,) = claim_turns(worker, open_room(10)).claims
    return turn


def finish(worker, turn, upto=None, text=WORDS):
    summary = Summary(text, upto if upto is not None else turn.lines[-2].id)
    return finish_turns(worker, [Finished(turn, [], False, summary=summary)])


def note(worker, channel, *names):
    """A conversation whose first messages are summarised."""
    hear(channel, *names)
    turn = claim(worker)
    finish(worker, turn)
    return turn


def kept(channel):
    rows = ConversationSummary.objects.filter(tenant_id=channel.tenant_id)
    return [(row.upto, sealer().unseal(row.content)) for row in rows]


def change(channel, name, what, body=None):
    content = None if body is None else InboundText(body)
    return MessageChange(account_of(channel), f"c.{name}", f"in.{name}", what, phone(1), 9e9, "👍", content)


def test_the_next_turn_is_brought_what_was_summarised(clinic, worker):
    turn = note(worker, clinic, "a", "b")
    hear(clinic, "c")
    assert claim(worker).summary == Summary(WORDS, turn.lines[0].id)


def test_there_is_one_of_a_conversation_and_the_latest_counts(clinic, worker):
    note(worker, clinic, "a", "b")
    hear(clinic, "c")
    turn = claim(worker)
    finish(worker, turn, text="They want Monday.")
    assert kept(clinic) == [(turn.lines[-2].id, "They want Monday.")]


def test_it_is_sealed_where_messages_are(clinic, worker):
    usual = sealer()
    use_sealer(Sealer([os.environ["HAILGATE_SECRET_KEYS"]], content=True))
    try:
        note(worker, clinic, "a", "b")
        row = ConversationSummary.objects.get(tenant_id=clinic.tenant_id)
        assert row.content.startswith(MARK)
        assert kept(clinic) == [(row.upto, WORDS)]
    finally:
        use_sealer(usual)


@pytest.mark.parametrize(
    ("name", "what", "stays"),
    [
        ("a", Change.EDIT, False), ("a", Change.DELETION, False), ("a", Change.REACTION, True),
        ("c", Change.EDIT, True), ("c", Change.DELETION, True),
    ],
)  # fmt: skip
def test_who_takes_back_or_corrects_what_it_covers_takes_it_with_it(clinic, worker, name, what, stays):
    note(worker, clinic, "a", "b", "c")
    apply(clinic, change(clinic, name, what, "corrected" if what is Change.EDIT else None))
    assert bool(kept(clinic)) == stays


@pytest.mark.parametrize("what", [Change.EDIT, Change.DELETION])
def test_what_was_changed_while_it_was_made_is_not_kept(clinic, worker, what):
    hear(clinic, "a", "b")
    turn = claim(worker)
    apply(clinic, change(clinic, "a", what, "corrected" if what is Change.EDIT else None))
    assert finish(worker, turn) == ["kept"]
    assert kept(clinic) == []


def test_one_that_was_made_of_a_former_one_falls_with_it(clinic, worker):
    note(worker, clinic, "a", "b", "c")
    hear(clinic, "d")
    turn = claim(worker)
    apply(clinic, change(clinic, "a", Change.DELETION))
    later = turn._replace(lines=tuple(line for line in turn.lines if line.id > turn.lines[0].id))
    finish(worker, later)
    assert kept(clinic) == []


def test_a_turn_that_is_dropped_keeps_none(clinic, worker):
    hear(clinic, "a", "b")
    turn = claim(worker)
    hand_over(clinic.tenant_id, str(Conversation.objects.get(tenant_id=clinic.tenant_id).uid), "person")
    assert finish(worker, turn) == ["dropped"]
    assert kept(clinic) == []


def test_joining_and_parting_end_it(clinic, worker):
    note(worker, clinic, "a", "b")
    hear(clinic, "x", author=2)
    first, second = Contact.objects.filter(tenant_id=clinic.tenant_id).order_by("id")
    join_by_hand(clinic.tenant_id, first.uid, second.uid, "a person")
    join_proven()
    assert kept(clinic) == []
    turn = claim(worker)
    finish(worker, turn)
    assert len(kept(clinic)) == 1
    undo_join(clinic.tenant_id, Join.objects.get(tenant_id=clinic.tenant_id).uid, "a person")
    join_proven()
    assert kept(clinic) == []


def test_a_change_of_what_was_joined_ends_the_whole_ones(clinic, worker):
    hear(clinic, "a", "b")
    hear(clinic, "x", author=2)
    first, second = Contact.objects.filter(tenant_id=clinic.tenant_id).order_by("id")
    join_by_hand(clinic.tenant_id, first.uid, second.uid, "a person")
    join_proven()
    turn = claim(worker)
    finish(worker, turn, upto=turn.lines[-1].id)
    assert len(kept(clinic)) == 1
    gone = MessageChange(account_of(clinic), "c.x", "in.x", Change.DELETION, phone(2), 9e9, "", None)
    apply(clinic, gone)
    assert kept(clinic) == []


def test_a_change_beside_the_turns_end_is_never_outlived(clinic, worker, postgresql, monkeypatch):
    """The change begins when the turn has looked at its messages, and has to wait for it."""
    hear(clinic, "a", "b")
    turn, begun = claim(worker), threading.Event()
    stands = summaries._stands

    def correct():
        begun.set()
        apply(clinic, change(clinic, "a", Change.EDIT, "corrected"))
        connection.close()

    beside = threading.Thread(target=correct)

    def looked(*given):
        beside.start()
        begun.wait(5.0)
        beside.join(0.3)
        return stands(*given)

    monkeypatch.setattr(summaries, "_stands", looked)
    finish(worker, turn)
    beside.join(10.0)
    assert kept(clinic) == []
