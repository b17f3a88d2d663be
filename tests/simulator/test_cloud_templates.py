"""Templates: what a send must fill in, and how a business account manages its own."""

import json
from pathlib import Path

import pytest

from simulator.business import Business
from simulator.driver import ANA, TEMPLATES, Driver, bearer

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "meta"


async def send(sim: Driver, name: str, *components: dict, language: str = "en_US", **to):
    template = {"name": name, "language": {"code": language}, "components": list(components)}
    return await sim.send(type="template", text=None, template=template, **to)


def body(*texts: str, **named: str) -> dict:
    parameters = [{"type": "text", "text": text} for text in texts]
    parameters += [{"type": "text", "parameter_name": name, "text": text} for name, text in named.items()]
    return {"type": "body", "parameters": parameters}


def header(**parameter) -> dict:
    [(kind, value)] = parameter.items()
    return {"type": "header", "parameters": [{"type": kind, kind: value}]}


def button(index: int, sub_type: str, **parameter) -> dict:
    [(kind, value)] = parameter.items()
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": [{"type": kind, kind: value}]}


async def list_all(sim: Driver, query: str = "") -> dict:
    status, answer = await sim.call("GET", f"{TEMPLATES}{query}", headers=bearer())
    assert status == 200, answer
    return answer


async def create(sim: Driver, text: str = "Hello {{1}}, welcome to our house.", **changes) -> tuple[int, dict]:
    components = [{"type": "BODY", "text": text}]
    call = {"name": "welcome", "language": "en", "category": "UTILITY", "components": components, **changes}
    return await sim.call("POST", TEMPLATES, call, headers=bearer())


async def find(sim: Driver, name: str) -> dict:
    return next(t for t in await sim.expect("GET", "/_sim/templates") if t["name"] == name)


IMAGE = {"link": "https://example.com/p.jpg"}
ANA_NAMED = body(first_name="Ana")


async def test_a_template_passes_a_closed_window_and_is_shown_filled_in(sim: Driver, business: Business):
    status, answer = await send(sim, "appointment_reminder", header(text="May 3"), body("Ana", "10:00"))
    assert (status, answer["messages"][0]["message_status"]) == (200, "accepted")
    await business.wait_until(lambda b: b.status_words == ["sent", "delivered"])
    assert business.statuses[0]["pricing"]["category"] == "utility"
    assert business.statuses[0]["pricing"]["billable"] is True
    assert (await sim.messages())[0]["message"]["shown"] == {
        "name": "appointment_reminder",
        "category": "UTILITY",
        "header": {"type": "text", "text": "Your visit on May 3"},
        "body": "Hello Ana, we expect you at 10:00. Does that still suit you?",
        "footer": "Example Clinic",
        "buttons": [
            {"type": "quick_reply", "text": "Yes, I will come", "payload": "Yes, I will come"},
            {"type": "quick_reply", "text": "Another time, please", "payload": "Another time, please"},
            {"type": "phone_number", "text": "Call us", "phone_number": "+15550100000"},
        ],
    }


async def test_named_parameters_media_and_buttons_are_filled_in(sim: Driver):
    parts = (header(image=IMAGE), ANA_NAMED, button(0, "quick_reply", payload="STOP"), button(1, "url", text="x1"))
    assert (await send(sim, "promo", *parts, language="en"))[0] == 200
    shown = (await sim.messages())[0]["message"]["shown"]
    assert shown["header"] == {"type": "image", "image": IMAGE}
    assert shown["body"].startswith("Spring sale for you, Ana")
    assert [b.get("payload") or b["url"] for b in shown["buttons"]] == ["STOP", "https://example.com/offers/x1"]


PROMO = (header(image=IMAGE), ANA_NAMED, button(1, "url", text="x"))


@pytest.mark.parametrize(
    ("name", "components", "status", "code"),
    [
        ("no_such", (), 404, 132001),
        ("winter_sale", (), 400, 132015),
        ("order_update", (body("42"),), 400, 132000),
        ("order_update", (), 400, 132000),
        ("order_update", (body("42", "sent", "now"),), 400, 132000),
        ("order_update", (body("42", "a\nb"),), 400, 132008),
        ("order_update", (body("42", "x" * 1020),), 400, 132005),
        ("order_update", (body("42", ""),), 400, 131009),
        ("order_update", (body("42", "sent"), header(text="x")), 400, 132000),
        ("order_update", ({"type": "tail"},), 400, 131009),
        ("order_update", ({},), 400, 131008),
        ("promo", (ANA_NAMED, button(1, "url", text="x")), 400, 132012),
        ("promo", (header(text="x"), *PROMO[1:]), 400, 132012),
        ("promo", (header(image=IMAGE), body("Ana"), PROMO[2]), 400, 132012),
        ("promo", (header(image={"id": "900"}), *PROMO[1:]), 400, 100),
        ("promo", PROMO[:2], 400, 131008),
        ("promo", (*PROMO, button(0, "quick_reply", text="x")), 400, 131009),
    ],
)
async def test_a_template_that_is_not_rightly_filled_in_is_refused(sim: Driver, name, components, status, code):
    language = "en" if name == "promo" else "en_US"
    given, answer = await send(sim, name, *components, language=language)
    assert (given, answer["error"]["code"]) == (status, code), answer
    assert await sim.ledger() == []


@pytest.mark.parametrize(
    ("fixture", "name", "language", "given"),
    [
        ("132000_param_count", "order_update", "en_US", (body("42"),)),
        ("132001_template_missing", "order_update", "pt_BR", ()),
    ],
)
async def test_the_words_are_metas(sim: Driver, fixture, name, language, given):
    expected = json.loads((FIXTURES / "errors" / f"{fixture}.json").read_text())
    status, answer = await send(sim, name, *given, language=language)
    answer["error"]["fbtrace_id"] = expected["body"]["error"]["fbtrace_id"]
    assert (status, answer) == (expected["http_status"], expected["body"])


async def test_a_code_is_not_sent_to_a_user_id(sim: Driver):
    parts = (body("123456"), button(0, "url", text="123456"))
    assert (await send(sim, "otp", *parts))[0] == 200
    status, answer = await send(sim, "otp", *parts, to=None, recipient=f"US.{ANA}")
    assert (status, answer["error"]["code"]) == (400, 131062)


async def test_marketing_is_not_delivered_to_who_stopped_it(sim: Driver, business: Business):
    for value, words in (("stop", ["failed"]), ("resume", ["failed", "sent", "delivered"])):
        await sim.write_message({"type": "user_preferences", "user_preferences": {"value": value}})
        assert (await send(sim, "promo", *PROMO, language="en"))[0] == 200
        await business.wait_until(lambda b, words=words: b.status_words == words)
    assert business.statuses[0]["errors"][0]["code"] == 131050


async def test_the_list_has_pages_filters_and_fields(sim: Driver):
    whole = await list_all(sim, "?limit=100")
    names = [template["name"] for template in whole["data"]]
    assert {"order_update", "promo", "otp"} <= set(names)
    assert "next" not in whole["paging"]
    seen, after = [], ""
    while True:
        page = await list_all(sim, f"?limit=4&fields=name{after}")
        assert all(set(template) == {"id", "name"} for template in page["data"])
        seen += [template["name"] for template in page["data"]]
        if "next" not in page["paging"]:
            break
        after = f"&after={page['paging']['cursors']['after']}"
    assert seen == names
    [paused] = (await list_all(sim, "?status=PAUSED"))["data"]
    assert paused["name"] == "winter_sale"
    for query in ("?limit=0", "?limit=x", "?after=x"):
        assert (await sim.call("GET", f"{TEMPLATES}{query}", headers=bearer()))[0] == 400


def shape(value):
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize(
    ("text", "event"),
    [("Hello {{1}}, welcome to our house.", "approved"), ("Hello {{1}} {{2}}, welcome to our big house.", "rejected")],
)
async def test_a_new_template_is_reviewed(sim: Driver, business: Business, text, event):
    status, answer = await create(sim, text)
    assert (status, answer["status"], answer["category"]) == (200, "PENDING", "UTILITY")
    assert (await send(sim, "welcome", body("Ana"), language="en"))[1]["error"]["code"] == 132001
    await business.wait_until(lambda b: b.calls)
    told = json.loads(business.calls[0][1])
    fixture = json.loads((FIXTURES / "webhooks" / f"template_status_{event}.json").read_text())
    assert shape(told) == shape(fixture)
    assert business.values[0]["message_template_id"] == int(answer["id"])
    _, found = await sim.call("GET", f"/v23.0/{answer['id']}", headers=bearer())
    assert (found["status"], business.values[0]["event"]) == (event.upper(), event.upper())
    if event == "approved":
        assert (await send(sim, "welcome", body("Ana"), language="en"))[0] == 200


@pytest.mark.parametrize(
    ("changes", "code", "subcode"),
    [
        ({"name": "Welcome!"}, 100, None),
        ({"name": "order_update", "language": "en_US"}, 100, 2388024),
        ({"language": "English"}, 100, None),
        ({"category": "FUN"}, 131009, None),
        ({"category": None}, 131008, None),
        ({"components": []}, 131009, None),
        ({"components": [{"type": "FOOTER", "text": "x"}]}, 100, 2388047),
        ({"components": [{"type": "BODY", "text": "x" * 1025}]}, 100, 2388040),
        ({"components": [{"type": "BODY", "text": "{{1}} is first"}]}, 100, 2388299),
        ({"components": [{"type": "BODY", "text": "last is {{1}}"}]}, 100, 2388299),
        ({"components": [{"type": "BODY", "text": "a {{1}} b {{2}} c {{3}} d"}]}, 100, 2388293),
        ({"components": [{"type": "FOOTER", "text": "{{1}}"}]}, 100, 2388073),
        ({"components": [{"type": "HEADER", "format": "TEXT", "text": "{{1}} {{2}}"}]}, 100, 2388047),
        ({"components": [{"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x"}]}]}, 131008, None),
    ],
)
async def test_a_wrong_template_is_not_taken(sim: Driver, changes, code, subcode):
    status, answer = await create(sim, **changes)
    assert (status, answer["error"]["code"], answer["error"].get("error_subcode")) == (400, code, subcode)
    assert answer["error"].get("error_user_msg") or answer["error"]["error_data"]["details"]


async def test_a_code_template_is_written_by_meta(sim: Driver):
    components = [
        {"type": "BODY", "add_security_recommendation": True},
        {"type": "FOOTER", "code_expiration_minutes": 5},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
    ]
    assert (await create(sim, category="AUTHENTICATION", components=components))[0] == 200
    [template] = (await list_all(sim, "?name=welcome"))["data"]
    assert template["components"][0]["text"] == "*{{1}}* is your verification code."
    assert template["components"][2]["buttons"][0]["type"] == "URL"


async def test_a_deleted_template_is_gone_and_its_name_blocked(sim: Driver, business: Business):
    path = f"{TEMPLATES}?name=order_update"
    assert (await sim.call("DELETE", f"{path}&hsm_id=1", headers=bearer()))[0] == 400
    assert await sim.call("DELETE", path, headers=bearer()) == (200, {"success": True})
    assert (await sim.call("DELETE", path, headers=bearer()))[1]["error"]["error_subcode"] == 2593002
    assert (await sim.call("DELETE", TEMPLATES, headers=bearer()))[1]["error"]["code"] == 100
    assert (await send(sim, "order_update", body("1", "2")))[1]["error"]["code"] == 132001
    await business.wait_until(lambda b: b.values and b.values[0]["event"] == "DELETED")
    again = {"name": "order_update", "language": "en_US"}
    assert (await create(sim, **again))[1]["error"]["error_subcode"] == 2388023
    await sim.expect("PUT", "/_sim/clock", {"offset_s": 31 * 86_400})
    assert (await create(sim, **again))[0] == 200


@pytest.mark.parametrize(
    ("change", "fixture", "field"),
    [
        ({"status": "PAUSED"}, "template_status_approved", "message_template_status_update"),
        ({"quality": "YELLOW"}, "template_quality_yellow", "message_template_quality_update"),
        ({"category": "MARKETING"}, "template_category_update", "template_category_update"),
    ],
)
async def test_what_meta_does_to_a_template_is_told(sim: Driver, business: Business, change, fixture, field):
    template = await find(sim, "order_update")
    changed = await sim.expect("PUT", f"/_sim/templates/{template['id']}", change)
    assert changed != template
    await business.wait_until(lambda b: b.calls)
    told = json.loads(business.calls[0][1])
    assert told["entry"][0]["changes"][0]["field"] == field
    assert shape(told) == shape(json.loads((FIXTURES / "webhooks" / f"{fixture}.json").read_text()))


async def test_an_edit_is_told_and_sends_are_held_to_it(sim: Driver, business: Business):
    template = await find(sim, "order_update")
    for given, status in (([{"type": "BODY", "text": "Order {{1}}."}], 200), ([{"type": "FOOTER", "text": "x"}], 400)):
        answered, _ = await sim.call("PUT", f"/_sim/templates/{template['id']}", {"components": given})
        assert answered == status
    await business.wait_until(lambda b: b.calls)
    [change] = json.loads(business.calls[0][1])["entry"][0]["changes"]
    assert change["field"] == "message_template_components_update"
    assert change["value"]["message_template_element"] == "Order {{1}}."
    assert (await send(sim, "order_update", body("42")))[0] == 200


async def test_an_unknown_template_cannot_be_changed(sim: Driver):
    assert (await sim.call("PUT", "/_sim/templates/1", {"status": "PAUSED"}))[0] == 404


async def test_an_account_is_told_once_for_each_address(sim: Driver, business: Business):
    await sim.put_channels(business.url, business.url)
    template = await find(sim, "order_update")
    await sim.expect("PUT", f"/_sim/templates/{template['id']}", {"status": "PAUSED"})
    await sim.write("after", to="15550100000")
    await sim.write("after", to="15550100001")
    await business.wait_until(lambda b: len(b.messages) == 2)
    assert [value["event"] for value in business.values if "event" in value] == ["PAUSED"]


async def test_whose_account_it_is(sim: Driver):
    path = TEMPLATES.replace("102000000000001", "999")
    assert (await sim.call("GET", path, headers=bearer()))[1]["error"]["error_subcode"] == 33
    assert (await sim.call("GET", TEMPLATES, headers=bearer("wrong")))[0] == 401


async def test_the_profile_of_a_number(sim: Driver):
    path = "/v23.0/106500000000001/whatsapp_business_profile"
    assert await sim.call("GET", path, headers=bearer()) == (200, {"data": [{"messaging_product": "whatsapp"}]})
    _, answer = await sim.call("GET", f"{path}?fields=about,vertical", headers=bearer())
    assert set(answer["data"][0]) == {"messaging_product", "about", "vertical"}
    assert (await sim.call("GET", f"{path}?fields=shoe_size", headers=bearer()))[0] == 400
