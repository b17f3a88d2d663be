"""What is not tried again by itself is listed with its reason, and revived by hand."""

import asyncio
import csv
import io
import json

import pytest

from hailgate.messaging.deadletters import export
from hailgate.messaging.models import Work

pytestmark = pytest.mark.anyio


async def test_the_dead_and_the_parked_are_listed_newest_first(site, key, channel, told) -> None:
    parked, dead = (await site.get("/v1/dead-letters", key=key)).json["items"]
    assert (dead["id"], dead["state"], dead["code"]) == (str(told.dead.uid), "dead", "rejected")
    assert (parked["id"], parked["state"], parked["code"]) == (str(told.parked.uid), "unknown", "outcome_unknown")
    assert dead["to"] == {"kind": "phone", "value": "15550000002"}
    assert dead["channel"] == str(channel.uid)
    assert dead["attempts"] == 1


async def test_a_letter_says_what_happened_and_what_to_do(site, key, told) -> None:
    [dead] = (await site.get("/v1/dead-letters", key=key, params={"state": "dead"})).json["items"]
    assert dead["reason"] == "The provider refuses this message for good."
    assert dead["advice"] == "Change the message: the same one would be refused again."
    assert dead["provider_code"] is None


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ({"state": "unknown"}, ["unknown"]),
        ({"code": "rejected"}, ["dead"]),
        ({"channel": "front desk"}, ["unknown", "dead"]),
        ({"channel": "another"}, []),
        ({"until": "2020-01-01T00:00:00Z"}, []),
        ({"since": "2020-01-01T00:00:00Z"}, ["unknown", "dead"]),
    ],
)
async def test_they_are_filtered(site, key, told, query: dict, states: list) -> None:
    items = (await site.get("/v1/dead-letters", key=key, params=query)).json["items"]
    assert [item["state"] for item in items] == states
    causes = (await site.get("/v1/dead-letters/causes", key=key, params=query)).json["items"]
    assert sorted(cause["state"] for cause in causes) == sorted(states)


@pytest.mark.parametrize("query", [{"state": "parked"}, {"since": "yesterday"}, {"until": "2020-01-01T00:00:00"}])
async def test_a_filter_that_makes_no_sense_is_refused(site, key, told, query: dict) -> None:
    for path in ("/v1/dead-letters", "/v1/dead-letters/causes"):
        assert (await site.get(path, key=key, params=query)).status == 422


async def test_all_that_match_are_revived(site, key, told) -> None:
    assert (await site.post("/v1/dead-letters/revive-all", {}, key=key)).json == {"revived": 1}
    [left] = (await site.get("/v1/dead-letters", key=key)).json["items"]
    assert left["state"] == "unknown"
    assert (await site.post("/v1/dead-letters/revive-all", {"state": "unknown"}, key=key)).json == {"revived": 1}
    assert (await site.get("/v1/dead-letters", key=key)).json["items"] == []


@pytest.mark.parametrize("body", [{"state": "parked"}, {"ids": []}, {"since": "x"}, []])
async def test_what_to_revive_must_be_said_in_known_words(site, key, told, body) -> None:
    assert (await site.post("/v1/dead-letters/revive-all", body, key=key)).status == 422


async def test_they_come_in_pages(site, key, told) -> None:
    first = (await site.get("/v1/dead-letters", key=key, params={"limit": 1})).json
    second = (await site.get("/v1/dead-letters", key=key, params={"limit": 1, "cursor": first["next"]})).json
    assert [page["items"][0]["state"] for page in (first, second)] == ["unknown", "dead"]
    assert second["next"] is None


async def test_the_revived_are_queued_again_and_the_rest_is_named(site, key, told, tenant, db) -> None:
    unknown = ["6f1c1b3e-0000-4000-8000-000000000000", "x", str(told.delivered.uid), str(told.queued.uid)]
    answer = await site.post(
        "/v1/dead-letters/revive", {"ids": [str(told.dead.uid), *unknown, str(told.parked.uid)]}, key=key
    )
    assert answer.json == {"revived": [str(told.dead.uid), str(told.parked.uid)], "not_found": unknown}
    assert (await site.get("/v1/dead-letters", key=key)).json["items"] == []
    shown = (await site.get(f"/v1/messages/{told.dead.uid}", key=key)).json
    assert (shown["status"], shown["code"], shown["timeline"][-1]["event"]) == ("queued", None, "revived")
    assert await db(Work.objects.filter(tenant_id=tenant.id, state=1).count) == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": "x"},
        {"ids": [1]},
        {"ids": ["x"] * 1_001},
        {"ids": ["x" * 41]},
        {"ids": ["x"], "all": True},
    ],
)
async def test_a_body_of_another_shape_is_refused(site, key, told, body: dict) -> None:
    assert (await site.post("/v1/dead-letters/revive", body, key=key)).status == 422


async def test_a_dead_letter_is_changed_and_sent_again_on_record(site, key, told) -> None:
    path = f"/v1/dead-letters/{told.dead.uid}/edit"
    refused = await site.post(path, {"type": "text", "text": {"body": ""}}, key=key)
    assert refused.status == 422
    changed = await site.post(path, {"type": "text", "text": {"body": "Another try"}}, key=key)
    assert changed.json == {"revived": [str(told.dead.uid)], "not_found": []}
    shown = (await site.get(f"/v1/messages/{told.dead.uid}", key=key)).json
    assert (shown["status"], "Another try" in str(shown["content"])) == ("queued", True)
    assert (await site.post(path, {"type": "text", "text": {"body": "Again"}}, key=key)).code == "not_editable"
    [entry] = (await site.get("/v1/audit", key=key)).json["items"]
    assert (entry["action"], entry["subject"]) == ("message.edited", f"message:{told.dead.uid}")
    assert (entry["actor"]["kind"], entry["actor"]["name"]) == ("key", "default")
    assert "Another" not in str(entry)


async def test_a_dismissed_one_leaves_the_list_keeps_its_end_and_is_on_record(site, key, stranger_key, told) -> None:
    dead = str(told.dead.uid)
    assert (await site.post("/v1/dead-letters/dismiss", {"ids": [dead]}, key=stranger_key)).json["dismissed"] == []
    answer = await site.post("/v1/dead-letters/dismiss", {"ids": [dead, "x", str(told.delivered.uid)]}, key=key)
    assert answer.json == {"dismissed": [dead], "not_found": ["x", str(told.delivered.uid)]}
    assert dead not in str((await site.get("/v1/dead-letters", key=key)).json)
    assert dead not in str((await site.get("/v1/dead-letters/causes", key=key)).json)
    assert (await site.get(f"/v1/messages/{dead}", key=key)).json["status"] == "failed"
    [entry] = (await site.get("/v1/audit", key=key)).json["items"]
    assert (entry["action"], entry["actor"]["name"], entry["count"]) == ("message.dismissed", "default", 1)


@pytest.mark.parametrize("sent", [True, False])
async def test_an_unknown_one_is_settled_once_and_on_record(site, key, told, sent: bool) -> None:
    path = f"/v1/dead-letters/{told.parked.uid}/settle"
    assert (await site.post(path, {"sent": sent}, key=key)).json == {"id": str(told.parked.uid), "sent": sent}
    shown = (await site.get(f"/v1/messages/{told.parked.uid}", key=key)).json
    assert shown["status"] == ("sent" if sent else "failed")
    assert (await site.post(path, {"sent": sent}, key=key)).code == "not_unknown"
    [entry] = (await site.get("/v1/audit", key=key)).json["items"]
    assert (entry["action"], entry["detail"]) == ("message.settled", "sent" if sent else "not sent")


async def test_what_is_anothers_is_settled_by_nobody_else(site, stranger_key, told) -> None:
    path = f"/v1/dead-letters/{told.parked.uid}/settle"
    assert (await site.post(path, {"sent": True}, key=stranger_key)).status == 404


async def test_each_of_two_who_revive_the_same_is_told_of_it_once(site, key, told) -> None:
    ids = {"ids": [str(told.dead.uid)]}
    answers = await asyncio.gather(*(site.post("/v1/dead-letters/revive", ids, key=key) for _ in range(4)))
    assert sorted(len(answer.json["revived"]) for answer in answers) == [0, 0, 0, 1]
    assert len((await site.get("/v1/audit", key=key)).json["items"]) == 1


async def test_reviving_all_is_on_record_with_how_many(site, key, told) -> None:
    await site.post("/v1/dead-letters/revive-all", {"channel": "front desk"}, key=key)
    [entry] = (await site.get("/v1/audit", key=key)).json["items"]
    assert (entry["action"], entry["count"], entry["detail"]) == ("message.revived", 1, "channel=…")


async def test_the_audit_log_is_the_tenants_own(site, key, stranger_key, told) -> None:
    await site.post("/v1/dead-letters/revive-all", {}, key=key)
    assert (await site.get("/v1/audit", key=stranger_key)).json["items"] == []


# --- taking them away -------------------------------------------------------------------------------------------------


async def test_letters_are_exported_as_csv_and_as_ndjson(site, key, told) -> None:
    table = await site.get("/v1/dead-letters/export", key=key)
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.body.decode())))
    assert [(row["id"], row["state"]) for row in rows] == [
        (str(told.dead.uid), "dead"), (str(told.parked.uid), "unknown"),
    ]  # fmt: skip
    lines = await site.get("/v1/dead-letters/export", key=key, params={"format": "ndjson", "state": "dead"})
    [letter] = map(json.loads, lines.body.splitlines())
    assert (letter["id"], letter["to"], letter["attempts"]) == (str(told.dead.uid), "15550000002", 1)
    entries = (await site.get("/v1/audit", key=key)).json["items"]
    assert [entry["action"] for entry in entries] == ["dead_letters.exported"] * 2


async def test_an_export_reads_a_page_at_a_time(site, key, told, monkeypatch) -> None:
    monkeypatch.setattr(export, "AT_ONCE", 1)
    table = await site.get("/v1/dead-letters/export", key=key)
    assert len(table.body.splitlines()) == 3


@pytest.mark.parametrize(
    "query",
    [{"format": "xls"}, {"state": "parked"}, {"since": "yesterday"}, {"until": "2026-01-01"}, {"code": "x" * 61},
     {"colour": "red"}],
)  # fmt: skip
async def test_an_export_that_makes_no_sense_is_refused(site, key, told, query: dict) -> None:
    assert (await site.get("/v1/dead-letters/export", key=key, params=query)).status == 422


async def test_an_export_needs_a_key(site, told) -> None:
    for wrong in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer é"}):
        assert (await site.get("/v1/dead-letters/export", headers=wrong)).code == "unauthenticated"
    assert (await site.get("/console/dead-letters/export")).code == "unauthenticated"


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(value: str) -> None:
    assert export._cell(value) == f"'{value}"


@pytest.mark.parametrize("name", ["channel", "code"])
@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_filter_that_no_database_takes_is_refused(site, key, name, method):
    if method == "get":
        answer = await site.get("/v1/dead-letters", key=key, params={name: "a\0b"})
    else:
        answer = await site.post("/v1/dead-letters/revive-all", {name: "a\0b"}, key=key)
    assert answer.status == 422
    assert answer.json["detail"].removeprefix("body.") == f"{name}: must hold no control characters."
