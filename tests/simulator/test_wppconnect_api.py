"""WPPConnect Server, as its callers find it."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from hailgate.simulator.model import lid_of
from simulator.business import Business
from simulator.driver import ANA, BEN
from simulator.session_driver import (
    OGG,
    PNG,
    SESSION,
    WppConnectDriver,
    as_base64,
    data_url,
    events,
    wppconnect_channel,
)

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "wppconnect"
GROUP = "120363000000000001@g.us"
ROWS = [{"rowId": "slot-0900", "title": "09:00", "description": "Morning"}]


def fixture(name: str):
    return json.loads((FIXTURES / f"{name}.json").read_text())


async def test_an_accepted_text_has_the_shape_of_wppconnects(wpp: WppConnectDriver):
    status, answer = await wpp.post("send-message", message="Hello")
    known = fixture("responses/send_message")["body"]
    assert (status, answer["mapper"], answer["session"]) == (201, "return", SESSION)
    [message] = answer["response"]
    assert message.keys() == known["response"][0].keys()
    assert message["id"].startswith(f"true_{ANA}@c.us_3EB0")
    [row] = await wpp.ledger()
    assert (row["provider_id"], row["to"], row["body"]["message"]) == (message["id"], ANA, "Hello")


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("send-message", {"message": "Hi"}, {"type": "text", "text": {"body": "Hi"}}),
        ("send-message", {}, {"type": "text", "text": {"body": ""}}),
        (
            "send-mentioned",
            {"message": "Hi", "mentioned": [f"{ANA}@c.us"]},
            {"type": "text", "text": {"body": "Hi", "mentions": [ANA]}},
        ),
        (
            "send-message",
            {"message": "Hi", "options": {"mentionedList": [f"{ANA}@c.us"]}},
            {"type": "text", "text": {"body": "Hi", "mentions": [ANA]}},
        ),
        (
            "send-reply",
            {"message": "Yes", "messageId": "false_1@c.us_3A"},
            {"type": "text", "text": {"body": "Yes"}, "context": {"message_id": "false_1@c.us_3A"}},
        ),
        (
            "send-location",
            {"lat": "-23.5", "lng": "-46.6", "title": "Cafe", "address": "1 Street"},
            {
                "type": "location",
                "location": {"latitude": -23.5, "longitude": -46.6, "name": "Cafe", "address": "1 Street"},
            },
        ),
        (
            "send-poll-message",
            {"name": "Day?", "choices": ["Mon", "Tue"], "options": {"selectableCount": 1}},
            {"type": "poll", "poll": {"name": "Day?", "options": ["Mon", "Tue"], "selectable": 1}},
        ),
        (
            "react-message",
            {"phone": None, "msgId": f"false_{ANA}@c.us_3A1", "reaction": "👍"},
            {"type": "reaction", "reaction": {"message_id": f"false_{ANA}@c.us_3A1", "emoji": "👍"}},
        ),
        ("send-link-preview", {"url": "https://x.example", "caption": "Look"}, None),
    ],
)
async def test_what_is_sent_is_on_the_phone(wpp: WppConnectDriver, kind, body, message):
    await wpp.accepted(kind, **body)
    shown = (await wpp.messages())[-1]["message"]
    assert shown.pop("id").startswith("true_")
    assert shown == (message or {"type": "text", "text": {"body": "Look\nhttps://x.example"}})


async def test_of_a_reaction_not_even_its_id_is_told(wpp: WppConnectDriver):
    answer = await wpp.accepted("react-message", phone=None, msgId=f"false_{ANA}@c.us_3A1", reaction="👍")
    assert answer == {"message": "Reaction sended"}


async def test_lists_buttons_and_cards(wpp: WppConnectDriver):
    sections = [{"title": "Tomorrow", "rows": ROWS}]
    await wpp.accepted("send-list-message", description="Pick", buttonText="Open", sections=sections)
    action = (await wpp.messages())[-1]["message"]["interactive"]["action"]
    assert action["sections"][0]["rows"][0]["id"] == "slot-0900"
    options = {"buttons": [{"id": "confirm-42", "text": "Confirm"}], "title": "Booking", "footer": "x"}
    assert await wpp.accepted("send-buttons", message="Confirm?", options=options) == [f"{ANA}@c.us"]
    await wpp.accepted("contact-vcard", contactsId=["15550100077@c.us"], name="Luis Sample")
    [card] = (await wpp.messages())[-1]["message"]["contacts"]
    assert (card["name"], card["phones"][0]["wa_id"]) == ({"formatted_name": "Luis Sample"}, "15550100077")


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("send-image", {"base64": data_url(PNG, "image/png"), "filename": "a.png", "caption": "Look"}, "image"),
        ("send-file-base64", {"base64": data_url(PNG, "application/pdf"), "filename": "a.pdf"}, "document"),
        ("send-file", {"base64": data_url(PNG, "video/mp4")}, "video"),
        ("send-voice-base64", {"base64Ptt": data_url(OGG, "audio/ogg")}, "audio"),
        ("send-sticker", {"path": data_url(PNG, "image/webp")}, "sticker"),
    ],
)
async def test_files_are_in_the_call(wpp: WppConnectDriver, kind, body, shown):
    [accepted] = await wpp.accepted(kind, **body)
    assert accepted.keys() == {"ack", "id"}
    message = (await wpp.messages())[-1]["message"]
    content = OGG if shown == "audio" else PNG
    assert (message["type"], message[shown].get("caption")) == (shown, body.get("caption"))
    async with wpp.session.get(f"/_sim/files/{message[shown]['id']}") as file:
        assert await file.read() == content
    status, found = await wpp.ask("GET", f"get-media-by-message/{accepted['id']}")
    assert (status, found["base64"]) == (200, as_base64(content))


async def test_a_file_that_is_none_fails(wpp: WppConnectDriver):
    for source in (None, "", "no data url", "data:image/png;base64,%%"):
        status, answer = await wpp.post("send-image", base64=source)
        assert (status, answer["error"]) == (500, {"code": "empty_file", "level": "error"})


async def test_who_may_enter(wpp: WppConnectDriver):
    assert await wpp.make_token(secret="WRONG") == (400, fixture("errors/400_secret_incorrect")["body"])
    status, answer = await wpp.make_token()
    assert (status, answer.keys()) == (201, fixture("responses/generate_token")["body"].keys())
    assert answer["full"] == f"{SESSION}:{answer['token']}"
    assert answer["token"].startswith("$2b$10$")
    assert "/" not in answer["token"]
    for header, name in (("", "token_missing"), ("x", "token_missing"), ("Bearer x", "token_wrong")):
        given = await wpp.ask("GET", "status-session", authorization=header)
        assert given == (401, fixture(f"errors/401_{name}")["body"])
    path = f"/wppconnect/api/{answer['full']}/status-session"
    assert (await wpp.call("GET", path))[0] == 200


async def test_every_token_stays_good_until_the_secret_changes(wpp: WppConnectDriver, business: Business):
    tokens = {(await wpp.make_token())[1]["token"] for _ in range(3)}
    assert len(tokens) == 3
    for token in tokens:
        assert (await wpp.ask("GET", "status-session", authorization=f"Bearer {token}"))[0] == 200
    await wpp.expect("PUT", "/_sim/channels", [wppconnect_channel(business.url, secret_key="another")])
    for token in tokens:
        assert (await wpp.ask("GET", "status-session", authorization=f"Bearer {token}"))[0] == 401


async def test_session_and_secret_have_72_bytes(wpp: WppConnectDriver):
    status, problem = await wpp.call("PUT", "/_sim/channels", [wppconnect_channel("http://x/", secret_key="x" * 72)])
    assert (status, "72 bytes" in problem["detail"]) == (422, True)


async def test_a_number_that_does_not_exist_is_said_and_the_others_are_sent(wpp: WppConnectDriver):
    status, answer = await wpp.post("send-message", phone=["999123456789", ANA], message="x")
    assert (status, answer) == (
        400,
        {"response": None, "status": "Connected", "message": "O número 999123456789 não existe.", "session": SESSION},
    )
    assert [row["to"] for row in await wpp.ledger()] == [ANA]


async def test_a_400_may_come_though_it_was_sent(wpp: WppConnectDriver):
    await wpp.put_faults({"do": "accept_then_error", "value": {"status": 400}, "match": {"operation": "send"}})
    status, answer = await wpp.post("send-message", message="sent")
    assert (status, answer["message"]) == (400, "O número  não existe.")
    assert [row["body"]["message"] for row in await wpp.ledger()] == ["sent"]


@pytest.mark.parametrize(
    ("phone", "chat"),
    [
        (f"{ANA}@c.us", f"{ANA}@c.us"),
        (f"+{ANA}", f"{ANA}@c.us"),
        (lid_of(ANA), f"{lid_of(ANA)}@lid"),
        (f"{lid_of(ANA)}@lid", f"{lid_of(ANA)}@lid"),
    ],
)
async def test_a_phone_is_a_number_or_a_lid(wpp: WppConnectDriver, phone, chat):
    [message] = await wpp.accepted(phone=phone, message="x")
    assert message["to"] == chat
    assert (await wpp.messages())[-1]["message"]["text"] == {"body": "x"}


async def test_odd_phones(wpp: WppConnectDriver):
    assert await wpp.accepted(phone=None, message="nobody") == []
    status, answer = await wpp.post("send-message", phone="+55 (11) 99999-9999", message="x")
    assert (status, answer["message"]) == (400, "O número 55 11 999999999 não existe.")
    assert [m["to"] for m in await wpp.accepted(phone=f"{ANA},{BEN}", message="both")] == [f"{ANA}@c.us", f"{BEN}@c.us"]


async def test_a_group(wpp: WppConnectDriver):
    assert (await wpp.post("send-message", phone=GROUP, isGroup=True, message="x"))[0] == 400
    await wpp.write_message({"type": "text", "text": {"body": "Hi"}, "group_id": GROUP})
    [message] = await wpp.accepted(phone=GROUP.partition("@")[0], isGroup=True, message="to all")
    assert (message["to"], message["isGroupMsg"]) == (GROUP, True)


async def test_numbers_and_lids_are_looked_up(wpp: WppConnectDriver):
    for number, name in ((ANA, "exists"), ("999123456789", "missing")):
        status, answer = await wpp.ask("GET", f"check-number-status/{number}")
        known = fixture(f"responses/check_number_{name}")["body"]
        wid = {"server": "c.us", "user": number, "_serialized": f"{number}@c.us"}
        assert (status, answer) == (200, {**known, "response": {**known["response"], "id": wid}})
    for asked in (f"{ANA}@c.us", f"{lid_of(ANA)}@lid"):
        _, answer = await wpp.ask("GET", f"contact/pn-lid/{asked}")
        assert (answer["lid"]["user"], answer["phoneNumber"]["user"]) == (lid_of(ANA), ANA)
    await wpp.expect("PUT", f"/_sim/phones/{ANA}", {"hides_number": True})
    assert (await wpp.ask("GET", f"contact/pn-lid/{lid_of(ANA)}@lid"))[1]["phoneNumber"] is None


async def test_messages_are_found(wpp: WppConnectDriver):
    ids = [(await wpp.accepted(message=f"{i}"))[0]["id"] for i in range(5)]
    await wpp.accepted(phone=BEN, message="to Ben")

    async def find(query: str) -> list[str]:
        status, answer = await wpp.ask("GET", f"get-messages/{ANA}@c.us?{query}")
        assert status == 200
        return [message["body"] for message in answer["response"]]

    assert await find("count=2") == ["3", "4"]
    assert await find("") == ["0", "1", "2", "3", "4"]
    assert await find(f"count=2&direction=before&id={ids[2]}") == ["0", "1"]
    assert await find(f"count=2&direction=after&id={ids[2]}") == ["3", "4"]
    status, answer = await wpp.ask("GET", f"message-by-id/{ids[0]}")
    assert (status, answer["response"]["ack"]) == (201, 2)
    assert (await wpp.ask("GET", "message-by-id/true_x_y"))[0] == 500
    assert (await wpp.ask("GET", "get-media-by-message/true_x_y"))[0] == 400


async def test_a_cut_answer_is_found_by_the_look_up(wpp: WppConnectDriver):
    await wpp.put_faults({"do": "accept_then_reset", "match": {"operation": "send"}})
    with pytest.raises(aiohttp.ClientError):
        await wpp.post("send-message", message="cut")
    _, answer = await wpp.ask("GET", f"get-messages/{ANA}")
    assert [message["body"] for message in answer["response"]] == ["cut"]


async def test_reading_and_typing(wpp: WppConnectDriver):
    await wpp.write("Are you there?")
    _, answer = await wpp.ask("GET", "all-unread-messages")
    assert [message["body"] for message in answer["response"]] == ["Are you there?"]
    await wpp.accepted("send-seen")
    assert (await wpp.messages())[-1]["status"] == "read"
    assert (await wpp.ask("GET", "all-unread-messages"))[1]["response"] == []
    await wpp.accepted("typing", value=True)
    await wpp.accepted("typing", value=False)
    assert [row["operation"] for row in await wpp.ledger()] == ["read", "typing"]


async def test_edits_and_deletions(wpp: WppConnectDriver):
    [message] = await wpp.accepted(message="Hello")
    await wpp.accepted("edit-message", id=message["id"], newText="Hello again")
    assert (await wpp.messages())[-1]["message"]["text"] == {"body": "Hello again"}
    await wpp.accepted("delete-message", messageId=message["id"])
    assert (await wpp.messages())[-1]["message"]["type"] == "deleted"
    assert [row["operation"] for row in await wpp.ledger()] == ["send", "edit", "delete"]
    assert (await wpp.post("edit-message", id="true_x_y", newText="x"))[0] == 500


async def test_errors_have_its_shapes(wpp: WppConnectDriver):
    await wpp.put_faults({"do": "error", "value": {"status": 500}, "match": {"operation": "send"}})
    status, answer = await wpp.post("send-message", message="x")
    assert (status, answer["error"]) == (500, {"name": "Error", "level": "error"})
    await wpp.put_faults({"do": "revoke_token"})
    assert await wpp.post("send-message", message="x") == (401, fixture("errors/401_token_wrong")["body"])
    await wpp.put_faults({"do": "throttle", "value": {"retry_after": 3}})
    assert (await wpp.post("send-message", message="x"))[0] == 429
    await wpp.put_faults()
    assert (await wpp.ask("POST", "send-nothing", {}))[0] == 404
    assert await wpp.ledger() == []
    headers = {"authorization": f"Bearer {wpp.token}"}
    async with wpp.session.post(f"/wppconnect/api/{SESSION}/send-message", data=b"{", headers=headers) as broken:
        assert (broken.status, broken.content_type) == (400, "text/html")
    async with wpp.session.get("/wppconnect/healthz") as healthy:
        assert healthy.status == 200


async def test_the_session_is_named_only_to_exact_json(wpp: WppConnectDriver):
    body = json.dumps({"phone": ANA, "message": "x"}).encode()
    for content_type, named in (("application/json", True), ("application/json; charset=utf-8", False)):
        headers = {"authorization": f"Bearer {wpp.token}", "content-type": content_type}
        async with wpp.session.post(f"/wppconnect/api/{SESSION}/send-message", data=body, headers=headers) as answer:
            assert ("session" in await answer.json()) is named


async def test_many_at_once_are_each_accepted_once(wpp: WppConnectDriver, business: Business):
    answers = await asyncio.gather(*(wpp.accepted(message=f"{i}") for i in range(30)))
    assert {row["provider_id"] for row in await wpp.ledger()} == {answer[0]["id"] for answer in answers}
    await business.wait_until(lambda b: len(events(b, "onack")) == 60)
