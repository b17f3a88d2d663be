"""Sends as Meta documents them, and its answers."""

import json
import os
from pathlib import Path
from typing import get_args
from uuid import UUID

import jsonschema
import pytest
import yaml

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import OUTBOUND_KINDS, Text, TextBody, check_content, parse_outbound
from hailgate.core.content.interactive import Question
from hailgate.core.errors import AddressRefuses, ChannelRefused, OutcomeUnknown, ProviderThrottled, Rejected, SendError
from hailgate.core.kinds import plain_kinds
from hailgate.providers.cloud import SPEC
from hailgate.providers.cloud.wire import parse_send_answer, render_send
from hailgate.providers.contract import OutboundMessage, SendReceipt

from . import payloads

ID = UUID("0198a0b0-0000-7000-8000-000000000001")
PHONE = Address(AddressKind.PHONE, "15550100042")
BSUID = Address(AddressKind.BSUID, "US.10000000000000000042")
GROUP = Address(AddressKind.GROUP, "GROUPIDFIXTURE")


def text(body, to=PHONE, context_id=None, *, preview_url=False):
    content = Text(TextBody(body, preview_url=preview_url))
    return OutboundMessage(id=ID, attempt=3, to=to, content=content, context_id=context_id)


def rendered(message):
    return json.loads(render_send(message))


# What is documented, and the message that must give it. We always send a tracker of ours.
DOCUMENTED = {
    "text": text("Hello"),
    "text_reply_with_tracker": text("Replying", context_id="wamid.FIXTUREIN0001=="),
    "text_to_bsuid": text("Sent to a BSUID", BSUID),
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_message_is_rendered_as_documented(name):
    documented = payloads.load(f"requests/{name}.json") | {"biz_opaque_callback_data": f"{ID}.3"}
    documented["text"].pop("preview_url", None)  # false is Meta's default
    assert rendered(DOCUMENTED[name]) == documented


@pytest.mark.parametrize("name", [name for name in payloads.folder("requests") if not name.startswith("mark_read")])
def test_every_documented_request_is_read_checked_and_rendered_again(name):
    documented = payloads.load(f"requests/{name}.json")
    kind = documented["type"]
    content = parse_outbound({"type": kind, kind: documented[kind]})
    check_content(content, SPEC.capabilities)
    again = rendered(OutboundMessage(id=ID, attempt=3, to=PHONE, content=content))
    documented.get("text", {}).pop("preview_url", None)
    assert (again["type"], again[kind]) == (kind, documented[kind])
    assert set(again) == {"messaging_product", "recipient_type", "to", "biz_opaque_callback_data", "type", kind}


def test_every_kind_that_can_be_sent_is_documented_by_a_request():
    documented = {document.get("type") for document in payloads.folder("requests").values()}
    assert documented - {None} == set(OUTBOUND_KINDS) == set(plain_kinds(SPEC.capabilities.kinds))


def test_a_group_is_addressed_as_one():
    request = rendered(text("x", GROUP))
    assert (request["recipient_type"], request["to"]) == ("group", GROUP.value)


def test_a_preview_is_asked_for():
    assert rendered(text("https://example.com", preview_url=True))["text"]["preview_url"] is True


@pytest.mark.parametrize("body", ['"', "\\", "}", "\u2028", "😀", "a" * 4096])
def test_any_text_survives(body):
    assert rendered(text(body))["text"]["body"] == body


@pytest.mark.parametrize("kind", [AddressKind.LID, AddressKind.JID])
def test_an_address_of_another_network_is_refused(kind):
    with pytest.raises(Rejected):
        render_send(text("x", Address(kind, "1@lid")))


@pytest.fixture(scope="module")
def described():
    """Meta's own description of the API: an official document, which is not ours to copy."""
    where = os.environ.get("HAILGATE_OPENAPI_DIR")
    if not where:
        pytest.skip("HAILGATE_OPENAPI_DIR is not set: requests are not checked against Meta's description")
    document = next(Path(where).rglob("business-messaging-api_v*.yaml"))
    return yaml.load(document.read_text(), yaml.CSafeLoader)["components"]


def closed(described, name):
    """One object of all the parts. Each part forbids what the others bring, so that as it stands nothing fits."""
    parts = described["schemas"][name]["allOf"]
    parts = [described["schemas"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part for part in parts]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [field for part in parts for field in part.get("required", ())],
        "properties": {field: rule for part in parts for field, rule in part["properties"].items()},
        "components": described,
    }


@pytest.mark.parametrize(
    "message",
    [text("Hello"), text("Hello", GROUP), text("Hello", context_id="wamid.1"), text("Hello", preview_url=True)],
    ids=["text", "group", "reply", "preview"],
)
def test_a_request_fits_metas_description(described, message):
    request = rendered(message)
    del request["biz_opaque_callback_data"]  # echoed for years, and missing in the description
    jsonschema.Draft202012Validator(closed(described, "TextMessage")).validate(request)


# What Meta's documentation shows and its description refuses: newer questions, degrees as numbers, the type of a phone
# in a card, the index of a button, a language without a policy.
REFUSED_BY_DESCRIPTION = {
    "contacts": {"$.contacts[0].phones[0].type"},
    "interactive_cta_url": {"$.interactive.type", "$.interactive.action"},
    "interactive_location_request": {"$.interactive.type", "$.interactive.action"},
    "location": {"$.location.latitude", "$.location.longitude"},
    "template_authentication": {"$.template.language", "$.template.components[1].index"},
    "template_body_params": {"$.template.language"},
    "template_header_buttons": {"$.template.language", "$.template.components[2].index"},
}


@pytest.mark.parametrize("name", [name for name in payloads.folder("requests") if not name.startswith("mark_read")])
def test_a_request_of_any_kind_fits_metas_description(described, name):
    request = payloads.load(f"requests/{name}.json")
    kind = request["type"]
    content = parse_outbound({"type": kind, kind: request[kind]})
    request = rendered(OutboundMessage(id=ID, attempt=3, to=PHONE, content=content))
    del request["biz_opaque_callback_data"]
    validator = jsonschema.Draft202012Validator(closed(described, f"{kind.title()}Message"))
    refused = {error.json_path for error in validator.iter_errors(request)}
    assert refused == REFUSED_BY_DESCRIPTION.get(name, set())


# Answers


def parse(status, document, headers=None):
    return parse_send_answer(status, headers or {}, json.dumps(document).encode(), 1_767_225_600.0)


@pytest.mark.parametrize(
    ("name", "receipt"),
    [
        ("send_ok", SendReceipt("wamid.FIXTUREOUT0001==", None, PHONE)),
        ("send_ok_bsuid", SendReceipt("wamid.FIXTUREOUT0004==", None, BSUID)),
        ("send_ok_template_status", SendReceipt("wamid.FIXTUREOUT0002==", "accepted", PHONE)),
        ("send_held_for_quality", SendReceipt("wamid.FIXTUREOUT0003==", "held_for_quality_assessment", PHONE)),
    ],
)
def test_a_receipt_names_the_message_and_the_person(name, receipt):
    assert parse(200, payloads.load(f"responses/{name}.json")) == receipt


@pytest.mark.parametrize("name", sorted(payloads.folder("errors")))
def test_every_documented_error_is_told_by_its_code(name):
    document = payloads.load(f"errors/{name}.json")
    body = json.dumps(document["body"]) if "body" in document else document["body_text"]
    with pytest.raises(SendError) as raised:
        parse_send_answer(document["http_status"], {}, body.encode(), 0.0)
    if "body" in document:
        assert raised.value.provider_code == str(document["body"]["error"]["code"])
        assert "FIXTURETRACE0001" in raised.value.detail
    else:
        assert isinstance(raised.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        {"messages": []},
        {"messages": [{}]},
        {"messages": [{"id": ""}]},
        {"messages": [{"id": None}]},
        {"messages": [{"id": 5}]},
        {"messages": [{"id": "a\nb"}]},
        {"messages": {"id": "wamid.1"}},
        {"error": {}},
        {"error": {"code": None}},
        {"error": {"code": True}},
        {"error": "no"},
    ],
)
def test_an_answer_that_proves_nothing_is_unknown(document):
    """A proxy that gave up waiting (408) may have passed the call on, as a 5xx may come from behind the send."""
    for status in (200, 201, 408, 500, 502, 503, 504):
        with pytest.raises(OutcomeUnknown):
            parse(status, document)


@pytest.mark.parametrize("document", [None, {}, {"error": "boom"}, {"error": {"code": None}}])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, AddressRefuses), (307, AddressRefuses), (400, AddressRefuses), (404, AddressRefuses),
        (405, AddressRefuses), (413, AddressRefuses), (401, ChannelRefused), (403, ChannelRefused),
    ],
)  # fmt: skip
def test_a_refusal_that_is_not_metas_did_not_take_the_message(document, status, error):
    """A proxy, or a wrong address: it is no work for a person, message by message."""
    with pytest.raises(error) as raised:
        parse(status, document)
    assert str(status) in raised.value.detail
    assert "api_url" in raised.value.detail


def test_an_odd_contact_does_not_cost_the_receipt():
    for contacts in (None, {}, [5], [{"wa_id": 5}], [{"wa_id": "not digits"}], [{"wa_id": ""}]):
        receipt = parse(200, {"messages": [{"id": "wamid.1"}], "contacts": contacts})
        assert receipt == SendReceipt("wamid.1")


def test_an_error_in_a_success_is_an_error():
    with pytest.raises(ProviderThrottled):
        parse(200, {"error": {"code": 130429}, "messages": [{"id": "wamid.1"}]})


def test_a_code_may_be_written_as_a_string():
    with pytest.raises(ProviderThrottled) as raised:
        parse(400, {"error": {"code": "130429", "error_subcode": "x", "fbtrace_id": 5}})
    assert raised.value.provider_code == "130429"


def test_metas_sentences_are_not_repeated():
    error = {"code": 131009, "message": "words of a person", "error_data": {"details": "words of a person"}}
    with pytest.raises(Rejected) as raised:
        parse(400, {"error": error})
    assert "words of a person" not in raised.value.detail


def test_every_form_of_a_question_but_a_poll_can_be_sent():
    forms = {f"interactive.{form.__struct_config__.tag}" for form in get_args(Question)} - {"interactive.poll"}
    assert forms == {kind for kind in SPEC.capabilities.kinds if kind.startswith("interactive.")}


def test_the_hash_of_an_identity_key_stands_beside_the_content():
    content = Text(TextBody("x"), recipient_identity_key_hash="DF2lS5v2W6x=")
    request = rendered(OutboundMessage(id=ID, attempt=3, to=PHONE, content=content))
    assert (request["recipient_identity_key_hash"], request["text"]) == ("DF2lS5v2W6x=", {"body": "x"})
