"""Conversations are listed and read in pages, and handed over."""

from typing import Any

import pytest

from messaging import acting

pytestmark = pytest.mark.anyio


async def pages(site, path: str, key: str, limit: int) -> list[list[Any]]:
    found, cursor = [], None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = (await site.get(path, key=key, params=query)).json
        found.append(page["items"])
        cursor = page["next"]
        if cursor is None:
            return found


async def test_a_conversation_with_its_contact_and_last_message(site, key, channel, told) -> None:
    listed = (await site.get("/v1/conversations", key=key)).json["items"]
    assert len(listed) == 3
    newest = listed[0]
    assert newest == (await site.get(f"/v1/conversations/{told.conversation.uid}", key=key)).json
    assert newest["id"] == str(told.conversation.uid)
    assert newest["channel"] == {"id": str(channel.uid), "name": "front desk"}
    assert newest["contact"]["name"] == "Ada"
    assert newest["contact"]["is_group"] is False
    assert newest["contact"]["addresses"] == [{"kind": "phone", "value": "15550000001"}]
    assert newest["answered_by"] == "person"
    assert newest["last_message"]["text"]["body"] == "See you."


async def test_a_thread_that_another_responder_owns_is_shown_as_theirs(site, key, channel, told, db) -> None:
    path = f"/v1/conversations/{told.conversation.uid}"
    assert (await site.get(path, key=key)).json["thread"] == {"owner": "us", "role": None, "told_at": None}
    await db(lambda: acting.change(told.conversation, thread_owner=1, thread_owner_role="agent", thread_owner_at=4e9))
    thread = (await site.get(path, key=key)).json["thread"]
    assert (thread["owner"], thread["role"]) == ("other", "agent")
    await db(lambda: acting.change(told.conversation, thread_owner_at=1.0))
    assert (await site.get(path, key=key)).json["thread"]["owner"] == "us"


async def test_the_window_is_open_after_a_person_wrote_and_shut_where_none_did(site, key, told) -> None:
    listed = (await site.get("/v1/conversations", key=key)).json["items"]
    assert [conversation["window_open"] for conversation in listed] == [True, False, False]
    assert [bool(conversation["window_closes_at"]) for conversation in listed] == [True, False, False]


async def test_conversations_come_in_pages_newest_first(site, key, told) -> None:
    whole = (await site.get("/v1/conversations", key=key)).json["items"]
    assert await pages(site, "/v1/conversations", key, 1) == [[one] for one in whole]
    assert await pages(site, "/v1/conversations", key, 2) == [whole[:2], whole[2:]]


async def test_messages_are_read_backwards_and_forwards(site, key, channel, told, db) -> None:
    path = f"/v1/conversations/{told.conversation.uid}/messages"
    whole = (await site.get(path, key=key)).json
    assert [item["type"] for item in whole["items"]] == ["text", "text", "unsupported", "text"]
    assert whole["next"] is None
    assert await pages(site, path, key, 3) == [whole["items"][:3], whole["items"][3:]]
    assert await pages(site, path, key, 2) == [whole["items"][:2], whole["items"][2:]]

    oldest = (
        await site.get(path, key=key, params={"limit": 2, "cursor": await cursor_to_older(site, path, key, 2)})
    ).json
    forward = (await site.get(path, key=key, params={"limit": 2, "cursor": oldest["previous"]})).json
    assert forward["items"] == whole["items"][:2]


async def cursor_to_older(site, path: str, key: str, limit: int) -> str:
    return (await site.get(path, key=key, params={"limit": limit})).json["next"]


async def test_what_is_yet_to_come_is_found_behind_previous(site, key, channel, told, db) -> None:
    from messaging import acting

    path = f"/v1/conversations/{told.conversation.uid}/messages"
    newest = (await site.get(path, key=key)).json["previous"]
    nothing = (await site.get(path, key=key, params={"cursor": newest})).json
    assert nothing["items"] == []
    await db(acting.send, channel, 1, "One more.")
    later = (await site.get(path, key=key, params={"cursor": nothing["previous"]})).json
    assert [item["text"]["body"] for item in later["items"]] == ["One more."]


async def test_an_unsupported_message_shows_its_kind_alone(site, key, told) -> None:
    items = (await site.get(f"/v1/conversations/{told.conversation.uid}/messages", key=key)).json["items"]
    [picture] = [item for item in items if item["type"] == "unsupported"]
    assert picture["unsupported"] == {"kind": "image", "why": None, "code": None}
    assert picture["text"] is None


@pytest.mark.parametrize("cursor", ["x", "a.b", "W10:abc", "é", "\0", "x" * 400, '["conversations",1,2,false]'])
@pytest.mark.parametrize("list_", ["conversations", "channels", "dead-letters"])
async def test_a_garbled_cursor_is_refused(site, key, told, list_: str, cursor: str) -> None:
    answer = await site.get(f"/v1/{list_}", key=key, params={"cursor": cursor})
    assert (answer.status, answer.json["field"]) == (422, "cursor")


async def test_a_cursor_of_another_list_is_refused(site, key, told) -> None:
    path = f"/v1/conversations/{told.conversation.uid}/messages"
    for cursor in (await cursor_to_older(site, "/v1/conversations", key, 1), await cursor_to_older(site, path, key, 1)):
        for other in ("/v1/channels", "/v1/dead-letters"):
            assert (await site.get(other, key=key, params={"cursor": cursor})).code == "invalid_cursor"


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1e3", "9" * 5_000])
async def test_a_limit_out_of_range_is_refused(site, key, channel, limit: str) -> None:
    answer = await site.get("/v1/conversations", key=key, params={"limit": limit})
    assert (answer.status, answer.json["field"]) == (422, "limit")


async def test_a_conversation_is_handed_to_the_assistant_and_back(site, key, told, capture_log) -> None:
    path = f"/v1/conversations/{told.conversation.uid}"
    for to, answered_by in (("assistant", "scripted"), ("person", "person")):
        handed = await site.post(f"{path}/handover", {"to": to}, key=key)
        assert (handed.status, handed.json["answered_by"]) == (200, answered_by)
        assert (await site.get(path, key=key)).json["answered_by"] == answered_by
    assert [line["outcome"] for line in capture_log if line["event"] == "conversation.handed_over"] == [
        "assistant", "person",
    ]  # fmt: skip


async def test_a_handover_goes_to_the_channels_own_assistant(site, key, tenant, hook, db) -> None:
    from messaging import acting

    def converse():
        channel = acting.add_number(tenant, hook, 3, answered_by="scripted")
        return acting.conversation_of(acting.send(channel))

    conversation = await db(converse)
    for to, answered_by in (("person", "person"), ("assistant", "scripted")):
        answer = await site.post(f"/v1/conversations/{conversation.uid}/handover", {"to": to}, key=key)
        assert answer.json["answered_by"] == answered_by


BODIES = [
    b"",
    b"{}",
    b'{"to": "robot"}',
    b'{"to": 1}',
    b'{"to": "person", "tenant_id": 2}',
    b"[]",
    b"\xff",
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", BODIES)
async def test_a_handover_to_anybody_else_is_refused(site, key, told, body: bytes) -> None:
    answer = await site.post(f"/v1/conversations/{told.conversation.uid}/handover", body, key=key)
    assert answer.status in {400, 422}
    assert answer.code


async def test_what_people_did_to_a_message_is_shown_with_it(site, key, channel, told, db) -> None:
    from hailgate.core.content import InboundText
    from hailgate.core.events import Change, MessageChange
    from messaging import acting

    def change():
        target, account = told.inbound.provider_id, acting.account_of(channel)
        one, two = acting.phone(1), acting.phone(2)
        acting.apply(
            channel,
            MessageChange(account, "c.1", target, Change.REACTION, one, 10.0, "👍"),
            MessageChange(account, "c.2", target, Change.REACTION, two, 11.0, "❤️"),
            MessageChange(account, "c.3", target, Change.REACTION, one, 12.0, ""),
            MessageChange(account, "c.4", target, Change.EDIT, one, 13.0, "", InboundText("Are you open today?")),
        )

    await db(change)
    page = (await site.get(f"/v1/conversations/{told.conversation.uid}/messages", key=key)).json["items"]
    shown = next(item for item in page if item["id"] == str(told.inbound.uid))
    assert [reaction["emoji"] for reaction in shown["reactions"]] == ["❤️"]
    assert (shown["text"]["body"], shown["preview"]) == ("Are you open today?", "Are you open today?")
    assert shown["edited_at"] == "1970-01-01T00:00:13Z"
    assert shown["deleted_at"] is None
    assert (await site.get(f"/v1/messages/{told.inbound.uid}", key=key)).json["reactions"] == shown["reactions"]


@pytest.mark.parametrize(
    ("limit", "rule"), [("0", "must be at least 1"), ("9999", "must be at most"), ("x", "must be a whole number")]
)
async def test_a_refusal_names_the_bound(site, key, limit, rule) -> None:
    answer = await site.get("/v1/conversations", key=key, params={"limit": limit})
    assert (answer.code, answer.json["field"]) == ("invalid_request", "limit")
    assert answer.json["detail"].startswith(f"limit: {rule}")


async def test_a_refusal_names_the_choices(site, key) -> None:
    path = "/v1/conversations/6f1c1b3e-0000-4000-8000-000000000000/handover"
    answer = await site.post(path, {"to": "robot"}, key=key)
    assert answer.json["detail"] == "body.to: must be 'person' or 'assistant'."
