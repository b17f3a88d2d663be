"""The Messages API, as its callers find it."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import encode_basic_auth as basic

from simulator.business import Business
from simulator.driver import ANA, BEN, NUMBER
from simulator.twilio_driver import ACCOUNT, MESSAGES, SERVICE, TOKEN, TwilioDriver, channel

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "twilio"


def fixture(name: str):
    return json.loads((FIXTURES / f"{name}.json").read_text())


async def test_an_accepted_message_has_the_shape_of_twilios(twilio: TwilioDriver):
    status, answer = await twilio.post(Body="Hello")
    known = fixture("responses/create_201_queued")
    assert status == 201
    assert answer.keys() == known.keys()
    changing = {"sid", "uri", "date_created", "date_updated", "subresource_uris", "account_sid"}
    assert {k: v for k, v in answer.items() if k not in changing} == {
        k: v for k, v in known.items() if k not in changing
    }
    assert answer["uri"] == f"{MESSAGES}/{answer['sid']}.json"


async def test_what_was_accepted_is_in_the_ledger_and_on_the_phone(twilio: TwilioDriver):
    sid = await twilio.accepted(Body="token-1", StatusCallback="http://127.0.0.1:1/hook?id=1")
    [row] = await twilio.ledger()
    assert (row["provider"], row["provider_id"], row["to"], row["body"]["Body"]) == ("twilio", sid, ANA, "token-1")
    last = (await twilio.messages())[-1]
    assert last["message"] == {"id": sid, "type": "text", "text": {"body": "token-1"}}


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"To": None}, 21604, 400),
        ({"To": "whatsapp:+1"}, 21211, 400),
        ({"To": "whatsapp:+abc"}, 21211, 400),
        ({"To": f"+{ANA}"}, 21612, 400),
        ({"To": f"whatsapp:+{NUMBER}"}, 63031, 400),
        ({"From": None}, 21603, 400),
        ({"From": "whatsapp:+0"}, 21212, 400),
        ({"From": "whatsapp:+15550109999"}, 63007, 400),
        ({"From": None, "MessagingServiceSid": SERVICE}, 21705, 400),
        ({"Body": None}, 21602, 400),
        ({"Body": "x" * 1601}, 21617, 400),
        ({"MediaUrl": "ftp://x/y"}, 21620, 400),
        ({"MediaUrl": ["http://x.invalid/1", "http://x.invalid/2"]}, 21623, 400),
        ({"StatusCallback": "no url"}, 21609, 400),
        ({"ContentVariables": '{"1": "x"}'}, 21654, 400),
        ({"ContentSid": "HX1"}, 21655, 400),
        ({"ContentSid": "HX" + "0" * 32}, 21655, 400),
        ({"ContentSid": "HX" + "0" * 32, "ContentVariables": "{1: x}"}, 21656, 400),
        ({"ContentSid": "HX" + "0" * 32, "ContentVariables": '{"1": 2}'}, 21656, 400),
        ({"ValidityPeriod": "40000"}, 21624, 400),
        ({"SendAt": "2026-01-02T03:04:05Z", "ScheduleType": "fixed"}, 35118, 400),
        ({"ScheduleType": "fixed", "MessagingServiceSid": SERVICE}, 35111, 400),
        ({"SendAt": "2026-01-02T03:04:05Z", "MessagingServiceSid": SERVICE}, 35126, 400),
        ({"SendAt": "2026-01-02T03:04:05Z", "ScheduleType": "fixed", "MessagingServiceSid": SERVICE}, 20422, 400),
    ],
)
async def test_a_wrong_send_is_refused_in_twilios_code(twilio: TwilioDriver, changes, code, status):
    given, answer = await twilio.post(**changes)
    assert (given, answer["code"], answer["status"]) == (status, code, status)
    assert answer["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert await twilio.ledger() == []


ERRORS = [path for path in sorted((FIXTURES / "errors").glob("*.json")) if path.stem != "html_502"]


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
async def test_errors_have_twilios_words(twilio: TwilioDriver, path):
    """By a fault, so that each can be had at will."""
    known = json.loads(path.read_text())
    do = "throttle" if known["status"] == 429 else "error"
    await twilio.put_faults({"do": do, "value": {"status": known["status"], "code": known["code"]}})
    assert await twilio.post() == (known["status"], known)


@pytest.mark.parametrize("auth", ["", "Bearer x", basic(ACCOUNT, "wrong"), basic("AC1", TOKEN), basic("", "")])
async def test_nobody_enters_without_the_token(twilio: TwilioDriver, auth):
    status, answer = await twilio.post(auth=auth)
    assert (status, answer["code"]) == (401, 20003)


async def test_an_api_key_enters_too(twilio: TwilioDriver, business: Business):
    keys = {"api_key_sid": "SK1", "api_key_secret": "secret", "messaging_service_sid": SERVICE}
    await twilio.expect("PUT", "/_sim/channels", [channel(business.url, **keys)])
    assert (await twilio.post(auth=basic("SK1", "secret")))[0] == 201


async def test_a_messaging_service_sends_by_its_number(twilio: TwilioDriver, business: Business):
    await twilio.expect("PUT", "/_sim/channels", [channel(business.url, messaging_service_sid=SERVICE)])
    status, answer = await twilio.post(From=None, MessagingServiceSid=SERVICE)
    known = fixture("responses/create_201_messaging_service_accepted")
    assert status == 201
    assert (answer["status"], answer["from"], answer["messaging_service_sid"]) == ("accepted", None, SERVICE)
    assert answer.keys() == known.keys()


async def test_a_business_scoped_id_is_a_recipient(twilio: TwilioDriver):
    await twilio.accepted(To=f"whatsapp:US.{ANA}", Body="by id")
    assert (await twilio.messages())[-1]["message"]["text"] == {"body": "by id"}


async def test_a_message_is_fetched_and_changed(twilio: TwilioDriver):
    sid = await twilio.accepted()
    status, answer = await twilio.ask("GET", f"{MESSAGES}/{sid}.json")
    assert (status, answer["status"], answer["body"]) == (200, "delivered", "Hello")
    assert answer.keys() == fixture("responses/fetch_200_delivered").keys()
    assert (await twilio.ask("POST", f"{MESSAGES}/{sid}.json", data={"Body": ""}))[1]["body"] == ""
    assert (await twilio.ask("POST", f"{MESSAGES}/{sid}.json", data={"Status": "canceled"}))[1]["code"] == 20409
    assert (await twilio.ask("DELETE", f"{MESSAGES}/{sid}.json"))[0] == 204
    assert (await twilio.ask("GET", f"{MESSAGES}/{sid}.json"))[1]["code"] == 20404


async def test_the_list_is_by_recipient_and_paged(twilio: TwilioDriver):
    sids = [await twilio.accepted(Body=str(i)) for i in range(5)]
    await twilio.accepted(To=f"whatsapp:+{BEN}", Body="to Ben")
    query = {"To": f"whatsapp:+{ANA}", "PageSize": "2"}
    status, page = await twilio.ask("GET", f"{MESSAGES}.json", params=query)
    assert status == 200
    assert page.keys() == fixture("responses/list_200").keys()
    found = [message["sid"] for message in page["messages"]]
    while page["next_page_uri"]:
        _, page = await twilio.ask("GET", page["next_page_uri"])
        found += [message["sid"] for message in page["messages"]]
    assert found == sids[::-1]


async def test_the_list_holds_what_failed_and_what_came_in(twilio: TwilioDriver):
    await twilio.accepted(To="whatsapp:+999123456789")
    _, page = await twilio.ask("GET", f"{MESSAGES}.json")
    told = [(message["direction"], message["status"], message["error_code"]) for message in page["messages"]]
    assert told == [("outbound-api", "undelivered", 63024), ("inbound", "received", None)]


async def test_the_list_knows_days(twilio: TwilioDriver):
    for query, count in (("DateSent=2001-01-01", 0), ("DateSent>=2001-01-01", 1), ("DateSent<=2001-01-01", 0)):
        _, page = await twilio.ask("GET", f"{MESSAGES}.json?{query.replace('>=', '%3E=').replace('<=', '%3C=')}")
        assert len(page["messages"]) == count, query


async def test_a_location_is_a_persistent_action(twilio: TwilioDriver):
    await twilio.accepted(Body="Example Cafe", PersistentAction="geo:37.4847,-122.1477|1 Example Street")
    assert (await twilio.messages())[-1]["message"]["location"] == {
        "latitude": 37.4847,
        "longitude": -122.1477,
        "name": "Example Cafe",
        "address": "1 Example Street",
    }


async def test_who_wrote_stop_gets_nothing_until_start(twilio: TwilioDriver):
    await twilio.write("Stop")
    assert (await twilio.post())[1]["code"] == 21610
    await twilio.write("start")
    assert (await twilio.post())[0] == 201


async def test_typing_marks_as_read(twilio: TwilioDriver):
    sid = await twilio.write("Are you there?")
    assert await twilio.ask("POST", "/v2/Indicators/Typing.json", data={"messageId": sid, "channel": "whatsapp"}) == (
        200,
        {"success": True},
    )
    assert (await twilio.messages())[-1]["status"] == "read"
    assert [row["operation"] for row in await twilio.ledger()] == ["typing"]
    given = {"messageId": "SM0", "channel": "whatsapp"}
    assert (await twilio.ask("POST", "/v3/Indicators/Typing.json", body=given))[0] == 404


async def test_the_account_and_its_senders(twilio: TwilioDriver, business: Business):
    assert (await twilio.ask("GET", f"/2010-04-01/Accounts/{ACCOUNT}.json"))[1]["status"] == "active"
    assert (await twilio.ask("GET", "/2010-04-01/Accounts/AC1.json"))[1]["code"] == 20404
    _, page = await twilio.ask("GET", "/v2/Channels/Senders?Channel=whatsapp")
    [sender] = page["senders"]
    assert (sender["sender_id"], sender["webhook"]["callback_url"]) == (f"whatsapp:+{NUMBER}", business.url)
    changed = {"webhook": {"callback_url": f"{business.url}/other?a=b", "status_callback_url": f"{business.url}/all"}}
    status, answer = await twilio.ask("POST", f"/v2/Channels/Senders/{sender['sid']}", body=changed)
    assert (status, answer["webhook"]["callback_url"]) == (202, f"{business.url}/other?a=b")
    await twilio.write("to the new address")
    await twilio.accepted()
    await business.wait_until(lambda b: len(b.calls) == 4)
    assert business.urls == [f"{business.url}/other?a=b"] + [f"{business.url}/all"] * 3


async def test_a_message_accepted_before_a_cut_is_in_the_list(twilio: TwilioDriver):
    await twilio.put_faults({"do": "accept_then_reset", "match": {"operation": "send"}})
    with pytest.raises(aiohttp.ClientError):
        await twilio.post(Body="cut")
    _, page = await twilio.ask("GET", f"{MESSAGES}.json", params={"To": f"whatsapp:+{ANA}"})
    assert [message["body"] for message in page["messages"]] == ["cut"]


async def test_statuses_may_come_before_the_answer(twilio: TwilioDriver, business: Business):
    await twilio.put_faults({"do": "status_before_answer", "match": {"provider": "twilio"}})
    await twilio.accepted(StatusCallback=f"{business.url}?id=7")
    assert [form["MessageStatus"] for form in business.forms] == ["queued", "sent", "delivered"]


async def test_many_at_once_are_each_accepted_once(twilio: TwilioDriver):
    sids = await asyncio.gather(*(twilio.accepted(Body=f"{i}") for i in range(50)))
    assert len(set(sids)) == 50
    assert {row["provider_id"] for row in await twilio.ledger()} == set(sids)
