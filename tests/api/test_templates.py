"""Templates over HTTP: listed, filtered, shown with what they ask for, synchronised on request, held to by a send."""

import json

import pytest

import given
from hailgate.core.templates import TemplateDefinition as Listed
from hailgate.messaging.channels.registry import add_channel
from hailgate.messaging.models import Channel, Message, Template
from hailgate.messaging.templates.sync import claim_business, record_list, take_business

pytestmark = pytest.mark.anyio

BODY = json.dumps([{"type": "BODY", "text": "Order {{1}}.", "example": {"body_text": [["42"]]}}])


def listed(name, language="en", **changes):
    return Listed(name, name, language, "UTILITY", "APPROVED", "GREEN", components=BODY)._replace(**changes)


LIST = (listed("a"), listed("a", "de"), listed("b", status="PAUSED", category="MARKETING", reason="LOW_QUALITY"))


@pytest.fixture
def shop(tenant, hook) -> Channel:
    settings = given.CHANNEL_SETTINGS | {"waba_id": "102000000000001", "phone_number_id": "106500000000002"}
    uid = add_channel(tenant.id, "cloud", "shop", given.NUMBER, settings, hook=hook.id)
    return Channel.objects.get(tenant_id=tenant.id, uid=uid)


@pytest.fixture
def stocked(shop) -> Channel:
    record_list(take_business(shop), LIST)
    return shop


def message(*parameters, name="a", language="en", channel="shop"):
    components = [{"type": "body", "parameters": [{"type": "text", "text": each} for each in parameters]}]
    template = {"name": name, "language": {"code": language}, "components": components}
    return {"channel": channel, "to": "+15550100042", "type": "template", "template": template}


async def test_a_template_in_full(site, key, stocked) -> None:
    [shown] = (await site.get("/v1/templates", key=key, params={"name": "b"})).json["items"]
    assert shown == {
        "id": shown["id"],
        "name": "b",
        "language": "en",
        "category": "MARKETING",
        "status": "PAUSED",
        "quality": "GREEN",
        "reason": "LOW_QUALITY",
        "sendable": False,
        "parameter_format": "positional",
        "components": json.loads(BODY),
        "variables": [{"key": "body.1", "kind": "text", "place": "1", "example": "42", "required": True}],
        "account": "102000000000001",
        "provider_id": "b",
        "changed_at": shown["changed_at"],
        "synced_at": shown["synced_at"],
        "gone_at": None,
    }
    assert (await site.get(f"/v1/templates/{shown['id']}", key=key)).json == shown


async def test_lists_are_filtered_and_paged(site, key, stocked, channel) -> None:
    async def names(**params):
        items = (await site.get("/v1/templates", key=key, params=params)).json["items"]
        return [f"{item['name']} {item['language']}" for item in items]

    assert await names() == ["b en", "a de", "a en"]
    assert await names(status="APPROVED", language="de") == ["a de"]
    assert await names(category="MARKETING", channel="shop") == ["b en"]
    assert await names(channel=str(channel.uid)) == []
    assert await names(gone="true") == []
    first = (await site.get("/v1/templates", key=key, params={"limit": 2})).json
    rest = (await site.get("/v1/templates", key=key, params={"limit": 2, "cursor": first["next"]})).json
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert (await site.get("/v1/templates", key=key, params={"channel": "nobody's"})).code == "not_found"


async def test_a_sync_is_asked_for_and_watched(site, key, shop, db) -> None:
    at = f"/v1/channels/{shop.uid}/templates/sync"
    assert (await site.get(at, key=key)).json == {
        "account": "102000000000001", "templates": 0, "synced_at": None, "due_at": None, "code": None, "detail": None,
    }  # fmt: skip
    await db(record_list, await db(claim_business), LIST)
    after = (await site.get(at, key=key)).json
    assert (after["templates"], after["synced_at"] is None, after["due_at"] is None) == (3, False, False)
    assert await db(claim_business) is None
    asked = await site.post(at, key=key)
    assert (asked.status, asked.json["due_at"]) == (202, None)
    assert (await db(claim_business)).id == shop.business_id


async def test_a_channel_without_an_account_says_what_to_set(site, key, channel) -> None:
    for ask in (site.get, site.post):
        refused = await ask(f"/v1/channels/{channel.uid}/templates/sync", key=key)
        assert (refused.status, refused.code, refused.json["field"]) == (422, "templates_nowhere", "waba_id")


# --- sends ------------------------------------------------------------------------------------------------------------


async def test_a_send_is_held_to_its_template(site, key, stocked, db) -> None:
    assert (await site.post("/v1/messages", message("42"), key=key)).status == 202
    for wrong, field, code in (
        (message(), "template.components[0].parameters", "invalid_content"),
        (message("42", name="c"), "template.name", "template_unavailable"),
        (message("42", name="b"), "template.name", "template_unavailable"),
        (message("42", language="fr"), "template.language.code", "template_unavailable"),
        (message("two\nlines"), "template.components[0].parameters[0].text", "invalid_content"),
    ):
        refused = await site.post("/v1/messages", wrong, key=key)
        assert (refused.status, refused.json["field"], refused.code) == (422, field, code)
        assert refused.json["detail"].startswith(f"{field}: ")
    assert await db(Message.objects.filter(tenant_id=stocked.tenant_id).count) == 1


async def test_where_templates_are_not_known_the_provider_decides(site, key, shop, channel) -> None:
    assert (await site.post("/v1/messages", message(channel="shop"), key=key)).status == 202
    assert (await site.post("/v1/messages", message(channel="front desk"), key=key)).status == 202


async def test_a_batch_is_checked_message_by_message(site, key, stocked) -> None:
    text = {"channel": "shop", "to": "+15550100042", "type": "text", "text": {"body": "x"}}
    batch = [message("42"), message(), text, {"type": "nonsense"}, message("42", name="b")]
    items = (await site.post("/v1/messages/batch", {"messages": batch}, key=key)).json["results"]
    assert [item["status"] for item in items] == [202, 422, 202, 422, 422]


async def test_a_repeated_request_is_answered_as_it_was_before_the_template_was_paused(site, key, stocked, db) -> None:
    headers = {"Idempotency-Key": "order-17"}
    first = await site.post("/v1/messages", message("42"), key=key, headers=headers)
    await db(lambda: Template.objects.filter(tenant_id=stocked.tenant_id).update(status="PAUSED"))
    again = await site.post("/v1/messages", message("42"), key=key, headers=headers)
    assert (again.status, again.json) == (202, first.json)
    other = await site.post("/v1/messages", message("43"), key=key, headers=headers)
    assert other.code == "idempotency_mismatch"
    fresh = await site.post("/v1/messages", message("42"), key=key, headers={"Idempotency-Key": "order-18"})
    assert fresh.code == "template_unavailable"


@pytest.mark.parametrize("name", ["channel", "name", "language", "status", "category"])
async def test_a_filter_that_no_database_takes_is_refused(site, key, name):
    answer = await site.get("/v1/templates", key=key, params={name: "a\0b"})
    assert (answer.status, answer.json["detail"]) == (422, f"{name}: must hold no control characters.")
