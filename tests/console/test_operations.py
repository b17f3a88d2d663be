"""The pages of operations: what stopped, what came in, which channels can send, and how it all goes."""

import re
from html import unescape

import pytest

import given
from console.conftest import PASSWORD
from hailgate.accounts.audit import AuditAction
from hailgate.console.operations import audit
from hailgate.core.content import Unsupported
from hailgate.delivery_codes import ADVICE
from hailgate.messaging.channels.admin import change_settings
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.models import EventState, WebhookEvent, WorkState
from messaging import acting


def letters(page: str) -> set[str]:
    return set(re.findall(r'name="message" value="(\w+)"', page))


def test_stopped_messages_are_listed_with_their_reasons(owner, told) -> None:
    page = owner.text("dead-letters")
    assert letters(page) == {told.dead.uid.hex, told.parked.uid.hex}
    assert "Why." in page
    assert page.count("this message for good") == 1  # once, with its cause
    assert "1 attempt" in page


def test_failed_and_unknown_ones_are_told_apart(owner, told) -> None:
    assert letters(owner.text("dead-letters", {"show": "dead"})) == {told.dead.uid.hex}
    assert letters(owner.text("dead-letters", {"show": "unknown"})) == {told.parked.uid.hex}


def test_what_is_ticked_is_sent_again(owner, told) -> None:
    answer = owner.post("dead-letters/revive", {"message": [told.dead.uid.hex]}, part=False)
    assert answer["Location"] == "/console/dead-letters?revived=1"
    assert acting.work_of(told.dead).state == WorkState.READY
    assert "1 message will be sent again." in owner.text("dead-letters", {"revived": "1"})
    assert letters(owner.text("dead-letters")) == {told.parked.uid.hex}
    assert owner.post("dead-letters/revive", {"message": []}, part=False)["Location"].endswith("revived=0")


def test_events_show_what_came_and_what_became_of_it(owner, hook, tenant) -> None:
    body = given.text_webhook("<script>alert(1)</script>")
    event = stored(tenant, body)
    page = owner.text("events")
    assert "Waiting" in page
    assert event.uid.hex in page
    raw = owner.text(f"events/{event.uid.hex}", part=True)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in raw
    assert "<script>alert" not in raw
    WebhookEvent.objects.filter(tenant_id=tenant.pk).update(state=EventState.DEAD, outcome="Not JSON")
    assert "Not JSON" in owner.text("events", {"show": "dead"})
    assert event.uid.hex not in owner.text("events", {"show": "pending"})


def test_a_body_that_is_no_json_is_shown_as_it_came(owner, hook, tenant) -> None:
    event = stored(tenant, b"\xff<b>not json" + b"[" * 5000)
    assert "\ufffd&lt;b&gt;not json[[[" in owner.text(f"events/{event.uid.hex}", part=True)


def stored(tenant, body: bytes) -> WebhookEvent:
    from hailgate.messaging.models import Hook
    from hailgate.messaging.store.ids import uuid7

    hook_id = Hook.objects.values_list("id", flat=True).get(tenant_id=tenant.pk)
    store_webhooks([ReceivedWebhook(uuid7(), tenant.pk, hook_id, "{}", body)])
    return WebhookEvent.objects.get(tenant_id=tenant.pk)


def test_a_channel_says_how_it_is_and_an_owner_lets_it_send_again(owner, agent, channel) -> None:
    assert "Sends" in owner.text("channels")
    acting.change_channel(channel, paused_at=acting.NOON, paused_reason="The token was revoked.")
    page = owner.text("channels")
    assert "Paused" in page
    assert "The token was revoked." in page
    assert "resume" not in agent.text("channels")
    assert owner.post(f"channels/{channel.uid.hex}/resume", part=False).status_code == 302
    assert acting.channel_row(channel).paused_at is None
    acting.change_channel(channel, breaker_opened_at=acting.NOON)
    assert "Waiting for the provider" in owner.text("channels")


def test_a_channel_says_that_its_version_ends(owner, channel) -> None:
    ending = "Graph API v17.0 has ended."
    assert ending not in owner.text("channels")
    change_settings(acting.channel_row(channel), {"version": "v17.0"})
    assert ending in owner.text("channels")
    assert ending in owner.post(f"channels/{channel.uid.hex}/check", {}).content.decode()


def test_the_overview_counts_what_is_there(owner, told, channel) -> None:
    figures = re.findall(r"<dd>(\d+)</dd>", owner.text("overview"))
    assert figures == ["3", "1", "1", "2", "0", "0"]


def test_an_excerpt_is_one_short_line(owner, told, channel) -> None:
    import msgspec

    acting.apply(channel, acting.wrote(channel, 7, body="a\n\n b " + "x" * 500))
    assert "a b xxx" in owner.text("conversations")
    assert "x" * 200 not in owner.text("conversations")
    acting.apply(channel, msgspec.structs.replace(acting.wrote(channel, 7), content=Unsupported("reaction", b"{}")))
    assert "Message of kind “reaction”" in owner.text("conversations")


# --- by hand, and on record -------------------------------------------------------------------------------------------


def test_a_failed_text_is_changed_and_sent_again(owner, told) -> None:
    uid = told.dead.uid.hex
    assert "<textarea" in owner.text(f"dead-letters/{uid}/change", part=True)
    refused = owner.post(f"dead-letters/{uid}/edit", {"body": ""})
    assert refused.status_code == 422
    done = owner.post(f"dead-letters/{uid}/edit", {"body": "Another try"})
    assert done.headers["HX-Redirect"] == "/console/dead-letters?revived=1"
    page = owner.text("audit")
    assert "Changed and sent again" in page
    assert "Olivia" in page
    assert "Another try" not in page


def test_what_is_unknown_or_a_strangers_cannot_be_changed(owner, eve, told) -> None:
    for browser, message in ((owner, told.parked), (eve, told.dead)):
        assert browser.get(f"dead-letters/{message.uid.hex}/change").status_code == 404
    assert eve.post(f"dead-letters/{told.dead.uid.hex}/edit", {"body": "x"}).status_code == 404


def test_a_channel_is_paused_and_resumed_by_its_owner_alone_and_on_record(owner, agent, eve, channel) -> None:
    for browser, status in ((agent, 403), (eve, 404)):
        assert browser.post(f"channels/{channel.uid.hex}/pause").status_code == status
    assert owner.post(f"channels/{channel.uid.hex}/pause").status_code == 302
    assert "By hand." in owner.text("channels")
    assert owner.post(f"channels/{channel.uid.hex}/resume").status_code == 302
    page = owner.text("audit")
    assert page.index("Channel resumed") < page.index("Channel paused")


def test_taking_over_and_giving_back_are_on_record(owner, told) -> None:
    path = f"conversations/{told.conversation.uid.hex}"
    owner.post(f"{path}/take-over")
    owner.post(f"{path}/give-back")
    page = owner.text("audit")
    assert "Conversation taken over" in page
    assert "Conversation given back" in page


def test_the_audit_log_is_for_owners_of_the_tenant(agent, eve, owner, channel) -> None:
    owner.post(f"channels/{channel.uid.hex}/pause")
    assert agent.get("audit").status_code == 403
    assert "Channel paused" not in eve.text("audit")


def test_every_deed_has_words_for_people() -> None:
    assert set(audit._DEEDS) == set(AuditAction)


def test_a_new_password_is_on_record_and_the_operator_is_named(owner, olivia) -> None:
    owner.post("account", {"old": PASSWORD, "new": "correct horse battery staple"})
    page = owner.text("audit")
    assert "Password changed" in page
    assert "correct horse" not in page
    assert f"operator:{olivia.uid}" not in page


# --- by cause ---------------------------------------------------------------------------------------------------------


def test_stopped_messages_are_counted_by_cause_with_what_to_do(owner, told) -> None:
    page = owner.text("dead-letters")
    assert "By cause" in page
    assert ADVICE["rejected"] in unescape(page)
    [link] = re.findall(r'href="\?(show=dead&amp;code=rejected)"', page)
    narrowed = owner.text("dead-letters", {"show": "dead", "code": "rejected"})
    assert link
    assert letters(narrowed) == {told.dead.uid.hex}
    assert "format=csv&amp;state=dead&amp;code=rejected" in narrowed


@pytest.mark.parametrize(("code", "found"), [("rejected", 1), ("expired", 0), ("a\x00b", 2), ("x" * 61, 2), ("é", 2)])
def test_a_filter_that_cannot_be_meant_is_none(owner, told, code, found) -> None:
    assert len(letters(owner.text("dead-letters", {"code": code}))) == found


def test_causes_and_advice_are_told_in_the_operators_language(owner, told) -> None:
    page = owner.client.get("/console/dead-letters", headers={"accept-language": "pt-BR"}).content.decode()
    assert "Altere a mensagem: a mesma seria recusada outra vez." in page
    assert "O provedor recusa esta mensagem em definitivo." in page


def test_all_that_have_failed_and_match_are_sent_again_on_record(owner, told, channel) -> None:
    for code, revived in (("expired", 0), ("rejected", 1)):
        answer = owner.post("dead-letters/revive-all", {"code": code, "channel": channel.uid.hex}, part=False)
        assert answer["Location"] == f"/console/dead-letters?revived={revived}"
    assert acting.work_of(told.parked).state == WorkState.PARKED
    assert acting.work_of(told.dead).state == WorkState.READY
    page = owner.text("audit")
    assert "code=rejected channel=…" in page
    assert "code=expired" not in page


def test_nobody_sends_a_strangers_again(eve, told) -> None:
    eve.post("dead-letters/revive-all", {}, part=False)
    assert acting.work_of(told.dead).state == WorkState.DEAD
