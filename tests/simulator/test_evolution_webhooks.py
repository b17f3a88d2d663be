"""What Evolution tells a business: envelopes, echoes, statuses, what it repeats and what it does not."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path

import pytest

from hailgate.simulator.evolution.provider import LATE
from hailgate.simulator.model import lid_of
from simulator.business import Business
from simulator.driver import ANA, NUMBER
from simulator.session_driver import JWT_KEY, PNG, EvolutionDriver, as_base64, events, evolution_channel

pytestmark = pytest.mark.anyio

WEBHOOKS = Path(__file__).parents[1] / "fixtures" / "evolution" / "webhooks"
TEXT = {"type": "text", "text": {"body": "Hello"}}
QUOTE = {"context": {"message_id": "3EB0F1C0F1C0F1C00001"}}
PLACE = {"latitude": -23.5, "longitude": -46.6, "name": "Example Cafe", "address": "1 Example Street"}
AD = {"headline": "Chat with us", "body": "Spring sale", "source_id": "1", "source_type": "ad", "source_url": "u"}
CARD = {"name": {"formatted_name": "Luis"}, "phones": [{"phone": "+1 555", "wa_id": "1555"}]}
GROUP = "120363000000000001@g.us"


def fixture(name: str):
    return json.loads((WEBHOOKS / f"{name}.json").read_text())


async def upsert(evolution: EvolutionDriver, business: Business, message: dict, phone: str = ANA) -> dict:
    await evolution.write_message(message, phone=phone)
    await business.wait_until(lambda b: events(b, "messages.upsert"))
    return events(business, "messages.upsert")[-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", TEXT),
        ("text_reply", {**TEXT, **QUOTE}),
        ("text_forwarded", {**TEXT, "context": {"forwarded": True}}),
        ("text_from_ad", {**TEXT, "referral": {**AD, "ctwa_clid": "C"}}),
        ("location", {"type": "location", "location": PLACE}),
        ("contact", {"type": "contacts", "contacts": [CARD]}),
        ("contacts_array", {"type": "contacts", "contacts": [CARD, CARD]}),
        ("reaction_add", {"type": "reaction", "reaction": {"message_id": "3EB0", "emoji": "👍"}}),
        ("reaction_remove", {"type": "reaction", "reaction": {"message_id": "3EB0", "emoji": ""}}),
        ("template_button_reply", {"type": "button", "button": {"payload": "p", "text": "Confirm"}, **QUOTE}),
        (
            "buttons_response",
            {
                "type": "interactive",
                "interactive": {"type": "button_reply", "button_reply": {"id": "a", "title": "A"}},
                **QUOTE,
            },
        ),
        (
            "list_response",
            {
                "type": "interactive",
                "interactive": {"type": "list_reply", "list_reply": {"id": "a", "title": "A", "description": "d"}},
                **QUOTE,
            },
        ),
        ("unknown_type", {"type": "someFuture", "someFuture": {"x": 1}}),
    ],
)
async def test_inbound_webhooks_have_the_shape_of_evolutions(
    evolution: EvolutionDriver, business: Business, name, message
):
    told, known = await upsert(evolution, business, message), fixture(f"messages_upsert_{name}")
    assert told.keys() == known.keys()
    assert told["data"].keys() - {"contextInfo"} == known["data"].keys() - {"contextInfo"}
    assert ("contextInfo" in told["data"]) == ("contextInfo" in known["data"])
    assert told["data"]["messageType"] == known["data"]["messageType"]
    assert told["data"]["key"].keys() == known["data"]["key"].keys()
    kind = known["data"]["messageType"]
    inner, expected = told["data"]["message"][kind], known["data"]["message"][kind]
    if isinstance(expected, dict):
        assert set(expected) - {"jpegThumbnail"} <= set(inner)


@pytest.mark.parametrize(
    ("name", "mime_type", "message"),
    [
        ("image", "image/jpeg", {"type": "image", "image": {"caption": "Front door"}}),
        ("video", "video/mp4", {"type": "video", "video": {"caption": "Short clip"}}),
        ("voice_note", "audio/ogg", {"type": "audio", "audio": {"voice": True}}),
        ("audio_file", "audio/mpeg", {"type": "audio", "audio": {}}),
        ("document", "application/pdf", {"type": "document", "document": {"filename": "invoice 42.pdf"}}),
        ("sticker", "image/webp", {"type": "sticker", "sticker": {}}),
    ],
)
async def test_media_are_asked_for_or_lie_in_the_body(
    evolution: EvolutionDriver, business: Business, name, mime_type, message
):
    kind, known = message["type"], fixture(f"messages_upsert_{name}")["data"]
    file = await evolution.put_file(PNG, mime_type)
    for count, inline in enumerate((False, True), 1):
        await evolution.set_webhook(business.url, base64=inline, events=["MESSAGES_UPSERT"])
        await evolution.write_message({**message, kind: {**message[kind], "id": file}})
        await business.wait_until(lambda b, c=count: len(b.calls) == c)
        data = events(business)[-1]["data"]
        inner, optional = data["message"][known["messageType"]], {"jpegThumbnail", "waveform", "pageCount"}
        assert set(known["message"][known["messageType"]]) - optional <= set(inner)
        assert data["message"].get("base64") == (as_base64(PNG) if inline else None)
    status, found = await evolution.chat("getBase64FromMediaMessage", {"message": {"key": {"id": data["key"]["id"]}}})
    assert (status, found["base64"]) == (201, as_base64(PNG))


@pytest.mark.parametrize(
    ("changes", "name", "jids"),
    [
        ({}, "text", (f"{ANA}@s.whatsapp.net", f"{lid_of(ANA)}@lid")),
        ({"by_lid": True}, "text_lid_with_alt", (f"{lid_of(ANA)}@lid", f"{ANA}@s.whatsapp.net")),
        ({"hides_number": True}, "text_lid_only", (f"{lid_of(ANA)}@lid", None)),
    ],
)
async def test_a_person_is_a_number_or_a_lid(evolution: EvolutionDriver, business: Business, changes, name, jids):
    await evolution.expect("PUT", f"/_sim/phones/{ANA}", changes)
    key = (await upsert(evolution, business, TEXT))["data"]["key"]
    assert key.keys() == fixture(f"messages_upsert_{name}")["data"]["key"].keys()
    assert (key["remoteJid"], key.get("remoteJidAlt")) == jids
    assert (await evolution.accepted(number=jids[0], text="back"))["key"]["remoteJid"] == jids[0]
    assert (await evolution.messages())[-1]["message"]["text"] == {"body": "back"}


async def test_a_group(evolution: EvolutionDriver, business: Business):
    key = (await upsert(evolution, business, {**TEXT, "group_id": GROUP}))["data"]["key"]
    assert key["remoteJid"] == GROUP
    assert key["participant"] == f"{ANA}@s.whatsapp.net"
    await evolution.accepted(number=GROUP, text="to all")
    await business.wait_until(lambda b: len(events(b, "messages.update")) == 2)
    assert {e["data"]["participant"] for e in events(business, "messages.update")} == {f"{ANA}@s.whatsapp.net"}
    order = {"to": NUMBER, "message": {**TEXT, "group_id": "g"}}
    assert (await evolution.call("POST", f"/_sim/phones/{ANA}/send", order))[0] == 422


async def test_edits_deletions_calls_and_votes_of_people(evolution: EvolutionDriver, business: Business):
    for message in (
        {"type": "edit", "edit": {"original_message_id": "3A1", "message": {"type": "text", "text": {"body": "new"}}}},
        {"type": "revoke", "revoke": {"original_message_id": "3A1"}},
        {"type": "call", "call": {"event": "connect"}},
        {"type": "poll_vote", "poll_vote": {"message_id": "3EB0", "options": ["Yes"]}},
    ):
        await evolution.write_message(message)
    names = {
        "messages.edited": "messages_edited",
        "messages.delete": "messages_delete_by_contact",
        "call": "call_offer",
    }
    await business.wait_until(lambda b: len(b.calls) == 4)
    for event, name in names.items():
        [told] = events(business, event)
        assert told["data"].keys() - {"remoteJidAlt", "addressingMode"} == fixture(name)["data"].keys() - {"date"}
    [vote] = events(business, "messages.update")
    assert vote["data"].keys() == fixture("messages_update_poll")["data"].keys()


async def test_2_4_reads_a_vote_where_it_comes_in(evolution: EvolutionDriver, business: Business):
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, version="2.4.0")])
    vote = {"type": "poll_vote", "poll_vote": {"message_id": "3EB0", "options": ["Yes"]}}
    told = (await upsert(evolution, business, vote))["data"]
    read = told["message"]["pollUpdateMessage"]
    assert (told["messageType"], read["pollCreationMessageKey"]["id"]) == ("pollUpdateMessage", "3EB0")
    assert read["vote"]["selectedOptions"] == ["Yes"]
    assert told["pollUpdates"] == [{"name": "Yes", "voters": [f"{ANA}@s.whatsapp.net"]}]


async def test_a_text_tells_whom_it_mentions(evolution: EvolutionDriver, business: Business):
    message = {"type": "text", "text": {"body": "@b", "mentions": ["15550100043"]}, "group_id": GROUP}
    told = (await upsert(evolution, business, message))["data"]
    assert told["contextInfo"]["mentionedJid"] == ["15550100043@s.whatsapp.net"]


async def test_a_send_is_echoed_and_its_statuses_follow(evolution: EvolutionDriver, business: Business):
    answer = await evolution.accepted(text="Hello")
    await business.wait_until(lambda b: len(b.calls) == 3)
    [echo] = events(business, "send.message")
    assert echo["data"] == answer
    assert echo["data"].keys() == fixture("send_message")["data"].keys()
    await evolution.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 99})
    await business.wait_until(lambda b: len(b.calls) == 4)
    updates = [event["data"] for event in events(business, "messages.update")]
    assert [update["status"] for update in updates] == ["SERVER_ACK", "DELIVERY_ACK", "READ"]
    assert {update["keyId"] for update in updates} == {answer["key"]["id"]}
    assert updates[0].keys() == fixture("messages_update_read")["data"].keys()
    assert updates[0]["messageId"] != updates[0]["keyId"]


async def test_an_echo_may_come_before_the_answer(evolution: EvolutionDriver, business: Business):
    await evolution.put_faults({"do": "drip", "value": 1.0, "match": {"operation": "send"}})
    began = time.monotonic()
    await evolution.accepted(text="slow")
    assert time.monotonic() - began > 0.9
    assert events(business, "send.message")


async def test_what_is_typed_on_the_phone_is_an_upsert(evolution: EvolutionDriver, business: Business):
    message_id = await evolution.type_on_phone("Typed by a person")
    await business.wait_until(lambda b: b.calls)
    [told] = events(business, "messages.upsert")
    known = fixture("messages_upsert_from_me_phone")["data"]
    assert told["data"].keys() == known.keys()
    assert (told["data"]["key"]["id"], told["data"]["key"]["fromMe"], told["data"]["status"]) == (
        message_id,
        True,
        "SERVER_ACK",
    )
    assert (await evolution.messages())[-1]["direction"] == "to_phone"
    assert await evolution.ledger() == []


async def test_events_can_be_chosen_and_have_paths_of_their_own(evolution: EvolutionDriver, business: Business):
    await evolution.set_webhook(business.url, byEvents=True, events=["MESSAGES_UPSERT", "MESSAGES_UPDATE"])
    await evolution.write("Hi")
    await evolution.accepted(text="x")
    await business.wait_until(lambda b: len(b.calls) == 3)
    assert sorted(business.urls) == [f"{business.url}/messages-update"] * 2 + [f"{business.url}/messages-upsert"]


async def test_a_jwt_proves_where_a_webhook_comes_from(evolution: EvolutionDriver, business: Business):
    await evolution.set_webhook(business.url, headers={"jwt_key": JWT_KEY, "X-Ours": "1"})
    await evolution.write("Hi")
    await business.wait_until(lambda b: b.calls)
    headers = business.calls[0][0]
    assert headers["X-Ours"] == "1"
    head, claims, signature = headers["Authorization"].removeprefix("Bearer ").split(".")
    digest = hmac.new(JWT_KEY.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == signature
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (told["app"], told["action"], told["exp"] - told["iat"]) == ("evolution", "webhook", 600)


async def test_the_key_of_the_instance_travels_in_every_webhook(evolution: EvolutionDriver, business: Business):
    terms = {"instance_token": "the instance's token", "jwt_key": JWT_KEY}
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, **terms)])
    await evolution.write("Hi")
    await business.wait_until(lambda b: b.calls)
    assert events(business)[0]["apikey"] == "the instance's token"
    assert business.calls[0][0]["Authorization"].startswith("Bearer ")


async def test_24_names_the_event_in_headers(evolution: EvolutionDriver, business: Business):
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, version="2.4.0")])
    await evolution.set_webhook(business.url, events=["MESSAGES_UPSERT"])
    await evolution.write("Hi")
    await business.wait_until(lambda b: b.calls)
    headers = business.calls[0][0]
    assert (headers["X-Event-Type"], headers["X-Instance-Name"]) == ("messages.upsert", "shop-one")


async def test_what_fails_with_5xx_is_repeated_and_what_is_refused_is_lost(
    evolution: EvolutionDriver, business: Business
):
    await evolution.set_webhook(business.url, events=["MESSAGES_UPSERT"])
    business.answers = [503, 500]
    await evolution.write("heard")
    await business.wait_until(lambda b: b.calls)
    for refusal in (400, 401, 403, 404, 422):
        business.answers = [refusal]
        await evolution.write("lost")
        await business.wait_until(lambda b: not b.answers)
    await evolution.write("heard too")
    await business.wait_until(lambda b: len(b.calls) == 2)
    texts = [event["data"]["message"]["conversation"] for event in events(business)]
    assert texts == ["heard", "heard too"]


async def test_order_is_not_kept(evolution: EvolutionDriver, business: Business):
    await evolution.set_webhook(business.url, events=["MESSAGES_UPSERT"])
    count = 2 * LATE
    for i in range(count):
        await evolution.write(f"{i}")
    await business.wait_until(lambda b: len(b.calls) == count)
    texts = [event["data"]["message"]["conversation"] for event in events(business)]
    assert sorted(texts, key=int) == [str(i) for i in range(count)]
    assert texts != [str(i) for i in range(count)]
