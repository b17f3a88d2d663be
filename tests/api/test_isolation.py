"""Nobody sees or changes anything of another tenant, on any route: what is foreign is as unknown as what is not."""

import pytest

from hailgate import urls

pytestmark = pytest.mark.anyio

NOBODYS = "6f1c1b3e-0000-4000-8000-000000000000"
OPERATIONS = [
    (method.upper(), path) for path, methods in urls.openapi()["paths"].items() for method in methods if "/v1/" in path
]
FOREIGN = {
    "message_id": "delivered",
    "conversation_id": "conversation",
    "channel_id": "channel",
    "media_id": "media",
    "template_id": "template",
}


def test_every_route_is_covered() -> None:
    assert len(OPERATIONS) == 27
    assert {part[1:-1] for _, path in OPERATIONS for part in path.split("/") if part.startswith("{")} == FOREIGN.keys()


def filled(path: str, told, channel, *, foreign: bool) -> str:
    for name, whose in FOREIGN.items():
        theirs = channel.uid if whose == "channel" else getattr(told, whose).uid
        path = path.replace(f"{{{name}}}", str(theirs) if foreign else NOBODYS)
    return path


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if "{" in each[1]])
async def test_a_foreign_id_is_answered_like_an_unknown_one(  # noqa: PLR0917 -- fixtures
    site, stranger_key, channel, told, method: str, path: str
) -> None:
    bodies = {"handover": {"to": "person"}, "edit": {"type": "text", "text": {"body": "x"}}}
    said = bodies.get(path.rpartition("/")[2])
    body = {"json": said} if said else {}
    answers = [
        await site.ask(method, filled(path, told, channel, foreign=foreign), key=stranger_key, **body)
        for foreign in (True, False)
    ]
    assert {answer.code for answer in answers} == {"not_found"}
    foreign, unknown = ({**answer.json, "request_id": "", "instance": ""} for answer in answers)
    assert foreign == unknown


LISTS = (
    "/v1/conversations",
    "/v1/channels",
    "/v1/dead-letters",
    "/v1/dead-letters/causes",
    "/v1/failed-media",
    "/v1/templates",
    "/v1/audit",
)


@pytest.mark.parametrize("path", LISTS)
async def test_lists_show_a_stranger_nothing(site, stranger_key, told, path: str) -> None:
    for query in ({}, {"tenant_id": "1"}, {"tenant": "clinic"}):
        assert (await site.get(path, key=stranger_key, params=query)).json["items"] == []


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
    from hailgate.messaging.channels import add_channel

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
