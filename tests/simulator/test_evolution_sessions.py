"""Instances of Evolution API: paired by a code, cut off, logged out, made and deleted."""

import json
from pathlib import Path

import pytest

from hailgate.simulator.evolution.provider import MAX_CODES
from hailgate.simulator.server import Settings, running
from simulator.business import Business
from simulator.conftest import QUICK
from simulator.driver import ANA, NUMBER
from simulator.session_driver import INSTANCE, EvolutionDriver, events, evolution_channel

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "evolution"
SESSION_EVENTS = ("connection.update", "qrcode.updated", "status.instance", "logout.instance", "remove.instance")


def fixture(name: str):
    return json.loads((FIXTURES / f"{name}.json").read_text())


async def begin(evolution: EvolutionDriver, business: Business, starts: str) -> None:
    await evolution.expect("PUT", "/_sim/channels", [])
    await evolution.expect("POST", "/_sim/reset")
    await evolution.expect("PUT", "/_sim/channels", [evolution_channel(business.url, starts=starts)])


async def state(evolution: EvolutionDriver) -> str:
    return (await evolution.ask("GET", f"/instance/connectionState/{INSTANCE}"))[1]["instance"]["state"]


async def test_a_phone_is_paired_by_a_code(evolution: EvolutionDriver, business: Business):
    await begin(evolution, business, "unpaired")
    assert await state(evolution) == "close"
    assert (await evolution.post("sendText", text="x"))[0] == 500
    status, shown = await evolution.ask("GET", f"/instance/connect/{INSTANCE}")
    assert (status, shown.keys()) == (200, fixture("responses/connect_qr")["body"].keys())
    assert shown["code"].startswith("2@")
    assert shown["base64"].startswith("data:image/png;base64,")
    assert await state(evolution) == "connecting"
    assert (await evolution.find_session())["qr"] == shown["code"]
    async with evolution.session.get(f"/_sim/channels/{NUMBER}/qr.svg") as picture:
        assert picture.content_type == "image/svg+xml"
    assert (await evolution.scan())[1]["state"] == "open"
    assert await state(evolution) == "open"
    await business.wait_until(lambda b: len(b.calls) == 3)
    told = events(business, *SESSION_EVENTS)
    assert [event["event"] for event in told] == ["connection.update", "qrcode.updated", "connection.update"]
    assert told[1]["data"].keys() == fixture("webhooks/qrcode_updated")["data"].keys()
    assert told[2]["data"].keys() == fixture("webhooks/connection_update_open")["data"].keys()
    await evolution.accepted(text="now")
    assert (await evolution.ask("GET", f"/instance/connect/{INSTANCE}"))[1] == {
        "instance": {"instanceName": INSTANCE, "state": "open"}
    }


async def test_a_pairing_code_is_the_other_way(evolution: EvolutionDriver, business: Business):
    await begin(evolution, business, "unpaired")
    _, shown = await evolution.ask("GET", f"/instance/connect/{INSTANCE}?number={NUMBER}")
    assert len(shown["pairingCode"]) == 8
    assert (await evolution.scan(code="WRONG123"))[0] == 409
    assert (await evolution.scan(code=shown["pairingCode"]))[1]["paired_as"] == NUMBER


async def test_another_phone_may_scan(evolution: EvolutionDriver, business: Business):
    await begin(evolution, business, "unpaired")
    await evolution.ask("GET", f"/instance/connect/{INSTANCE}")
    assert (await evolution.scan(phone="15550109999"))[1]["paired_as"] == "15550109999"
    await business.wait_until(lambda b: len(b.calls) == 3)
    assert events(business)[-1]["data"]["wuid"] == "15550109999@s.whatsapp.net"


async def test_nothing_is_scanned_where_no_code_is_shown(evolution: EvolutionDriver):
    assert (await evolution.scan())[0] == 409


async def test_a_code_gives_way_to_the_next_up_to_a_limit(evolution: EvolutionDriver, business: Business, monkeypatch):
    monkeypatch.setattr("hailgate.simulator.evolution.provider.Evolution.code_life_s", 0.01)
    await begin(evolution, business, "unpaired")
    await evolution.ask("GET", f"/instance/connect/{INSTANCE}")
    await evolution.wait_for_state("closed")
    await business.wait_until(lambda b: len(b.calls) == 2 * MAX_CODES + 2)
    limit, refused = events(business)[-2:]
    assert limit["data"] == fixture("webhooks/qrcode_limit")["data"]
    assert refused["data"] == {**fixture("webhooks/connection_update_refused_qr_limit")["data"], "instance": INSTANCE}
    codes = [event["data"]["qrcode"]["code"] for event in events(business, "qrcode.updated")[:-1]]
    assert len(set(codes)) == MAX_CODES


async def test_what_is_written_while_cut_off_comes_later(evolution: EvolutionDriver, business: Business):
    await evolution.expect("POST", f"/_sim/channels/{NUMBER}/drop", {"seconds": 0.2})
    await evolution.write("while away")
    await evolution.wait_for_state("open")
    await business.wait_until(lambda b: events(b, "messages.upsert"))
    states = [event["data"]["state"] for event in events(business, "connection.update")]
    assert states == ["close", "connecting", "open"]


async def test_a_call_can_lose_the_session(evolution: EvolutionDriver):
    await evolution.put_faults({"do": "drop_session", "value": 0.05, "match": {"operation": "send", "nth": 2}})
    await evolution.accepted(text="one")
    assert (await evolution.post("sendText", text="two"))[1]["response"]["message"] == "Connection Closed"
    await evolution.wait_for_state("open")
    await evolution.accepted(text="three")
    assert [row["body"]["text"] for row in await evolution.ledger()] == ["one", "three"]


async def test_a_phone_that_is_unlinked(evolution: EvolutionDriver, business: Business):
    await evolution.expect("POST", f"/_sim/channels/{NUMBER}/unlink", {})
    await business.wait_until(lambda b: len(b.calls) == 3)
    close, status, logout = events(business)
    assert close["data"] == {**fixture("webhooks/connection_update_close_logged_out")["data"], "instance": INSTANCE}
    assert status["data"].keys() == fixture("webhooks/status_instance_closed")["data"].keys() - {"disconnectionAt"}
    assert (logout["event"], logout["data"]) == ("logout.instance", None)
    assert await state(evolution) == "close"
    assert (await evolution.chat("whatsappNumbers", {"numbers": [ANA]}))[1]["output"]["statusCode"] == 428
    await evolution.write("nobody hears")
    assert (await evolution.call("POST", f"/_sim/channels/{NUMBER}/unlink", {}))[0] == 409


async def test_instances_are_made_and_deleted(evolution: EvolutionDriver, business: Business):
    await begin(evolution, business, "absent")
    assert (await evolution.ask("GET", f"/instance/connectionState/{INSTANCE}"))[0] == 404
    order = fixture("requests/instance_create")["body"]
    order["webhook"]["url"] = f"{business.url}/made"
    status, answer = await evolution.ask("POST", "/instance/create", order)
    known = fixture("responses/instance_create")["body"]
    assert (status, answer.keys()) == (201, known.keys())
    assert answer["instance"].keys() == known["instance"].keys()
    assert isinstance(answer["hash"], str)
    assert answer["qrcode"]["count"] == 1
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert set(business.urls) == {f"{business.url}/made"}
    assert (await evolution.ask("POST", "/instance/create", order))[1] == fixture("errors/403_name_in_use")["body"]
    await evolution.scan()
    status, answer = await evolution.ask("DELETE", f"/instance/delete/{INSTANCE}")
    assert (status, answer) == (200, fixture("responses/delete")["body"])
    assert (await evolution.ask("GET", f"/instance/connectionState/{INSTANCE}"))[0] == 404


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"instanceName": INSTANCE}, ["Invalid integration"]),
        ({"instanceName": "x", "integration": "WHATSAPP-BAILEYS"}, None),
    ],
)
async def test_a_wrong_creation_is_refused(evolution: EvolutionDriver, order, message):
    status, answer = await evolution.ask("POST", "/instance/create", order)
    assert status == 400
    assert message is None or answer["response"]["message"] == message


async def test_logout_restart_and_settings(evolution: EvolutionDriver):
    assert (await evolution.ask("POST", f"/instance/restart/{INSTANCE}"))[1]["instance"]["state"] == "open"
    assert await evolution.ask("POST", f"/settings/set/{INSTANCE}", {"readMessages": True, "x": 1}) == (
        201,
        {**(await evolution.ask("GET", f"/settings/find/{INSTANCE}"))[1], "readMessages": True},
    )
    assert await evolution.ask("DELETE", f"/instance/logout/{INSTANCE}") == (200, fixture("responses/logout")["body"])
    status, answer = await evolution.ask("DELETE", f"/instance/logout/{INSTANCE}")
    assert (status, answer["response"]["message"]) == (400, [f'The "{INSTANCE}" instance is not connected'])
    assert await evolution.ask("POST", f"/instance/restart/{INSTANCE}") == (
        200,
        {"error": True, "message": "[object Object]"},
    )


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"enabled": True, "url": "http://x"}, 400, [['instance requires property "webhook"']]),
        ({"webhook": {"url": "no"}}, 500, "Cannot read properties of undefined (reading 'length')"),
        ({"webhook": {"enabled": True, "url": "no", "events": []}}, 400, ['Invalid "url" property']),
    ],
)
async def test_a_wrong_webhook_is_refused(evolution: EvolutionDriver, body, status, message):
    given, answer = await evolution.ask("POST", f"/webhook/set/{INSTANCE}", body)
    assert (given, answer["response"]["message"]) == (status, message)


async def test_a_session_outlives_a_restart(tmp_path, business: Business):
    settings = Settings(home=tmp_path, port=0, retries=QUICK)
    async with running(settings) as url, EvolutionDriver(url) as driver:
        await driver.expect("PUT", "/_sim/channels", [evolution_channel(business.url, starts="unpaired")])
        await driver.ask("GET", f"/instance/connect/{INSTANCE}")
        await driver.scan()
        await driver.set_webhook(f"{business.url}/kept")
        await driver.expect("POST", f"/_sim/channels/{NUMBER}/drop", {})
    async with running(settings) as url, EvolutionDriver(url) as driver:
        assert (await driver.find_session())["state"] == "open"
        await driver.write("Hi")
        await business.wait_until(lambda b: events(b, "messages.upsert"))
        assert f"{business.url}/kept" in business.urls


async def test_others_have_no_sessions(sim):
    assert (await sim.call("POST", f"/_sim/channels/{NUMBER}/scan", {}))[0] == 409
    assert (await sim.call("POST", "/_sim/channels/15550109999/scan", {}))[0] == 404
    assert await sim.expect("GET", "/_sim/sessions") == []
    order = {"to": ANA, "message": {"type": "text", "text": {"body": "x"}}}
    status, problem = await sim.call("POST", f"/_sim/channels/{NUMBER}/send", order)
    assert (status, problem["detail"]) == (422, "At cloud there is no phone of the business's to type on.")
