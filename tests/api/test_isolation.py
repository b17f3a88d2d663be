"""Nobody sees or changes anything of another tenant, on any route: what is foreign is as unknown as what is not."""

from typing import Any

import pytest

from hailgate import urls
from hailgate.messaging.assistants.patterns import set_pattern
from hailgate.messaging.models import Channel, Contact, Join, JoinState, MessagePattern

pytestmark = pytest.mark.anyio

NOBODYS = "6f1c1b3e-0000-4000-8000-000000000000"
DOCUMENT = urls.render_openapi()
OPERATIONS = [
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods if "/v1/" in path
]
# What each id in a path names, among what the clinic's store holds. A route with another kind of id fails until it is
# named here.
FOREIGN = {
    "message_id": lambda told: told.delivered.uid,
    "conversation_id": lambda told: told.conversation.uid,
    "contact_id": lambda told: contact_of(told).uid,
    "join_id": lambda told: a_join(told).uid,
    "channel_id": lambda told: channel_of(told).uid,
    "media_id": lambda told: told.media.uid,
    "template_id": lambda told: told.template.uid,
    "name": lambda told: a_pattern(told).name,
    "language": lambda told: a_pattern(told).language,
}
UNKNOWN = {**dict.fromkeys(FOREIGN, NOBODYS), "name": "nobodys", "language": "xx"}
# Puts something under a name of one's own: there is nothing foreign to name.
OWN = ("PUT", "/v1/patterns/{name}/{language}")


def contact_of(told):
    return Contact.objects.get(tenant_id=told.conversation.tenant_id, id=told.conversation.contact_id)


def channel_of(told):
    return Channel.objects.get(tenant_id=told.conversation.tenant_id, id=told.conversation.channel_id)


def a_join(told):
    """A question for the clinic's operators: are these two one person?"""
    left = contact_of(told)
    made, _ = Join.objects.get_or_create(
        tenant_id=left.tenant_id, state=JoinState.SUGGESTED, proof="spelling", left=left, right=left,
        defaults={"left_digest": "1", "right_digest": "2", "told_at": 1.0},
    )  # fmt: skip
    return made


def a_pattern(told):
    set_pattern(told.conversation.tenant_id, "greeting", "en", "Hello!")
    return MessagePattern.objects.get(tenant_id=told.conversation.tenant_id)


def test_every_id_in_a_path_is_one_that_is_tried_with_a_foreign_row() -> None:
    assert len(OPERATIONS) >= 40
    assert {part[1:-1] for _, path in OPERATIONS for part in path.split("/") if part.startswith("{")} == FOREIGN.keys()


def minimal(schema: dict[str, Any]) -> Any:
    """The least that the document allows."""
    if "$ref" in schema:
        return minimal(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return minimal(schema[choice][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    if schema.get("type") == "object":
        return {name: minimal(schema["properties"][name]) for name in schema.get("required", ())}
    return {"boolean": True, "integer": 1, "number": 1, "array": []}.get(schema.get("type"), "x")


def body_of(method: str, path: str) -> dict[str, Any]:
    if path.endswith("/edit"):  # content, which the document leaves open
        return {"json": {"type": "text", "text": {"body": "x"}}}
    asked = DOCUMENT["paths"][path][method.lower()].get("requestBody")
    return {"json": minimal(asked["content"]["application/json"]["schema"])} if asked else {}


def filled(path: str, ids: dict[str, Any]) -> str:
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", str(value))
    return path


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if "{" in each[1] and each != OWN])
async def test_a_foreign_id_is_answered_like_an_unknown_one(  # noqa: PLR0917 -- fixtures
    db, site, stranger_key, told, method: str, path: str
) -> None:
    names = [name for name in FOREIGN if f"{{{name}}}" in path]
    theirs = await db(lambda: {name: FOREIGN[name](told) for name in names})
    answers = [
        await site.ask(method, filled(path, ids), key=stranger_key, **body_of(method, path))
        for ids in (theirs, UNKNOWN)
    ]
    assert {answer.code for answer in answers} == {"not_found"}
    foreign, unknown = ({**answer.json, "request_id": "", "instance": ""} for answer in answers)
    assert foreign == unknown


async def test_a_strangers_pattern_is_their_own(site, stranger_key, told, db) -> None:
    standing = await db(a_pattern, told)
    put = await site.ask("PUT", "/v1/patterns/greeting/en", key=stranger_key, json={"text": "Good day."})
    assert put.status == 200
    theirs = MessagePattern.objects.filter(tenant_id=standing.tenant_id)
    assert await db(list, theirs) == [standing]
    assert (await db(theirs.get)).text == standing.text


# Every list that the document has, but for what is everybody's.
LISTS = [path for method, path in OPERATIONS if method == "GET" and "{" not in path and "export" not in path]


def test_there_are_lists() -> None:
    assert len(LISTS) >= 8


@pytest.mark.parametrize("path", LISTS)
async def test_lists_show_a_stranger_nothing(site, stranger_key, told, path: str) -> None:
    for query in ({}, {"tenant_id": "1"}, {"tenant": "clinic"}):
        answer = await site.get(path, key=stranger_key, params=query)
        assert answer.json.get("items", []) == [] if answer.status == 200 else answer.status == 422


async def test_a_strangers_cursor_opens_nothing(site, key, stranger_key, told) -> None:
    cursor = (await site.get("/v1/conversations", key=key, params={"limit": 1})).json["next"]
    answer = await site.get("/v1/conversations", key=stranger_key, params={"cursor": cursor})
    assert answer.code == "invalid_cursor"


async def test_a_stranger_revives_nothing(site, key, stranger_key, told) -> None:
    answer = await site.post("/v1/dead-letters/revive", {"ids": [str(told.dead.uid)]}, key=stranger_key)
    assert answer.json == {"revived": [], "not_found": [str(told.dead.uid)]}
    assert len((await site.get("/v1/dead-letters", key=key)).json["items"]) == 2


async def test_a_stranger_does_not_hand_over_or_resume(  # noqa: PLR0917 -- fixtures
    site, key, stranger_key, channel, told, db
) -> None:
    from messaging import acting

    await db(lambda: acting.change_channel(channel, paused_at=acting.NOON, paused_reason="x"))
    await site.post(f"/v1/channels/{channel.uid}/resume", key=stranger_key)
    await site.post(f"/v1/conversations/{told.conversation.uid}/handover", {"to": "assistant"}, key=stranger_key)
    assert (await site.get("/v1/channels", key=key)).json["items"][0]["paused"] is True
    shown = (await site.get(f"/v1/conversations/{told.conversation.uid}", key=key)).json
    assert shown["answered_by"] == "person"


async def test_our_ids_of_a_stranger_answer_nothing(site, stranger, stranger_key, told, db) -> None:
    import given
    from hailgate.messaging.channels.registry import add_channel

    await db(add_channel, stranger.id, "cloud", "theirs", "15550100001", given.CHANNEL_SETTINGS)
    body = {
        "channel": "theirs", "to": "+15550100042", "type": "text", "text": {"body": "x"},
        "context": {"message_id": str(told.delivered.uid)},
    }  # fmt: skip
    assert (await site.post("/v1/messages", body, key=stranger_key)).code == "unknown_context"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer nonsense", "Basic eDp5", "Bearer hg_000000000000_x", "é"]
)
async def test_no_route_answers_without_a_key(site, method: str, path: str, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = await site.ask(method, path.replace("{", "").replace("}", ""), headers=headers)
    assert answer.code == "unauthenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
