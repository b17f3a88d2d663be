"""Accepting messages: each once, with its delivery, in one transaction; keys that make repeats harmless."""

import itertools
import threading

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import IdempotencyMismatch, IdempotencyUndecided
from hailgate.core.status import Status
from hailgate.messaging.models import Contact, Conversation, Direction, IdempotencyKey, Message, WorkState
from hailgate.messaging.outbound.accept import Accepted, accept_messages, find_accepted
from hailgate.messaging.outbound.idempotency import IDEMPOTENCY_LIFE_S
from hailgate.messaging.outbound.new_message import Idempotency
from hailgate.messaging.upkeep.purge import Housekeeping, RetentionPeriods
from messaging.acting import (
    claim_one,
    conversation_of,
    execute,
    messages,
    new_message,
    phone,
    send,
    send_all,
    work,
    work_of,
)


def keyed(channel, key, body="hello", **given):
    return new_message(channel, body=body, idempotency=Idempotency(f"{key:0>40}", f"{body:0>40}"), **given)


def uids(answers):
    return [answer.uid if isinstance(answer, Accepted) else type(answer) for answer in answers]


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_an_accepted_message_is_stored_with_its_delivery(channel, clock):
    given = new_message(channel, context_id="wamid.0", metadata='{"order":7}', priority=1)
    assert accept_messages([given]) == [Accepted(given.uid, clock.now)]
    (row,) = messages(channel.tenant_id)
    assert (row.uid, row.direction, row.sender, row.kind) == (given.uid, Direction.OUTBOUND, "api", "text")
    assert (row.content, row.address_kind, row.address) == (given.content, "phone", given.to.value)
    assert (row.status, row.unknown, row.provider_id) == (Status.QUEUED, False, None)
    assert (row.context_id, row.metadata) == ("wamid.0", '{"order":7}')
    delivery = work_of(row)
    assert (delivery.state, delivery.priority, delivery.key) == (WorkState.READY, 1, row.conversation_id)


def test_answers_come_in_the_order_of_the_batch(channel):
    batch = [new_message(channel, to=place % 3) for place in range(10)]
    assert uids(accept_messages(batch)) == [message.uid for message in batch]


def test_ids_rise_in_the_order_of_the_batch(channel):
    batch = [new_message(channel, to=place % 3, body=str(place)) for place in range(30)]
    accept_messages(batch)
    assert [row.uid for row in messages(channel.tenant_id)] == [message.uid for message in batch]


def test_an_empty_batch_is_nothing(channel):
    assert accept_messages([]) == []


def test_a_person_has_one_conversation_with_a_channel(channel):
    rows = send_all(channel, [new_message(channel, to=1) for _ in range(3)])
    rows.append(send(channel, to=1))
    assert len({row.conversation_id for row in rows}) == 1
    assert conversation_of(rows[0]).last_message_id == rows[-1].id


def test_people_have_conversations_of_their_own(channel):
    rows = send_all(channel, [new_message(channel, to=to) for to in (1, 2, 1, 3)])
    assert len({row.conversation_id for row in rows}) == 3


@pytest.mark.parametrize("kind", [kind for kind in AddressKind if kind is not AddressKind.PHONE])
def test_a_phone_is_not_needed(channel, kind):
    address = Address(kind, "US.1234")
    row = send(channel, to=address)
    assert (row.address_kind, row.address) == (kind, "US.1234")
    contact = Contact.objects.get(tenant_id=channel.tenant_id)
    assert contact.is_group is (kind is AddressKind.GROUP)


def test_one_bad_row_stores_none_of_its_batch(channel):
    with pytest.raises(IntegrityError):
        accept_messages([new_message(channel), new_message(channel, metadata=None)])
    assert messages(channel.tenant_id) == work(channel.tenant_id) == []


def test_a_message_is_not_stored_twice_under_one_id(channel):
    one = new_message(channel)
    accept_messages([one])
    with pytest.raises(IntegrityError):
        accept_messages([one])


def test_a_conversation_that_is_made_is_answered_by_whom_the_channel_says(answering):
    row = send(answering)
    assert conversation_of(row).answered_by == "scripted"


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "due", "expires"),
    [
        ({}, 0.0, 1000.0),
        ({"send_at": 50.0}, 50.0, 1050.0),
        ({"send_at": -50.0}, 0.0, 1000.0),
        ({"expires_at": 70.0}, 0.0, 70.0),
        ({"send_at": 50.0, "expires_at": 70.0}, 50.0, 70.0),
    ],
    ids=["at once", "scheduled", "scheduled in the past", "expires", "both"],
)
def test_when_a_message_is_due_and_when_it_expires(channel, clock, given, due, expires):
    row = send(channel, life_s=1000.0, **{name: clock.now + seconds for name, seconds in given.items()})
    delivery = work_of(row)
    assert delivery.due_at == (clock.now + due if due else 0.0)
    assert delivery.expires_at == row.expires_at.timestamp() == clock.now + expires


def test_a_claim_knows_when_its_message_expires(wide, worker, clock):
    send(wide, expires_at=clock.now + 60)
    assert claim_one(worker).expires_at == clock.now + 60


# --- idempotency ------------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_get_the_first_answer_again(channel, clock):
    (first,) = accept_messages([keyed(channel, "k")])
    clock.forward(60)
    assert accept_messages([keyed(channel, "k")]) == [first]
    assert len(messages(channel.tenant_id)) == len(work(channel.tenant_id)) == 1


def test_the_same_key_with_another_body_is_refused_and_stores_nothing(channel):
    accept_messages([keyed(channel, "k", "one")])
    assert uids(accept_messages([keyed(channel, "k", "two")])) == [IdempotencyMismatch]
    assert len(messages(channel.tenant_id)) == 1


def test_a_key_that_comes_twice_in_one_batch_counts_once(channel):
    one, again, other = keyed(channel, "k"), keyed(channel, "k"), keyed(channel, "k", "other")
    assert uids(accept_messages([one, again, other])) == [one.uid, one.uid, IdempotencyMismatch]
    assert [row.uid for row in messages(channel.tenant_id)] == [one.uid]


def test_repeats_between_new_messages_get_their_own_answers(channel):
    first = keyed(channel, "a")
    accept_messages([first])
    batch = [new_message(channel), keyed(channel, "a"), keyed(channel, "b"), keyed(channel, "a", "other")]
    assert uids(accept_messages(batch)) == [batch[0].uid, first.uid, batch[2].uid, IdempotencyMismatch]


def test_the_key_of_another_tenant_is_another_key(channel, stranger):
    import given as house
    from hailgate.messaging.channels.registry import add_channel, get_channel

    add_channel(stranger.id, "cloud", "theirs", "15550100099", house.CHANNEL_SETTINGS)
    theirs = get_channel(stranger.id, "theirs")
    batch = [keyed(channel, "k", "one"), keyed(theirs, "k", "two")]
    assert uids(accept_messages(batch)) == [message.uid for message in batch]


@pytest.mark.parametrize(("age", "repeated"), [(IDEMPOTENCY_LIFE_S, True), (IDEMPOTENCY_LIFE_S + 1, False)])
def test_a_key_is_kept_for_a_day(channel, clock, age, repeated):
    first, second = keyed(channel, "k"), keyed(channel, "k")
    accept_messages([first])
    clock.forward(age)
    assert uids(accept_messages([second])) == [first.uid if repeated else second.uid]


def test_after_a_day_a_key_may_stand_for_another_body(channel, clock):
    accept_messages([keyed(channel, "k", "one")])
    clock.forward(IDEMPOTENCY_LIFE_S + 1)
    second = keyed(channel, "k", "two")
    assert uids(accept_messages([second])) == [second.uid]
    assert uids(accept_messages([keyed(channel, "k", "one")])) == [IdempotencyMismatch]


def test_housekeeping_forgets_keys_after_their_day_and_none_before(channel, clock):
    accept_messages([keyed(channel, "old")])
    clock.forward(IDEMPOTENCY_LIFE_S)
    accept_messages([keyed(channel, "young")])
    clock.forward(1)
    round_ = Housekeeping(RetentionPeriods())
    while round_.some():
        pass
    assert IdempotencyKey.objects.filter(tenant_id=channel.tenant_id).count() == 1


def test_errors_store_no_key(channel):
    with pytest.raises(IntegrityError):
        accept_messages([keyed(channel, "k", metadata=None)])
    good = keyed(channel, "k")
    assert uids(accept_messages([good])) == [good.uid]


def test_racing_callers_with_one_key_get_one_message(postgresql, channel):
    """Twenty threads, each in a transaction of its own: the losers wait for the winner and get its answer."""
    together, answers = threading.Barrier(20), []

    def post() -> None:
        try:
            together.wait(10)
            answers.extend(accept_messages([keyed(channel, "k")]))
        finally:
            connection.close()

    race(post, 20)
    assert len({answer.uid for answer in answers}) == 1
    assert len({answer.accepted_at for answer in answers}) == 1
    assert len(messages(channel.tenant_id)) == 1


def test_racing_batches_with_overlapping_keys_do_not_block_each_other_for_good(postgresql, channel):
    """In whatever order callers list their keys, the store takes them in one order."""
    from hailgate.pipeline.bridge import run_in_database

    together, answers = threading.Barrier(8), []

    def post(turn: int) -> None:
        try:
            keys = [f"{place}" for place in range(30)]
            batch = [keyed(channel, key, to=int(key)) for key in (keys if turn % 2 else reversed(keys))]
            together.wait(10)
            answers.extend(run_in_database(accept_messages, batch))
        finally:
            connection.close()

    race(post, 8, numbered=True)
    assert len(answers) == 240
    assert len({answer.uid for answer in answers}) == len(messages(channel.tenant_id)) == 30


@pytest.fixture
def impatient(postgresql):
    """This thread's connection waits for a lock a tenth of a second."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 100")
        yield
        cursor.execute("SET lock_timeout = 4500")


@pytest.fixture
def claimed_elsewhere(channel):
    """Another process stands still in the transaction that accepts a message with the key ``k``, until it is told."""
    held, go_on = threading.Event(), threading.Event()
    winner = keyed(channel, "k")

    def hold() -> None:
        try:
            with transaction.atomic():
                accept_messages([winner])
                held.set()
                go_on.wait(10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    yield lambda: (go_on.set(), holder.join(), winner.uid)[-1]
    go_on.set()
    holder.join()


def test_a_key_that_stays_undecided_is_said_to_be_and_the_others_are_accepted(channel, impatient, claimed_elsewhere):
    others = [new_message(channel, to=7), keyed(channel, "another", to=8)]
    first, loser = others[0], keyed(channel, "k")
    answers = accept_messages([first, loser, others[1], keyed(channel, "k")])
    assert uids(answers) == [first.uid, IdempotencyUndecided, others[1].uid, IdempotencyUndecided]
    assert (answers[1].status, answers[1].retryable) == (409, True)
    assert IdempotencyKey.objects.filter(tenant_id=channel.tenant_id).count() == 1
    winner = claimed_elsewhere()
    assert uids(accept_messages([keyed(channel, "k")])) == [winner]


def test_a_wait_for_another_lock_is_no_matter_of_keys(channel, impatient, claimed_elsewhere):
    """The conversation is locked by that transaction too: the store is busy, and the caller is told so."""
    with pytest.raises(OperationalError):
        accept_messages([new_message(channel)])


def race(function, threads, *, numbered=False) -> None:
    running = [threading.Thread(target=function, args=(place,) if numbered else ()) for place in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def test_strangers_met_by_many_at_once_become_one_contact_each(postgresql, channel):
    together = threading.Barrier(8)

    def post() -> None:
        try:
            together.wait(10)
            accept_messages([new_message(channel, to=to) for to in range(10)])
        finally:
            connection.close()

    race(post, 8)
    assert Contact.objects.filter(tenant_id=channel.tenant_id).count() == 10
    assert Conversation.objects.filter(tenant_id=channel.tenant_id).count() == 10
    heads = work(channel.tenant_id, state=WorkState.READY)
    assert len(heads) == 10
    for row in heads:
        assert row.message_id == messages(channel.tenant_id, conversation_id=row.key)[0].id


@given(keys=st.lists(st.sampled_from("abcd"), max_size=12), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_however_repeats_are_cut_into_batches_each_key_makes_one_message(channel, keys, cuts):
    execute("DELETE FROM messaging_idempotencykey")
    execute("DELETE FROM messaging_message")
    batch = [keyed(channel, key) for key in keys]
    first: dict[str, object] = {}
    for key, message in zip(keys, batch, strict=True):
        first.setdefault(key, message.uid)
    edges = sorted({0, len(batch), *(cut for cut in cuts if cut < len(batch))})
    answers = [answer for start, end in itertools.pairwise(edges) for answer in accept_messages(batch[start:end])]
    assert uids(answers) == [first[key] for key in keys]
    assert len(messages(channel.tenant_id)) == len(first)


# --- reading back -----------------------------------------------------------------------------------------------------


def test_what_is_stored_is_found_and_what_is_not_is_not(channel, clock):
    stored, lost = new_message(channel), new_message(channel)
    accept_messages([stored])
    assert find_accepted([lost, stored]) == [None, Accepted(stored.uid, clock.now)]


def test_the_message_of_another_tenant_is_not_found(channel, stranger):
    stored = new_message(channel)
    accept_messages([stored])
    assert find_accepted([stored._replace(tenant_id=stranger.id)]) == [None]


def test_a_repeat_is_not_found_under_its_own_id(channel):
    """So it is written once more, and gets the first answer there."""
    accept_messages([keyed(channel, "k")])
    assert find_accepted([keyed(channel, "k")]) == [None]


# --- causes -----------------------------------------------------------------------------------------------------------


def test_a_cause_has_each_of_its_effects_once_and_for_ever(channel):
    accept_messages([new_message(channel, cause=7, ordinal=0), new_message(channel, cause=7, ordinal=1)])
    with pytest.raises(IntegrityError):
        accept_messages([new_message(channel, cause=7, ordinal=1)])
    accept_messages([new_message(channel, cause=8, ordinal=1)])
    assert Message.objects.filter(tenant_id=channel.tenant_id).count() == 3


def test_messages_without_a_cause_do_not_collide(channel):
    assert len(send_all(channel, [new_message(channel) for _ in range(3)])) == 3


# --- tenants ----------------------------------------------------------------------------------------------------------


def test_two_tenants_know_one_person_apart(channel, stranger):
    import given as house
    from hailgate.messaging.channels.registry import add_channel, get_channel

    add_channel(stranger.id, "cloud", "theirs", "15550100099", house.CHANNEL_SETTINGS)
    send_all(channel, [new_message(channel, to=phone(1))])
    send_all(get_channel(stranger.id, "theirs"), [new_message(get_channel(stranger.id, "theirs"), to=phone(1))])
    assert Contact.objects.filter(tenant_id=channel.tenant_id).count() == 1
    assert Contact.objects.filter(tenant_id=stranger.id).count() == 1
