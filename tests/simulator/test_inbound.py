"""Whatever a phone sends becomes the webhook that Meta makes of it."""

import base64
import copy
import hashlib
import json
from pathlib import Path

import pytest

from simulator.business import Business
from simulator.driver import ANA, NUMBER, Driver, bearer
from simulator.test_webhooks import shape

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "meta" / "webhooks"
NOT_FROM_PHONES = {
    "message_image_without_url",  # an older form of message_image
    "message_empty_wa_id",  # an older form of message_username_only_no_phone
    "message_reaction_remove_missing",  # another form of message_reaction_remove_empty
}
KINDS = sorted({path.stem for path in FIXTURES.glob("message_*.json")} - NOT_FROM_PHONES)
OTHERS = ["system_identity_changed", "system_user_changed_number", "system_user_changed_user_id"]
PREFERENCES = ["user_preferences_resume", "user_preferences_stop"]
GIVEN_BY_META = {"from", "from_user_id", "id", "timestamp", "errors", "identity"}


def load(name: str) -> dict:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def change_of(body: dict) -> dict:
    return body["entry"][0]["changes"][0]


async def as_phone_sends(sim: Driver, name: str) -> dict:
    """The message of a fixture without what Meta adds, its medium on the phone."""
    value = copy.deepcopy(change_of(load(name))["value"])
    if "user_preferences" in value:
        return {"type": "user_preferences", "user_preferences": {"value": value["user_preferences"][0]["value"]}}
    message = {key: inner for key, inner in value["messages"][0].items() if key not in GIVEN_BY_META}
    if "id" in message.get("context", {}):
        message["context"]["message_id"] = message["context"].pop("id")
        del message["context"]["from"]
    kind = message["type"]
    if isinstance(message.get(kind), dict) and "mime_type" in message[kind]:
        medium = message[kind]
        file = await sim.put_file(b"content", medium["mime_type"].partition(";")[0])
        given = {key: medium[key] for key in ("caption", "filename", "voice", "animated") if key in medium}
        message[kind] = {"id": file, **given}
    return message


@pytest.mark.parametrize("name", [*KINDS, *OTHERS, *PREFERENCES])
async def test_the_webhook_has_the_shape_of_metas(sim: Driver, business: Business, name):
    if name == "message_username_only_no_phone":
        await sim.expect("PUT", f"/_sim/phones/{ANA}", {"username": "ana.example", "hides_number": True})
    await sim.write_message(await as_phone_sends(sim, name))
    await business.wait_until(lambda b: b.calls)
    told, expected = json.loads(business.calls[0][1]), load(name)
    assert change_of(told)["field"] == change_of(expected)["field"]
    assert shape(told) == shape(expected)
    for message in change_of(expected)["value"].get("messages", []):
        got = business.messages[0]
        assert got["type"] == message["type"]
        if isinstance(message.get("context"), dict):
            assert got["context"] == message["context"]


async def test_media_can_be_fetched_at_once_and_checked(sim: Driver, business: Business):
    content = b"\xff\xd8\xff picture"
    file = await sim.put_file(content, "image/jpeg")
    await sim.write_message({"type": "image", "image": {"id": file, "caption": "Front door"}})
    await business.wait_until(lambda b: b.messages)
    image = business.messages[0]["image"]
    assert base64.b64decode(image["sha256"]) == hashlib.sha256(content).digest()
    assert image["id"] != file, "at the business a file has an id of its own"
    async with sim.session.get(image["url"].removeprefix(sim.url), headers=bearer()) as answer:
        assert (await answer.read(), answer.content_type) == (content, "image/jpeg")
    _, found = await sim.call("GET", f"/v23.0/{image['id']}", headers=bearer())
    assert found["mime_type"] == image["mime_type"]


async def test_a_voice_message_is_opus(sim: Driver, business: Business):
    file = await sim.put_file(b"OggS", "audio/ogg")
    await sim.write_message({"type": "audio", "audio": {"id": file, "voice": True}})
    await business.wait_until(lambda b: b.messages)
    audio = business.messages[0]["audio"]
    assert (audio["voice"], audio["mime_type"]) == (True, "audio/ogg; codecs=opus")


@pytest.mark.parametrize("event", ["connect", "terminate"])
async def test_a_call_has_its_own_field(sim: Driver, business: Business, event):
    told = await sim.write_message({"type": "call", "call": {"event": event}})
    await business.wait_until(lambda b: b.calls)
    change = change_of(json.loads(business.calls[0][1]))
    [call] = change["value"]["calls"]
    assert (change["field"], call["event"], call["from"], call["to"]) == ("calls", event, ANA, NUMBER)
    assert call["id"] == told
    assert told.startswith("wacid.")
    assert ("session" in call) is (event == "connect")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "reaction", "reaction": {"message_id": "wamid.X", "emoji": "👍"}}, ["sent", "delivered"]),
        ({"type": "system", "system": {"type": "user_changed_number", "wa_id": "15550100099"}}, ["failed"]),
        ({"type": "revoke", "revoke": {"original_message_id": "wamid.X"}}, ["failed"]),
        ({"type": "user_preferences", "user_preferences": {"value": "stop"}}, ["failed"]),
    ],
)
async def test_only_what_a_person_says_opens_the_window(sim: Driver, business: Business, message, words):
    await sim.write_message(message)
    await sim.send()
    await business.wait_until(lambda b: b.status_words == words)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"type": "image"}, "message.image.id"),
        ({"type": "image", "image": {"id": ["x"]}}, "no file"),
        ({"type": "location", "location": {"latitude": 1}}, "message.location.longitude"),
        ({"type": "contacts", "contacts": []}, "message.contacts"),
        ({"type": "reaction", "reaction": "👍"}, "message.reaction.message_id"),
        ({"type": "button", "button": {"text": "x"}}, "message.button.payload"),
        ({"type": "interactive", "interactive": {"type": "poll"}}, "message.interactive.type"),
        ({"type": "interactive", "interactive": {"type": "list_reply"}}, "interactive.list_reply.id"),
        ({"type": "order", "order": {"catalog_id": "1"}}, "message.order.product_items"),
        ({"type": "system", "system": {"type": "moved"}}, "message.system.type"),
        ({"type": "system", "system": {"type": "user_changed_number"}}, "system.wa_id"),
        ({"type": "edit", "edit": {"original_message_id": "wamid.X"}}, "message.edit.message.type"),
        ({"type": "revoke", "revoke": {}}, "message.revoke.original_message_id"),
        ({"type": "call", "call": {"event": "ring"}}, "message.call.event"),
        ({"type": "user_preferences", "user_preferences": {"value": "maybe"}}, "user_preferences.value"),
        ({"type": "text", "text": {"body": "x"}, "group_id": 7}, "message.group_id"),
    ],
)
async def test_a_wrong_message_names_the_field(sim: Driver, message, field):
    status, problem = await sim.call("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER, "message": message})
    assert (status, field in problem["detail"]) == (422, True), problem


async def test_a_kind_that_nobody_knows_yet_passes_as_it_is(sim: Driver, business: Business):
    await sim.write_message({"type": "hologram", "hologram": {"colour": "blue"}})
    await business.wait_until(lambda b: b.messages)
    assert business.messages[0]["hologram"] == {"colour": "blue"}
