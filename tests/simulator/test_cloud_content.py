"""Every kind that a business can send: taken as the fixtures show it, refused beyond the Cloud API's limits."""

import copy
import json
from pathlib import Path

import pytest

from simulator.business import Business
from simulator.driver import ANA, BEN, MESSAGES, Driver, bearer

pytestmark = pytest.mark.anyio

REQUESTS = Path(__file__).parents[1] / "fixtures" / "meta" / "requests"
SENDS = sorted(path.stem for path in REQUESTS.glob("*.json") if not path.stem.startswith("mark_read"))
TYPES = {"image_id": "image/png", "audio_id": "audio/mpeg", "voice_note": "audio/ogg", "sticker_id": "image/webp"}


def load(name: str) -> dict:
    return json.loads((REQUESTS / f"{name}.json").read_text())


def change(message: dict, path: str, value) -> dict:
    """A copy with the value at this path; None removes it."""
    changed = copy.deepcopy(message)
    *parents, last = path.split(".")
    at = changed
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    last = int(last) if isinstance(at, list) else last
    if value is None:
        del at[last]
    else:
        at[last] = value
    return changed


@pytest.mark.parametrize("name", SENDS)
async def test_every_request_of_the_fixtures_reaches_the_phone(sim: Driver, business: Business, name):
    heard = await sim.write("Hi")
    call = load(name)
    if name in TYPES:
        call[call["type"]]["id"] = (await sim.upload(b"content", TYPES[name]))[1]["id"]
    if call["type"] == "reaction":
        call["reaction"]["message_id"] = heard
    if "recipient" in call:
        await sim.expect("PUT", f"/_sim/phones/{ANA}", {"user_id": call["recipient"]})
    status, answer = await sim.call("POST", MESSAGES, call, headers=bearer())
    assert status == 200, answer
    await business.wait_until(lambda b: b.statuses)
    assert business.status_words[0] == "sent"
    arrived = (await sim.messages())[-1]["message"]
    kind = call["type"]
    assert arrived["type"] == kind
    if isinstance(call[kind], dict):
        assert arrived[kind].items() >= call[kind].items()
    else:
        assert arrived[kind] == call[kind]
    assert arrived.get("context") == call.get("context")


LONG = "x" * 5000
BUTTONS = "interactive.action.buttons"
ROWS = "interactive.action.sections.0.rows"
FLOW = "interactive.action.parameters"
ROW = {"id": "r", "title": "t"}


@pytest.mark.parametrize(
    ("name", "path", "value", "code"),
    [
        ("image_link", "image.link", "ftp://example.com/a.jpg", 100),
        ("image_link", "image.link", "http://[", 100),
        ("image_link", "image.link", None, 100),
        ("image_link", "image.id", "900", 100),
        ("image_link", "image.caption", LONG, 131009),
        ("image_link", "image", "https://example.com/a.jpg", 100),
        ("image_id", "image.id", "9000000000000001", 100),
        ("image_id", "image.id", 9000000000000001, 100),
        ("audio_id", "audio.caption", "no", 100),
        ("audio_id", "audio.voice", "yes", 100),
        ("document_link", "document.filename", "", 131009),
        ("location", "location.latitude", None, 131008),
        ("location", "location.latitude", 91, 131009),
        ("location", "location.longitude", "west", 100),
        ("contacts", "contacts", [], 100),
        ("contacts", "contacts", {}, 100),
        ("contacts", "contacts.0.name", None, 131008),
        ("contacts", "contacts.0.name.formatted_name", None, 131008),
        ("contacts", "contacts.0.name.first_name", None, 131009),
        ("reaction", "reaction.message_id", None, 131008),
        ("reaction", "reaction.emoji", None, 131008),
        ("reaction", "reaction.emoji", "ok", 131009),
        ("reaction", "reaction.emoji", 1, 100),
        ("reaction", "context", {"message_id": "wamid.X"}, 100),
        ("interactive_button", "interactive.type", "poll", 131009),
        ("interactive_button", "interactive.type", None, 131008),
        ("interactive_button", "interactive.body", None, 131008),
        ("interactive_button", "interactive.body.text", "x" * 1025, 131009),
        ("interactive_button", "interactive.footer.text", "x" * 61, 131009),
        ("interactive_button", "interactive.header.text", "x" * 61, 131009),
        ("interactive_button", "interactive.header.type", "audio", 131009),
        ("interactive_button", BUTTONS, [], 131009),
        ("interactive_button", BUTTONS, "yes", 100),
        ("interactive_button", f"{BUTTONS}.1.reply.id", "yes", 131009),
        ("interactive_button", f"{BUTTONS}.1.reply.title", "Yes", 131009),
        ("interactive_button", f"{BUTTONS}.0.reply.title", "x" * 21, 131009),
        ("interactive_button", f"{BUTTONS}.0.reply.title", 1, 100),
        ("interactive_button", f"{BUTTONS}.0.type", "url", 131009),
        ("interactive_list", "interactive.header", {"type": "image", "image": {"id": "1"}}, 131009),
        ("interactive_list", "interactive.action.button", "x" * 21, 131009),
        ("interactive_list", "interactive.action.sections", [{"rows": [ROW]}] * 2, 131008),
        ("interactive_list", f"{ROWS}.0.title", "x" * 25, 131009),
        ("interactive_list", f"{ROWS}.0.description", "x" * 73, 131009),
        ("interactive_list", f"{ROWS}.0.id", "x" * 201, 131009),
        ("interactive_list", ROWS, [ROW, ROW], 131009),
        ("interactive_list", ROWS, [{"id": str(i), "title": "t"} for i in range(11)], 131009),
        ("interactive_cta_url", "interactive.action.parameters.url", "javascript:alert(1)", 131009),
        ("interactive_cta_url", "interactive.action.parameters.display_text", "x" * 21, 131009),
        ("interactive_flow", f"{FLOW}.flow_id", None, 100),
        ("interactive_flow", f"{FLOW}.flow_name", "both", 100),
        ("interactive_flow", f"{FLOW}.flow_cta", "x" * 31, 131009),
        ("interactive_flow", f"{FLOW}.flow_message_version", "2", 131009),
        ("interactive_flow", f"{FLOW}.flow_action_payload", None, 131008),
        ("interactive_location_request", "interactive.action.name", "where", 131009),
    ],
)
async def test_what_is_beyond_the_limits_is_refused(sim: Driver, name, path, value, code):
    status, answer = await sim.call("POST", MESSAGES, change(load(name), path, value), headers=bearer())
    assert (status, answer["error"]["code"]) == (400, code), answer
    assert answer["error"]["error_data"]["details"]
    assert await sim.ledger() == []


async def test_the_words_for_a_button_are_metas(sim: Driver):
    call = change(load("interactive_button"), f"{BUTTONS}.0.reply.title", "x" * 21)
    _, answer = await sim.call("POST", MESSAGES, call, headers=bearer())
    fixture = json.loads((REQUESTS.parent / "errors" / "131009_parameter_value.json").read_text())
    answer["error"]["fbtrace_id"] = fixture["body"]["error"]["fbtrace_id"]
    assert answer == fixture["body"]


@pytest.mark.parametrize("target", ["wamid.unknown", "of Ben"])
async def test_a_reaction_to_what_is_not_in_the_chat_fails_later(sim: Driver, business: Business, target):
    await sim.write("Hi")
    of_ben = await sim.write("Hi", phone=BEN)
    reaction = {"message_id": of_ben if target == "of Ben" else target, "emoji": "👍"}
    status, _ = await sim.send(type="reaction", text=None, reaction=reaction)
    assert status == 200
    await business.wait_until(lambda b: b.statuses)
    assert business.statuses[0]["errors"][0]["code"] == 131009


async def test_a_reaction_is_only_ever_sent(sim: Driver, business: Business):
    heard = await sim.write("Hi")
    await sim.send(type="reaction", text=None, reaction={"message_id": heard, "emoji": "👍"})
    await sim.send("next")
    await business.wait_until(lambda b: len(b.statuses) == 3)
    assert business.status_words == ["sent", "sent", "delivered"]


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("image", {"link": "https://files.invalid/a.jpg"}),
        ("image", "audio/mpeg"),
        ("sticker", "image/png"),
        ("video", "image/png"),
        ("audio", "image/png"),
    ],
)
async def test_media_of_the_wrong_type_fails_later(sim: Driver, business: Business, kind, media):
    await sim.write("Hi")
    if isinstance(media, str):
        media = {"id": (await sim.upload(b"content", media))[1]["id"]}
    status, _ = await sim.send(type=kind, text=None, **{kind: media})
    assert status == 200
    await business.wait_until(lambda b: b.statuses)
    assert (business.status_words, business.statuses[0]["errors"][0]["code"]) == (["failed"], 131053)


async def test_a_voice_message_that_is_played_says_so(sim: Driver, business: Business):
    await sim.write("Hi")
    file = (await sim.upload(b"OggS", "audio/ogg"))[1]["id"]
    await sim.send(type="audio", text=None, audio={"id": file, "voice": True})
    entry = (await sim.messages())[-1]
    for _ in range(2):
        await sim.expect("POST", f"/_sim/phones/{ANA}/play", {"seq": entry["seq"]})
    await sim.write("after")
    await business.wait_until(lambda b: "played" in b.status_words and len(b.messages) == 2)
    assert business.status_words == ["sent", "delivered", "played"]


async def test_a_person_who_hides_the_number_is_known_by_user_id(sim: Driver, business: Business):
    await sim.expect(
        "PUT", f"/_sim/phones/{ANA}", {"hides_number": True, "username": "ana.example", "user_id": "PT.a1"}
    )
    await sim.write("Hi")
    status, answer = await sim.send(to=None, recipient="PT.a1")
    assert (status, answer["contacts"]) == (200, [{"input": "PT.a1", "user_id": "PT.a1"}])
    await business.wait_until(lambda b: b.statuses)
    contact = {"profile": {"name": "Ana", "username": "ana.example"}, "user_id": "PT.a1"}
    assert all(value["contacts"] == [contact] for value in business.values)
    assert "from" not in business.messages[0]
    assert "recipient_id" not in business.statuses[0]
    assert business.statuses[0]["recipient_user_id"] == "PT.a1"


async def test_a_user_id_that_nobody_has_is_undeliverable(sim: Driver, business: Business):
    status, _ = await sim.send(to=None, recipient="US.nobody")
    assert status == 200
    await business.wait_until(lambda b: b.statuses)
    assert business.statuses[0]["errors"][0]["code"] == 131026
    assert [row["to"] for row in await sim.ledger()] == ["US.nobody"]
    assert "US.nobody" not in {phone["number"] for phone in (await sim.expect("GET", "/_sim/state"))["phones"]}


async def test_a_group_is_written_to_once_somebody_is_in_it(sim: Driver, business: Business):
    group = {"recipient_type": "group", "to": "GROUPIDFIXTURE"}
    assert (await sim.send(**group))[1]["error"]["code"] == 131041
    for phone in (ANA, BEN):
        await sim.write_message({"type": "text", "text": {"body": "Hi"}, "group_id": "GROUPIDFIXTURE"}, phone)
    await business.wait_until(lambda b: len(b.messages) == 2)
    assert {m["group_id"] for m in business.messages} == {"GROUPIDFIXTURE"}
    status, answer = await sim.send("all of you", **group)
    assert (status, answer["contacts"]) == (200, [{"input": "GROUPIDFIXTURE", "group_id": "GROUPIDFIXTURE"}])
    for phone in (ANA, BEN):
        assert (await sim.messages(phone))[-1]["message"]["text"]["body"] == "all of you"
    await sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 99})
    await business.wait_until(lambda b: "read" in b.status_words)
    read = next(status for status in business.statuses if status["status"] == "read")
    assert (
        read.items()
        >= {
            "recipient_id": "GROUPIDFIXTURE",
            "recipient_type": "group",
            "recipient_participant_id": ANA,
        }.items()
    )
    assert len(await sim.ledger()) == 1


BODY = {"body": {"text": "Look"}}
ITEMS = [{"title": "Teas", "product_items": [{"product_retailer_id": "tea-1"}]}]
OFFERS = {
    "product": {"action": {"catalog_id": "1", "product_retailer_id": "tea-1"}},
    "product_list": {
        "header": {"type": "text", "text": "Teas"}, **BODY, "action": {"catalog_id": "1", "sections": ITEMS}
    },
    "catalog_message": {**BODY, "action": {"name": "catalog_message"}},
    "order_details": {**BODY, "action": {"name": "review_and_pay", "parameters": {"reference_id": "42"}}},
    "order_status": {**BODY, "action": {"name": "review_order", "parameters": {"reference_id": "42"}}},
    "voice_call": {**BODY, "action": {"name": "voice_call"}},
    "call_permission_request": {"action": {"name": "call_permission_request"}},
    "request_contact_info": {**BODY, "action": {"name": "request_contact_info"}},
    "address_message": {**BODY, "action": {"name": "address_message", "parameters": {"country": "IN"}}},
    "carousel": {**BODY, "action": {"cards": [{"card_index": at, "action": {}} for at in (0, 1)]}},
}  # fmt: skip


@pytest.mark.parametrize("kind", OFFERS)
async def test_offers_and_wishes_reach_the_phone(sim: Driver, kind):
    await sim.write("Hi")
    interactive = {"type": kind, **OFFERS[kind]}
    status, answer = await sim.send(type="interactive", interactive=interactive, text=None)
    assert status == 200, answer
    assert (await sim.messages())[-1]["message"]["interactive"] == interactive
    status, answer = await sim.send(type="interactive", interactive={**interactive, "action": {}}, text=None)
    assert (status, answer["error"]["code"]) == (400, 131008)
