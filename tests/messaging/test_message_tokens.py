"""WPPConnect calls one message by several ids, which differ in how they name the people: each has one effect.

`false_5511…@c.us_3EB0…` in one telling is `false_1234…@lid_3EB0…` in another, for messages, statuses, echoes,
reactions, votes and quotes alike. These tests let each side know one of the names.
"""

import json

import msgspec
import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.evidence import Looks, Verdict
from hailgate.core.status import Status
from hailgate.messaging.inbound.edits import apply_early_changes
from hailgate.messaging.inbound.statuses import apply_early_statuses
from hailgate.messaging.models import TELEPHONE, Amendment, ContactAddress, Direction
from hailgate.messaging.outbound.context import find_context
from hailgate.messaging.outbound.search import record_look
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.messaging.store.tables import EFFECT
from hailgate.providers.wppconnect import SPEC
from hailgate.providers.wppconnect.message_ids import token_of
from hailgate.providers.wppconnect.webhook import parse_webhook
from messaging.acting import (
    apply,
    attempt,
    change_channel,
    claim_one,
    fresh,
    messages,
    send,
    sent,
    tell,
)
from messaging.test_searching import look, lose

NUMBER, HIDDEN, GROUP = "15550000001@c.us", "77000000000001@lid", "120363000000000001@g.us"
SPELLINGS = (NUMBER, HIDDEN)
ORDERS = [(NUMBER, HIDDEN), (HIDDEN, NUMBER)]
PERSON = Address(AddressKind.PHONE, "15550000001")
STANZA = "3EB0F1C0F1C0F1C00001"


@pytest.fixture
def desk(wide):
    """A channel of WPPConnect Server whose session is called like its account."""
    change_channel(wide, provider="wppconnect", account="desk")
    return wide


def events(event: str, **told):
    return parse_webhook(json.dumps({"event": event, "session": "desk", "t": 1_767_225_600, **told}).encode(), "desk")


def written(chat: str, stanza: str = STANZA, **more):
    told = {"id": f"false_{chat}_{stanza}", "type": "chat", "body": "hello", "from": chat, "chatId": chat}
    return events("onmessage", **told | {"fromMe": False} | more)


def echoed(chat: str, body: str = "hello"):
    told = {"id": f"true_{chat}_{STANZA}", "type": "chat", "body": body, "to": chat, "chatId": chat, "fromMe": True}
    return events("onselfmessage", **told)


def acked(chat: str, ack: int = 2):
    told = {"fromMe": True, "remote": chat, "id": STANZA, "_serialized": f"true_{chat}_{STANZA}"}
    return events("onack", id=told, to=chat, ack=ack)


def reacted(chat: str, target: str, emoji: str = "👍"):
    own = {"fromMe": False, "remote": chat, "_serialized": f"false_{chat}_3EB0REACTION"}
    return events("onreactionmessage", id=own, msgId=target, reactionText=emoji, timestamp=1_767_225_700_000)


def revoked(chat: str, target: str):
    told = {"id": f"false_{chat}_3EB0REVOKE", "refId": target, "from": chat}
    return events("onrevokedmessage", **told)


def voted(chat: str, poll: str):
    return events(
        "onpollresponse", msgId=poll, chatId=chat, sender=chat, timestamp=1_767_225_700_123,
        selectedOptions=[{"name": "Monday"}],
    )  # fmt: skip


def sent_as(worker, channel, chat: str):
    """A message of ours that the server took, and called by this name of the chat."""
    message = send(channel, PERSON)
    claimed = claim_one(worker)
    attempt(worker, claimed)
    provider_id = f"true_{chat}_{STANZA}"
    tell(worker, sent(claimed, provider_id, message_token=token_of(provider_id)))
    return message


def inbound(channel):
    return messages(channel.tenant_id, direction=Direction.INBOUND)


@pytest.mark.parametrize("first", SPELLINGS)
def test_what_an_id_says_beside_its_chat_is_its_token(first):
    assert token_of(f"false_{first}_{STANZA}") == f"false_{STANZA}"
    assert token_of(f"false_{GROUP}_{STANZA}_{first}") == f"false_{STANZA}"
    assert token_of(f"true_{first}_{STANZA}") == f"true_{STANZA}"


@pytest.mark.parametrize("other", ["", "reaction_0190.1", f"false_{NUMBER}_", STANZA, "maybe_1@c.us_3EB0"])
def test_another_id_has_none(other):
    assert token_of(other) is None


# Each of these comes once by each name of the chat, and counts once.
TWICE = {
    "a message": written,
    "a file": lambda chat: written(chat, type="image", mimetype="image/jpeg", body=""),
    "in a group": lambda person: written(GROUP, f"{STANZA}_{person}", author=person, isGroupMsg=True),
    "a vote": lambda chat: voted(chat, f"true_{chat}_{STANZA}"),
    "unreadable": lambda chat: written(chat, type="ciphertext", body=""),
    "a status": acked,
    "a reaction": lambda chat: reacted(chat, f"true_{chat}_{STANZA}"),
    "a deletion": lambda chat: revoked(chat, f"false_{chat}_{STANZA}"),
}


@pytest.mark.parametrize("together", [True, False], ids=["in one webhook", "in two"])
@pytest.mark.parametrize("order", ORDERS, ids=["number first", "hidden id first"])
@pytest.mark.parametrize("what", TWICE)
def test_what_is_told_by_both_names_counts_once(desk, what, order, together):
    """Issue of the sessions, point 3: one effect each, by a key of what both spellings share."""
    told = [event for chat in order for event in TWICE[what](chat)]
    notes = [apply(desk, *told)] if together else [apply(desk, event) for event in told]
    assert "; ".join(notes).count("repeated") == 1, notes
    assert len(messages(desk.tenant_id)) <= 1


@pytest.mark.parametrize("order", ORDERS, ids=["number first", "hidden id first"])
def test_what_was_typed_on_the_phone_is_there_once(desk, order):
    """The second telling only proves again that it was sent."""
    for chat in order:
        apply(desk, *echoed(chat))
    (typed,) = messages(desk.tenant_id)
    assert (typed.sender, typed.provider_id) == (TELEPHONE, f"true_{order[0]}_{STANZA}")


@pytest.mark.parametrize("order", ORDERS, ids=["number first", "hidden id first"])
def test_a_message_keeps_the_id_it_came_by(desk, order):
    """A reply, a reaction and the file of a message are asked for by the whole id."""
    for chat in order:
        apply(desk, *written(chat, type="image", mimetype="image/jpeg", body=""))
    (stored,) = inbound(desk)
    whole = f"false_{order[0]}_{STANZA}"
    assert stored.provider_id == whole
    assert find_context(desk.tenant_id, desk.id, str(stored.uid)) == whole


def test_two_messages_of_one_chat_are_two(desk):
    apply(desk, *written(NUMBER, "3EB0A"), *written(NUMBER, "3EB0B"), *written(HIDDEN, "3EB0C"))
    assert len(inbound(desk)) == 3


def test_what_was_told_before_there_were_tokens_counts_no_second_time(desk, clock):
    """A server lists what 0.1 has recorded by the whole id."""
    (event,) = written(NUMBER)
    before = msgspec.structs.replace(event, message_token="").effect_key().hex()
    with atomic_cursor() as cursor:
        EFFECT.insert(cursor, ("tenant_id", "channel_id", "key", "at"), [(desk.tenant_id, desk.id, before, clock.now)])
    assert apply(desk, event) == "1 repeated"
    assert inbound(desk) == []


# --- what becomes of a message of ours --------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "told"), [(a, b) for a in SPELLINGS for b in SPELLINGS])
def test_a_status_finds_its_message_by_either_name(desk, worker, own, told):
    message = sent_as(worker, desk, own)
    apply(desk, *acked(told))
    assert fresh(message).status == Status.DELIVERED
    assert fresh(message).provider_id == f"true_{own}_{STANZA}"


def test_a_status_joins_the_names_of_whom_the_message_went_to(desk, worker):
    sent_as(worker, desk, NUMBER)
    apply(desk, *acked(HIDDEN))
    assert ContactAddress.objects.filter(tenant_id=desk.tenant_id).values("contact").distinct().count() == 1
    assert ContactAddress.objects.filter(tenant_id=desk.tenant_id).count() == 2


@pytest.mark.parametrize(("own", "told"), [(a, b) for a in SPELLINGS for b in SPELLINGS])
def test_a_status_that_comes_before_the_answer_waits_by_either_name(desk, worker, own, told):
    apply(desk, *acked(told))
    message = sent_as(worker, desk, own)
    assert apply_early_statuses() == 1
    assert fresh(message).status == Status.DELIVERED


def test_a_message_of_before_there_were_tokens_has_its_statuses(desk, worker):
    message = send(desk, PERSON)
    claimed = claim_one(worker)
    attempt(worker, claimed)
    tell(worker, sent(claimed, f"true_{NUMBER}_{STANZA}"))
    apply(desk, *acked(NUMBER))
    assert fresh(message).status == Status.DELIVERED


@pytest.mark.parametrize(("own", "told"), [(a, b) for a in SPELLINGS for b in SPELLINGS])
def test_an_echo_by_either_name_was_not_typed_on_the_phone(desk, worker, own, told):
    message = sent_as(worker, desk, own)
    assert apply(desk, *echoed(told)) == "1 status"
    assert messages(desk.tenant_id, sender=TELEPHONE) == []
    assert fresh(message).status == Status.SENT


@pytest.mark.parametrize("own", SPELLINGS)
def test_what_a_look_found_has_its_statuses_by_either_name(desk, worker, clock, own):
    message = lose(worker, send(desk, PERSON))
    assert record_look(worker, look(worker, clock), Verdict.SENT, Looks(0.0, 1), f"true_{own}_{STANZA}")
    for chat in SPELLINGS:
        apply(desk, *acked(chat, ack=3))
    assert fresh(message).status == Status.READ
    assert fresh(message).provider_id == f"true_{own}_{STANZA}"


def test_what_is_anothers_by_its_other_name_is_not_found_again(desk, worker, clock):
    sent_as(worker, desk, NUMBER)
    message = lose(worker, send(desk, PERSON))
    assert record_look(worker, look(worker, clock), Verdict.SENT, Looks(0.0, 1), f"true_{HIDDEN}_{STANZA}")
    assert fresh(message).unknown


# --- what is said of a message ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", SPELLINGS)
def test_a_deletion_that_came_first_finds_its_message_by_either_name(desk, told):
    apply(desk, *revoked(told, f"false_{told}_{STANZA}"))
    for chat in SPELLINGS:
        apply(desk, *written(chat))
    assert apply_early_changes() == 1
    (stored,) = inbound(desk)
    assert "deleted" in stored.content


@pytest.mark.parametrize(("own", "told"), [(a, b) for a in SPELLINGS for b in SPELLINGS])
def test_a_reaction_and_an_answer_name_our_message_by_either_name(desk, worker, own, told):
    message = sent_as(worker, desk, own)
    apply(desk, *acked(HIDDEN))  # by now both names are one person's
    apply(desk, *reacted(told, f"true_{told}_{STANZA}"))
    assert Amendment.objects.get(tenant_id=desk.tenant_id).message_id == message.id
    apply(desk, *written(told, "3EB0ANSWER", quotedMsgId=f"true_{told}_{STANZA}"))
    assert inbound(desk)[0].context_id == f"true_{own}_{STANZA}"


def test_the_spec_reads_tokens():
    assert SPEC.message_token is token_of
