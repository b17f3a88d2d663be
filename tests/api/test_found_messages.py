"""`GET /v1/messages`: every filter alone and together, in pages; what could not be bounded is refused."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.messaging.people import find_messages as finding
from hailgate.messaging.people.find_messages import holds

pytestmark = pytest.mark.anyio


async def found(site, key, **query) -> list[str]:
    """The ids of all pages, newest first."""
    ids, cursor = [], None
    while True:
        page = await site.get(f"/v1/messages?{urlencode(query | ({'cursor': cursor} if cursor else {}))}", key=key)
        assert page.status == 200, page.json
        ids += [item["id"] for item in page.json["items"]]
        cursor = page.json["next"]
        if cursor is None:
            return ids


def uids(*rows) -> list[str]:
    return [str(row.uid) for row in rows]


async def test_without_a_filter_everything_newest_first(site, key, told) -> None:
    ids = await found(site, key)
    assert len(ids) == 6
    assert [each for each in ids if each in uids(told.queued, told.parked, told.dead, told.delivered)] == uids(
        told.queued, told.parked, told.dead, told.delivered
    )
    assert await found(site, key, limit=1) == ids


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"status": "delivered"}, ["delivered"]),
        ({"status": "failed"}, ["dead"]),
        ({"status": "queued"}, ["queued", "parked"]),
        ({"status": "read"}, []),
        ({"direction": "outbound"}, ["queued", "parked", "dead", "delivered"]),
        ({"direction": "outbound", "status": "failed"}, ["dead"]),
    ],
)
async def test_by_status_and_direction(site, key, told, query, names) -> None:
    assert await found(site, key, **query) == uids(*(getattr(told, name) for name in names))


async def test_what_came_in(site, key, told) -> None:
    received = await found(site, key, status="received")
    assert received == await found(site, key, direction="inbound")
    assert str(told.inbound.uid) in received


@pytest.mark.parametrize("limit", [1, 100])
async def test_by_channel(site, key, channel, beside, limit) -> None:
    other = await found(site, key, channel="number 8", limit=limit)
    assert other == uids(beside)
    assert await found(site, key, channel=str(channel.uid), limit=limit) == (await found(site, key, limit=limit))[1:]


async def test_by_time(site, key, told) -> None:
    now = datetime.now(UTC)
    for since, until, some in ((-1, 1, True), (-3, -2, False), (2, 3, False)):
        window = {
            "since": (now + timedelta(hours=since)).isoformat(),
            "until": (now + timedelta(hours=until)).isoformat(),
        }
        assert bool(await found(site, key, **window)) is some
    moment = told.dead.accepted_at
    assert await found(site, key, since=moment.isoformat(), direction="outbound") == uids(
        told.queued, told.parked, told.dead
    )
    assert await found(site, key, until=moment.isoformat(), direction="outbound") == uids(told.delivered)


async def test_by_metadata(site, key, channel, told, noted) -> None:
    of = {name: str(row.uid) for name, row in noted.items()}
    name = channel.name
    assert await found(site, key, channel=name, **{"metadata[order]": "17"}) == [of["number"], of["text"]]
    assert await found(site, key, channel=name, **{"metadata[order]": "17", "metadata[shop]": "Köln"}) == [of["text"]]
    assert await found(site, key, channel=name, **{"metadata[paid]": "true"}) == [of["number"]]
    assert await found(site, key, channel=name, **{"metadata[order]": "1"}) == []
    assert await found(site, key, channel=name, **{'metadata["]': '%_\\"'}) == [of["odd"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metadata[order]=17", "channel"),
        ("channel=front%20desk&metadata[a]=1&since=2026-01-01T00:00:00Z&until=2026-02-02T00:00:00Z", "since"),
        ("channel=front%20desk&metadata[a]=1&metadata[b]=1&metadata[c]=1&metadata[d]=1&metadata[e]=1&metadata[f]=1",
         "metadata"),
        ("status=received&direction=outbound", "direction"),
        ("status=dead", "status"),
        ("since=yesterday", "since"),
        ("cursor=abc", "cursor"),
    ],
)  # fmt: skip
async def test_what_is_refused_names_its_field(site, key, channel, query, field) -> None:
    query = query.replace("front%20desk", quote(channel.name))
    answer = await site.get(f"/v1/messages?{query}", key=key)
    assert (answer.status, answer.json["field"]) == (422, field)


async def test_a_channel_that_is_not_ours_is_not_there(site, key, told) -> None:
    assert (await site.get("/v1/messages?channel=elsewhere", key=key)).status == 404


async def test_a_look_that_ends_early_leads_on(site, key, told, monkeypatch) -> None:
    """However little one look may pass, together they find all of it once."""
    everything = await found(site, key)
    for walk in (1, 2, 5):
        monkeypatch.setattr(finding, "WALK", walk)
        assert await found(site, key) == everything
        assert await found(site, key, status="failed") == uids(told.dead)
    first = await site.get("/v1/messages?direction=inbound&limit=1", key=key)
    assert first.json["next"]


async def test_metadata_in_too_many_messages_asks_for_less_time(site, key, channel, told, monkeypatch) -> None:
    monkeypatch.setattr(finding, "WALK", 2)
    answer = await site.get(f"/v1/messages?channel={quote(channel.name)}&metadata[order]=17", key=key)
    assert (answer.status, answer.json["field"]) == (422, "metadata")


@given(
    st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.booleans() | st.none(), max_size=4)
)
def test_metadata_holds_each_of_its_pairs(metadata) -> None:
    pairs = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    assert holds(json.dumps(metadata), pairs)
    for key, value in pairs.items():
        assert not holds(json.dumps(metadata), {key: f"{value}x"})


@pytest.fixture
def beside(tenant, hook, told):
    """A message of another channel, later than all."""
    from messaging import acting

    return acting.send(acting.add_number(tenant, hook, 8), 4, "From beside.")


@pytest.fixture
def noted(channel, told):
    """Messages with metadata, the oldest first."""
    from messaging import acting

    notes = {
        "none": {},
        "text": {"order": "17", "shop": "Köln"},
        "near": {"orders": "17", "order": "170"},
        "inside": {"order": {"order": "17"}},
        "number": {"order": 17, "paid": True},
        "odd": {'"': '%_\\"'},
    }
    import msgspec

    return {
        name: acting.send(channel, 5, name, metadata=msgspec.json.encode(note).decode() if note else "")
        for name, note in notes.items()
    }
