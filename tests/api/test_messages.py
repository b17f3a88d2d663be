"""A message is shown with everything that happened to it, in the order in which it happened."""

import pytest

pytestmark = pytest.mark.anyio


async def test_a_delivered_message_with_its_timeline(site, key, channel, told) -> None:
    shown = (await site.get(f"/v1/messages/{told.delivered.uid}", key=key)).json
    timeline = shown.pop("timeline")
    assert [(entry["event"], entry["attempt"]) for entry in timeline] == [
        ("queued", None), ("sending", 1), ("sent", 1), ("delivered", None),
    ]  # fmt: skip
    assert [entry["at"] for entry in timeline] == sorted(entry["at"] for entry in timeline)
    assert shown == {
        "id": str(told.delivered.uid),
        "conversation": str(told.conversation.uid),
        "channel": str(channel.uid),
        "direction": "outbound",
        "sender": "api",
        "address": {"kind": "phone", "value": "15550000001"},
        "author": None,
        "type": "text",
        "text": {"body": "Until six.", "preview_url": False},
        "content": {"body": "Until six."},
        "preview": "Until six.",
        "unsupported": None,
        "origin": None,
        "attachment": None,
        "context_id": None,
        "quoted": None,
        "reactions": [],
        "edited_at": None,
        "deleted_at": None,
        "provider_id": f"wamid.{told.delivered.uid}",
        "status": "delivered",
        "unknown": False,
        "stale": False,
        "code": None,
        "detail": None,
        "price": None,
        "metadata": {},
        "accepted_at": shown["accepted_at"],
        "provider_at": shown["provider_at"],
        "send_at": None,
        "expires_at": shown["expires_at"],
    }


async def test_a_persons_message(site, key, told) -> None:
    shown = (await site.get(f"/v1/messages/{told.inbound.uid}", key=key)).json
    assert (shown["direction"], shown["status"], shown["sender"]) == ("inbound", "received", "contact")
    assert shown["text"] == {"body": "Are you open?", "preview_url": False}
    assert [entry["event"] for entry in shown["timeline"]] == ["received"]


async def test_a_dead_message_says_why(site, key, told) -> None:
    shown = (await site.get(f"/v1/messages/{told.dead.uid}", key=key)).json
    assert (shown["status"], shown["code"], shown["detail"]) == ("failed", "rejected", "Why.")
    last = shown["timeline"][-1]
    assert (last["event"], last["code"], last["attempt"]) == ("failed", "rejected", 1)


async def test_a_parked_message_is_queued_and_unknown(site, key, told) -> None:
    shown = (await site.get(f"/v1/messages/{told.parked.uid}", key=key)).json
    assert (shown["status"], shown["unknown"], shown["code"]) == ("queued", True, None)
    assert shown["timeline"][-1]["event"] == "unknown"


async def test_a_retry_names_its_next_time(site, key, channel, db) -> None:
    from hailgate.core.delivery import Action
    from messaging import acting

    def retry():
        message, worker = acting.send(channel), acting.new_worker()
        claim = acting.claim_one(worker)
        acting.attempt(worker, claim)
        acting.tell(worker, acting.decided(claim, Action.RETRY, acting.NOON + 60, code="provider_unavailable"))
        return message

    message = await db(retry)
    *_, last, waiting = (await site.get(f"/v1/messages/{message.uid}", key=key)).json["timeline"]
    assert (last["event"], last["code"]) == ("retried", "provider_unavailable")
    assert (waiting["event"], waiting["code"], waiting["next_at"]) == ("waiting", "retry_wait", last["next_at"])
    assert last["next_at"] == "2027-01-15T08:01:00Z"


async def test_metadata_and_schedule_are_shown(site, key, channel) -> None:
    body = {
        "channel": "front desk", "to": "+15550100042", "type": "text", "text": {"body": "x", "preview_url": True},
        "metadata": {"case": "A-17"}, "send_at": "2027-01-15T09:00:00+01:00", "context": {"message_id": "wamid.q"},
    }  # fmt: skip
    made = (await site.post("/v1/messages", body, key=key)).json
    shown = (await site.get(f"/v1/messages/{made['id']}", key=key)).json
    assert shown["metadata"] == {"case": "A-17"}
    assert shown["send_at"] == "2027-01-15T08:00:00Z"
    assert shown["text"]["preview_url"] is True
    assert shown["context_id"] == "wamid.q"


@pytest.mark.parametrize("garbage", ["x", "0" * 32, "6f1c1b3e-0000-4000-8000-000000000000", "%00", "1" * 500, "é"])
async def test_what_nobody_has_is_not_found(site, key, channel, garbage: str) -> None:
    assert (await site.get(f"/v1/messages/{garbage}", key=key)).code == "not_found"


async def test_a_queued_message_is_cancelled_and_says_so(site, key, told) -> None:
    answer = await site.post(f"/v1/messages/{told.queued.uid}/cancel", {}, key=key)
    assert (answer.status, answer.json["status"], answer.json["code"]) == (200, "failed", "cancelled")
    last = answer.json["timeline"][-1]
    assert (last["event"], last["code"], last["detail"]) == ("failed", "cancelled", "Cancelled before it was sent.")
    again = await site.post(f"/v1/messages/{told.queued.uid}/cancel", {}, key=key)
    assert (again.status, again.json) == (200, answer.json)


@pytest.mark.parametrize("which", ["delivered", "dead", "parked", "inbound"])
async def test_what_cannot_be_taken_back_is_a_conflict_with_a_sentence(site, key, told, which: str) -> None:
    answer = await site.post(f"/v1/messages/{getattr(told, which).uid}/cancel", {}, key=key)
    assert (answer.status, answer.code) == (409, "not_cancellable")
    assert answer.json["detail"].endswith(".")
