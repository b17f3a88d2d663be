"""The page of people: who is one person, and what an operator decides about it."""

import pytest

from hailgate.accounts.models import AuditEntry
from hailgate.messaging.models import Contact, Conversation, Join, JoinState
from messaging.acting import apply, wrote
from messaging.test_joins import BRAZIL, BRAZIL_9, SCOPED, phone, said, talks, tell_both


@pytest.fixture
def joined(channel) -> Join:
    """A number and an id that turned out to be one person's."""
    apply(channel, wrote(channel, 1, body="by number", name="Ada"), wrote(channel, SCOPED, body="by id", name="Ada"))
    tell_both(channel, phone(1), SCOPED)
    return join_in(channel, JoinState.JOINED)


@pytest.fixture
def asked(channel) -> Join:
    """Two spellings that nothing proves one person."""
    apply(channel, wrote(channel, BRAZIL, body="oi", name="Bia"), wrote(channel, BRAZIL_9, body="ola", name="Beatriz"))
    return join_in(channel, JoinState.SUGGESTED)


def join_in(channel, state: JoinState) -> Join:
    return Join.objects.select_related("left", "right").get(tenant_id=channel.tenant_id, state=state)


def state_of(join: Join) -> JoinState:
    return JoinState(Join.objects.get(tenant_id=join.tenant_id, id=join.id).state)


def test_the_list_says_who_is_one_person_and_by_what_proof(agent, joined):
    page = agent.text("people")
    assert "Ada" in page
    assert "+15550000001" in page
    assert SCOPED.value in page
    assert "The provider named both as one person&#x27;s." in page


def test_what_is_only_alike_waits_for_a_decision_and_is_counted(agent, asked, joined):
    page = agent.text("people", {"show": "asked"})
    assert "To decide (1)" in page
    assert "Bia" in page
    assert SCOPED.value not in page


def test_an_operators_word_joins_them_and_is_on_record(agent, asked, channel):
    answer = agent.post(f"people/{asked.uid.hex}/join", part=False)
    assert answer["Location"].endswith("?said=joined")
    assert state_of(asked) == JoinState.JOINED
    assert [said(talk) for talk in talks(channel)] == [["oi", "ola"]]
    assert AuditEntry.objects.filter(tenant_id=channel.tenant_id, action="people.joined").exists()
    assert "Adam" in agent.text("people")


def test_what_was_decided_already_is_said(agent, asked):
    for _ in range(2):
        answer = agent.post(f"people/{asked.uid.hex}/dismiss", part=False)
    assert answer["Location"].endswith("?said=late")
    assert state_of(asked) == JoinState.DISMISSED


def test_a_join_is_undone_and_made_again_by_hand(agent, joined, channel):
    assert agent.post(f"people/{joined.uid.hex}/undo", part=False)["Location"].endswith("?said=parted")
    assert len(talks(channel)) == 2
    sides = {"one": joined.left.uid.hex, "other": joined.right.uid.hex}
    assert agent.post("people/join", sides, part=False)["Location"].endswith("?said=joined")
    assert len(talks(channel)) == 1


def test_a_person_is_found_by_name_or_number_to_be_joined_by_hand(agent, channel):
    apply(channel, wrote(channel, 1, name="Ada"), wrote(channel, 2, name="Ada at work"), wrote(channel, 3, name="Ben"))
    (talk,) = Conversation.objects.filter(tenant_id=channel.tenant_id, contact__name="Ada")
    found = agent.text(f"conversations/{talk.uid.hex}/person", {"q": "ada"})
    assert "Ada at work" in found
    assert "<strong>Ada</strong>" not in found.replace(' dir="auto"', "")
    assert "+15550000003" in agent.text(f"conversations/{talk.uid.hex}/person", {"q": "0000003"})


def test_those_who_are_one_person_already_are_not_offered(agent, joined, channel):
    (talk,) = talks(channel)
    assert "Nobody else is called so." in agent.text(f"conversations/{talk.uid.hex}/person", {"q": "Ada"})


def test_a_name_of_our_own_goes_before_theirs_and_an_empty_one_brings_theirs_back(agent, joined, channel):
    (talk,) = talks(channel)
    pane = agent.post(f"conversations/{talk.uid.hex}/name", {"name": "Ada Lovelace"}).content.decode()
    assert '<h1 dir="auto">Ada Lovelace</h1>' in pane
    assert "They call themselves Ada." in pane
    assert '<h1 dir="auto">Ada</h1>' in agent.post(f"conversations/{talk.uid.hex}/name").content.decode()
    assert Contact.objects.get(id=talk.contact_id, tenant_id=channel.tenant_id).own_name == ""


def test_one_persons_joins_alone(agent, joined, asked):
    page = agent.text("people", {"contact": joined.right.uid.hex})
    assert SCOPED.value in page
    assert "Bia" not in page


def test_another_tenant_sees_and_changes_nothing(eve, joined, asked, channel):
    assert "There are none." in eve.text("people")
    for path in (f"people/{asked.uid.hex}/join", f"people/{asked.uid.hex}/dismiss", f"people/{joined.uid.hex}/undo"):
        assert eve.post(path, part=False).status_code == 404
    sides = {"one": asked.left.uid.hex, "other": asked.right.uid.hex}
    assert eve.post("people/join", sides, part=False).status_code == 404
    assert (state_of(joined), state_of(asked)) == (JoinState.JOINED, JoinState.SUGGESTED)


def test_an_operator_sees_and_takes_down_what_a_person_agreed_to(agent, channel):
    apply(channel, wrote(channel, 1, body="stop", name="Ada"))
    conversation = Conversation.objects.get(tenant_id=channel.tenant_id)
    path = f"conversations/{conversation.uid.hex}/consent"
    page = agent.text(path, part=True)
    assert "They wrote it." in page
    assert page.count("Nothing chosen") == 2
    page = agent.post(f"{path}/choose", {"scope": "unasked", "wanted": "yes", "proof": "form 17"}).content.decode()
    assert "Taken down by your team." in page
    assert "form 17" in page
    entry = AuditEntry.objects.get(tenant_id=channel.tenant_id, action="consent.taken")
    assert (entry.detail, entry.name) == ("unasked wanted", "Adam")
    assert agent.post(f"{path}/choose", {"scope": "nothing"}).status_code == 422
