"""Evolution API, as its callers find it."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from simulator.business import Business
from simulator.driver import ANA, BEN
from simulator.session_driver import API_KEY, INSTANCE, OGG, PNG, EvolutionDriver, as_base64, events, evolution_channel

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "evolution"
CARD = {"fullName": "Luis Sample", "wuid": "15550100077", "phoneNumber": "+1 555 010 0077"}
ROWS = [{"title": "09:00", "description": "Morning", "rowId": "slot-0900"}]


def fixture(name: str):
    return json.loads((FIXTURES / f"{name}.json").read_text())


async def test_an_accepted_text_has_the_shape_of_evolutions(evolution: EvolutionDriver):
    answer = await evolution.accepted(text="Hello")
    known = fixture("responses/send_text")["body"]
    assert answer.keys() == known.keys()
    assert answer["key"].keys() == known["key"].keys()
    assert (answer["message"], answer["status"], answer["source"]) == ({"conversation": "Hello"}, "PENDING", "web")
    assert answer["key"]["remoteJid"] == f"{ANA}@s.whatsapp.net"
    [row] = await evolution.ledger()
    assert (row["provider_id"], row["to"], row["body"]["text"]) == (answer["key"]["id"], ANA, "Hello")


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("sendText", {"text": "Hi"}, {"type": "text", "text": {"body": "Hi"}}),
        (
            "sendText",
            {"text": "Hi", "quoted": {"key": {"id": "3A1"}}},
            {"type": "text", "text": {"body": "Hi"}, "context": {"message_id": "3A1"}},
        ),
        (
            "sendLocation",
            {"latitude": 1.5, "longitude": 2.5, "name": "Cafe", "address": "1 Street"},
            {
                "type": "location",
                "location": {"latitude": 1.5, "longitude": 2.5, "name": "Cafe", "address": "1 Street"},
            },
        ),
        (
            "sendReaction",
            {"key": {"id": "3A1", "remoteJid": f"{ANA}@s.whatsapp.net", "fromMe": False}, "reaction": "👍"},
            {"type": "reaction", "reaction": {"message_id": "3A1", "emoji": "👍"}},
        ),
        (
            "sendText",
            {"text": "Hi", "mentioned": [ANA], "mentionsEveryOne": True},
            {"type": "text", "text": {"body": "Hi", "mentions": [ANA], "mention_all": True}},
        ),
        (
            "sendPoll",
            {"name": "Which day?", "selectableCount": 1, "values": ["Monday", "Tuesday"]},
            {"type": "poll", "poll": {"name": "Which day?", "options": ["Monday", "Tuesday"], "selectable": 1}},
        ),
    ],
)
async def test_what_is_sent_is_on_the_phone(evolution: EvolutionDriver, kind, body, message):
    answer = await evolution.accepted(kind, **body)
    assert (await evolution.messages())[-1]["message"] == {"id": answer["key"]["id"], **message}


async def test_buttons_contacts_and_lists(evolution: EvolutionDriver, business: Business):
    buttons = [{"type": "reply", "displayText": "Confirm", "id": "confirm-42"}]
    await evolution.accepted("sendButtons", title="Confirm?", description="Your booking", buttons=buttons)
    interactive = (await evolution.messages())[-1]["message"]["interactive"]
    assert interactive["action"]["buttons"] == [{"type": "reply", "reply": {"id": "confirm-42", "title": "Confirm"}}]
    await evolution.accepted("sendContact", contact=[CARD])
    [card] = (await evolution.messages())[-1]["message"]["contacts"]
    assert card["phones"] == [{"phone": "+1 555 010 0077", "wa_id": "15550100077"}]
    sections = {"title": "Slots", "buttonText": "Open", "footerText": "x", "sections": [{"title": "T", "rows": ROWS}]}
    assert await evolution.post("sendList", **sections) == (
        400,
        {"status": 400, "error": "Bad Request", "response": {"message": ["TypeError: this.isZero is not a function"]}},
    )
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, version="2.4.0")])
    await evolution.accepted("sendList", **sections)
    action = (await evolution.messages())[-1]["message"]["interactive"]["action"]
    assert action["sections"][0]["rows"] == [{"id": "slot-0900", "title": "09:00", "description": "Morning"}]


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("sendMedia", {"mediatype": "image", "mimetype": "image/png", "caption": "Look"}, "image"),
        ("sendMedia", {"mediatype": "document", "mimetype": "application/pdf", "fileName": "a.pdf"}, "document"),
        ("sendMedia", {"mediatype": "video", "mimetype": "video/mp4"}, "video"),
        ("sendSticker", {}, "sticker"),
        ("sendWhatsAppAudio", {}, "audio"),
        ("sendPtv", {}, "video"),
    ],
)
async def test_files_by_base64_and_by_address(evolution: EvolutionDriver, business: Business, kind, body, shown):
    content = OGG if shown == "audio" else PNG
    business.files["f"] = ("application/octet-stream", content)
    field = {"sendMedia": "media", "sendSticker": "sticker", "sendWhatsAppAudio": "audio", "sendPtv": "video"}[kind]
    for source in (as_base64(content), business.file_url("f")):
        answer = await evolution.accepted(kind, **body, **{field: source})
        message = (await evolution.messages())[-1]["message"]
        assert (message["type"], message[shown].get("caption")) == (shown, body.get("caption"))
        async with evolution.session.get(f"/_sim/files/{message[shown]['id']}") as file:
            assert await file.read() == content
        asked = {"message": {"key": {"id": answer["key"]["id"]}}}
        status, found = await evolution.chat("getBase64FromMediaMessage", asked)
        assert (status, found["base64"]) == (201, as_base64(content))
        assert found.keys() == fixture("responses/get_base64")["body"].keys()


NOT_A_NUMBER = "TypeError: Cannot destructure property 'user' of 'decoded' as it is undefined."


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("sendText", {}, [['instance requires property "text"']]),
        ("sendText", {"number": None, "text": "x"}, [['instance requires property "number"']]),
        ("sendText", {"number": "not a number", "text": "x"}, [NOT_A_NUMBER]),
        ("sendText", {"number": "120363000000000001@g.us", "text": "x"}, ["[object Object]"]),
        ("sendPoll", {"name": "?", "values": ["a", "b"]}, [['instance requires property "selectableCount"']]),
        (
            "sendPoll",
            {"name": "?", "selectableCount": 1, "values": ["a", "a"]},
            [["instance.values contains duplicate item"]],
        ),
        (
            "sendPoll",
            {"name": "?", "selectableCount": 1, "values": [*"abcdefghijk"]},
            [["instance.values does not meet maximum length of 10"]],
        ),
        ("sendMedia", {"mediatype": "image", "media": "%%%"}, ["Owned media must be a url or base64"]),
        ("sendMedia", {"mediatype": "document", "media": "SGk="}, ["For base64 the file name must be informed."]),
        ("sendLocation", {"latitude": 1, "longitude": 2, "name": "x"}, [['instance requires property "address"']]),
        (
            "sendText",
            {"number": "999123456789", "text": "x"},
            [{"jid": "999123456789@s.whatsapp.net", "exists": False, "number": "999123456789"}],
        ),
    ],
)
async def test_a_wrong_send_is_refused_in_its_words(evolution: EvolutionDriver, kind, body, message):
    status, answer = await evolution.post(kind, **body)
    assert (status, answer) == (400, {"status": 400, "error": "Bad Request", "response": {"message": message}})
    assert await evolution.ledger() == []


async def test_a_number_is_cleaned(evolution: EvolutionDriver):
    answer = await evolution.accepted(number="+1 (555) 010-0042", text="x")
    assert answer["key"]["remoteJid"] == f"{ANA}@s.whatsapp.net"


async def test_who_may_enter(evolution: EvolutionDriver):
    assert await evolution.ask("GET", f"/instance/connectionState/{INSTANCE}", key="wrong") == (
        401,
        fixture("errors/401_unauthorized")["body"],
    )
    status, answer = await evolution.ask("GET", "/instance/connectionState/none", key="wrong")
    assert (status, answer["response"]["message"]) == (404, ['The "none" instance does not exist'])
    _, [instance] = await evolution.ask("GET", "/instance/fetchInstances")
    assert (await evolution.ask("GET", f"/instance/connectionState/{INSTANCE}", key=instance["token"]))[0] == 200
    assert (await evolution.ask("GET", "/instance/fetchInstances", key=instance["token"]))[0] == 401


async def test_an_unknown_path_and_broken_json(evolution: EvolutionDriver):
    status, answer = await evolution.ask("POST", f"/message/nope/{INSTANCE}", {})
    assert (status, answer) == (404, fixture("errors/404_route")["body"])
    assert (await evolution.ask("GET", "/nope"))[1]["response"]["message"] == ["Cannot GET /nope"]
    assert (await evolution.ask("GET", "/"))[1]["version"] == "2.3.6"
    async with evolution.session.post(
        f"/evolution/message/sendText/{INSTANCE}", data=b"{", headers={"apikey": API_KEY}
    ) as broken:
        assert (broken.status, (await broken.json())["error"]) == (400, "Internal Server Error")


async def test_numbers_are_looked_up(evolution: EvolutionDriver):
    status, found = await evolution.chat("whatsappNumbers", {"numbers": [ANA, "999123456789"]})
    assert status == 200
    assert [(f["number"], f["exists"], f["jid"]) for f in found] == [
        (ANA, True, f"{ANA}@s.whatsapp.net"),
        ("999123456789", False, "999123456789@s.whatsapp.net"),
    ]


async def test_messages_are_found(evolution: EvolutionDriver):
    first = await evolution.accepted(text="one")
    await evolution.accepted(text="two")
    await evolution.write("three")
    await evolution.accepted(number=BEN, text="to Ben")
    where = {"key": {"remoteJid": f"{ANA}@s.whatsapp.net"}}
    status, answer = await evolution.chat("findMessages", {"where": where, "offset": 2, "page": 1})
    found = answer["messages"]
    assert (status, found["total"], found["pages"]) == (200, 3, 2)
    assert [record["message"]["conversation"] for record in found["records"]] == ["three", "two"]
    _, answer = await evolution.chat("findMessages", {"where": {"key": {"id": first["key"]["id"]}}})
    [record] = answer["messages"]["records"]
    assert record.keys() == fixture("responses/find_messages")["body"]["messages"]["records"][0].keys()
    assert record["MessageUpdate"] == [{"status": "SERVER_ACK"}, {"status": "DELIVERY_ACK"}]
    for times, count in (({"gte": "2001-01-01T00:00:00Z"}, 4), ({"lte": 1}, 0)):
        _, answer = await evolution.chat("findMessages", {"where": {"messageTimestamp": times}})
        assert answer["messages"]["total"] == count


async def test_a_cut_answer_is_found_by_the_look_up(evolution: EvolutionDriver):
    await evolution.put_faults({"do": "accept_then_reset", "match": {"operation": "send"}})
    with pytest.raises(aiohttp.ClientError):
        await evolution.post("sendText", text="cut")
    _, answer = await evolution.chat("findMessages", {"where": {"key": {"fromMe": True}}})
    assert [record["message"] for record in answer["messages"]["records"]] == [{"conversation": "cut"}]


async def test_a_400_may_come_though_it_was_sent(evolution: EvolutionDriver):
    await evolution.put_faults({"do": "accept_then_error", "value": {"status": 400}, "match": {"operation": "send"}})
    assert await evolution.post("sendText", text="sent") == (400, fixture("errors/400_timed_out")["body"])
    assert [row["body"]["text"] for row in await evolution.ledger()] == ["sent"]


async def test_the_limit_is_a_400_too(evolution: EvolutionDriver):
    await evolution.put_faults({"do": "throttle"})
    assert await evolution.post("sendText", text="x") == (400, fixture("errors/400_rate_overlimit")["body"])


async def test_reading_and_typing(evolution: EvolutionDriver):
    message_id = await evolution.write("Are you there?")
    key = {"remoteJid": f"{ANA}@s.whatsapp.net", "fromMe": False, "id": message_id}
    assert await evolution.chat("markMessageAsRead", {"readMessages": [key]}) == (
        201,
        fixture("responses/mark_read")["body"],
    )
    assert (await evolution.messages())[-1]["status"] == "read"
    assert (await evolution.chat("sendPresence", {"number": ANA, "presence": "composing"}))[0] == 201
    assert [row["operation"] for row in await evolution.ledger()] == ["read", "typing"]


async def test_edits_and_deletions(evolution: EvolutionDriver, business: Business):
    key = (await evolution.accepted(text="Hello"))["key"]
    assert (await evolution.chat("updateMessage", {"number": ANA, "key": key, "text": "Hello again"}))[0] == 200
    assert (await evolution.messages())[-1]["message"]["text"] == {"body": "Hello again"}
    assert (await evolution.chat("deleteMessageForEveryone", key, "DELETE"))[0] == 201
    assert (await evolution.messages())[-1]["message"]["type"] == "deleted"
    assert [row["operation"] for row in await evolution.ledger()] == ["send", "edit", "delete"]
    await business.wait_until(lambda b: events(b, "send.message.update") and events(b, "messages.delete"))
    [edited], [deleted] = events(business, "send.message.update"), events(business, "messages.delete")
    assert edited["data"].keys() == fixture("webhooks/send_message_update")["data"].keys()
    assert set(fixture("webhooks/messages_delete_by_api")["data"]) <= set(deleted["data"])


async def test_audio_that_ffmpeg_cannot_read_ends_the_process(evolution: EvolutionDriver):
    with pytest.raises(aiohttp.ClientError):
        await evolution.post("sendWhatsAppAudio", audio=as_base64(b"no recording"))
    assert (await evolution.find_session())["state"] == "starting"
    assert await evolution.post("sendText", text="x") == (
        500,
        {"status": 500, "error": "Internal Server Error", "response": {"message": "Connection Closed"}},
    )
    await evolution.wait_for_state("open")
    await evolution.accepted(text="x")


async def test_a_24_that_nobody_activated(evolution: EvolutionDriver, business: Business):
    terms = {"version": "2.4.0", "licensed": "false"}
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, **terms)])
    status, answer = await evolution.post("sendText", text="x")
    assert (status, answer["code"]) == (503, "LICENSE_REQUIRED")


async def test_a_24_takes_an_id_of_the_callers_once(evolution: EvolutionDriver, business: Business):
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, version="2.4.0")])
    for _ in range(2):
        assert (await evolution.accepted(text="x", messageId="3EB0OURS"))["key"]["id"] == "3EB0OURS"
    assert len(await evolution.ledger()) == 1


@pytest.mark.parametrize(
    ("change", "word"),
    [({"starts": "sleeping"}, "starts"), ({"version": "1.0"}, "version"), ({"licensed": "maybe"}, "licensed")],
)
async def test_a_wrong_channel_names_the_field(evolution: EvolutionDriver, change, word):
    status, problem = await evolution.call("PUT", "/_sim/channels", [evolution_channel("http://x/", **change)])
    assert (status, word in problem["detail"]) == (422, True)


async def test_many_at_once_are_each_accepted_once(evolution: EvolutionDriver):
    answers = await asyncio.gather(*(evolution.accepted(text=f"{i}") for i in range(30)))
    assert {row["provider_id"] for row in await evolution.ledger()} == {a["key"]["id"] for a in answers}
