"""Reactions, edits and deletions attach to their message, in any order, early or late; people learn new addresses."""

import itertools

import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import InboundText, content_as_json
from hailgate.core.events import Change, ContactChange, MarketingChoice, MessageChange
from hailgate.messaging.inbound.edits import EARLY_CHANGE_LIFE_S, apply_early_changes
from hailgate.messaging.models import Amendment, ContactAddress, Conversation, Suppression
from providers.test_cloud_message_ids import message_id

from .acting import account_of, add_number, apply, fresh, messages, phone, send, wrote
from .acting import change as set_columns

_numbers = itertools.count(1)


def changed(channel, what: Change, target="in.first", *, author=1, at=10.0, emoji="", body=None) -> MessageChange:
    content = None if body is None else InboundText(body)
    return MessageChange(
        account_of(channel), f"change.{next(_numbers)}", target, what, phone(author), at, emoji, content
    )


def edited(channel, body, **given):
    return changed(channel, Change.EDIT, body=body, **given)


def deleted(channel, **given):
    return changed(channel, Change.DELETION, **given)


def first(channel, body="helo"):
    return wrote(channel, 1, body=body, message_id="in.first", at=5.0)


def says(channel) -> dict:
    (row,) = messages(channel.tenant_id)
    return content_as_json(row.content)


def told(channel) -> list[Amendment]:
    return list(Amendment.objects.filter(tenant_id=channel.tenant_id).order_by("id"))


def test_an_edit_replaces_what_the_message_says_and_keeps_what_it_said(channel):
    assert apply(channel, first(channel), edited(channel, "hello")) == "1 message, 1 change"
    assert says(channel) == {"type": "text", "text": {"body": "hello"}}
    (kept,) = told(channel)
    assert content_as_json(kept.before)["text"]["body"] == "helo"


def test_a_deleted_message_says_that_it_was_deleted_and_is_still_kept(channel):
    apply(channel, first(channel, "secret"), deleted(channel))
    assert says(channel) == {"type": "deleted"}
    assert content_as_json(told(channel)[0].before)["text"]["body"] == "secret"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("apart", [True, False], ids=["one by one", "together"])
def test_edits_in_any_order_end_with_the_latest(channel, order, apart):
    edits = [edited(channel, f"version {at}", at=float(10 + at)) for at in range(3)]
    apply(channel, first(channel))
    shuffled = [edits[place] for place in order]
    for events in [[one] for one in shuffled] if apart else [shuffled]:
        apply(channel, *events)
    assert says(channel)["text"]["body"] == "version 2"


def test_nothing_is_edited_after_it_was_deleted(channel):
    apply(channel, first(channel), deleted(channel, at=10.0), edited(channel, "late", at=20.0))
    apply(channel, edited(channel, "later still", at=30.0))
    assert says(channel) == {"type": "deleted"}


def test_a_change_that_comes_before_its_message_waits_for_it(channel):
    apply(channel, edited(channel, "hello"), changed(channel, Change.REACTION, emoji="👍"))
    assert [one.message_id for one in told(channel)] == [None, None]
    apply(channel, first(channel))
    assert apply_early_changes() == 2
    assert apply_early_changes() == 0
    assert says(channel)["text"]["body"] == "hello"
    assert {one.message_id for one in told(channel)} == {messages(channel.tenant_id)[0].id}


def test_a_change_of_a_message_we_never_had_is_kept_and_not_waited_with_for_ever(channel, clock):
    apply(channel, edited(channel, "hello"))
    clock.forward(EARLY_CHANGE_LIFE_S + 1)
    apply(channel, first(channel))
    assert apply_early_changes() == 0
    assert len(told(channel)) == 1


def test_a_person_cannot_change_what_we_wrote(channel):
    message = send(channel, 1, "Our words")
    set_columns(message, provider_id="out.1")
    apply(channel, edited(channel, "Theirs", target="out.1"), deleted(channel, target="out.1"))
    assert content_as_json(fresh(message).content)["text"]["body"] == "Our words"


def test_a_change_told_to_another_number_has_no_effect(channel, tenant, hook):
    other = add_number(tenant, hook, 3)
    apply(channel, first(channel))
    apply(other, edited(other, "Theirs"))
    assert says(channel)["text"]["body"] == "helo"


def test_a_message_that_is_named_by_its_other_id_is_found_by_its_token(channel):
    """Found by reading Meta's ids: the peer in them may be the user id instead of the number."""
    by_number, by_user_id = message_id("15550000001"), message_id("US.13491208655302741918")
    apply(channel, wrote(channel, 1, body="helo", message_id=by_number))
    note = apply(channel, edited(channel, "hello", target=by_user_id))
    assert note == "1 change"
    assert says(channel)["text"]["body"] == "hello"
    apply(channel, wrote(channel, 1, body="an answer", context_id=by_user_id))
    assert messages(channel.tenant_id)[-1].context_id == by_number


def test_not_in_another_conversation_and_not_where_two_have_it(channel):
    apply(channel, wrote(channel, 2, message_id=message_id("15550000002")))
    note = apply(channel, edited(channel, "hello", target=message_id("US.1")))
    assert note == "1 change (1 of a message that is not here)"
    apply(channel, wrote(channel, 1, message_id=message_id("a")), wrote(channel, 1, message_id=message_id("b")))
    assert "not here" in apply(channel, edited(channel, "hello", target=message_id("US.1")))


# --- people -----------------------------------------------------------------------------------------------------------


def moved(channel, known, learned) -> ContactChange:
    return ContactChange(account_of(channel), f"system.{next(_numbers)}", known, learned, "user_changed_number")


def test_a_new_number_leads_to_the_same_conversation(channel):
    apply(channel, wrote(channel, 1))
    assert apply(channel, moved(channel, (phone(1),), (phone(2),))) == "1 contact"
    apply(channel, wrote(channel, 2, body="from my new phone"))
    assert Conversation.objects.filter(tenant_id=channel.tenant_id).count() == 1


def test_a_strangers_new_number_makes_nobody(channel):
    apply(channel, moved(channel, (phone(1),), (Address(AddressKind.BSUID, "US.1"),)))
    assert not ContactAddress.objects.filter(tenant_id=channel.tenant_id).exists()


def test_marketing_is_stopped_and_resumed(channel):
    def choice(at, *, wanted):
        return MarketingChoice(account_of(channel), (phone(1),), wanted, at)

    stopped = Suppression.objects.filter(tenant_id=channel.tenant_id, scope="marketing")
    assert apply(channel, choice(1.0, wanted=False)) == "1 choice"
    assert stopped.get().reason == "user_preferences"
    apply(channel, choice(2.0, wanted=True))
    assert not stopped.exists()
    apply(channel, choice(3.0, wanted=True), choice(4.0, wanted=False))
    assert stopped.exists()
