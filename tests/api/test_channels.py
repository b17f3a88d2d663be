"""Channels show their health and nothing secret; a paused one is let go on."""

import pytest

import given

pytestmark = pytest.mark.anyio


async def test_a_healthy_channel(site, key, channel) -> None:
    shown = (await site.get("/v1/channels", key=key)).json
    kinds = {kind.pop("kind"): kind for kind in shown["items"][0].pop("kinds")}
    assert kinds["text"] == {
        "text": 4096, "caption": None, "bytes": None, "types": [], "quotable": True, "degrades_to": None,
        "words_only": False, "options": None, "mentions": False, "mentions_all": False, "voice_by_link": True,
    }  # fmt: skip
    assert kinds["image"]["types"] == ["image/jpeg", "image/png"]
    assert not kinds["template"]["quotable"]
    assert shown == {
        "items": [
            {
                "id": str(channel.uid),
                "name": "front desk",
                "provider": "cloud",
                "number": given.NUMBER,
                "answered_by": "person",
                "active": True,
                "paused": False,
                "paused_reason": None,
                "paused_at": None,
                "breaker": {"state": "closed", "failures": 0, "opened_at": None},
                "rate": {"per_second": 80.0, "burst": 8},
                "queued": {"waiting": 0, "ready": 0, "sending": 0, "unknown": 0, "dead": 0},
            }
        ],
        "next": None,
    }


async def test_no_secret_is_shown(site, key, channel) -> None:
    shown = (await site.get("/v1/channels", key=key)).body.decode()
    for secret in (*given.CHANNEL_SETTINGS.values(), *given.HOOK_SETTINGS.values(), "sealed:"):
        assert secret not in shown


async def test_a_paused_channel_is_resumed_with_its_breaker_closed(site, key, channel, db) -> None:
    from messaging import acting

    await db(lambda: acting.change_channel(
        channel, paused_at=acting.NOON, paused_reason="channel_unauthorized", breaker_failures=5,
        breaker_opened_at=acting.NOON,
    ))  # fmt: skip
    [shown] = (await site.get("/v1/channels", key=key)).json["items"]
    assert (shown["paused"], shown["paused_reason"]) == (True, "channel_unauthorized")
    assert shown["breaker"] == {"state": "open", "failures": 5, "opened_at": "2027-01-15T08:00:00Z"}
    resumed = await site.post(f"/v1/channels/{channel.uid}/resume", key=key)
    assert (resumed.status, resumed.json["paused"], resumed.json["breaker"]["state"]) == (200, False, "closed")
    assert [resumed.json] == (await site.get("/v1/channels", key=key)).json["items"]


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_an_unknown_channel_cannot_be_paused_or_resumed(site, key, channel, verb: str) -> None:
    for garbage in ("x", "6f1c1b3e-0000-4000-8000-000000000000"):
        assert (await site.post(f"/v1/channels/{garbage}/{verb}", key=key)).code == "not_found"


async def test_a_paused_channel_accepts_and_sends_nothing_until_it_is_resumed(site, key, channel, db) -> None:
    from messaging import acting

    paused = await site.post(f"/v1/channels/{channel.uid}/pause", key=key)
    assert (paused.status, paused.json["paused"], paused.json["paused_reason"]) == (200, True, "paused_by_hand")
    await db(acting.send, channel)
    worker = await db(acting.new_worker)
    assert await db(acting.claim, worker) == []
    resumed = await site.post(f"/v1/channels/{channel.uid}/resume", key=key)
    assert (resumed.json["paused"], resumed.json["queued"]["ready"]) == (False, 1)
    assert len(await db(acting.claim, worker)) == 1


async def test_a_pause_by_hand_leaves_the_reason_of_an_earlier_one(site, key, channel, db) -> None:
    from messaging import acting

    await db(lambda: acting.change_channel(channel, paused_at=acting.NOON, paused_reason="channel_unauthorized"))
    paused = await site.post(f"/v1/channels/{channel.uid}/pause", key=key)
    assert (paused.json["paused_reason"], paused.json["paused_at"]) == ("channel_unauthorized", "2027-01-15T08:00:00Z")


async def test_what_waits_on_a_channel_is_counted_by_where_it_stands(site, key, told) -> None:
    [shown] = (await site.get("/v1/channels", key=key)).json["items"]
    assert shown["queued"] == {"waiting": 0, "ready": 1, "sending": 0, "unknown": 1, "dead": 1}


async def test_channels_come_in_pages_newest_first(  # noqa: PLR0917 -- fixtures
    site, key, tenant, hook, channel, db
) -> None:
    from messaging import acting

    for place in range(4):
        await db(lambda place=place: acting.add_number(tenant, hook, place))
    first = (await site.get("/v1/channels", key=key, params={"limit": 3})).json
    second = (await site.get("/v1/channels", key=key, params={"limit": 3, "cursor": first["next"]})).json
    names = [item["name"] for page in (first, second) for item in page["items"]]
    assert names == ["number 3", "number 2", "number 1", "number 0", "front desk"]
    assert second["next"] is None
