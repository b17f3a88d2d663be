"""Media by address, and content templates."""

import asyncio

import pytest

from hailgate.simulator.server import Settings, running
from hailgate.simulator.twilio.contents import REVIEW_S
from simulator.business import Business
from simulator.conftest import QUICK
from simulator.driver import ANA, BEN
from simulator.twilio_driver import MESSAGES, TwilioDriver, channel

pytestmark = pytest.mark.anyio

MB = 1024 * 1024
BUTTONS = {
    "twilio/quick-reply": {
        "body": "Hello {{1}}, shall we?",
        "actions": [{"title": "Yes", "id": "yes"}, {"title": "No", "id": "no"}],
    }
}
LIST = {
    "twilio/list-picker": {
        "body": "Choose",
        "button": "Times",
        "items": [{"item": "09:00", "id": "slot-0900", "description": "early"}, {"item": "10:00", "id": "slot-1000"}],
    }
}


async def fate(driver: TwilioDriver, sid: str) -> dict:
    """The message once it is no longer queued."""
    async with asyncio.timeout(20):
        while (found := (await driver.ask("GET", f"{MESSAGES}/{sid}.json"))[1])["status"] == "queued":
            await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize(
    ("mime_type", "kind", "shown"),
    [
        ("image/png", "image", {"caption": "Look"}),
        ("image/webp", "sticker", {}),
        ("video/mp4", "video", {"caption": "Look"}),
        ("audio/ogg", "audio", {"voice": True}),
        ("audio/mpeg", "audio", {}),
        ("application/pdf", "document", {"caption": "Look", "filename": "a file.pdf"}),
    ],
)
async def test_media_is_really_fetched(twilio: TwilioDriver, business: Business, mime_type, kind, shown):
    business.files["a file.pdf"] = (mime_type, b"its bytes")
    sid = await twilio.accepted(Body="Look", MediaUrl=business.file_url("a%20file.pdf"), StatusCallback=business.url)
    await business.wait_until(lambda b: len(b.calls) == 3)
    assert business.fetches == [("HEAD", "a file.pdf"), ("GET", "a file.pdf")]
    message = (await twilio.messages())[-1]["message"]
    assert message["type"] == kind
    medium = message[kind]
    assert {name: medium[name] for name in ("caption", "voice", "filename") if name in medium} == shown
    async with twilio.session.get(f"/_sim/files/{medium['id']}") as answer:
        assert await answer.read() == b"its bytes"
    assert sid.startswith("MM")
    assert (await fate(twilio, sid))["num_media"] == "1"


@pytest.mark.parametrize(
    ("name", "file", "code"),
    [
        ("missing", None, 63019),
        ("empty", ("image/png", b""), 63019),
        ("large", ("image/png", bytes(5 * MB + 1)), 63034),
        ("larger", ("video/mp4", bytes(16 * MB + 1)), 63034),
    ],
)
async def test_media_that_cannot_be_had_fails_later(twilio: TwilioDriver, business: Business, name, file, code):
    if file:
        business.files[name] = file
    sid = await twilio.accepted(Body=None, MediaUrl=business.file_url(name), StatusCallback=business.url)
    found = await fate(twilio, sid)
    assert (found["status"], found["error_code"]) == ("failed", code)
    await business.wait_until(lambda b: b.calls)
    assert [(form["MessageStatus"], form["ErrorCode"]) for form in business.forms] == [("failed", str(code))]
    assert len(await twilio.messages()) == 1


async def test_an_image_may_have_five_megabytes(twilio: TwilioDriver, business: Business):
    business.files["image"] = ("image/png", bytes(5 * MB))
    assert (await fate(twilio, await twilio.accepted(MediaUrl=business.file_url("image"))))["status"] == "delivered"


async def test_media_is_fetched_after_a_restart(tmp_path, business: Business):
    """The answer is out, the file is not fetched yet: the next process does it."""
    business.files["image"] = ("image/png", b"bytes")
    settings = Settings(home=tmp_path, port=0, retries=QUICK, window_s=None)
    async with running(settings) as url, TwilioDriver(url) as driver:
        await driver.expect("PUT", "/_sim/channels", [channel(business.url)])
        business.hold_files.clear()
        sid = await driver.accepted(MediaUrl=business.file_url("image"), StatusCallback=business.url)
    business.hold_files.set()
    async with running(settings) as url, TwilioDriver(url) as driver:
        assert (await fate(driver, sid))["status"] == "delivered"
        await business.wait_until(lambda b: len(b.calls) == 3)
        assert len(await driver.ledger()) == 1


async def test_buttons_in_an_open_conversation(twilio: TwilioDriver):
    sid = await twilio.create(BUTTONS)
    await twilio.accepted(Body=None, ContentSid=sid, ContentVariables='{"1": "Ana"}')
    interactive = (await twilio.messages())[-1]["message"]["interactive"]
    assert (interactive["type"], interactive["body"]) == ("button", {"text": "Hello Ana, shall we?"})
    assert [b["reply"] for b in interactive["action"]["buttons"]] == [
        {"id": "yes", "title": "Yes"},
        {"id": "no", "title": "No"},
    ]


async def test_a_list_in_an_open_conversation(twilio: TwilioDriver):
    await twilio.accepted(Body=None, ContentSid=await twilio.create(LIST))
    action = (await twilio.messages())[-1]["message"]["interactive"]["action"]
    assert (action["button"], [row["id"] for row in action["sections"][0]["rows"]]) == (
        "Times",
        ["slot-0900", "slot-1000"],
    )


async def test_what_is_not_approved_opens_no_conversation(twilio: TwilioDriver, business: Business):
    sid = await twilio.create(BUTTONS)
    changes = {"Body": None, "ContentSid": sid, "ContentVariables": '{"1": "Ben"}', "To": f"whatsapp:+{BEN}"}
    assert (await fate(twilio, await twilio.accepted(**changes)))["error_code"] == 63016
    asked = {"name": "shall_we", "category": "UTILITY"}
    path = f"/v1/Content/{sid}/ApprovalRequests"
    status, answer = await twilio.ask("POST", f"{path}/whatsapp", body=asked)
    assert (status, answer["status"]) == (201, "received")
    await twilio.expect("PUT", "/_sim/clock", {"offset_s": REVIEW_S})
    assert (await twilio.ask("GET", path))[1]["whatsapp"]["status"] == "approved"
    assert (await fate(twilio, await twilio.accepted(**changes)))["status"] == "delivered"
    message = (await twilio.messages(BEN))[-1]["message"]
    assert (message["type"], message["shown"]["body"]) == ("template", "Hello Ben, shall we?")
    assert [button["payload"] for button in message["shown"]["buttons"]] == ["yes", "no"]


async def test_variables_that_touch_are_rejected(twilio: TwilioDriver):
    sid = await twilio.create({"twilio/text": {"body": "{{1}}{{2}}"}})
    await twilio.ask("POST", f"/v1/Content/{sid}/ApprovalRequests/whatsapp", body={"name": "n", "category": "UTILITY"})
    await twilio.expect("PUT", "/_sim/clock", {"offset_s": REVIEW_S})
    _, page = await twilio.ask("GET", "/v1/ContentAndApprovals")
    assert [c["approval_requests"]["status"] for c in page["contents"] if c["sid"] == sid] == ["rejected"]


async def test_a_missing_variable_fails_later(twilio: TwilioDriver):
    sid = await twilio.create(BUTTONS)
    assert (await fate(twilio, await twilio.accepted(Body=None, ContentSid=sid)))["error_code"] == 63028


async def test_contents_are_listed_in_pages_and_deleted(twilio: TwilioDriver):
    _, page = await twilio.ask("GET", "/v1/Content?PageSize=2")
    assert len(page["contents"]) == 2
    assert page["meta"]["next_page_url"].endswith("PageSize=2&Page=1")
    sid = page["contents"][0]["sid"]
    assert (await twilio.ask("GET", f"/v1/Content/{sid}"))[0] == 200
    assert (await twilio.ask("DELETE", f"/v1/Content/{sid}"))[0] == 204
    assert (await twilio.ask("GET", f"/v1/Content/{sid}"))[1]["code"] == 20404


@pytest.mark.parametrize(
    "types",
    [
        {},
        {"text": {"body": "x"}},
        {"twilio/text": {}},
        {"twilio/text": {"body": "x" * 1601}},
        {"twilio/quick-reply": {"body": "x", "actions": []}},
        {"twilio/call-to-action": {"body": "x", "actions": [{"type": "URL", "title": "{{1}}", "url": "https://a.de"}]}},
        {"twilio/call-to-action": {"body": "x", "actions": [{"type": "URL", "title": "x", "url": "{{1}}"}]}},
        {"twilio/quick-reply": {"body": "x", "actions": [{"title": "x" * 26}]}},
        {"twilio/list-picker": {"body": "x", "button": "b", "items": [{"item": "x" * 25, "id": "1"}]}},
    ],
)
async def test_a_wrong_content_is_refused(twilio: TwilioDriver, types):
    status, answer = await twilio.ask("POST", "/v1/Content", body={"language": "en", "types": types})
    assert (status, answer["code"]) == (400, 20422)


async def test_every_account_begins_with_approved_contents(twilio: TwilioDriver):
    _, page = await twilio.ask("GET", "/v1/ContentAndApprovals")
    assert {c["friendly_name"]: c["approval_requests"]["status"] for c in page["contents"]} == {
        "order_update": "approved",
        "appointment_reminder": "approved",
        "spring_sale": "approved",
    }
    sid = page["contents"][0]["sid"]
    await twilio.accepted(Body=None, ContentSid=sid, ContentVariables='{"1": "7"}', To=f"whatsapp:+{BEN}")
    assert (await twilio.messages(BEN))[-1]["message"]["shown"]["body"] == "Order 7 is shipped."
    assert await twilio.messages(ANA)
