"""Two contacts that turn out to be one person: joined on proof, read as one, parted again without a trace."""

import json

import pytest

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.delivery import Action
from hailgate.core.errors import NotFound
from hailgate.core.events import Change, ContactChange, MarketingChoice, MessageChange
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.inbound.turns import claim_turns, finish_turns
from hailgate.messaging.models import (
    Contact,
    ContactAddress,
    Conversation,
    EarlyContactChange,
    Join,
    JoinState,
    Message,
    Suppression,
    Work,
    WorkKind,
    WorkState,
)
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.messaging.outbound.failover import declare_dead
from hailgate.messaging.outbound.parked import settle_parked
from hailgate.messaging.outbound.revive import send_again
from hailgate.messaging.people.byhand import dismiss_suggestion, join_by_hand, take_suggestion, undo_join
from hailgate.messaging.people.early_changes import EARLY_LIFE_S, apply_early_contacts
from hailgate.messaging.people.joins import join_proven, take_step
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs, suggest
from hailgate.messaging.people.roots import of_thread
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.messaging.upkeep.purge import Housekeeping, RetentionPeriods
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    account_of,
    add_number,
    apply,
    attempt,
    change,
    claim,
    claim_one,
    conversation_of,
    decided,
    deliver,
    deliver_all,
    fresh,
    let_expire,
    messages,
    new_worker,
    phone,
    send,
    sent,
    tell,
    told,
    wrote,
)

SCOPED = Address(AddressKind.BSUID, "US.13491208655302741918")
THIRD = Address(AddressKind.BSUID, "US.77791208655302741918")
OTHER = Address(AddressKind.BSUID, "US.99991208655302741918")
BRAZIL = Address(AddressKind.PHONE, "551112340016")
BRAZIL_9 = Address(AddressKind.PHONE, "5511912340016")
# In the ranges where the country's plan proves it.
PROVEN = Address(AddressKind.PHONE, "551187654321")
PROVEN_9 = Address(AddressKind.PHONE, "5511987654321")


def people(channel) -> list[Contact]:
    return list(Contact.objects.filter(tenant_id=channel.tenant_id, merged_into=None).order_by("id"))


def only_person(channel) -> Contact:
    (one,) = people(channel)
    return one


def talks(channel) -> list[Conversation]:
    return list(Conversation.objects.filter(tenant_id=channel.tenant_id, merged_into=None).order_by("id"))


def thread(talk) -> list[Message]:
    return list(Message.objects.filter(of_thread(talk.tenant_id, talk.id), tenant_id=talk.tenant_id).order_by("id"))


def said(talk) -> list[str]:
    return [message.content.split('"body":"')[1].split('"')[0] for message in thread(talk)]


def joins(channel, **wanted) -> list[Join]:
    return list(Join.objects.filter(tenant_id=channel.tenant_id, **wanted).order_by("id"))


def tell_both(channel, *addresses, body="both"):
    """A webhook that names these ids of one person."""
    return apply(channel, wrote(channel, *addresses, body=body))


# --- what proves ------------------------------------------------------------------------------------------------------


def test_an_answer_that_names_another_number_joins_them(wide, worker):
    apply(wide, wrote(wide, BRAZIL, body="oi"))
    message = send(wide, BRAZIL_9, "ola")
    assert len(people(wide)) == 2
    claimed = claim_one(worker)
    attempt(worker, claimed)
    tell(worker, sent(claimed, address=BRAZIL))
    only_person(wide)
    (talk,) = talks(wide)
    assert said(talk) == ["oi", "ola"]
    assert [join.proof for join in joins(wide, state=JoinState.JOINED)] == ["answer"]
    assert fresh(message).conversation_id != talk.id


def test_where_two_spellings_may_be_one_person_the_window_is_the_providers(wide, worker):
    apply(wide, wrote(wide, BRAZIL, body="oi"))
    send(wide, BRAZIL_9)
    assert claim_one(worker).window_unsure


def test_a_number_that_nobody_spells_otherwise_keeps_our_window(wide, worker):
    apply(wide, wrote(wide, 1))
    send(wide, 2)
    assert not claim_one(worker).window_unsure


def test_a_countrys_plan_joins_two_spellings_at_once(wide):
    apply(wide, wrote(wide, PROVEN, body="oi"))
    send(wide, PROVEN_9, "ola")
    only_person(wide)
    (talk,) = talks(wide)
    assert said(talk) == ["oi", "ola"]
    (join,) = joins(wide)
    assert (join.proof, join.state) == ("country", JoinState.JOINED)
    assert "Anatel" in join.source


def test_what_is_only_alike_is_asked_and_not_joined(wide):
    apply(wide, wrote(wide, BRAZIL))
    send(wide, BRAZIL_9)
    assert [(join.proof, join.state) for join in joins(wide)] == [("spelling", JoinState.SUGGESTED)]
    assert len(people(wide)) == 2


@pytest.mark.parametrize("decide", [take_suggestion, dismiss_suggestion])
def test_what_is_asked_is_for_its_own_tenant_to_answer(wide, decide):
    apply(wide, wrote(wide, BRAZIL))
    send(wide, BRAZIL_9)
    (asked,) = joins(wide)
    with pytest.raises(NotFound):
        decide(wide.tenant_id + 1, asked.uid, "an operator")
    assert fresh(asked).state == JoinState.SUGGESTED


@pytest.mark.parametrize("state", set(JoinState) - {JoinState.PROVEN, JoinState.UNDOING})
def test_only_what_is_proven_or_being_undone_has_a_step_to_take(wide, state):
    apply(wide, wrote(wide, BRAZIL))
    send(wide, BRAZIL_9)
    (asked,) = joins(wide)
    change(asked, state=state)
    assert not take_step(asked.id)
    assert fresh(asked).state == state
    assert len(people(wide)) == 2


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (JoinState.SUGGESTED, JoinState.JOINED),
        (JoinState.JOINED, JoinState.JOINED),
        (JoinState.CONFIRMED, JoinState.CONFIRMED),
        (JoinState.DISMISSED, JoinState.DISMISSED),
    ],
)
def test_only_what_was_asked_is_believed_once_it_is_told(wide, clock, state, after):
    apply(wide, wrote(wide, BRAZIL), wrote(wide, SCOPED))
    proof = PersonProof(wide.tenant_id, ProofKind.CARD, BRAZIL, SCOPED, clock.now)
    with atomic_cursor() as cursor:
        suggest(cursor, [proof], clock.now)
    (asked,) = joins(wide)
    change(asked, state=state)
    with atomic_cursor() as cursor:
        record_proofs(cursor, [proof], clock.now)
    assert fresh(asked).state == after
    assert len(people(wide)) == (1 if state == JoinState.SUGGESTED else 2)


def test_a_status_that_names_another_number_joins_them(wide, worker):
    apply(wide, wrote(wide, 1, body="first"))
    message = send(wide, 2, "second")
    deliver(worker, claim_one(worker))
    apply(wide, told(wide, Status.DELIVERED, "w", tracker=f"{message.uid}.1", recipient=phone(1)))
    only_person(wide)
    assert joins(wide)[0].proof == "status"


def test_ids_that_a_status_tells_are_learned(wide, worker):
    message = send(wide, 1)
    deliver(worker, claim_one(worker))
    status = told(wide, Status.DELIVERED, "w", tracker=f"{message.uid}.1", recipient=phone(1))
    apply(
        wide, type(status)(**{name: getattr(status, name) for name in status.__struct_fields__} | {"also": (SCOPED,)})
    )
    apply(wide, wrote(wide, SCOPED, body="without a number"))
    only_person(wide)
    assert len(talks(wide)) == 1


def test_a_webhook_that_names_two_ids_joins_who_was_known_by_each(channel):
    apply(channel, wrote(channel, 1, body="by number"))
    apply(channel, wrote(channel, SCOPED, body="by id"))
    tell_both(channel, 1, SCOPED)
    only_person(channel)
    (talk,) = talks(channel)
    assert said(talk) == ["by number", "by id", "both"]


@pytest.mark.parametrize("done", [Change.REACTION, Change.EDIT, Change.DELETION])
def test_so_does_one_that_changes_a_message(wide, done):
    apply(wide, wrote(wide, 1, body="by number", message_id="in.target"), wrote(wide, SCOPED, body="by id"))
    chat = (phone(1), SCOPED)
    apply(wide, MessageChange(account_of(wide), f"change.{done}", "in.target", done, chat[0], 0.0, chat=chat))
    only_person(wide)


def test_both_ids_at_once_join_in_one_batch_too(channel):
    apply(channel, wrote(channel, 1, body="a"))
    apply(channel, wrote(channel, SCOPED, body="b"))
    apply(channel, wrote(channel, 1, SCOPED, body="c"), wrote(channel, SCOPED, body="d"), wrote(channel, 1, body="e"))
    (talk,) = talks(channel)
    assert said(talk) == ["a", "b", "c", "d", "e"]


def changed(channel, known, learned, at=0.0):
    return ContactChange(account_of(channel), f"system.{uuid7()}", known, learned, "user_changed_number", at)


def test_a_number_that_changes_onto_a_known_contact_joins_them(wide):
    apply(wide, wrote(wide, 1, body="old"))
    apply(wide, wrote(wide, 2, body="new"))
    apply(wide, changed(wide, (phone(1),), (phone(2),)))
    only_person(wide)
    assert said(talks(wide)[0]) == ["old", "new"]


def test_after_a_told_change_what_is_sent_to_the_old_number_goes_to_the_new_one(wide, worker):
    apply(wide, wrote(wide, 1))
    apply(wide, changed(wide, (phone(1),), (phone(2),)))
    send(wide, 1)
    assert claim_one(worker).to == phone(2)


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the other way round"])
def test_changes_count_by_the_providers_time(wide, worker, clock, turned):
    apply(wide, wrote(wide, 1))
    changes = [
        changed(wide, (phone(1),), (phone(2),), clock.now - 20),
        changed(wide, (phone(2),), (phone(3),), clock.now - 10),
    ]
    for one in reversed(changes) if turned else changes:
        apply(wide, one)
    assert apply_early_contacts() == (1 if turned else 0)
    send(wide, 1)
    assert claim_one(worker).to == phone(3)
    only_person(wide)


def test_a_change_that_comes_before_its_person_is_followed_once_they_write(wide, clock):
    apply(wide, changed(wide, (phone(1), SCOPED), (phone(2), OTHER), clock.now - 10))
    assert not people(wide)
    assert apply_early_contacts() == 0
    apply(wide, wrote(wide, SCOPED, body="before", at=clock.now - 20), wrote(wide, 2, OTHER, body="after"))
    assert apply_early_contacts() == 1
    only_person(wide)
    assert sorted(said(talks(wide)[0])) == ["after", "before"]


def test_a_change_of_a_stranger_is_forgotten_after_a_week(wide, clock):
    apply(wide, changed(wide, (phone(1),), (phone(2),), clock.now))
    assert EarlyContactChange.objects.filter(tenant_id=wide.tenant_id).count() == 1
    clock.forward(EARLY_LIFE_S + 60)
    house = Housekeeping(RetentionPeriods())
    while house.some():
        pass
    assert not EarlyContactChange.objects.filter(tenant_id=wide.tenant_id).exists()


def test_a_change_says_that_what_it_was_known_by_before_is_one_persons(wide):
    apply(wide, wrote(wide, 1, body="by number"), wrote(wide, SCOPED, body="by id"))
    apply(wide, changed(wide, (phone(1), SCOPED), (phone(2), OTHER)))
    only_person(wide)


def test_a_change_onto_a_number_that_somebody_with_another_id_has_leaves_them_apart(wide):
    apply(wide, wrote(wide, 1, SCOPED, body="a"), wrote(wide, 2, OTHER, body="b"))
    apply(wide, changed(wide, (phone(1), SCOPED), (phone(2), THIRD)))
    apply(wide, wrote(wide, 2, THIRD, body="a2"), wrote(wide, OTHER, body="b2"))
    assert sorted(map(said, talks(wide))) == [["a", "a2"], ["b", "b2"]]


def test_nor_does_it_join_a_number_that_is_anothers_by_now(wide, clock):
    apply(wide, wrote(wide, 1, OTHER, body="theirs"), wrote(wide, SCOPED, body="mine"))
    apply(wide, changed(wide, (phone(1), SCOPED), (phone(2), THIRD), clock.now))
    apply(wide, wrote(wide, 2, THIRD, body="mine too"), wrote(wide, 1, OTHER, body="theirs too"))
    assert sorted(map(said, talks(wide))) == [["mine", "mine too"], ["theirs", "theirs too"]]


def test_ones_own_card_proves_and_a_forwarded_one_does_not(wide):
    apply(wide, wrote(wide, 2, body="by number"))
    apply(wide, wrote(wide, SCOPED, body="a claim"))
    assert len(people(wide)) == 2
    apply(wide, wrote(wide, SCOPED, body="my number", own=(phone(2),)))
    only_person(wide)
    assert joins(wide)[0].proof == "card"


# --- what has changed hands -------------------------------------------------------------------------------------------


def test_a_number_with_another_user_id_has_changed_hands_and_histories_stay_apart(wide):
    apply(wide, wrote(wide, 1, SCOPED, body="mine"))
    apply(wide, wrote(wide, 1, OTHER, body="somebody else's"))
    first, second = talks(wide)
    assert (said(first), said(second)) == (["mine"], ["somebody else's"])
    apply(wide, wrote(wide, SCOPED, body="mine again"), wrote(wide, 1, body="theirs again"))
    assert (said(first), said(second)) == (["mine", "mine again"], ["somebody else's", "theirs again"])
    assert not joins(wide)


def test_a_person_with_two_numbers_has_an_id_for_each(wide):
    apply(wide, wrote(wide, 1, body="a"), wrote(wide, 2, body="b"))
    join_two(wide)
    apply(wide, wrote(wide, 2, OTHER, body="b2"))
    apply(wide, wrote(wide, 1, SCOPED, body="a2"))
    only_person(wide)
    assert said(talks(wide)[0]) == ["a", "b", "b2", "a2"]


def test_what_was_told_together_by_mistake_does_not_say_whose_a_number_is(wide):
    """Parted and joined again by hand, they may have a number each, with an id of its own."""
    apply(wide, wrote(wide, 1, body="a"), wrote(wide, SCOPED, body="b"))
    tell_both(wide, 1, SCOPED)
    undo(wide)
    one, other = people(wide)
    join_by_hand(wide.tenant_id, one.uid, other.uid, "an operator")
    apply(wide, wrote(wide, 1, OTHER, body="c"))
    only_person(wide)


def test_what_was_told_together_does(wide):
    apply(wide, wrote(wide, 1, body="a"), wrote(wide, SCOPED, body="b"))
    tell_both(wide, 1, SCOPED)
    apply(wide, wrote(wide, 1, OTHER, body="c"))
    assert len(people(wide)) == 2


def test_in_one_batch_too(wide):
    apply(
        wide, wrote(wide, 1, SCOPED, body="mine"), wrote(wide, 1, OTHER, body="theirs"), wrote(wide, SCOPED, body="I")
    )
    assert sorted(map(said, talks(wide))) == [["mine", "I"], ["theirs"]]


def test_with_a_told_change_it_has_not(wide):
    apply(wide, wrote(wide, 1, SCOPED, body="before"))
    apply(wide, changed(wide, (SCOPED,), (OTHER,)))
    apply(wide, wrote(wide, 1, OTHER, body="after"))
    assert said(talks(wide)[0]) == ["before", "after"]
    only_person(wide)


def test_a_change_that_is_told_late_makes_them_one_again(wide):
    apply(wide, wrote(wide, 1, SCOPED, body="before"))
    apply(wide, wrote(wide, 1, OTHER, body="after"))
    assert len(people(wide)) == 2
    apply(wide, changed(wide, (SCOPED,), (OTHER,)))
    assert said(talks(wide)[0]) == ["before", "after"]


def test_what_was_written_before_a_number_changed_hands_goes_to_who_had_it(wide, clock):
    apply(wide, wrote(wide, 1, SCOPED, body="mine", at=clock.now - 100))
    apply(wide, wrote(wide, 1, OTHER, body="theirs", at=clock.now - 50))
    apply(wide, wrote(wide, 1, body="late", at=clock.now - 80))
    assert sorted(map(said, talks(wide))) == [["mine", "late"], ["theirs"]]


def test_what_its_former_holder_wrote_and_nobody_had_heard_of_takes_a_number_back_from_nobody(wide, clock):
    apply(wide, wrote(wide, 1, OTHER, body="theirs", at=clock.now - 50))
    apply(wide, wrote(wide, 1, SCOPED, body="mine, late", at=clock.now - 100))
    apply(wide, wrote(wide, 1, body="theirs too", at=clock.now - 20), wrote(wide, 1, body="mine", at=clock.now - 80))
    assert sorted(map(said, talks(wide))) == [["mine, late", "mine"], ["theirs", "theirs too"]]
    send(wide, 1, "to who has it")
    assert sorted(map(said, talks(wide)))[1][-1] == "to who has it"


def test_what_its_holder_wrote_before_the_first_that_came_is_theirs(wide, clock):
    apply(wide, wrote(wide, 1, OTHER, body="second", at=clock.now - 50))
    apply(wide, wrote(wide, 1, OTHER, body="first", at=clock.now - 100), wrote(wide, 1, body="0", at=clock.now - 200))
    assert list(map(said, talks(wide))) == [["second", "first", "0"]]


def test_nor_does_a_third_who_had_it_before_both(wide, clock):
    apply(wide, wrote(wide, 1, SCOPED, body="mine", at=clock.now - 60))
    apply(wide, wrote(wide, 1, OTHER, body="theirs", at=clock.now - 30))
    apply(wide, wrote(wide, 1, THIRD, body="before both", at=clock.now - 90))
    apply(wide, wrote(wide, 1, body="theirs too", at=clock.now), wrote(wide, 1, body="mine too", at=clock.now - 40))
    assert sorted(map(said, talks(wide))) == [["before both"], ["mine", "mine too"], ["theirs", "theirs too"]]


def test_the_id_that_its_former_holder_is_told_with_late_is_learned(wide, clock):
    apply(wide, wrote(wide, 1, body="mine", at=clock.now - 100))
    tell_both(wide, 1, SCOPED)
    apply(wide, wrote(wide, 1, OTHER, body="theirs", at=clock.now - 50))
    apply(wide, wrote(wide, 1, Address(AddressKind.BSUID, "US.ENT.7"), body="late", at=clock.now - 80))
    apply(wide, wrote(wide, Address(AddressKind.BSUID, "US.ENT.7"), body="by that id", at=clock.now))
    assert sorted(map(said, talks(wide))) == [["mine", "both", "late", "by that id"], ["theirs"]]


def test_a_change_of_a_number_that_somebody_has_only_since_is_not_theirs(wide, clock):
    """Told before anybody was known by it."""
    apply(wide, changed(wide, (phone(1),), (phone(2),), clock.now - 60))
    apply(wide, wrote(wide, 2, body="mine", at=clock.now - 50), wrote(wide, 1, body="theirs", at=clock.now - 10))
    apply_early_contacts()
    assert sorted(map(said, talks(wide))) == [["mine"], ["theirs"]]


@pytest.mark.parametrize("first", [phone(1), SCOPED], ids=["by number", "by id"])
def test_a_change_that_names_another_id_before_anybody_is_known_by_it_is_one_persons(wide, clock, first):
    other = SCOPED if first == phone(1) else phone(1)
    apply(wide, wrote(wide, first, body="before", at=clock.now - 60))
    apply(wide, changed(wide, (phone(1), SCOPED), (phone(2), OTHER), clock.now - 30))
    apply(wide, wrote(wide, other, body="late", at=clock.now - 50), wrote(wide, OTHER, body="after", at=clock.now))
    only_person(wide)


def test_the_id_of_another_portfolio_says_nothing(tenant, hook, wide):
    other = add_number(tenant, hook, 2)
    apply(wide, wrote(wide, 1, SCOPED))
    apply(other, wrote(other, 1, OTHER))
    only_person(wide)


# --- what a join does -------------------------------------------------------------------------------------------------


def test_new_rows_go_to_the_root_and_old_ids_name_it(wide):
    apply(wide, wrote(wide, 1), wrote(wide, SCOPED))
    first, second = talks(wide)
    tell_both(wide, 1, SCOPED)
    assert fresh(second).merged_into_id == first.id
    assert fresh(second).last_message_id == 0
    apply(wide, wrote(wide, SCOPED, body="later"))
    assert messages(wide.tenant_id)[-1].conversation_id == first.id


def test_a_third_joins_the_same_root(wide):
    apply(wide, wrote(wide, 1, body="1"), wrote(wide, 2, body="2"), wrote(wide, 3, body="3"))
    apply(wide, changed(wide, (phone(3),), (phone(2),)))
    apply(wide, changed(wide, (phone(2),), (phone(1),)))
    root = only_person(wide)
    assert {row.merged_into_id for row in Contact.objects.filter(tenant_id=wide.tenant_id).exclude(id=root.id)} == {
        root.id
    }
    assert said(talks(wide)[0]) == ["1", "2", "3"]


def join_two(channel):
    apply(channel, changed(channel, (phone(2),), (phone(1),)))


def test_waiting_deliveries_take_the_roots_key_and_one_head_remains(wide, worker):
    sent_to = [send(wide, to, str(place)) for place, to in enumerate((1, 2, 1, 2))]
    join_two(wide)
    rows = Work.objects.filter(tenant_id=wide.tenant_id).order_by("id")
    assert len({row.key for row in rows}) == 1
    assert [row.state for row in rows] == [WorkState.READY, *[WorkState.WAITING] * 3]
    assert [claim.message_id for claim in deliver_all(worker)] == [message.id for message in sent_to]


def test_a_leased_row_ends_first_and_until_then_the_root_is_held(wide, worker):
    send(wide, 1, "a1")
    send(wide, 2, "b1")
    first, second = claim(worker)
    join_two(wide)
    assert joins(wide)[0].state == JoinState.PROVEN
    follower = send(wide, 1, "a2")
    deliver(worker, first)
    assert claim(worker) == []
    deliver(worker, second)
    assert join_proven() == 1
    assert claim_one(worker).message_id == follower.id


def test_a_parked_row_holds_the_root_until_its_own_hold_ends(wide, worker, clock):
    from hailgate.messaging.work.sweep import promote_all

    send(wide, 1, "parked")
    parked = claim_one(worker)
    attempt(worker, parked)
    tell(worker, decided(parked, Action.PARK))
    follower = send(wide, 2, "follower")
    join_two(wide)
    assert claim(worker) == []
    clock.forward(121)
    promote_all()
    assert claim_one(worker).message_id == follower.id


def test_what_is_held_for_a_join_is_not_let_go_by_a_parked_message(wide, worker):
    """Whoever parks or settles one sets the hold of its conversation anew."""
    send(wide, 1, "a1")
    send(wide, 2, "b1")
    claims = claim(worker)
    attempt(worker, *claims)
    join_two(wide)
    for number in (1, 2):
        send(wide, number, "follows")
    tell(worker, decided(claims[0], Action.PARK))
    apply(wide, told(wide, Status.DELIVERED, "wamid.late", tracker=f"{claims[0].uid}.1"))
    assert settle_parked() == 1
    assert claim(worker) == []
    tell(worker, sent(claims[1]))
    assert join_proven() == 1
    assert len(deliver_all(worker)) == 2


def test_a_conversation_that_only_one_of_them_has_goes_on_after_the_join(tenant, hook, wide, worker):
    """It rested with the others while something of theirs was being sent."""
    lonely = add_number(tenant, hook, 2)
    for number in (1, 2):
        send(wide, number)
    send(lonely, 1)
    claims = claim(worker)
    join_two(wide)
    follower = send(lonely, 1, "follower")
    deliver(worker, *claims)
    assert claim(worker) == []
    assert join_proven() == 1
    assert claim_one(worker).message_id == follower.id


def test_a_retry_keeps_its_wait_and_its_place_as_head(wide, worker, clock):
    send(wide, 2, "retried")
    retried = claim_one(worker)
    attempt(worker, retried)
    tell(worker, decided(retried, Action.RETRY, clock.now + 30))
    other = send(wide, 1, "other")
    join_two(wide)
    assert claim(worker) == []
    clock.forward(31)
    assert [one.message_id for one in deliver_all(worker)] == [retried.message_id, other.id]


def test_a_retry_that_gives_way_to_another_is_not_passed_by_those_behind_it(wide, worker, clock):
    """Of the two heads the other is due last; when that one is taken back, the retry comes first again."""
    first = send(wide, 1, "first")
    second = send(wide, 2, "second")
    put_off(worker, clock, {first.id: 30, second.id: 60})
    follower = send(wide, 1, "follower")
    join_two(wide)
    assert claim(worker) == []
    assert cancel_message(wide.tenant_id, second.uid)
    assert [one.message_id for one in deliver_all(worker)] == [first.id, follower.id]


def test_nor_where_what_was_parked_is_proven_sooner_than_its_hold_ends(wide, worker, clock):
    parked = send(wide, 1, "parked")
    retried = send(wide, 2, "retried")
    claims = {one.message_id: one for one in claim(worker)}
    attempt(worker, *claims.values())
    tell(
        worker,
        decided(claims[parked.id], Action.PARK),
        decided(claims[retried.id], Action.RETRY, clock.now + 30),
    )
    follower = send(wide, 2, "follower")
    join_two(wide)
    apply(wide, told(wide, Status.DELIVERED, "wamid.late", tracker=f"{parked.uid}.1"))
    assert settle_parked() == 1
    assert [one.message_id for one in deliver_all(worker)] == [retried.id, follower.id]


def put_off(worker, clock, seconds):
    """These are claimed, fail, and are due again after so many seconds."""
    claims = claim(worker)
    attempt(worker, *claims)
    tell(worker, *(decided(one, Action.RETRY, clock.now + seconds[one.message_id]) for one in claims))


def test_a_dead_letter_of_the_other_is_revived_in_the_roots_order(wide, worker):
    dead = send(wide, 2, "dead")
    claimed = claim_one(worker)
    attempt(worker, claimed)
    tell(worker, decided(claimed, Action.BURY))
    join_two(wide) if people(wide)[1:] else None
    send(wide, 1, "waiting")
    join_two(wide)
    (row,) = Work.objects.filter(tenant_id=wide.tenant_id, state=WorkState.DEAD)
    assert send_again(wide.tenant_id, [row.id]) == [row.id]
    assert len(deliver_all(worker)) == 2
    assert fresh(dead).status == Status.SENT


def test_a_message_of_the_other_can_still_be_taken_back(wide, worker):
    first = send(wide, 1, "first")
    second = send(wide, 2, "second")
    join_two(wide)
    assert cancel_message(wide.tenant_id, first.uid)
    assert claim_one(worker).message_id == second.id


def test_a_turn_under_way_is_dropped_at_its_review_and_asked_anew(answering, worker):
    from hailgate.messaging.inbound.turns import Finished

    apply(answering, wrote(answering, 1, body="a"), wrote(answering, 2, body="b"))
    first, second = claim_turns(worker, open_room(10)).claims
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    assert finish_turns(worker, [Finished(first, [], hand_over=False), Finished(second, [], hand_over=False)]) == [
        "dropped", "dropped",
    ]  # fmt: skip
    (again,) = claim_turns(worker, open_room(10)).claims
    assert [line.content.split('"')[-2] for line in again.unanswered] == ["a", "b"]
    assert finish_turns(worker, [Finished(again, [], hand_over=False)]) == ["kept"]
    assert claim_turns(worker, open_room(10)).claims == []


def test_all_that_two_who_are_joined_wrote_unanswered_is_asked(answering, worker):
    """More than the latest lines: an emergency may stand at the beginning."""
    from hailgate.messaging.inbound.turns import HISTORY_LENGTH

    bursts = {who: [f"{who} {place}" for place in range(HISTORY_LENGTH + 5)] for who in (1, 2)}
    for who, bodies in bursts.items():
        apply(answering, *(wrote(answering, who, body=body) for body in bodies))
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    (turn,) = claim_turns(worker, open_room(10)).claims
    assert [line.content.split('"')[-2] for line in turn.unanswered] == [*bursts[1], *bursts[2]]


def test_a_turn_that_a_dead_worker_left_of_the_other_is_not_answered_beside_the_joined_one(answering, worker):
    from hailgate.messaging.inbound.turns import Finished

    apply(answering, wrote(answering, 1, body="a"))
    apply(answering, wrote(answering, 2, body="b"))
    dead = new_worker()
    assert len(claim_turns(dead, open_room(10)).claims) == 2
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    let_expire(dead)
    declare_dead(dead, LEASE_S, HOLD_S)
    claimed = [turn for _ in range(3) for turn in claim_turns(worker, open_room(10)).claims]
    assert len({turn.conversation_id for turn in claimed}) == 1
    assert finish_turns(worker, [Finished(claimed[0], [], hand_over=False)]) == ["kept"]
    assert not any(turn.unanswered for turn in claim_turns(worker, open_room(10)).claims)


def test_what_the_other_has_answered_is_not_asked_again_when_they_part(answering, worker):
    from hailgate.messaging.inbound.turns import Finished

    apply(answering, wrote(answering, 1, body="a"))
    (first,) = claim_turns(worker, open_room(10)).claims
    apply(answering, wrote(answering, 2, body="b"))
    (second,) = claim_turns(worker, open_room(10)).claims
    assert finish_turns(worker, [Finished(second, [], hand_over=False)]) == ["kept"]
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    undo(answering)
    assert finish_turns(worker, [Finished(first, [], hand_over=False)]) == ["dropped"]
    asked = [line for turn in claim_turns(worker, open_room(10)).claims for line in turn.unanswered]
    assert [line.content.split('"')[-2] for line in asked] == ["a"]


@pytest.mark.parametrize("waits", [1, 2], ids=["the root's", "the other's"])
def test_what_one_of_them_has_answered_is_not_asked_again(answering, worker, waits):
    from hailgate.messaging.inbound.turns import Finished

    apply(answering, wrote(answering, 1, body="a"), wrote(answering, 2, body="b"))
    done = [Finished(turn, [], hand_over=False) for turn in claim_turns(worker, open_room(10)).claims]
    assert finish_turns(worker, done) == ["kept", "kept"]
    apply(answering, wrote(answering, waits, body="c"))
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    (turn,) = claim_turns(worker, open_room(10)).claims
    assert [line.content.split('"')[-2] for line in turn.unanswered] == ["c"]


@pytest.mark.parametrize("silent", [1, 2], ids=["the root's", "the other's"])
def test_what_waits_longer_is_asked_and_what_the_other_has_answered_since_is_not(answering, worker, silent):
    from hailgate.messaging.inbound.turns import Finished

    apply(answering, wrote(answering, silent, body="a"))
    (waiting,) = claim_turns(worker, open_room(10)).claims
    apply(answering, wrote(answering, 3 - silent, body="b"))
    (other,) = claim_turns(worker, open_room(10)).claims
    assert finish_turns(worker, [Finished(other, [], hand_over=False)]) == ["kept"]
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    assert finish_turns(worker, [Finished(waiting, [], hand_over=False)]) == ["dropped"]
    (turn,) = claim_turns(worker, open_room(10)).claims
    assert [line.content.split('"')[-2] for line in turn.unanswered] == ["a"]
    assert [line.content.split('"')[-2] for line in turn.lines] == ["a", "b"]


def test_pending_turns_become_one(answering, worker):
    apply(answering, wrote(answering, 1), wrote(answering, 2))
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    assert Work.objects.filter(tenant_id=answering.tenant_id, kind=WorkKind.TURN).count() == 1


def test_the_root_takes_the_later_window_the_stricter_limit_and_what_is_unread(wide, clock):
    apply(wide, wrote(wide, 1, at=clock.now - 90_000))
    apply(wide, wrote(wide, 2, at=clock.now - 60))
    first, second = talks(wide)
    change(first, pair_tat=5.0, seen_id=first.last_inbound_id)
    change(second, pair_tat=9.0)
    join_two(wide)
    root = fresh(first)
    assert root.last_inbound_at.timestamp() == clock.now - 60
    assert root.pair_tat == 9.0
    assert root.last_inbound_id > root.seen_id
    assert fresh(second).last_inbound_id == 0


def test_a_person_owns_it_before_an_assistant(answering):
    from hailgate.messaging.outbound.takeover import hand_over

    apply(answering, wrote(answering, 1), wrote(answering, 2))
    hand_over(answering.tenant_id, talks(answering)[1].uid.hex, "person")
    apply(answering, changed(answering, (phone(2),), (phone(1),)))
    (root,) = talks(answering)
    assert root.answered_by == "person"
    assert not Work.objects.filter(tenant_id=answering.tenant_id, kind=WorkKind.TURN).exists()


def test_on_each_channel_they_are_one_conversation(tenant, hook, wide):
    other = add_number(tenant, hook, 3)
    apply(wide, wrote(wide, 1, body="1"), wrote(wide, 2, body="2"))
    apply(other, wrote(other, 2, body="2 there"))
    join_two(wide)
    here, there = sorted(talks(wide), key=lambda talk: talk.channel_id)
    assert (said(here), said(there)) == (["1", "2"], ["2 there"])
    apply(other, wrote(other, 1, body="1 there"))
    assert said(there) == ["2 there", "1 there"]


def choice(channel, *addresses, wanted, at):
    return MarketingChoice(account_of(channel), addresses, wanted, at)


def stopped(channel) -> set[str]:
    digests = Suppression.objects.filter(tenant_id=channel.tenant_id).values_list("digest", flat=True)
    rows = ContactAddress.objects.filter(tenant_id=channel.tenant_id, digest__in=digests)
    return {row.value for row in rows}


def test_consent_is_the_newest_choice_at_any_address(wide, clock):
    apply(wide, wrote(wide, 1), wrote(wide, 2))
    apply(wide, choice(wide, phone(1), wanted=False, at=clock.now - 100))
    join_two(wide)
    assert stopped(wide) == {phone(1).value, phone(2).value}
    apply(wide, choice(wide, phone(2), wanted=True, at=clock.now - 50))
    assert stopped(wide) == set()
    apply(wide, choice(wide, phone(1), wanted=False, at=clock.now - 70))
    assert stopped(wide) == set()


@pytest.mark.parametrize(
    ("known", "named"),  # one line each: Anatel 553/2010, DOF 2018-05-11, Resolución 46/1997
    [("5511981234999", "551181234999"), ("525512345678", "5215512345678"), ("541112345678", "5491112345678")],
)
def test_consent_holds_however_the_number_is_spelt(wide, clock, known: str, named: str):
    apply(wide, wrote(wide, Address(AddressKind.PHONE, known)))
    other = Address(AddressKind.PHONE, named)
    apply(wide, choice(wide, other, wanted=False, at=clock.now - 100))
    assert stopped(wide) == {known}
    apply(wide, choice(wide, other, wanted=True, at=clock.now - 50))
    assert stopped(wide) == set()


def test_what_a_number_refused_stays_with_who_refused_it_when_it_changes_hands(wide, clock):
    apply(wide, wrote(wide, 1, SCOPED, at=clock.now - 200))
    apply(wide, choice(wide, phone(1), wanted=False, at=clock.now - 100))
    apply(wide, wrote(wide, 1, OTHER, at=clock.now - 50))
    assert stopped(wide) == {SCOPED.value}
    apply(wide, wrote(wide, 5, SCOPED, at=clock.now - 40))
    assert stopped(wide) == {SCOPED.value, phone(5).value}


def test_a_choice_from_before_is_theirs_also_where_it_is_told_late(wide, clock):
    apply(wide, wrote(wide, 1, SCOPED, at=clock.now - 200))
    apply(wide, wrote(wide, 1, OTHER, at=clock.now - 50))
    apply(wide, choice(wide, phone(1), wanted=False, at=clock.now - 100))
    assert stopped(wide) == {SCOPED.value}


def test_what_is_chosen_with_the_message_that_a_number_comes_with_is_its_new_holders(wide, clock):
    ahead = clock.now + 5
    apply(wide, wrote(wide, 1, SCOPED))
    apply(wide, wrote(wide, 1, OTHER, at=ahead), choice(wide, phone(1), OTHER, wanted=False, at=ahead))
    assert stopped(wide) == {OTHER.value, phone(1).value}


def test_a_number_takes_on_what_its_new_holder_refused(wide, clock):
    apply(wide, wrote(wide, 1, SCOPED), wrote(wide, OTHER))
    apply(wide, choice(wide, OTHER, wanted=False, at=clock.now - 100))
    apply(wide, wrote(wide, 1, OTHER))
    assert stopped(wide) == {OTHER.value, phone(1).value}


# --- undoing ----------------------------------------------------------------------------------------------------------


def undo(channel):
    (join,) = joins(channel, state=JoinState.JOINED)
    undo_join(channel.tenant_id, join.uid, "an operator")


def test_undoing_gives_addresses_back_and_messages_since_go_by_their_own(wide, worker):
    apply(wide, wrote(wide, 1, body="a1"), wrote(wide, 2, body="b1"))
    join_two(wide)
    apply(wide, wrote(wide, 1, body="a2"), wrote(wide, 2, body="b2"))
    undo(wide)
    first, second = sorted(talks(wide), key=said)
    assert (said(first), said(second)) == (["a1", "a2"], ["b1", "b2"])
    assert [talk.last_message_id for talk in (first, second)] == [thread(talk)[-1].id for talk in (first, second)]
    apply(wide, wrote(wide, 1, body="a3"), wrote(wide, 2, body="b3"))
    assert (said(first), said(second)) == (["a1", "a2", "a3"], ["b1", "b2", "b3"])


def test_deliveries_go_with_their_messages(wide, worker):
    send(wide, 1, "a1"), send(wide, 2, "b1")
    apply(wide, changed(wide, (SCOPED,), (phone(1),)))
    apply(wide, wrote(wide, 1), wrote(wide, SCOPED))
    tell_both(wide, 2, SCOPED)
    later = send(wide, 2, "b2")
    undo(wide)
    keys = {row.message_id: row.key for row in Work.objects.filter(tenant_id=wide.tenant_id)}
    assert all(keys[id_] == conversation_of(message).id for id_ in keys for message in messages(wide.tenant_id, id=id_))
    assert keys[later.id] in {talk.id for talk in talks(wide)}
    assert len(claim(worker)) == 2


def test_what_a_join_changed_is_kept_in_the_order_in_which_it_was_learned(wide):
    apply(wide, wrote(wide, 1), wrote(wide, SCOPED))
    one, _ = people(wide)
    for place in range(2, 9):
        given = {"kind": "phone", "value": sealer().seal(phone(place).value), "digest": f"digest of {place}"}
        ContactAddress.objects.create(tenant_id=wide.tenant_id, contact_id=one.id, **given)
    tell_both(wide, 1, SCOPED)
    (join,) = joins(wide)
    before = json.loads(sealer().unseal(join.before))
    numbers = [value for _, kind, value, _ in before["addresses"] if kind == "phone"]
    assert numbers == [phone(place).value for place in range(1, 9)]


def test_the_same_proof_does_not_join_them_again_and_an_operator_may(wide):
    from hailgate.messaging.people.byhand import join_by_hand

    apply(wide, wrote(wide, 1), wrote(wide, SCOPED))
    tell_both(wide, 1, SCOPED)
    undo(wide)
    tell_both(wide, 1, SCOPED, body="again")
    assert len(people(wide)) == 2
    one, other = people(wide)
    join_by_hand(wide.tenant_id, one.uid, other.uid, "an operator")
    only_person(wide)


def test_consent_from_before_is_each_ones_own_again(wide, clock):
    apply(wide, wrote(wide, 1), wrote(wide, 2))
    apply(wide, choice(wide, phone(1), wanted=False, at=clock.now - 100))
    join_two(wide)
    undo(wide)
    assert stopped(wide) == {phone(1).value}


def test_a_refusal_that_the_others_later_choice_had_lifted_stands_again(wide, clock):
    apply(wide, wrote(wide, 1), wrote(wide, 2))
    apply(wide, choice(wide, phone(1), wanted=False, at=clock.now - 100))
    join_two(wide)
    apply(wide, choice(wide, phone(2), wanted=True, at=clock.now - 50))
    assert stopped(wide) == set()
    undo(wide)
    assert stopped(wide) == {phone(1).value}


def test_undoing_waits_for_what_is_being_sent(wide, worker):
    send(wide, 1, "a1"), send(wide, 2, "b1")
    join_two(wide)
    leased = claim_one(worker)
    undo(wide)
    assert len(people(wide)) == 1
    deliver(worker, leased)
    assert join_proven() == 1
    assert len(people(wide)) == 2
    assert len(deliver_all(worker)) == 1


def test_a_number_that_changed_hands_since_takes_nothing_of_the_one_who_had_it(wide):
    apply(wide, wrote(wide, 1, body="a1"), wrote(wide, 2, SCOPED, body="b1"))
    join_two(wide)
    apply(wide, wrote(wide, 2, SCOPED, body="b2"))
    apply(wide, wrote(wide, 2, OTHER, body="c1"))
    undo(wide)
    assert sorted(map(said, talks(wide))) == [["a1"], ["b1", "b2"], ["c1"]]


def test_a_join_by_hand_stands_when_its_number_is_another_persons_who_is_joined_by_hand_too(wide):
    """Found by history 16726: the second took the first one's row, which nobody could undo any more."""
    apply(wide, wrote(wide, 1, body="a1"), wrote(wide, 2, SCOPED, body="b1"))
    join_by_hand(wide.tenant_id, *(person.uid for person in people(wide)), "somebody")
    apply(wide, wrote(wide, 2, OTHER, body="c1"))
    join_by_hand(wide.tenant_id, *(person.uid for person in people(wide)), "somebody")
    first, second = joins(wide, proof="operator")
    undo_join(wide.tenant_id, first.uid, "somebody")
    undo_join(wide.tenant_id, second.uid, "somebody")
    assert sorted(map(said, talks(wide))) == [["a1"], ["b1"], ["c1"]]


def test_a_number_that_changes_hands_between_two_who_were_joined_by_mistake_is_the_newer_ones_after_the_undo(wide):
    """Whose it is follows from the id that it came with, not from the join."""
    apply(wide, wrote(wide, OTHER, body="other, by id"))
    tell_both(wide, phone(1), SCOPED, body="first, by both")
    one, other = people(wide)
    join_by_hand(wide.tenant_id, one.uid, other.uid, "somebody")
    tell_both(wide, phone(1), OTHER, body="other, by both")
    (join,) = joins(wide, proof="operator")
    undo_join(wide.tenant_id, join.uid, "somebody")
    assert [said(talk) for talk in talks(wide)] == [["other, by id", "other, by both"], ["first, by both"]]
    apply(wide, wrote(wide, phone(1), body="other, by number"))
    assert said(talks(wide)[0])[-1] == "other, by number"
