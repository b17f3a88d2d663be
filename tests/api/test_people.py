"""Joins are listed with their proofs, made, answered and undone; old ids of conversations go on answering."""

import pytest

from messaging.acting import apply, phone, send, wrote

pytestmark = pytest.mark.anyio


@pytest.fixture
async def split(channel, db):
    """Two contacts that are one person, as nobody knows yet."""
    await db(lambda: apply(channel, wrote(channel, 1, body="by one"), wrote(channel, 2, body="by the other")))


async def conversations(site, key):
    return (await site.get("/v1/conversations", key=key)).json["items"]


async def join(site, key):
    one, other = await conversations(site, key)
    ids = {"one": one["contact"]["id"], "other": other["contact"]["id"]}
    return one, other, await site.post("/v1/joins", ids, key=key)


async def test_two_contacts_are_joined_by_hand_and_both_ids_lead_to_one_conversation(site, key, split) -> None:
    one, other, answer = await join(site, key)
    assert answer.json == {"done": True}
    [whole] = await conversations(site, key)
    for old in (one, other):
        found = (await site.get(f"/v1/conversations/{old['id']}", key=key)).json
        assert found["id"] == whole["id"]
        messages = (await site.get(f"/v1/conversations/{old['id']}/messages", key=key)).json["items"]
        assert [message["text"]["body"] for message in messages] == ["by the other", "by one"]
        assert {message["conversation"] for message in messages} == {whole["id"]}
    assert len(whole["contact"]["addresses"]) == 2


async def test_a_join_is_listed_and_undone(site, key, split) -> None:
    await join(site, key)
    [listed] = (await site.get("/v1/joins", key=key, params={"state": "joined"})).json["items"]
    assert (listed["proof"], listed["state"]) == ("operator", "joined")
    undone = await site.post(f"/v1/joins/{listed['id']}/undo", {}, key=key)
    assert undone.json["state"] == "undone"
    assert len(await conversations(site, key)) == 2
    again = await site.post(f"/v1/joins/{listed['id']}/undo", {}, key=key)
    assert (again.status, again.code) == (409, "not_joined")


async def test_a_question_is_answered_with_yes_or_no(site, key, channel, db) -> None:
    from messaging.test_joins import BRAZIL, BRAZIL_9

    await db(lambda: apply(channel, wrote(channel, BRAZIL)) and send(channel, BRAZIL_9))
    [question] = (await site.get("/v1/joins", key=key, params={"state": "suggested"})).json["items"]
    dismissed = await site.post(f"/v1/joins/{question['id']}/dismiss", {}, key=key)
    assert dismissed.json["state"] == "dismissed"
    late = await site.post(f"/v1/joins/{question['id']}/join", {}, key=key)
    assert (late.status, late.code) == (409, "not_suggested")


async def test_an_own_name_wins_and_theirs_is_kept_beside_it(site, key, channel, split, db) -> None:
    contact = (await conversations(site, key))[0]["contact"]
    await site.post(f"/v1/contacts/{contact['id']}/name", {"name": "Mrs Lovelace"}, key=key)
    await db(lambda: apply(channel, wrote(channel, phone(int(contact["addresses"][0]["value"][-1])), name="ada!")))
    named = next(one["contact"] for one in await conversations(site, key) if one["contact"]["id"] == contact["id"])
    assert (named["name"], named["told_name"]) == ("Mrs Lovelace", "ada!")


async def test_nothing_of_it_is_another_tenants(site, key, stranger_key, split) -> None:
    await join(site, key)
    [listed] = (await site.get("/v1/joins", key=key)).json["items"]
    assert (await site.get("/v1/joins", key=stranger_key)).json["items"] == []
    assert (await site.post(f"/v1/joins/{listed['id']}/undo", {}, key=stranger_key)).status == 404


async def test_consent_is_shown_and_taken_down_with_its_proof(site, key, split) -> None:
    contact = (await conversations(site, key))[0]["contact"]["id"]
    path = f"/v1/contacts/{contact}/consent"
    taken = await site.post(path, {"scope": "unasked", "wanted": False, "proof": "form 17"}, key=key)
    assert taken.status == 200
    [unasked] = [each for each in (await site.get(path, key=key)).json["items"] if each["scope"] == "unasked"]
    assert (unasked["wanted"], unasked["reason"], unasked["proof"]) == (False, "by_hand", "form 17")
    [entry] = [
        each for each in (await site.get("/v1/audit", key=key)).json["items"] if each["action"] == "consent.taken"
    ]
    assert (entry["subject"], entry["detail"]) == (f"contact:{contact}", "unasked not wanted")
