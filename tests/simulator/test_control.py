import asyncio
import json
import time

import pytest

from simulator.business import Business
from simulator.driver import ANA, BEN, NUMBER, Driver, channel

pytestmark = pytest.mark.anyio


async def test_the_first_day_has_two_people(sim: Driver, business: Business):
    assert await sim.expect("GET", "/_sim/state") == {
        "channels": [{"provider": "cloud", "number": NUMBER, "webhook_url": business.url}],
        "phones": [{"number": ANA, "name": "Ana"}, {"number": BEN, "name": "Ben"}],
    }


async def test_it_says_which_providers_it_speaks(sim: Driver):
    spoken = {provider["name"]: provider for provider in await sim.expect("GET", "/_sim/providers")}
    assert spoken["cloud"] == {
        "name": "cloud",
        "label": "Meta Cloud API",
        "api_url": sim.url,
        "credentials": [
            {"name": "phone_number_id", "required": True},
            {"name": "access_token", "required": True},
            {"name": "app_secret", "required": True},
            {"name": "verify_token", "required": True},
            {"name": "waba_id", "required": False},
        ],
        "pairs_sessions": False,
    }


async def test_a_provider_that_is_not_spoken_is_refused_in_words(sim: Driver):
    status, problem = await sim.call("PUT", "/_sim/channels", [channel("http://x/") | {"provider": "pigeon"}])
    spoken = ", ".join(sorted(p["name"] for p in await sim.expect("GET", "/_sim/providers")))
    assert status == 422
    assert problem["detail"] == f"`provider` of {NUMBER} is 'pigeon'; the simulator speaks: {spoken}."


async def test_channels_are_replaced_whole_and_in_their_order(sim: Driver):
    urls = ["http://127.0.0.1:1/c", "http://127.0.0.1:1/b", "http://127.0.0.1:1/a"]
    await sim.put_channels(*urls)
    state = await sim.expect("GET", "/_sim/state")
    assert [c["webhook_url"] for c in state["channels"]] == urls
    await sim.put_channels()
    assert (await sim.expect("GET", "/_sim/state"))["channels"] == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"provider": "pigeon"}, "provider"),
        ({"number": "+1555"}, "digits"),
        ({"number": 15550100000}, "number"),
        ({"webhook_url": "ftp://x"}, "webhook_url"),
        ({"credentials": {}}, "phone_number_id"),
        ({"credentials": {**channel("")["credentials"], "colour": "red"}}, "colour"),
        ({"credentials": {**channel("")["credentials"], "access_token": 1}}, "credentials"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_channel_is_a_problem_that_names_the_field(sim: Driver, change, word):
    before = await sim.expect("GET", "/_sim/state")
    status, problem = await sim.call("PUT", "/_sim/channels", [channel("http://x/") | change])
    assert status == 422
    assert word in problem["detail"]
    assert await sim.expect("GET", "/_sim/state") == before


@pytest.mark.parametrize("same", ["number", "phone_number_id"])
async def test_numbers_are_unique(sim: Driver, same):
    one, two = channel("http://x/", 0), channel("http://x/", 1)
    if same == "number":
        two["number"] = one["number"]
    else:
        two["credentials"]["phone_number_id"] = one["credentials"]["phone_number_id"]
    status, problem = await sim.call("PUT", "/_sim/channels", [one, two])
    assert (status, same in problem["detail"]) == (422, True)


TEXT = {"type": "text", "text": {"body": "Hi"}}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/_sim/nothing", None, 404),
        ("POST", "/_sim/state", {}, 405),
        ("POST", f"/_sim/phones/{ANA}/send", {"to": "15550109999", "message": TEXT}, 404),
        ("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER}, 422),
        ("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER, "message": {}}, 422),
        ("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER, "message": {"type": "text"}}, 422),
        ("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER, "message": TEXT | {"context": "x"}}, 422),
        ("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER, "message": TEXT, "x": 1}, 422),
        ("POST", "/_sim/phones/ana/send", {"to": NUMBER, "message": TEXT}, 422),
        ("GET", "/_sim/phones/ana/messages", None, 422),
        ("GET", f"/_sim/phones/{ANA}/messages?after=x", None, 400),
        ("GET", f"/_sim/phones/{ANA}/messages?after=-1", None, 400),
        ("GET", "/_sim/ledger?after=99999999999999999999", None, 400),
        ("POST", f"/_sim/phones/{ANA}/read", {"up_to": "all"}, 422),
        ("POST", f"/_sim/phones/{ANA}/read", {}, 422),
        ("PUT", f"/_sim/phones/{ANA}", {"name": ""}, 422),
        ("PUT", f"/_sim/phones/{ANA}", {"mood": "good"}, 422),
        ("PUT", f"/_sim/phones/{ANA}", {"user_id": "ana"}, 422),
        ("PUT", f"/_sim/phones/{ANA}", {"username": "a"}, 422),
        ("POST", f"/_sim/phones/{ANA}/play", {}, 422),
        ("PUT", "/_sim/templates/1", {"status": "FINE"}, 422),
        ("PUT", "/_sim/clock", {"offset_s": "soon"}, 422),
        ("PUT", "/_sim/clock", {"offset_s": 1e12}, 422),
        ("PUT", "/_sim/faults", {"do": "delay"}, 422),
        ("POST", "/_sim/channels/15550109999/handshake", None, 404),
    ],
)
async def test_a_wrong_call_is_a_problem(sim: Driver, method, path, body, status):
    given, problem = await sim.call(method, path, body)
    assert given == status
    assert problem["status"] == status
    assert problem["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"to": "1", "message":' + b'{"a":' * 100_000])
async def test_what_is_no_json_is_a_problem(sim: Driver, body):
    async with sim.session.post(f"/_sim/phones/{ANA}/send", data=body) as answer:
        assert (answer.status, answer.content_type) == (400, "application/problem+json")


async def test_a_page_of_another_site_cannot_steer(sim: Driver):
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        given, _ = await sim.call("GET", "/_sim/state", headers={"sec-fetch-site": site})
        assert given == status


async def test_a_phone_exists_on_first_use(sim: Driver, business: Business):
    await sim.write("Hi", phone="491700000001")
    await business.wait_until(lambda b: b.calls)
    [contact] = business.values[0]["contacts"]
    assert contact == {
        "profile": {"name": "Phone 0001"},
        "wa_id": "491700000001",
        "user_id": "US.491700000001",
    }
    phones = (await sim.expect("GET", "/_sim/state"))["phones"]
    assert {"number": "491700000001", "name": "Phone 0001"} in phones


async def test_a_name_given_to_a_phone_is_shown_to_businesses(sim: Driver, business: Business):
    phone = await sim.expect("PUT", f"/_sim/phones/{ANA}", {"name": "Ana María"})
    assert phone == {
        "number": ANA,
        "name": "Ana María",
        "reachable": True,
        "online": True,
        "read_receipts": True,
        "username": None,
        "hides_number": False,
        "user_id": None,
        "by_lid": False,
    }
    assert await sim.expect("GET", f"/_sim/phones/{ANA}") == phone
    await sim.write("Hi")
    await business.wait_until(lambda b: b.calls)
    assert business.values[0]["contacts"][0]["profile"]["name"] == "Ana María"


async def test_messages_and_ledger_are_read_on_from_a_point(sim: Driver):
    await sim.write("one")
    await sim.send("two")
    await sim.send("three")
    seqs = [m["seq"] for m in await sim.messages()]
    assert seqs == sorted(seqs)
    assert [m["message"]["text"]["body"] for m in await sim.messages(after=seqs[0])] == ["two", "three"]
    first, second = await sim.ledger()
    assert await sim.ledger(first["seq"]) == [second]
    assert await sim.ledger(second["seq"]) == []


async def test_a_message_on_the_phone_has_exactly_these_fields(sim: Driver):
    await sim.write("Hi")
    _, answer = await sim.send("Hello", context={"message_id": "wamid.X"})
    message = (await sim.messages())[1]
    assert time.time() - message.pop("at") < 60
    assert message.pop("seq") > 0
    assert message == {
        "direction": "to_phone",
        "provider": "cloud",
        "channel": NUMBER,
        "message": {
            "id": answer["messages"][0]["id"],
            "type": "text",
            "text": {"body": "Hello"},
            "context": {"message_id": "wamid.X"},
        },
        "correlation": "ref Hello",
        "status": "delivered",
    }


async def test_any_text_passes_unchanged(sim: Driver, business: Business):
    text = "\u0000 \u202e 🙂 <b>"
    await sim.write(text)
    await business.wait_until(lambda b: b.calls)
    assert business.texts == [text]


async def test_other_kinds_pass_from_the_phone(sim: Driver, business: Business):
    location = {"type": "location", "location": {"latitude": 1.5, "longitude": 2.5}}
    await sim.expect("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER, "message": location})
    await business.wait_until(lambda b: b.calls)
    assert business.messages[0]["location"] == location["location"]


async def test_a_phone_cannot_forge_its_sender(sim: Driver, business: Business):
    message = {"type": "text", "text": {"body": "Hi"}, "from": BEN, "id": "wamid.mine"}
    answer = await sim.expect("POST", f"/_sim/phones/{ANA}/send", {"to": NUMBER, "message": message})
    await business.wait_until(lambda b: b.calls)
    assert (business.messages[0]["from"], business.messages[0]["id"]) == (ANA, answer["id"])


async def test_reading_tells_the_business_once(sim: Driver, business: Business):
    await sim.write("Hi")
    await sim.send("one")
    await sim.send("two")
    seqs = [m["seq"] for m in await sim.messages()]
    assert await sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": seqs[1]}) == {"read": 1}
    assert await sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": seqs[1]}) == {"read": 0}
    assert [m["status"] for m in await sim.messages()][1:] == ["read", "delivered"]
    await business.wait_until(lambda b: len(b.statuses) == 5)
    assert business.status_words.count("read") == 1


async def test_without_read_receipts_the_business_learns_nothing(sim: Driver, business: Business):
    await sim.expect("PUT", f"/_sim/phones/{ANA}", {"read_receipts": False})
    await sim.write("Hi")
    await sim.send()
    await sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 10**9})
    await sim.wait_for_statuses("delivered", "read")
    await sim.write("last")
    await business.wait_until(lambda b: "last" in b.texts and len(b.statuses) == 2)
    assert business.status_words == ["sent", "delivered"]


async def test_an_offline_phone_gets_its_messages_when_it_is_back(sim: Driver, business: Business):
    await sim.write("Hi")
    await sim.expect("PUT", f"/_sim/phones/{ANA}", {"online": False})
    await sim.send()
    await business.wait_until(lambda b: b.status_words == ["sent"])
    assert await sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 10**9}) == {"read": 0}
    await sim.expect("PUT", f"/_sim/phones/{ANA}", {"online": True})
    await business.wait_until(lambda b: b.status_words == ["sent", "delivered"])


async def test_the_clock_moves_timestamps(sim: Driver, business: Business):
    answer = await sim.expect("PUT", "/_sim/clock", {"offset_s": 1_000_000})
    assert abs(answer["now"] - time.time() - 1_000_000) < 60
    await sim.write("Hi")
    await business.wait_until(lambda b: b.calls)
    assert abs(int(business.messages[0]["timestamp"]) - time.time() - 1_000_000) < 60


async def test_the_clock_says_where_it_stands(sim: Driver):
    await sim.expect("PUT", "/_sim/clock", {"offset_s": 3600})
    clock = await sim.expect("GET", "/_sim/clock")
    assert clock["offset_s"] == 3600
    assert 3590 < clock["now"] - time.time() < 3610


async def test_reset_keeps_channels_and_nothing_else(sim: Driver):
    await sim.write("Hi", phone="491700000001")
    await sim.send(to="491700000001")
    await sim.put_faults({"do": "error"})
    await sim.expect("PUT", "/_sim/clock", {"offset_s": 1000})
    before = await sim.expect("GET", "/_sim/state")
    await sim.expect("POST", "/_sim/reset")
    after = await sim.expect("GET", "/_sim/state")
    assert after["channels"] == before["channels"]
    assert [phone["name"] for phone in after["phones"]] == ["Ana", "Ben"]
    assert await sim.messages("491700000001") == await sim.ledger() == await sim.expect("GET", "/_sim/faults") == []
    await sim.write("now")
    assert abs((await sim.messages())[0]["at"] - time.time()) < 60


@pytest.mark.parametrize(
    ("token", "answer"),
    [("verify", {"matched": True, "status": 200}), ("other", {"matched": False, "status": 403})],
)
async def test_a_handshake_says_whether_it_matched(sim: Driver, business: Business, token, answer):
    business.verify_token = token
    assert await sim.expect("POST", f"/_sim/channels/{NUMBER}/handshake") == answer


async def test_a_handshake_with_nobody_does_not_match(sim: Driver):
    await sim.put_channels("http://127.0.0.1:1/hook")
    answer = await sim.expect("POST", f"/_sim/channels/{NUMBER}/handshake")
    assert (answer["matched"], answer["status"]) == (False, None)


async def test_pages_that_watch_are_told(sim: Driver, business: Business):
    async with asyncio.timeout(5), sim.session.get("/_sim/events") as events:
        assert events.content_type == "text/event-stream"
        wamid = await sim.write("Hi")
        await sim.send("Hello")
        mark = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        mark["typing_indicator"] = {"type": "text"}
        await sim.send(**mark, to=None, type=None)
        seen: set[str] = set()
        while not seen >= {"sent", "Hello", "typing"}:
            line = (await events.content.readline()).decode()
            if line.startswith("event: typing"):
                seen.add("typing")
            for entry in json.loads(line[6:]) if line.startswith("data: [") else []:
                if entry["direction"] == "from_phone":
                    seen.add(entry["status"])
                else:
                    seen.add(entry["message"]["text"]["body"])
