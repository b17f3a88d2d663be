"""Statuses in any order, doubled, with gaps, early or for strangers: the end is the join of what was told."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.events import Price
from hailgate.core.status import Status
from hailgate.messaging.inbound.statuses import EARLY_STATUS_LIFE_S, apply_early_statuses
from hailgate.messaging.models import Conversation, EarlyStatus, Receipt, Suppression
from hailgate.messaging.outbound.timeline import tell_timeline
from hailgate.messaging.people.conversations import address_digest
from hailgate.messaging.store.ids import uuid7
from messaging.acting import (
    add_number,
    apply,
    attempt,
    change_channel,
    claim,
    claim_one,
    execute,
    fresh,
    phone,
    send,
    sent,
    tell,
    told,
    wrote,
)

TOLD = [status for status in Status if status is not Status.QUEUED]
histories = st.lists(st.sampled_from(TOLD), max_size=8)


@pytest.fixture
def message(wide, worker):
    """A message that its provider knows by ``wamid.1``."""
    row = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, sent(one, "wamid.1"))
    return row


def receipts(message) -> list[str]:
    found = Receipt.objects.filter(tenant_id=message.tenant_id, message_id=message.id).order_by("id")
    return [receipt.event for receipt in found]


def early(channel) -> int:
    return EarlyStatus.objects.filter(tenant_id=channel.tenant_id).count()


# --- the join ---------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(history=histories, cuts=st.sets(st.integers(0, 8), max_size=3), tracked=st.lists(st.booleans(), max_size=8))
def test_whatever_is_told_in_whatever_order_the_end_is_the_furthest(wide, worker, history, cuts, tracked):
    """In batches or alone, with our tracker or only the provider's id, doubled, before or after the send's result."""
    execute("UPDATE messaging_message SET status = 0")
    row = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    own = f"wamid.{row.id}"
    events = [
        told(wide, status, own, tracker=f"{row.uid}.1" if place < len(tracked) and tracked[place] else None)
        for place, status in enumerate(history)
    ]
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    batches = [events[start:end] for start, end in pairwise(edges)]
    before, after = batches[: len(batches) // 2], batches[len(batches) // 2 :]
    for batch in before:
        apply(wide, *batch)
    tell(worker, sent(one, own))
    for batch in after:
        apply(wide, *batch, *batch)
    while apply_early_statuses(limit=3):
        pass
    assert fresh(row).status == max([Status.SENT, *history])
    assert early(wide) == 0


@pytest.mark.parametrize(
    ("history", "end"),
    [
        ([Status.READ], Status.READ),
        ([Status.DELIVERED, Status.READ, Status.DELIVERED, Status.SENT], Status.READ),
        ([Status.FAILED, Status.DELIVERED], Status.DELIVERED),
        ([Status.DELIVERED, Status.FAILED], Status.DELIVERED),
        ([Status.FAILED, Status.SENT], Status.FAILED),
    ],
    ids=lambda value: ",".join(status.word for status in value) if isinstance(value, list) else None,
)
def test_late_and_missing_steps_change_no_end(wide, message, history, end):
    for status in history:
        apply(wide, told(wide, status, "wamid.1"))
    assert fresh(message).status == end


def test_every_telling_is_on_record_once(wide, message):
    for status in (Status.DELIVERED, Status.READ, Status.DELIVERED):
        apply(wide, told(wide, status, "wamid.1"), told(wide, status, "wamid.1"))
    assert receipts(message) == ["delivered", "read"]


def test_a_failure_says_why(wide, message):
    apply(wide, told(wide, Status.FAILED, "wamid.1", code="131026"))
    assert (fresh(message).status, fresh(message).code) == (Status.FAILED, "131026")


def test_a_failure_keeps_its_words_when_the_message_arrived_after_all(wide, message):
    apply(wide, told(wide, Status.FAILED, "wamid.1", code="131026"))
    apply(wide, told(wide, Status.DELIVERED, "wamid.1"))
    assert fresh(message).status == Status.DELIVERED
    assert receipts(message) == ["failed", "delivered"]


@pytest.mark.parametrize("at", [0.0, 1_700_000_000.0])
def test_a_receipt_has_the_providers_time_or_ours(wide, message, clock, at):
    apply(wide, told(wide, Status.READ, "wamid.1", at=at))
    receipt = Receipt.objects.get(tenant_id=wide.tenant_id, message_id=message.id)
    assert receipt.at.timestamp() == (at or clock.now)


def test_each_person_of_a_group_reads_for_the_whole_group(wide, message):
    group = Address(AddressKind.GROUP, "120363000000000001")
    apply(wide, told(wide, Status.READ, "wamid.1", recipient=group))
    assert fresh(message).status == Status.READ


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_the_tracker_names_a_message_before_its_provider_does(wide, worker):
    row = send(wide)
    attempt(worker, claim_one(worker))
    apply(wide, told(wide, Status.SENT, "wamid.9", tracker=f"{row.uid}.1"))
    assert (fresh(row).status, fresh(row).provider_id) == (Status.SENT, "wamid.9")


def test_a_later_tracker_renames_nothing(wide, message):
    apply(wide, told(wide, Status.DELIVERED, "wamid.2", tracker=f"{message.uid}.1"))
    assert (fresh(message).status, fresh(message).provider_id) == (Status.DELIVERED, "wamid.1")


@pytest.mark.parametrize("tracker", ["", "not ours", "7", "\ufffd", "x.1", ".1"])
def test_a_tracker_that_is_not_ours_leaves_the_providers_id(wide, message, tracker):
    apply(wide, told(wide, Status.READ, "wamid.1", tracker=tracker))
    assert fresh(message).status == Status.READ


def test_a_status_of_another_number_concerns_no_message_of_this_one(tenant, hook, wide, message):
    other = add_number(tenant, hook, 1)
    apply(wide, told(other, Status.READ, "wamid.1"), told(other, Status.READ, "w", tracker=f"{message.uid}.1"))
    assert fresh(message).status == Status.SENT


def test_a_status_of_a_persons_own_message_changes_nothing(wide, worker):
    apply(wide, wrote(wide, message_id="wamid.theirs"))
    apply(wide, told(wide, Status.READ, "wamid.theirs"))
    assert apply_early_statuses() == 0
    assert execute("SELECT status FROM messaging_message") == [(Status.DELIVERED,)]


# --- early and unknown ------------------------------------------------------------------------------------------------


def test_a_status_for_an_unknown_id_is_kept_until_the_id_is_known(wide, worker, clock):
    row = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    apply(wide, told(wide, Status.DELIVERED, "wamid.1"))
    clock.forward(EARLY_STATUS_LIFE_S)
    assert (apply_early_statuses(), early(wide)) == (0, 1)
    tell(worker, sent(one, "wamid.1"))
    assert (apply_early_statuses(), early(wide)) == (1, 0)
    assert fresh(row).status == Status.DELIVERED
    assert receipts(row) == ["delivered"]


def test_after_ten_minutes_an_unknown_id_is_forgotten(wide, clock):
    apply(wide, told(wide, Status.DELIVERED, "wamid.nobody"))
    clock.forward(EARLY_STATUS_LIFE_S + 1)
    assert (apply_early_statuses(), early(wide)) == (0, 0)


def test_what_became_known_in_its_last_moment_is_applied_and_not_forgotten(wide, worker, clock):
    row = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    apply(wide, told(wide, Status.READ, "wamid.1"))
    clock.forward(EARLY_STATUS_LIFE_S + 1)
    tell(worker, sent(one, "wamid.1"))
    assert apply_early_statuses() == 1
    assert fresh(row).status == Status.READ


def test_many_early_statuses_are_applied_in_several_looks(wide, worker):
    row = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    apply(wide, *(told(wide, status, "wamid.1") for status in TOLD))
    tell(worker, sent(one, "wamid.1"))
    assert [apply_early_statuses(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert fresh(row).status == Status.PLAYED


def test_the_oldest_early_statuses_are_applied_first(wide, worker):
    """A look takes some of many: those that would be forgotten first."""
    messages = [send(wide, to=number) for number in range(1, 9)]
    claims = claim(worker, limit=8)
    attempt(worker, *claims)
    for place in range(8):
        apply(wide, told(wide, Status.READ, f"wamid.{place}"))
    tell(worker, *(sent(one, f"wamid.{place}") for place, one in enumerate(claims)))
    assert apply_early_statuses(limit=7) == 7
    assert [fresh(row).status for row in messages] == [Status.READ] * 7 + [Status.SENT]


def test_a_look_at_no_early_statuses_takes_no_lock(wide, django_executes):
    with django_executes() as statements:
        apply_early_statuses()
    assert all(statement.startswith("SELECT") for statement in statements)


def test_a_tracker_of_a_message_that_is_not_there_is_kept_like_any_unknown_id(wide, clock):
    apply(wide, told(wide, Status.READ, "wamid.1", tracker=f"{uuid7()}.1"))
    assert early(wide) == 1


@pytest.mark.parametrize("length", [255, 256, 512])
def test_ids_of_any_length_that_providers_may_send_find_their_message(wide, worker, length):
    own = "w" * length
    row = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, sent(one, own[:255]))
    apply(wide, told(wide, Status.READ, own))
    apply_early_statuses()
    assert fresh(row).status == Status.READ


def test_a_message_of_a_channel_whose_account_changed_keeps_its_statuses(wide, message):
    change_channel(wide, account="another")
    apply(wide, told(wide, Status.READ, "wamid.1"))
    assert fresh(message).status == Status.READ


# --- opt-outs ---------------------------------------------------------------------------------------------------------


def suppressed(channel) -> list[tuple[str, str, str]]:
    found = Suppression.objects.filter(tenant_id=channel.tenant_id)
    return [(one.digest, one.scope, one.reason) for one in found]


def opt_out(channel, message_id, **given):
    return msgspec.structs.replace(told(channel, Status.FAILED, message_id, code="131050", **given), opted_out=True)


def test_an_opt_out_that_a_status_tells_suppresses_marketing_once(wide, message):
    """Under every address of the recipient: the one that was written to, and the one that the provider calls them."""
    elsewhere = Address(AddressKind.PHONE, "15559999999")
    apply(wide, opt_out(wide, "wamid.1", recipient=elsewhere))
    apply(wide, opt_out(wide, "wamid.1", recipient=phone(1)))
    assert sorted(suppressed(wide)) == sorted(
        [
            (address_digest(phone(1)), "marketing", "recipient_opted_out"),
            (address_digest(elsewhere), "marketing", "same_person"),
        ]
    )
    assert (fresh(message).status, fresh(message).code) == (Status.FAILED, "131050")


def test_an_early_opt_out_counts_once_its_message_is_known(wide, worker):
    apply(wide, opt_out(wide, "wamid.1"))
    assert suppressed(wide) == []
    send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, sent(one, "wamid.1"))
    apply_early_statuses()
    assert suppressed(wide) == [(address_digest(phone(1)), "marketing", "recipient_opted_out")]


def test_another_failure_suppresses_nobody(wide, message):
    apply(wide, told(wide, Status.FAILED, "wamid.1", code="131049"))
    assert suppressed(wide) == []


# --- prices, participants, words --------------------------------------------------------------------------------------

PRICE = Price("utility", "regular", True, 1_767_312_000.0)


def told_so(channel, status, **more):
    return msgspec.structs.replace(told(channel, status, "wamid.1"), **more)


def priced(message):
    row = fresh(message)
    return row.price_category, row.price_type, row.billed


def test_a_price_is_kept_with_its_message(wide, message):
    apply(wide, told_so(wide, Status.SENT, price=PRICE))
    apply(wide, told_so(wide, Status.DELIVERED))
    assert priced(message) == ("utility", "regular", True)
    assert fresh(message).free_until.timestamp() == PRICE.free_until


def test_a_free_entry_point_lasts_as_long_as_it_was_ever_told_to(wide, message):
    for until in (PRICE.free_until, PRICE.free_until - 60):
        price = msgspec.structs.replace(PRICE, free_until=until)
        apply(wide, told_so(wide, Status.SENT if until == PRICE.free_until else Status.DELIVERED, price=price))
    assert Conversation.objects.get(tenant_id=wide.tenant_id).free_until == PRICE.free_until


def test_a_price_that_came_early_is_kept_too(wide, worker):
    row = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    apply(wide, told_so(wide, Status.SENT, price=PRICE, told="As you wish."))
    tell(worker, sent(one, "wamid.1"))
    apply_early_statuses()
    assert priced(row) == ("utility", "regular", True)
    assert told_words(row) == ["As you wish."]


def told_words(message):
    found = Receipt.objects.filter(tenant_id=message.tenant_id, message_id=message.id).order_by("id")
    return [sealer().unseal(receipt.told) for receipt in found if receipt.told]


def test_the_providers_own_words_stand_in_the_timeline(wide, message):
    apply(wide, told_so(wide, Status.FAILED, code="131026", detail="Ours.", told="Ask the person to update."))
    [failed] = [each for each in tell_timeline(fresh(message)) if each.event == "failed"]
    assert (failed.detail, failed.told) == ("Ours.", "Ask the person to update.")


@pytest.mark.parametrize("status", [Status.READ, Status.PLAYED, Status.FAILED])
def test_what_one_participant_did_is_not_what_became_of_the_message(wide, message, status):
    one, other = (Address(AddressKind.PHONE, number) for number in ("15550100042", "15550100043"))
    apply(wide, told_so(wide, Status.DELIVERED, participant=one))
    apply(wide, told_so(wide, status, participant=one, code="131026"), told_so(wide, status, participant=other))
    row = fresh(message)
    assert (row.status, row.code) == (Status.DELIVERED, "")
    assert receipts(message) == ["delivered", status.word, status.word]
    keys = [each.participant for each in tell_timeline(row) if each.participant]
    assert keys == [one.key, one.key, other.key]
