"""Floods: who writes more than a rule allows is asked to wait once, counted, and answered again later."""

import pytest

from hailgate.core.errors import InputError, NotFound
from hailgate.core.floods import QUIET_S
from hailgate.messaging.assistants.floods import (
    count_floods,
    list_flood_rules,
    remove_flood_rule,
    set_flood_rule,
    take_in,
)


@pytest.fixture
def pour_in(tenant):
    """What becomes of so many messages of a contact."""

    def pour(contact=1, count=1, *, group=False):
        return tuple(map(str, take_in(tenant.pk, contact, list_flood_rules(tenant.pk), count, group=group)))

    return pour


ANSWER, WAIT, SILENCE = ("answer", ""), ("ask_to_wait", "contact"), ("silence", "contact")


def test_who_floods_is_asked_to_wait_once_and_answered_when_they_slowed_down(tenant, pour_in, clock):
    set_flood_rule(tenant.pk, "contact", 3, 60)
    assert [pour_in() for _ in range(5)] == [ANSWER, ANSWER, ANSWER, WAIT, SILENCE]
    assert pour_in(2) == ANSWER
    clock.forward(61)
    assert pour_in() == ANSWER
    assert count_floods(tenant.pk) == (1, 2)


def test_who_floods_on_is_asked_again_after_a_while(tenant, pour_in, clock):
    set_flood_rule(tenant.pk, "contact", 1, 3600)
    assert [pour_in(count=2), pour_in(count=2)] == [WAIT, SILENCE]
    clock.forward(QUIET_S + 1)
    assert pour_in(count=2) == WAIT


def test_a_group_has_a_rule_of_its_own(tenant, pour_in):
    set_flood_rule(tenant.pk, "contact", 1, 60)
    set_flood_rule(tenant.pk, "group", 2, 60)
    assert pour_in(9, 2, group=True) == ANSWER
    assert pour_in(9, 1, group=True) == ("ask_to_wait", "group")


def test_a_tenants_rule_counts_all_its_people_and_tells_each_once(tenant, pour_in):
    set_flood_rule(tenant.pk, "tenant", 2, 60)
    assert [pour_in(1), pour_in(2)] == [ANSWER, ANSWER]
    assert [pour_in(1), pour_in(2), pour_in(1)] == [
        ("ask_to_wait", "tenant"), ("ask_to_wait", "tenant"), ("silence", "tenant"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field"), [(("house", 1, 60), "subject"), (("contact", 0, 60), "most"), (("contact", 1, 0.5), "seconds")]
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_field(tenant, given, field):
    with pytest.raises(InputError) as refused:
        set_flood_rule(tenant.pk, *given)
    assert refused.value.field == field


def test_a_rule_is_changed_and_goes_once(tenant):
    set_flood_rule(tenant.pk, "contact", 3, 60)
    set_flood_rule(tenant.pk, "contact", 4, 60)
    assert [rule.most for rule in list_flood_rules(tenant.pk)] == [4]
    assert remove_flood_rule(tenant.pk, "contact")
    with pytest.raises(NotFound):
        remove_flood_rule(tenant.pk, "contact")
