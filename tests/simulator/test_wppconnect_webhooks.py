"""What WPPConnect tells a business, once and without a proof; and its sessions."""

import base64
import json
from pathlib import Path

import pytest

from hailgate.simulator.model import lid_of
from simulator.business import Business
from simulator.driver import ANA, NUMBER
from simulator.session_driver import PNG, WppConnectDriver, as_base64, events, wppconnect_channel

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "wppconnect"
TEXT = {"type": "text", "text": {"body": "Hello"}}
QUOTE = {"context": {"message_id": "true_5511900000042@c.us_3EB0F1C0F1C0F1C00001"}}
CARD = {"name": {"formatted_name": "Luis"}, "phones": [{"phone": "+1 555", "wa_id": "1555"}]}
GROUP = "120363000000000001@g.us"
# A quote stands in the message by up to four fields, which are there or not by what is quoted.
QUOTED = {"quotedMsg", "quotedStanzaID", "quotedParticipant", "quotedMsgId"}


def fixture(name: str):
    return json.loads((FIXTURES / f"{name}.json").read_text())


async def told(wpp: WppConnectDriver, business: Business, message: dict) -> dict:
    await wpp.write_message(message)
    await business.wait_until(lambda b: b.calls)
    return events(business)[-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("onmessage_chat", TEXT),
        ("onmessage_chat_reply", {**TEXT, **QUOTE}),
        ("onmessage_chat_forwarded", {**TEXT, "context": {"forwarded": True}}),
        (
            "onmessage_location",
            {"type": "location", "location": {"latitude": 1.5, "longitude": 2.5, "name": "Cafe", "address": "x"}},
        ),
        ("onmessage_vcard", {"type": "contacts", "contacts": [CARD]}),
        ("onmessage_multi_vcard", {"type": "contacts", "contacts": [CARD, CARD]}),
        ("onmessage_template_button_reply", {"type": "button", "button": {"payload": "p", "text": "t"}, **QUOTE}),
        (
            "onmessage_buttons_response",
            {
                "type": "interactive",
                "interactive": {"type": "button_reply", "button_reply": {"id": "a", "title": "A"}},
                **QUOTE,
            },
        ),
        (
            "onmessage_list_response",
            {
                "type": "interactive",
                "interactive": {"type": "list_reply", "list_reply": {"id": "a", "title": "A", "description": "d"}},
                **QUOTE,
            },
        ),
        ("onmessage_ciphertext", {"type": "unsupported", "unsupported": {"type": "ciphertext"}}),
        ("onmessage_unknown_type", {"type": "some_future_type"}),
        ("onmessage_group_chat", {**TEXT, "group_id": GROUP}),
        ("onreactionmessage_add", {"type": "reaction", "reaction": {"message_id": "true_1@c.us_3E", "emoji": "👍"}}),
        ("onrevokedmessage", {"type": "revoke", "revoke": {"original_message_id": "false_1@c.us_3A"}}),
        ("incomingcall", {"type": "call", "call": {"event": "connect"}}),
        ("onpollresponse", {"type": "poll_vote", "poll_vote": {"message_id": "true_1@c.us_3E", "options": ["Mon"]}}),
    ],
)
async def test_webhooks_have_the_shape_of_wppconnects(wpp: WppConnectDriver, business: Business, name, message):
    seen, known = await told(wpp, business, message), fixture(f"webhooks/{name}")
    assert seen.keys() - QUOTED == known.keys() - QUOTED
    assert (seen["event"], seen.get("type")) == (known["event"], known.get("type"))
    assert bool(seen.keys() & QUOTED) is bool(known.keys() & QUOTED)


@pytest.mark.parametrize(
    ("name", "mime_type", "message"),
    [
        ("image_autodownload", "image/jpeg", {"type": "image", "image": {"caption": "Front door"}}),
        ("video", "video/mp4", {"type": "video", "video": {"caption": "Clip"}}),
        ("ptt", "audio/ogg", {"type": "audio", "audio": {"voice": True}}),
        ("audio", "audio/mpeg", {"type": "audio", "audio": {}}),
        ("document", "application/pdf", {"type": "document", "document": {"filename": "invoice 42.pdf"}}),
        ("sticker", "image/webp", {"type": "sticker", "sticker": {}}),
    ],
)
async def test_files_lie_in_the_body(wpp: WppConnectDriver, business: Business, name, mime_type, message):
    file, kind = await wpp.put_file(PNG, mime_type), message["type"]
    seen = await told(wpp, business, {**message, kind: {**message[kind], "id": file}})
    assert seen.keys() == fixture(f"webhooks/onmessage_{name}").keys()
    assert base64.b64decode(seen["body"]) == PNG
    assert len(json.dumps(seen)) < len(seen["body"]) + 4096, "once, however large it is"
    _, found = await wpp.ask("POST", "download-media", {"messageId": seen["id"]})
    assert found["base64"] == as_base64(PNG)


async def test_or_are_asked_for(wpp: WppConnectDriver, business: Business):
    await wpp.expect("PUT", "/_sim/channels", [wppconnect_channel(business.url, auto_download="false")])
    file = await wpp.put_file(PNG, "image/jpeg")
    seen = await told(wpp, business, {"type": "image", "image": {"id": file, "caption": "Front door"}})
    assert seen.keys() == fixture("webhooks/onmessage_image_no_download").keys()
    assert seen["body"] != as_base64(PNG)
    _, found = await wpp.ask("GET", f"get-media-by-message/{seen['id']}")
    assert found["base64"] == as_base64(PNG)


@pytest.mark.parametrize("changes", [{"by_lid": True}, {"hides_number": True}])
async def test_a_person_may_be_a_lid(wpp: WppConnectDriver, business: Business, changes):
    await wpp.expect("PUT", f"/_sim/phones/{ANA}", changes)
    seen = await told(wpp, business, TEXT)
    assert seen["from"] == seen["chatId"] == seen["sender"]["id"] == f"{lid_of(ANA)}@lid"
    assert seen.keys() == fixture("webhooks/onmessage_chat_lid").keys()


async def test_what_cannot_be_read_yet_comes_twice(wpp: WppConnectDriver, business: Business):
    await wpp.write_message({**TEXT, "decrypts_late": 0.05})
    await business.wait_until(lambda b: len(b.calls) == 2)
    first, second = events(business)
    assert (first["type"], second["type"], first["id"]) == ("ciphertext", "chat", second["id"])


async def test_a_send_is_echoed_and_its_acks_follow(wpp: WppConnectDriver, business: Business):
    [message] = await wpp.accepted(message="Hello")
    await business.wait_until(lambda b: len(b.calls) == 3)
    [echo] = events(business, "onselfmessage")
    assert {name: echo[name] for name in message} == message
    await wpp.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 99})
    await business.wait_until(lambda b: len(b.calls) == 4)
    acks = events(business, "onack")
    assert [ack["ack"] for ack in acks] == [1, 2, 3]
    assert {ack["id"]["_serialized"] for ack in acks} == {message["id"]}
    for ack, name in zip(acks, ("sent", "received", "read"), strict=True):
        assert ack.keys() == fixture(f"webhooks/onack_{name}").keys()
        assert ack["id"].keys() == fixture(f"webhooks/onack_{name}")["id"].keys()


async def test_what_is_typed_on_the_phone_is_told_where_it_is_asked_for(wpp: WppConnectDriver, business: Business):
    message_id = await wpp.type_on_phone("Typed by a person")
    await business.wait_until(lambda b: b.calls)
    [seen] = events(business, "onselfmessage")
    assert seen.keys() == fixture("webhooks/onselfmessage_chat").keys()
    assert seen["id"] == message_id
    await wpp.expect("PUT", "/_sim/channels", [wppconnect_channel(business.url, on_self_message="false")])
    await wpp.type_on_phone("nobody hears")
    await wpp.write("after it")
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert events(business)[-1]["body"] == "after it"


async def test_a_webhook_is_called_once_and_proves_nothing(wpp: WppConnectDriver, business: Business):
    business.answers = [500]
    await wpp.write("lost")
    await wpp.write("heard")
    await business.wait_until(lambda b: b.calls)
    assert ([event["body"] for event in events(business)], business.refused) == (["heard"], 1)
    assert not {name.lower() for name in business.calls[0][0]} & {"authorization", "x-signature"}
    _, answer = await wpp.ask("GET", f"get-messages/{ANA}")
    assert [message["body"] for message in answer["response"]] == ["lost", "heard"]


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def closed(wpp: WppConnectDriver, business: Business) -> WppConnectDriver:
    """A session that no phone was ever linked to."""
    await wpp.expect("PUT", "/_sim/channels", [])
    await wpp.expect("POST", "/_sim/reset")
    await wpp.expect("PUT", "/_sim/channels", [wppconnect_channel(business.url, starts="unpaired")])
    return wpp


async def state(wpp: WppConnectDriver) -> str:
    return (await wpp.ask("GET", "status-session"))[1]["status"]


async def test_nothing_works_without_a_session(closed: WppConnectDriver):
    inactive = fixture("errors/404_session_inactive_but_send_may_follow")["body"]
    assert await closed.post("send-message", message="x") == (404, {**inactive, "session": ""})
    assert (await closed.ask("GET", "check-connection-session"))[1] == fixture("responses/check_connection_false")[
        "body"
    ]
    assert await state(closed) == "CLOSED"
    assert (await closed.ask("POST", "close-session", {}))[0] == 500
    assert (await closed.ask("POST", "logout-session", {}))[0] == 404
    assert (await closed.ask("GET", "qrcode-session"))[1]["status"] is None
    assert (await closed.call("GET", "/wppconnect/api/the%20secret/show-all-sessions"))[1] == {"response": ["shop-one"]}
    assert (await closed.call("GET", "/wppconnect/api/BAD/show-all-sessions"))[0] == 400


async def test_a_phone_is_paired_by_a_code(closed: WppConnectDriver, business: Business):
    order = {"webhook": f"{business.url}/own", "waitQrCode": True}
    status, answer = await closed.ask("POST", "start-session", order)
    assert (status, answer.keys()) == (200, fixture("responses/start_session_qrcode")["body"].keys())
    known = fixture("responses/status_session_qrcode")["body"]
    _, shown = await closed.ask("GET", "status-session")
    assert (shown.keys(), shown["status"], shown["urlcode"]) == (known.keys(), "QRCODE", answer["urlcode"])
    async with closed.session.get(
        "/wppconnect/api/shop-one/qrcode-session", headers={"authorization": f"Bearer {closed.token}"}
    ) as picture:
        assert (picture.content_type, (await picture.read())[:4]) == ("image/png", b"\x89PNG")
    assert (await closed.scan())[1]["state"] == "open"
    _, shown = await closed.ask("GET", "status-session")
    assert (shown["status"], shown["urlcode"]) == ("CONNECTED", answer["urlcode"])
    await business.wait_until(lambda b: len(b.calls) == 3)
    assert [(e["event"], e.get("status")) for e in events(business)] == [
        ("qrcode", None),
        ("status-find", "notLogged"),
        ("status-find", "qrReadSuccess"),
    ]
    assert events(business)[0].keys() == fixture("webhooks/qrcode").keys()
    assert set(business.urls) == {f"{business.url}/own"}
    await closed.accepted(message="now")


async def test_a_pairing_code_is_the_other_way(closed: WppConnectDriver, business: Business):
    _, answer = await closed.ask("POST", "start-session", {"waitQrCode": True, "phone": NUMBER})
    assert answer.keys() == fixture("responses/start_session_phonecode")["body"].keys()
    assert await state(closed) == "PHONECODE"
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert events(business)[0].keys() == fixture("webhooks/phonecode").keys()
    assert (await closed.scan(code=answer["phoneCode"]))[1]["paired_as"] == NUMBER


async def test_a_start_without_waiting_says_closed_and_goes_on(closed: WppConnectDriver):
    status, answer = await closed.ask("POST", "start-session", {})
    assert (status, answer) == (200, {"status": "CLOSED", "qrcode": None, "session": ""})
    assert await state(closed) == "INITIALIZING"
    await closed.wait_for_state("code")


async def test_codes_end_and_the_browser_closes(closed: WppConnectDriver, business: Business, monkeypatch):
    monkeypatch.setattr("hailgate.simulator.wppconnect.provider.WppConnect.code_life_s", 0.01)
    await closed.ask("POST", "start-session", {"waitQrCode": True})
    await closed.wait_for_state("closed")
    await business.wait_until(lambda b: len(b.calls) == 6)
    assert [event.get("status") for event in events(business, "status-find")] == [
        "notLogged",
        "autocloseCalled",
        "browserClose",
    ]


async def test_a_session_that_hangs_is_closed_by_an_error(wpp: WppConnectDriver, business: Business):
    await wpp.expect("POST", f"/_sim/channels/{NUMBER}/hang", {})
    assert await state(wpp) == "INITIALIZING"
    assert (await wpp.ask("POST", "start-session", {"waitQrCode": True}))[1]["status"] == "INITIALIZING"
    assert (await wpp.ask("POST", "close-session", {}))[0] == 500
    assert await state(wpp) == "CLOSED"
    assert (await wpp.ask("POST", "start-session", {"waitQrCode": True}))[1]["status"] == "CONNECTED"
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert [event["status"] for event in events(business)] == ["isLogged", "inChat"]


async def test_close_keeps_the_login_and_logout_does_not(wpp: WppConnectDriver, business: Business):
    status, answer = await wpp.ask("POST", "close-session", {})
    assert (status, answer) == (200, {**fixture("responses/close_session")["body"], "session": ""})
    assert (await wpp.find_session())["paired_as"] == NUMBER
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert [event["event"] for event in events(business)] == ["status-find", "closesession"]
    assert events(business)[1].keys() == fixture("webhooks/closesession").keys()
    await wpp.ask("POST", "start-session", {"waitQrCode": True})
    await wpp.ask("POST", "logout-session", {})
    assert (await wpp.find_session())["paired_as"] is None
    await business.wait_until(lambda b: events(b, "logoutsession"))


async def test_a_phone_that_is_unlinked(wpp: WppConnectDriver, business: Business):
    await wpp.expect("POST", f"/_sim/channels/{NUMBER}/unlink", {})
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert [event["status"] for event in events(business)] == ["disconnectedMobile", "browserClose"]
    assert await state(wpp) == "CLOSED"


@pytest.mark.parametrize("setting", ["false", "true"])
async def test_what_is_written_while_cut_off(wpp: WppConnectDriver, business: Business, setting):
    terms = wppconnect_channel(business.url, all_unread_on_start=setting)
    await wpp.expect("PUT", "/_sim/channels", [terms])
    await wpp.expect("POST", f"/_sim/channels/{NUMBER}/drop", {"seconds": 0.1})
    await wpp.write("while away")
    await wpp.wait_for_state("open")
    await wpp.write("back again")
    await business.wait_until(lambda b: events(b, "onmessage"))
    unread = events(business, "unreadmessages")
    assert [event["body"] for event in unread] == (["while away"] if setting == "true" else [])
    assert [event["body"] for event in events(business, "onmessage")] == ["back again"]
    for event in unread:
        assert event.keys() == fixture("webhooks/unreadmessages_chat").keys()
    _, answer = await wpp.ask("GET", f"get-messages/{ANA}")
    assert [message["body"] for message in answer["response"]] == ["while away", "back again"]


async def test_a_call_can_lose_the_session(wpp: WppConnectDriver):
    await wpp.put_faults({"do": "drop_session", "value": 0.05, "match": {"operation": "send", "nth": 2}})
    await wpp.accepted(message="one")
    assert (await wpp.post("send-message", message="two"))[0] == 404
    await wpp.wait_for_state("open")
    await wpp.accepted(message="three")
    assert [row["body"]["message"] for row in await wpp.ledger()] == ["one", "three"]


async def test_evolutions_do_not_hang(evolution):
    assert (await evolution.call("POST", f"/_sim/channels/{NUMBER}/hang", {}))[0] == 409
