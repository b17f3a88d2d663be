"""Assistants in the console: the switch, budgets, versions, and trying one out; owners only."""

import pytest

from hailgate.messaging.assistants.registry import add_assistant, get_assistant, list_versions, read_settings
from hailgate.messaging.assistants.stopping import find_stop

SCRIPT = '[{"pattern": "open", "reply": "Until six."}]'
SECRET = "sk-very-secret"


@pytest.fixture
def owner(sign_in, olivia):
    return sign_in(olivia)


@pytest.fixture
def clinic(tenant):
    return add_assistant(tenant.pk, "clinic", {"vendor": "scripted", "script": SCRIPT, "api_key": SECRET})


def test_agents_see_nothing_of_it(sign_in, adam, clinic) -> None:
    agent = sign_in(adam)
    assert agent.get("assistants").status_code == 403
    assert agent.get("assistants/of/clinic").status_code == 403


def test_the_switch_is_thrown_and_taken_back(owner, clinic, tenant) -> None:
    owner.post("assistants/stop", {}, part=False)
    assert find_stop(tenant.pk)
    assert "All assistants are stopped" in owner.text("assistants")
    owner.post("assistants/resume", {}, part=False)
    assert find_stop(tenant.pk) is None


def test_a_budget_is_set_shown_and_taken_away(owner, clinic, tenant) -> None:
    form = {"subject": "tenant", "period": "month", "unit": "messages", "most": "1000"}
    owner.post("assistants/budget", form, part=False)
    assert "0 of 1000" in owner.text("assistants")
    owner.post("assistants/budget", form | {"most": ""}, part=False)
    assert "0 of 1000" not in owner.text("assistants")


def test_what_is_wrong_with_a_budget_is_told(owner, clinic) -> None:
    form = {"subject": "tenant", "period": "turn", "unit": "messages", "most": "1"}
    answer = owner.post("assistants/budget", form, part=False)
    assert (answer.status_code, "period:" in answer.content.decode()) == (422, True)


def test_a_version_is_drafted_published_and_taken_back(owner, clinic, tenant) -> None:
    owner.post("assistants/of/clinic/draft", {"instructions": "Be brief.", "api_key": ""}, part=False)
    latest = list_versions(tenant.pk, "clinic")[0]
    assert (latest.number, read_settings(latest).instructions, read_settings(latest).api_key) == (
        2,
        "Be brief.",
        SECRET,
    )
    owner.post("assistants/of/clinic/publish", {"version": "2"}, part=False)
    assert get_assistant(tenant.pk, "clinic").live.number == 2
    owner.post("assistants/of/clinic/switch", {"state": "off"}, part=False)
    assert not get_assistant(tenant.pk, "clinic").active


def test_what_has_not_changed_makes_no_version(owner, clinic, tenant) -> None:
    owner.post("assistants/of/clinic/draft", {"instructions": "", "temperature": "0.3"}, part=False)
    assert len(list_versions(tenant.pk, "clinic")) == 1


def test_a_version_is_tried_out_and_no_key_is_ever_shown(owner, clinic) -> None:
    answer = owner.post("assistants/of/clinic/try", {"version": "1", "text": "Are you open?"}, part=False)
    page = answer.content.decode()
    assert (answer.status_code, "Until six." in page) == (200, True)
    assert SECRET not in page + owner.text("assistants")


def test_what_is_not_there_is_not_found(owner, clinic) -> None:
    assert owner.get("assistants/of/nobody").status_code == 404
    assert owner.post("assistants/of/clinic/publish", {"version": "x"}, part=False).status_code == 404
