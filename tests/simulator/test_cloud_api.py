import json
from io import BytesIO

import pytest

from hailgate.simulator.problems import MAX_BODY
from simulator.business import Business
from simulator.driver import ANA, MESSAGES, NUMBER, Driver, bearer, message

pytestmark = pytest.mark.anyio


async def test_a_send_reaches_the_phone_the_ledger_and_the_business(sim: Driver, business: Business):
    await sim.write("Hi")
    status, answer = await sim.send("Hello")
    wamid = answer["messages"][0]["id"]
    assert status == 200
    assert answer == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": ANA, "wa_id": ANA}],
        "messages": [{"id": wamid}],
    }
    assert [(m["direction"], m["message"]["text"]["body"]) for m in await sim.messages()] == [
        ("from_phone", "Hi"),
        ("to_phone", "Hello"),
    ]
    [row] = await sim.ledger()
    assert row.pop("at") > 1e9
    assert row.pop("seq") > 0
    assert row == {
        "provider": "cloud",
        "channel": NUMBER,
        "to": ANA,
        "operation": "send",
        "provider_id": wamid,
        "correlation": "ref Hello",
        "body": message("Hello"),
    }
    await business.wait_until(lambda b: b.status_words == ["sent", "delivered"])
    assert {s["id"] for s in business.statuses} == {wamid}
    assert {s["biz_opaque_callback_data"] for s in business.statuses} == {"ref Hello"}


@pytest.mark.parametrize(
    ("to", "contact"),
    [
        ({"to": f"+{ANA}"}, {"input": f"+{ANA}", "wa_id": ANA}),
        ({"to": "+1 (555) 010-0042"}, {"input": "+1 (555) 010-0042", "wa_id": ANA}),
        ({"to": None, "recipient": f"US.{ANA}"}, {"input": f"US.{ANA}", "user_id": f"US.{ANA}"}),
    ],
)
async def test_every_way_to_name_a_person_reaches_the_same_phone(sim: Driver, to, contact):
    await sim.write("Hi")
    status, answer = await sim.send(**to)
    assert (status, answer["contacts"]) == (200, [contact])
    assert (await sim.ledger())[0]["to"] == ANA


async def test_a_version_is_any_version(sim: Driver):
    for version in ("v17.0", "v25.0"):
        path = MESSAGES.replace("v23.0", version)
        assert (await sim.call("POST", path, message(), headers=bearer()))[0] == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"messaging_product": None}, 400, 100),
        ({"messaging_product": "sms"}, 400, 100),
        ({"to": None}, 400, 100),
        ({"to": 15550100042}, 400, 100),
        ({"to": "Ana"}, 400, 131009),
        ({"to": "12"}, 400, 131009),
        ({"to": "1" * 16}, 400, 131009),
        ({"to": NUMBER}, 400, 131021),
        ({"to": None, "recipient": "ana"}, 400, 131009),
        ({"recipient_type": "crowd"}, 400, 100),
        ({"recipient_type": "group"}, 400, 131041),
        ({"recipient_type": "group", "to": "no group!"}, 400, 131009),
        ({"type": "telepathy"}, 400, 100),
        ({"type": ["text"]}, 400, 100),
        ({"text": None}, 400, 100),
        ({"text": {"body": ""}}, 400, 100),
        ({"text": {"body": 7}}, 400, 100),
        ({"text": {"body": "x" * 4097}}, 400, 100),
        ({"text": {"body": "x", "preview_url": "yes"}}, 400, 100),
        ({"context": {"id": "wamid.1"}}, 400, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 400, 100),
        ({"biz_opaque_callback_data": 5}, 400, 100),
        ({"status": "delivered"}, 400, 100),
        ({"status": "read"}, 400, 100),
        ({"status": "read", "message_id": "wamid.unknown"}, 400, 131009),
        ({"status": "read", "message_id": "x", "typing_indicator": {"type": "voice"}}, 400, 100),
    ],
)
async def test_a_wrong_call_is_refused_as_meta_refuses_it(sim: Driver, changes, status, code):
    given, answer = await sim.send(**changes)
    assert (given, answer["error"]["code"]) == (status, code)
    assert answer["error"]["type"] == "OAuthException"
    assert answer["error"]["fbtrace_id"]
    assert await sim.ledger() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a":' * 100_000, b'"text"'])
async def test_what_is_no_json_object_is_error_100(sim: Driver, body):
    async with sim.session.post(MESSAGES, data=body, headers=bearer()) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, 100)


async def test_an_endless_body_is_not_read_to_its_end(sim: Driver):
    for path, kind in ((MESSAGES, "application/json"), (f"/_sim/phones/{ANA}/send", "application/problem+json")):
        async with sim.session.post(path, data=BytesIO(b" " * (MAX_BODY + 1)), headers=bearer()) as answer:
            assert (answer.status, answer.content_type) == (413, kind)


async def test_the_longest_text_and_tracker_are_taken(sim: Driver):
    status, _ = await sim.send("x" * 4096, biz_opaque_callback_data="y" * 512)
    assert status == 200


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    ("node", "headers", "told"),
    [
        ("106500000000001", {}, (401, 190, None)),
        ("106500000000001", {"authorization": "Basic abc"}, (401, 190, None)),
        ("106500000000001", bearer("wrong"), (401, 190, None)),
        ("999", bearer("wrong"), (401, 190, None)),
        ("999", bearer(), (400, 100, 33)),
    ],
)
async def test_who_may_not_is_told_as_meta_tells(sim: Driver, method, node, headers, told):
    path = f"/v23.0/{node}/messages" if method == "POST" else f"/v23.0/{node}"
    given, answer = await sim.call(method, path, message() if method == "POST" else None, headers=headers)
    error = answer["error"]
    assert (given, error["code"], error.get("error_subcode")) == told


async def test_a_number_shows_the_fields_that_are_asked_for(sim: Driver):
    path = "/v23.0/106500000000001"
    _, short = await sim.call("GET", path, headers=bearer())
    assert set(short) == {
        "id",
        "verified_name",
        "code_verification_status",
        "display_phone_number",
        "quality_rating",
    }
    _, chosen = await sim.call("GET", f"{path}?fields=display_phone_number,status", headers=bearer())
    assert chosen == {"id": "106500000000001", "display_phone_number": f"+{NUMBER}", "status": "CONNECTED"}
    status, answer = await sim.call("GET", f"{path}?fields=shoe_size", headers=bearer())
    assert (status, answer["error"]["code"]) == (400, 100)


@pytest.mark.parametrize(("extra", "operation"), [({}, "read"), ({"typing_indicator": {"type": "text"}}, "typing")])
async def test_a_business_marks_the_chat_read_up_to_a_message(sim: Driver, extra, operation):
    await sim.write("one")
    second = await sim.write("two")
    await sim.write("three")
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": second, **extra}
    assert await sim.call("POST", MESSAGES, mark, headers=bearer()) == (200, {"success": True})
    statuses = [m["status"] for m in await sim.messages()]
    assert statuses[:2] == ["read", "read"]
    assert statuses[2] != "read"
    [row] = await sim.ledger()
    assert (row["operation"], row["provider_id"], row["to"], row["body"]) == (operation, second, ANA, mark)


@pytest.mark.parametrize(
    ("prepare", "to", "code"),
    [
        ("nobody wrote", ANA, 131047),
        ("a day passed", ANA, 131047),
        ("switched off", ANA, 131026),
        ("no such country", "99912345678", 131026),
    ],
)
async def test_what_cannot_be_delivered_fails_after_it_was_accepted(sim: Driver, business: Business, prepare, to, code):
    if prepare != "nobody wrote":
        await sim.write("Hi", phone=to)
    if prepare == "a day passed":
        await sim.expect("PUT", "/_sim/clock", {"offset_s": 86_401})
    if prepare == "switched off":
        await sim.expect("PUT", f"/_sim/phones/{to}", {"reachable": False})
    status, answer = await sim.send(to=to)
    assert status == 200
    await business.wait_until(lambda b: b.statuses)
    [failed] = business.statuses
    assert (failed["id"], failed["status"]) == (answer["messages"][0]["id"], "failed")
    assert [error["code"] for error in failed["errors"]] == [code]
    assert [m["direction"] for m in await sim.messages(to)] == ["from_phone"] * (prepare != "nobody wrote")
    assert len(await sim.ledger()) == 1


async def test_a_message_just_inside_the_window_arrives(sim: Driver, business: Business):
    await sim.write("Hi")
    await sim.expect("PUT", "/_sim/clock", {"offset_s": 86_390})
    await sim.send()
    await business.wait_until(lambda b: b.status_words == ["sent", "delivered"])


async def test_the_ledger_keeps_the_body_as_it_was_sent(sim: Driver):
    body = json.dumps(message("ü"), indent=3).encode()
    async with sim.session.post(MESSAGES, data=body, headers=bearer()) as answer:
        assert answer.status == 200
    async with sim.session.get("/_sim/ledger") as answer:
        assert body in await answer.read()
