"""The pages of operations: what stopped, what came in, which channels can send, and how it all goes."""

import re

import given
from hailgate.core.content import Unsupported
from hailgate.messaging.models import EventState, WebhookEvent, WorkState
from hailgate.messaging.receiving import ReceivedWebhook, store_webhooks
from messaging import acting


def letters(page: str) -> set[str]:
    return set(re.findall(r'name="message" value="(\w+)"', page))


def test_stopped_messages_are_listed_with_their_reasons(owner, told) -> None:
    page = owner.text("dead-letters")
    assert letters(page) == {told.dead.uid.hex, told.parked.uid.hex}
    assert "this message for good. Why." in page
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
    from hailgate.messaging.ids import uuid7
    from hailgate.messaging.models import Hook

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
