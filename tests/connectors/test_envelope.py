"""An envelope is read totally, its schema says the same, and what two spellings mean is one message."""

import json
from contextlib import suppress

import jsonschema
import pytest
from hypothesis import given, strategies

from connectors.post import envelope
from hailgate.connectors.envelope import envelope_schema, fingerprint, parse_envelope, whose
from hailgate.connectors.rabbitmq.rendering import word
from hailgate.core.errors import InputError

SCHEMA = envelope_schema()
GOOD = [
    envelope(1),
    envelope(1, channel="front desk"),
    envelope(1, messaging_product="whatsapp", recipient_type="individual"),
    envelope(1, to={"kind": "bsuid", "value": "US.1234"}),
    envelope(1, send_at="2031-01-01T00:00:00Z", priority="bulk", metadata={"order": 7}),
    {"tenant": "t", "id": "1", "to": "+15550100042", "type": "image", "image": {"link": "https://example.com/a.png"}},
]
BAD = [
    {},
    envelope(1, tenant=""),
    envelope(1, tenant=7),
    envelope(1, id_=""),
    envelope(1, id_="x" * 256),
    envelope(1, recipient_type="many"),
    envelope(1, colour="red"),
    envelope(1, send_at="yesterday"),
    envelope(1, priority="now"),
]


def encoded(value) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("good", GOOD)
def test_what_the_schema_allows_is_read(good):
    jsonschema.validate(good, SCHEMA)
    assert parse_envelope(encoded(good)).id == good["id"]


@pytest.mark.parametrize("bad", BAD)
def test_what_is_refused_the_schema_does_not_allow(bad):
    with pytest.raises(InputError):
        parse_envelope(encoded(bad))
    if bad.get("send_at") != "yesterday":  # a format, which validators only note
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, SCHEMA)


@pytest.mark.parametrize(
    ("message_id", "code"), [("", "id_missing"), ("x" * 256, "invalid_request"), ("a\nb", "invalid_request")]
)
def test_an_id_is_needed_from_one_of_the_two(message_id, code):
    unnamed = envelope(1)
    del unnamed["id"]
    with pytest.raises(InputError) as refused:
        parse_envelope(encoded(unnamed), message_id)
    assert refused.value.code == code
    assert parse_envelope(encoded(unnamed), "amqp-1").id == "amqp-1"
    assert parse_envelope(encoded(envelope(1)), "amqp-1").id == "order-1"


@given(strategies.binary())
def test_whatever_the_bytes_the_only_error_is_one_of_ours(body):
    with suppress(InputError):
        parse_envelope(body, "an id")
    assert isinstance(whose(body).tenant, str)


def test_the_order_of_its_members_does_not_make_another_message():
    spelled = encoded(dict(reversed(envelope(1).items())))
    assert fingerprint(parse_envelope(spelled)) == fingerprint(parse_envelope(encoded(envelope(1))))
    assert fingerprint(parse_envelope(encoded(envelope(1, body="x")))) != fingerprint(parse_envelope(spelled))


def test_whose_a_faulty_envelope_is_is_read_as_far_as_it_can_be():
    assert whose(encoded(envelope(1, colour="red"))) == ("clinic", "order-1")
    assert whose(b"{") == ("", "")


@pytest.mark.parametrize(
    ("name", "one"), [("front desk", "front-desk"), ("a.b#c*", "a-b-c"), ("…", "-"), ("Ok_1", "Ok_1")]
)
def test_a_name_is_one_word_of_a_routing_key(name, one):
    assert word(name) == one
