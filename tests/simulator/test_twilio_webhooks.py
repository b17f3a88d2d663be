"""What Twilio tells a business: forms, signed over the URL that is called."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from hailgate.simulator.twilio.wire import sign
from simulator.business import Business
from simulator.driver import ANA, NUMBER
from simulator.twilio_driver import AUTH, MESSAGES, SERVICE, TOKEN, TwilioDriver, channel

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "twilio"
PNG = b"\x89PNG\r\n\x1a\n the bytes of a picture"
QUOTE = {"message_id": "SM0000000000000000f1c0000000000004"}
PLACE = {"latitude": 37.4847, "longitude": -122.1477, "name": "Example Cafe", "address": "1 Example Street"}
BUTTON = {"payload": "confirm-42", "text": "Confirm"}
FORM = {"type": "nfm_reply", "nfm_reply": {"response_json": '{"rating":"4"}'}}
ROW = {"type": "list_reply", "list_reply": {"id": "slot-0900", "title": "09:00"}}
AD = {
    "body": "Spring sale",
    "headline": "Chat with us",
    "source_id": "120200000000000001",
    "source_type": "ad",
    "source_url": "https://fb.me/fixture",
    "ctwa_clid": "CLICK",
}
TEXT = {"type": "text", "text": {"body": "Hello"}}
CARD = [{"name": {"formatted_name": "Ben Example"}, "phones": [{"phone": "+15550100055"}]}]


def keys_of(name: str) -> set[str]:
    return set(json.loads((FIXTURES / "webhooks" / f"{name}.json").read_text()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inbound_text", TEXT),
        ("inbound_text_reply", {**TEXT, "context": QUOTE}),
        ("inbound_text_forwarded", {**TEXT, "context": {"forwarded": True}}),
        ("inbound_text_frequently_forwarded", {**TEXT, "context": {"frequently_forwarded": True}}),
        ("inbound_text_from_ad", {**TEXT, "referral": AD}),
        ("inbound_location_place", {"type": "location", "location": PLACE}),
        ("inbound_location_pin", {"type": "location", "location": {"latitude": 1.5, "longitude": 2.5}}),
        ("inbound_template_quick_reply", {"type": "button", "button": BUTTON, "context": QUOTE}),
        ("inbound_list_reply_unverified", {"type": "interactive", "interactive": ROW, "context": QUOTE}),
        ("inbound_flow_reply_unverified", {"type": "interactive", "interactive": FORM}),
        ("inbound_vcard", {"type": "contacts", "contacts": CARD}),
        ("inbound_stop", {"type": "text", "text": {"body": "STOP"}}),
    ],
)
async def test_inbound_webhooks_have_the_parameters_of_twilios(
    twilio: TwilioDriver,
    business: Business,
    name,
    message,
):
    await twilio.write_message(message)
    await business.wait_until(lambda b: b.calls)
    assert set(business.forms[0]) == keys_of(name)


@pytest.mark.parametrize(
    ("name", "mime_type", "body"),
    [
        ("inbound_image", "image/jpeg", "A caption"),
        ("inbound_video", "video/mp4", "A caption"),
        ("inbound_audio_voice", "audio/ogg", ""),
        ("inbound_sticker", "image/webp", ""),
        ("inbound_document", "application/pdf", "invoice 42.pdf"),
    ],
)
async def test_a_file_is_fetched_with_credentials_and_a_redirect(
    twilio: TwilioDriver,
    business: Business,
    name,
    mime_type,
    body,
):
    kind = name.split("_")[1]
    file = await twilio.put_file(PNG, mime_type, filename="invoice%2042.pdf")
    caption = {"caption": "A caption"} if kind in {"image", "video"} else {}
    await twilio.write_message({"type": kind, kind: {"id": file, **caption}})
    await business.wait_until(lambda b: b.calls)
    [form] = business.forms
    assert set(form) == keys_of(name)
    assert (form["MessageType"], form["MediaContentType0"], form["Body"]) == (kind, mime_type, body)
    assert form["MessageSid"].startswith("MM")
    path = form["MediaUrl0"].removeprefix(twilio.url)
    assert (await twilio.call("GET", path))[0] == 401
    status, _ = await twilio.ask("GET", path, allow_redirects=False)
    assert status == 307
    async with twilio.session.get(path, headers={"authorization": AUTH}) as answer:
        assert (answer.status, await answer.read(), answer.content_type) == (200, PNG, mime_type)


async def test_media_can_be_listed_and_erased(twilio: TwilioDriver, business: Business):
    file = await twilio.put_file(PNG, "image/png")
    sid = await twilio.write_message({"type": "image", "image": {"id": file}})
    _, page = await twilio.ask("GET", f"{MESSAGES}/{sid}/Media.json")
    assert page.keys() == json.loads((FIXTURES / "responses" / "media_list_200.json").read_text()).keys()
    [medium] = page["media_list"]
    assert (await twilio.ask("GET", medium["uri"]))[1] == medium
    path = f"{MESSAGES}/{sid}/Media/{medium['sid']}"
    assert (await twilio.ask("DELETE", f"{path}.json"))[0] == 204
    assert (await twilio.ask("GET", path))[0] == 404


async def test_who_hides_the_number_is_a_business_scoped_id(twilio: TwilioDriver, business: Business):
    await twilio.expect("PUT", f"/_sim/phones/{ANA}", {"hides_number": True})
    await twilio.write("Hi")
    await business.wait_until(lambda b: b.calls)
    [form] = business.forms
    assert set(form) == keys_of("inbound_bsuid_only_unverified")
    assert form["From"] == form["ExternalUserId"] == f"whatsapp:US.{ANA}"
    assert (await twilio.post(To=form["From"]))[0] == 201


async def test_a_number_in_a_messaging_service_says_so(twilio: TwilioDriver, business: Business):
    await twilio.expect("PUT", "/_sim/channels", [channel(business.url, messaging_service_sid=SERVICE)])
    await twilio.write("Hi")
    await business.wait_until(lambda b: b.calls)
    assert set(business.forms[0]) == keys_of("inbound_text_messaging_service")
    await twilio.accepted(From=None, MessagingServiceSid=SERVICE, StatusCallback=f"{business.url}?i=1")
    await business.wait_until(lambda b: len(b.calls) == 4)
    assert set(business.forms[-1]) == keys_of("status_delivered_messaging_service")


async def test_a_messaging_service_follows_words_of_its_own_and_says_so(twilio: TwilioDriver, business: Business):
    await twilio.expect("PUT", "/_sim/channels", [channel(business.url, messaging_service_sid=SERVICE)])
    answers = []
    for place, word in enumerate(("Hi", "Chega", "Ajuda", "Volta"), 1):
        await twilio.write(word)
        await business.wait_until(lambda b, count=place: len(b.calls) == count)
        answers.append((await twilio.post(From=None, MessagingServiceSid=SERVICE))[1].get("code"))
    assert [form.get("OptOutType") for form in business.forms] == [None, "STOP", "HELP", "START"]
    assert answers == [None, 21610, 21610, None]


@pytest.mark.parametrize("kind", ["reaction", "edit", "revoke", "unsupported"])
async def test_what_twilio_tells_nobody_makes_no_webhook(twilio: TwilioDriver, business: Business, kind):
    content = {
        "reaction": {"message_id": "SM1", "emoji": "👍"},
        "edit": {"original_message_id": "SM1", "message": {"type": "text"}},
        "revoke": {"original_message_id": "SM1"},
        "unsupported": {},
    }[kind]
    await twilio.write_message({"type": kind, kind: content})
    await twilio.write("after it")
    await business.wait_until(lambda b: b.calls)
    assert [form["Body"] for form in business.forms] == ["after it"]


async def test_there_are_no_groups(twilio: TwilioDriver):
    order = {"to": NUMBER, "message": {**TEXT, "group_id": "g"}}
    status, problem = await twilio.call("POST", f"/_sim/phones/{ANA}/send", order)
    assert (status, problem["detail"]) == (422, "`message.group_id`: Twilio has no groups.")


async def test_statuses_go_to_the_callback_byte_for_byte(twilio: TwilioDriver, business: Business):
    callback = f"{business.url}/s?id=a%2Fb%20c+d&x=%C3%A9&&empty="
    sid = await twilio.accepted(StatusCallback=callback)
    await business.wait_until(lambda b: len(b.calls) == 3)
    await twilio.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 99})
    await business.wait_until(lambda b: len(b.calls) == 4)
    assert business.urls == [callback] * 4
    assert [form["MessageStatus"] for form in business.forms] == ["queued", "sent", "delivered", "read"]
    assert {form["MessageSid"] for form in business.forms} == {sid}
    for form in business.forms:
        assert set(form) == keys_of(f"status_{form['MessageStatus']}")


async def test_without_a_callback_nothing_is_told(twilio: TwilioDriver, business: Business):
    await twilio.accepted()
    await twilio.write("after it")
    await business.wait_until(lambda b: b.calls)
    assert [form["SmsStatus"] for form in business.forms] == ["received"]


async def test_a_signature_covers_url_and_form(twilio: TwilioDriver, business: Business):
    await twilio.accepted(StatusCallback=f"{business.url}?id=Ol%C3%A1")
    await business.wait_until(lambda b: len(b.calls) == 3)
    for url, (headers, body) in zip(business.urls, business.calls, strict=True):
        pairs = parse_qsl(body.decode(), keep_blank_values=True)
        told = url + "".join(name + value for name, value in sorted(pairs))
        digest = hmac.new(TOKEN.encode(), told.encode(), hashlib.sha1).digest()
        assert headers["X-Twilio-Signature"] == base64.b64encode(digest).decode()
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"


VECTORS = json.loads((FIXTURES / "signature_vectors.json").read_text())["vectors"]


SIGNED_AS_SEEN = [
    vector
    for vector in VECTORS
    if vector["params"] and vector["valid"] and set(vector["headers"]) == {"X-Twilio-Signature"}
    if "port" not in vector["name"]  # where Twilio and we see different URLs
]


@pytest.mark.parametrize("vector", SIGNED_AS_SEEN, ids=lambda vector: vector["name"])
def test_signatures_are_those_of_the_vectors(vector):
    params = vector["params"].items()
    pairs = [(name, v) for name, value in params for v in (value if isinstance(value, list) else [value])]
    assert sign(vector["secret"], vector["url_seen_by_gateway"], pairs) == vector["headers"]["X-Twilio-Signature"]


async def test_a_webhook_that_fails_is_lost(twilio: TwilioDriver, business: Business):
    business.answers = [500]
    await twilio.write("lost")
    await twilio.write("heard")
    await business.wait_until(lambda b: b.calls)
    assert ([form["Body"] for form in business.forms], business.refused) == (["heard"], 1)


async def test_unless_its_address_asks_for_more(twilio: TwilioDriver, business: Business):
    await twilio.expect("PUT", "/_sim/channels", [channel(f"{business.url}?a=b#rc=2&rp=all")])
    business.answers = [500, 500]
    await twilio.write("heard")
    await business.wait_until(lambda b: b.calls)
    assert business.urls == [f"{business.url}?a=b"]
    business.answers = [500, 500, 500]
    await twilio.write("lost")
    await twilio.write("heard too")
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert [form["Body"] for form in business.forms] == ["heard", "heard too"]


@pytest.mark.parametrize(
    ("to", "code", "word"),
    [("999123456789", "63024", "undelivered"), ("15550100055", "63016", "undelivered")],
)
async def test_some_fail_after_they_were_accepted(twilio: TwilioDriver, business: Business, to, code, word):
    await twilio.accepted(To=f"whatsapp:+{to}", StatusCallback=business.url)
    await business.wait_until(lambda b: b.calls)
    [form] = business.forms
    assert (form["MessageStatus"], form["ErrorCode"]) == (word, code)
    assert set(form) == keys_of(f"status_undelivered_{code}")


async def test_the_window_closes_after_a_day(twilio: TwilioDriver, business: Business):
    await twilio.expect("PUT", "/_sim/clock", {"offset_s": 86_401})
    await twilio.accepted(StatusCallback=business.url)
    await business.wait_until(lambda b: b.calls)
    assert business.forms[0]["ErrorCode"] == "63016"


async def test_what_people_write_can_be_lost_or_come_twice(twilio: TwilioDriver, business: Business):
    await twilio.put_faults({"do": "lose_inbound", "match": {"operation": "inbound", "nth": 2}})
    for text in ("one", "two", "three"):
        await twilio.write(text)
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert [form["Body"] for form in business.forms] == ["one", "three"]
    await twilio.put_faults({"do": "duplicate_inbound", "value": 3})
    await twilio.write("thrice")
    await business.wait_until(lambda b: len(b.calls) == 5)
    assert len({form["MessageSid"] for form in business.forms[2:]}) == 1
    _, page = await twilio.ask("GET", f"{MESSAGES}.json", params={"From": f"whatsapp:+{ANA}"})
    assert [m["body"] for m in page["messages"]] == ["thrice", "three", "two", "one", "Hi"]
