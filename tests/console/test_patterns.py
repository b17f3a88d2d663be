"""Patterns in the console: kept by owners, and put into an answer by whoever writes one."""

import pytest

from hailgate.messaging.assistants.patterns import list_patterns, set_pattern
from hailgate.messaging.models import Conversation
from messaging.acting import apply, wrote

FORM = {"name": "greeting", "language": "en", "text": "Hello {{name}}!"}


@pytest.fixture
def conversation(channel):
    apply(channel, wrote(channel, 1, body="Hello?"))
    return Conversation.objects.get(tenant_id=channel.tenant_id)


def test_a_pattern_is_kept_shown_and_taken_away(owner, tenant) -> None:
    owner.post("patterns/change", FORM, part=False)
    assert "Hello {{name}}!" in owner.text("patterns")
    owner.post("patterns/change", FORM | {"text": ""}, part=False)
    assert list_patterns(tenant.pk) == []


def test_what_is_wrong_with_one_is_told_and_what_was_typed_stays(owner) -> None:
    answer = owner.post("patterns/change", FORM | {"language": "English"}, part=False)
    page = answer.content.decode()
    assert (answer.status_code, "language:" in page, "Hello {{name}}!" in page) == (422, True, True)


def test_agents_do_not_change_them(agent) -> None:
    assert agent.get("patterns").status_code == 403


def test_one_is_chosen_filled_in_and_put_into_the_answer(agent, tenant, conversation) -> None:
    set_pattern(tenant.pk, "greeting", "en", "Hello {{name}}, {{name}}!")
    place = f"conversations/{conversation.uid.hex}/patterns"
    assert "greeting" in agent.text(place)
    assert agent.text(f"{place}/greeting.en").count('name="name"') == 1
    filled = agent.post(f"{place}/greeting.en/insert", {"name": "<Ana>"})
    assert "Hello &lt;Ana&gt;, &lt;Ana&gt;!" in filled.content.decode()


def test_a_variable_that_is_left_empty_is_named(agent, tenant, conversation) -> None:
    set_pattern(tenant.pk, "greeting", "en", "Hello {{name}}!")
    refused = agent.post(f"conversations/{conversation.uid.hex}/patterns/greeting.en/insert", {"name": ""})
    assert (refused.status_code, "the pattern needs it" in refused.content.decode()) == (422, True)
