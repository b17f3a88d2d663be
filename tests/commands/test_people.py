"""Split people of an older store are found with their proofs, joined on request, and parted again."""

import json

import pytest

from hailgate.messaging.models import Contact, Conversation, Join, WebhookEvent
from hailgate.messaging.store.ids import uuid7
from messaging.acting import apply, change_channel, hook_id_of, wrote
from messaging.test_joins import PROVEN, PROVEN_9, SCOPED, said, talks


@pytest.fixture
def split(channel):
    """As 6522e83 left them: two spellings of a number, and a number and an id that a stored webhook tells together."""
    apply(channel, wrote(channel, PROVEN, body="oi"), wrote(channel, 1, body="by number"))
    apply(channel, wrote(channel, PROVEN_9, body="ola"), wrote(channel, SCOPED, body="by id"))
    Join.objects.filter(tenant_id=channel.tenant_id).delete()
    Conversation.objects.filter(tenant_id=channel.tenant_id).update(merged_into=None)


@pytest.fixture
def webhook(channel, split):
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": "1"},
        "contacts": [{"profile": {"name": "Ada"}, "wa_id": "15550000001", "user_id": SCOPED.value}],
        "messages": [{"from": "15550000001", "id": "w1", "timestamp": "1", "type": "text", "text": {"body": "x"}}],
    }
    body = {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": value}]}]}
    WebhookEvent.objects.create(
        uid=uuid7(), tenant_id=channel.tenant_id, hook_id=hook_id_of(channel), received_at=1.0, headers="{}",
        body=json.dumps(body).encode(), state=1,
    )  # fmt: skip
    change_channel(channel, account="1")


def test_a_search_lists_them_with_their_proofs_and_joins_nothing(ask, channel, webhook):
    before = Contact.objects.filter(tenant_id=channel.tenant_id, merged_into=None).count()
    found = ask("people", "search")
    assert {row["proof"] for row in found} >= {"webhook"}
    assert {row["state"] for row in found} == {"suggested"}
    assert Contact.objects.filter(tenant_id=channel.tenant_id, merged_into=None).count() == before


def test_they_are_joined_on_request_and_parted_again(ask, channel, webhook):
    [row] = [row for row in ask("people", "search") if row["proof"] == "webhook"]
    assert ask("people", "join", row["id"]) == {"joined": 1}
    assert ["by number", "by id"] in [said(talk) for talk in talks(channel)]
    assert ask("people", "undo", row["id"]) == {"done": True}
    assert ["by number"] in [said(talk) for talk in talks(channel)]


def test_no_whole_number_is_shown(run, webhook):
    shown = run("people", "search").output
    assert "15550000001" not in shown
    assert SCOPED.value not in shown


def test_consent_is_shown_and_taken_down(ask, run, channel):
    apply(channel, wrote(channel, 1, body="hello"))
    contact = str(Contact.objects.get(tenant_id=channel.tenant_id).uid)
    assert [each["wanted"] for each in ask("people", "consent", contact)] == [None, None, None]
    taken = ask("people", "consent", contact, "--refuse", "marketing", "--proof", "call of Monday")
    assert [(each["wanted"], each["proof"]) for each in taken if each["scope"] == "marketing"] == [
        (False, "call of Monday")
    ]
    assert run("people", "consent", contact, "--refuse", "marketing", "--allow", "marketing").exit_code == 1
