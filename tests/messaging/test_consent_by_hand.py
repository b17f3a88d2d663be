"""What a person told somebody otherwise: kept with proof and time, for all their addresses, until they choose anew."""

import pytest

from hailgate.core.errors import InputError, NotFound
from hailgate.messaging.models import Contact, Direction
from hailgate.messaging.people.consent_by_hand import choose_by_hand, find_consents
from hailgate.messaging.store.ids import uuid7

from .acting import apply, claim, deliver_all, messages, new_message, phone, send_all, wrote
from .test_joins import SCOPED, tell_both


@pytest.fixture
def person(wide, clock) -> Contact:
    apply(wide, wrote(wide, 1, at=clock.now))
    return Contact.objects.get(tenant_id=wide.tenant_id)


def choose(person, scope, wanted, proof="form 17"):
    return choose_by_hand(person.tenant_id, person.uid, scope, wanted, proof)


def shown(person, scope="unasked"):
    return next(each for each in find_consents(person.tenant_id, person.uid) if each.scope == scope)


def stopped(channel, worker) -> bool:
    send_all(channel, [new_message(channel)._replace(kind="template")])
    (claimed,) = claim(worker)
    return claimed.unasked


def test_nothing_is_known_of_who_never_chose(person):
    assert [(each.scope, each.wanted) for each in find_consents(person.tenant_id, person.uid)] == [
        ("marketing", None), ("unasked", None), ("assistant", None)
    ]  # fmt: skip


@pytest.mark.parametrize(("wanted", "stops"), [(False, True), (True, False)])
def test_a_choice_by_hand_holds_and_is_shown_with_its_proof(wide, worker, person, wanted, stops):
    assert choose(person, "unasked", wanted)
    assert (shown(person).wanted, shown(person).reason, shown(person).proof) == (wanted, "by_hand", "form 17")
    assert stopped(wide, worker) is stops


def test_the_newest_choice_stands_whoever_made_it(wide, worker, person, clock):
    apply(wide, wrote(wide, 1, body="stop", at=clock.forward(60)))
    deliver_all(worker)
    said = messages(wide.tenant_id, direction=Direction.INBOUND)[-1]
    assert (shown(person).wanted, shown(person).reason, shown(person).proof) == (False, "wrote_it", str(said.uid))
    choose(person, "unasked", True)
    assert shown(person).wanted is True
    apply(wide, wrote(wide, 1, body="stop", at=clock.forward(60)))
    assert (shown(person).wanted, shown(person).reason) == (False, "wrote_it")


def test_it_is_the_newest_also_where_a_providers_clock_is_ahead(wide, person, clock):
    apply(wide, wrote(wide, 1, body="stop", at=clock.now + 3_600))
    choose(person, "unasked", True)
    assert shown(person).wanted is True


def test_it_holds_for_every_address_of_the_person(wide, person, clock):
    apply(wide, wrote(wide, SCOPED, at=clock.now))
    tell_both(wide, phone(1), SCOPED)
    for contact in Contact.objects.filter(tenant_id=wide.tenant_id):
        choose(contact, "marketing", contact.pk == person.pk)
        assert shown(person, "marketing") == shown(contact, "marketing")


@pytest.mark.parametrize(("scope", "proof"), [("everything", ""), ("unasked", "x" * 41), ("unasked", "a\nb")])
def test_what_is_wrong_is_refused_by_name(person, scope, proof):
    with pytest.raises(InputError):
        choose(person, scope, True, proof)
    assert shown(person).wanted is None


def test_a_contact_that_is_not_there_has_no_consent(person):
    for act in (
        lambda uid: find_consents(person.tenant_id, uid),
        lambda uid: choose_by_hand(1, uid, "unasked", True, ""),
    ):
        with pytest.raises(NotFound):
            act(uuid7())
