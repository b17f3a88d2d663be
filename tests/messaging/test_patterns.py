"""Patterns of a tenant: kept by name and language, nobody else's, and said by the rules of its assistants."""

import pytest

from hailgate.accounts.keys import add_tenant
from hailgate.core.errors import InputError, NotFound
from hailgate.core.patterns import PatternCall
from hailgate.core.slots import open_room
from hailgate.messaging.assistants.patterns import fill_call, list_patterns, remove_pattern, set_pattern
from hailgate.messaging.assistants.registry import add_assistant, publish_version
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turns import claim_turns
from messaging.acting import add_number, apply, wrote

RULES = [
    {"pattern": r"my name is (?P<name>\w+)", "say": "greeting"},
    {"pattern": "bye", "say": "closing", "values": {"clinic": "Ours"}, "hand_over": True},
]


@pytest.fixture
def patterns(tenant):
    set_pattern(tenant.pk, "greeting", "en", "Hello {{name}}!")
    set_pattern(tenant.pk, "greeting", "pt-BR", "Olá {{name}}!")
    set_pattern(tenant.pk, "closing", "en", "Thank you for calling {{clinic}}.")


def test_the_latest_text_of_a_name_and_language_stands(tenant, patterns):
    set_pattern(tenant.pk, "greeting", "en", "Hi {{name}}.")
    assert [(each.name, each.language) for each in list_patterns(tenant.pk)] == [
        ("closing", "en"), ("greeting", "en"), ("greeting", "pt_BR"),
    ]  # fmt: skip
    assert fill_call(tenant.pk, PatternCall("greeting", "en", {"name": "Ana"})) == "Hi Ana."


def test_one_that_is_taken_away_is_gone_for_good(tenant, patterns):
    assert remove_pattern(tenant.pk, "closing", "en")
    with pytest.raises(NotFound):
        remove_pattern(tenant.pk, "closing", "en")
    with pytest.raises(InputError):
        fill_call(tenant.pk, PatternCall("closing", "en", {"clinic": "Ours"}))


def test_another_tenant_has_none_of_them(tenant, patterns):
    assert list_patterns(add_tenant("shop").pk) == []


def test_a_turn_brings_the_patterns_that_its_assistant_says(tenant, patterns, hook, worker):
    add_assistant(tenant.pk, "desk", {"vendor": "scripted", "script": RULES})
    channel = add_number(tenant, hook, 7, answered_by="desk")
    apply(channel, wrote(channel, body="Hi, my name is Ana"), debounce=Debounce(0.0, 0.0))
    (turn,) = claim_turns(worker, open_room(10)).claims
    assert {each.text for each in turn.patterns} == {each.text for each in list_patterns(tenant.pk)}


def test_one_that_says_none_is_brought_none(tenant, patterns, hook, worker):
    add_assistant(tenant.pk, "desk", {"vendor": "scripted", "script": [{"pattern": "hi", "reply": "Hello."}]})
    channel = add_number(tenant, hook, 7, answered_by="desk")
    apply(channel, wrote(channel, body="Hi"), debounce=Debounce(0.0, 0.0))
    (turn,) = claim_turns(worker, open_room(10)).claims
    assert turn.patterns == ()


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"pattern": "bye", "say": "closing"}, "script[0].values.clinic"),
        ({"pattern": "bye", "say": "reminder"}, "script[0].say"),
        ({"pattern": "bye"}, "script[0].reply"),
        ({"pattern": "bye", "reply": "Bye.", "say": "closing"}, "script[0].reply"),
    ],
)
def test_a_rule_that_could_not_say_it_is_refused_where_it_is_made(tenant, patterns, rule, field):
    with pytest.raises(InputError) as refused:
        add_assistant(tenant.pk, "desk", {"vendor": "scripted", "script": [rule]})
    assert refused.value.field == field


def test_a_version_whose_pattern_asks_for_more_by_now_is_not_published(tenant, patterns):
    add_assistant(tenant.pk, "desk", {"vendor": "scripted", "script": RULES})
    set_pattern(tenant.pk, "closing", "en", "Thank you for calling {{clinic}} in {{town}}.")
    with pytest.raises(InputError, match=r"values\.town: is missing"):
        publish_version(tenant.pk, "desk")
