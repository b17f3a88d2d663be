"""The list of a business account's templates, page by page, whatever stands in it."""

import json
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given

from core.strategies import any_json
from hailgate.core.errors import ChannelUnauthorized, ProviderThrottled, ProviderUnavailable, Rejected, SendError
from hailgate.core.templates import TemplateDefinition
from hailgate.providers import cloud
from hailgate.providers.cloud import CloudChannel
from hailgate.providers.cloud.templates import parse_page
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, ListsTemplates
from hailgate.providers.transport import Transport

from .cloud_case import CHANNEL, WABA, coded, refusal
from .loopback import Loopback, answer, answer_json

pytestmark = pytest.mark.anyio

ORDER = {
    "id": "1600",
    "name": "order_update",
    "language": "en_US",
    "status": "APPROVED",
    "category": "UTILITY",
    "parameter_format": "NAMED",
    "quality_score": {"score": "GREEN", "date": 1767225699},
    "rejected_reason": "NONE",
    "components": [{"type": "BODY", "text": "Order {{number}}"}],
    "something_new": 1,
}


def page(*templates, after=None):
    more = {"next": "https://graph.facebook.com/x"} if after else {}
    return {"data": templates, "paging": {"cursors": {"before": "a", "after": after or "z"}, **more}}


def read(document):
    return parse_page(200, {}, json.dumps(document).encode(), 0.0)


def test_a_template_in_full():
    listed = read(page(ORDER, after="MQ=="))
    assert listed.after == "MQ=="
    assert listed.templates == [
        TemplateDefinition(
            "1600", "order_update", "en_US", "UTILITY", "APPROVED", "GREEN", True,
            json.dumps(ORDER["components"]), "",
        )
    ]  # fmt: skip


def test_what_is_no_template_costs_only_itself():
    bad = ({"id": "1"}, {**ORDER, "name": ""}, {**ORDER, "id": 7}, [], None, "x")
    assert [each.name for each in read(page(*bad, ORDER)).templates] == ["order_update"]
    odd = {**ORDER, "quality_score": "GREEN", "components": None, "rejected_reason": "INVALID_FORMAT"}
    [template] = read(page(odd)).templates
    assert (template.quality, template.components, template.reason) == ("", "null", "INVALID_FORMAT")


@given(any_json)
def test_whatever_is_answered_it_is_a_page_or_a_send_error(document):
    for answered in (document, {"data": document}, {"data": [document]}, page(document)):
        with suppress(SendError):
            assert all(json.loads(template.components) is not ... for template in read(answered).templates)


async def listed(script, after=None, **settings):
    async with Loopback(script) as server, Transport() as transport:
        channel = parse_config(CloudChannel, {**CHANNEL, "waba_id": WABA, "api_url": server.url, **settings})
        provider = cloud.SPEC.connect(Connection(config=channel, transport=transport))
        assert isinstance(provider, ListsTemplates)
        return await provider.list_templates(after), server.heads[-1]


async def test_the_request_names_account_fields_and_page():
    found, head = await listed(answer_json(200, page(ORDER)), after="a&b=c")
    url = urlsplit(head.split(b" ")[1].decode())
    assert url.path == f"/v25.0/{WABA}/message_templates"
    query = parse_qs(url.query)
    assert query["after"] == ["a&b=c"]
    assert {"components", "quality_score", "parameter_format"} <= set(query["fields"][0].split(","))
    assert (len(found.templates), found.after) == (1, None)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (refusal("190_token_expired"), ChannelUnauthorized),
        (coded(80007), ProviderThrottled),
        (answer(429), ProviderThrottled),
        (answer_json(200, {"success": True}), ProviderUnavailable),
        (answer(200, b"<html>"), ProviderUnavailable),
    ],
)
async def test_a_refusal_says_what_to_do(script, kind):
    with pytest.raises(kind):
        await listed(script)


async def test_without_an_account_nothing_is_asked():
    async with Transport() as transport:
        with pytest.raises(Rejected) as refused:
            connection = Connection(config=parse_config(CloudChannel, CHANNEL), transport=transport)
            await cloud.SPEC.connect(connection).list_templates()
    assert "waba_id" in refused.value.detail
