"""The page of a channel's phone: an owner pairs it, an agent never sees a code."""

import pytest

from hailgate.accounts.models import AuditEntry
from hailgate.core.errors import Conflict
from hailgate.core.sessions import SessionState, SessionWish
from hailgate.messaging.channels.removal import remove_channel
from hailgate.messaging.models import Session as SessionRow
from messaging.acting import channel_row
from pairing import CODE, pairs_phones, see, show_code


@pytest.fixture(autouse=True)
def phones(monkeypatch, store):
    pairs_phones(monkeypatch)


def place(channel, rest: str = "") -> str:
    return f"channels/{channel.uid}/session{rest}"


def deeds(channel) -> list[str]:
    entries = AuditEntry.objects.filter(tenant_id=channel.tenant_id).order_by("id")
    return [entry.action for entry in entries if entry.action.startswith("session.")]


def test_an_owner_asks_for_pairing_and_is_told_that_nobody_works(owner, channel):
    assert owner.post(place(channel, "/wish"), {"wish": "pair"}, part=False).status_code == 302
    page = owner.text(place(channel))
    assert "No worker is running" in page
    assert "The code appears here" in page
    assert deeds(channel) == ["session.wished"]


def test_a_code_is_drawn_and_on_record_once(owner, channel):
    show_code(channel)
    answer = owner.get(place(channel))
    page = answer.content.decode()
    assert "<svg" in page
    assert CODE not in page
    assert "no-store" in answer["Cache-Control"]
    seen = page.split("?seen=")[1].split('"')[0]
    assert "<svg" in owner.text(place(channel, "/part"), {"seen": seen}, part=True)
    assert deeds(channel) == ["session.code_shown"]
    owner.text(place(channel, "/part"), {"seen": "another"}, part=True)
    assert len(deeds(channel)) == 2


def test_a_code_to_type_is_shown_as_text(owner, channel):
    show_code(channel, typed=True)
    assert CODE in owner.text(place(channel))


def test_another_phone_is_confirmed(owner, channel):
    owner.post(place(channel, "/wish"), {"wish": "open"}, part=False)
    see(channel, SessionState.OPEN, number="15559999999")
    assert "+15559999999" in owner.text(place(channel))
    owner.post(place(channel, "/confirm"), part=False)
    assert channel_row(channel).number == "15559999999"
    assert "Connected" in owner.text(place(channel))


@pytest.mark.parametrize("rest", ["", "/part"])
def test_an_agent_sees_neither_page_nor_code(agent, channel, rest):
    show_code(channel)
    assert agent.get(place(channel, rest)).status_code == 403


@pytest.mark.parametrize("rest", ["/wish", "/confirm"])
def test_an_agent_changes_nothing(agent, channel, rest):
    assert agent.post(place(channel, rest), {"wish": "log_out"}).status_code == 403
    assert deeds(channel) == []


def test_an_owner_deletes_the_instance_where_the_server_keeps_one(owner, channel, monkeypatch):
    assert "Delete the instance" in owner.text(place(channel))
    assert owner.post(place(channel, "/wish"), {"wish": "delete"}, part=False).status_code == 302
    assert SessionRow.objects.get(tenant_id=channel.tenant_id, channel_id=channel.id).wish == SessionWish.DELETE
    assert AuditEntry.objects.filter(tenant_id=channel.tenant_id).latest("id").detail == "delete"
    pairs_phones(monkeypatch, deletes=False)
    assert "Delete the instance" not in owner.text(place(channel))


def test_a_channel_is_removed_only_once_its_instance_is_deleted(owner, channel):
    """Else the deletion, which is a row of the channel's, would go with it."""
    owner.post(place(channel, "/wish"), {"wish": "open"}, part=False)
    see(channel, SessionState.OPEN, number=channel.number)
    owner.post(place(channel, "/wish"), {"wish": "delete"}, part=False)
    with pytest.raises(Conflict, match="still to be deleted"):
        remove_channel(channel_row(channel))
    assert "still to be deleted" in owner.post(f"channels/{channel.uid}/remove", part=False).content.decode()
    assert channel_row(channel).active
    see(channel, SessionState.UNPAIRED)
    remove_channel(channel_row(channel))
    assert not channel_row(channel).active


@pytest.mark.parametrize("wish", ["log_out", "delete"])
def test_an_agent_ends_no_session(agent, channel, wish):
    assert agent.post(place(channel, "/wish"), {"wish": wish}).status_code == 403


def test_a_wish_that_nobody_has_is_not_there_and_a_bad_number_is_told(owner, channel):
    assert owner.post(place(channel, "/wish"), {"wish": "dance"}).status_code == 404
    refused = owner.post(place(channel, "/wish"), {"wish": "pair", "phone": "12"})
    assert refused.status_code == 422
    assert "7 to 15 digits" in refused.content.decode()


def test_a_channel_without_a_phone_has_no_such_page(owner, channel, monkeypatch):
    monkeypatch.undo()
    assert owner.get(place(channel)).status_code == 404
    assert place(channel) not in owner.text("channels")


def test_the_list_of_channels_leads_there(owner, channel):
    assert "/session" in owner.text("channels")
