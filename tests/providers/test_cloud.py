"""The Cloud API adapter beyond what all providers share: its door, its settings, its requests."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Text, TextBody
from hailgate.core.errors import (
    ChannelUnauthorized,
    InputError,
    OutcomeUnknown,
    ProviderThrottled,
    Rejected,
    SendError,
    SignatureInvalid,
)
from hailgate.providers import cloud
from hailgate.providers.cloud import CloudChannel, CloudHook, CloudReceiver
from hailgate.providers.cloud.adapter import SIGNATURE
from hailgate.providers.cloud.wire import parse_send_answer
from hailgate.providers.config import Secret, parse_config
from hailgate.providers.contract import Connection, OutboundMessage, WebhookRequest
from hailgate.providers.guard import unguarded
from hailgate.providers.transport import Transport

from . import loopback, payloads
from .cloud_case import ACCOUNT, CHANNEL, HOOK, TAKEN, coded, sign
from .conformance import MESSAGE, URL, outcome_of
from .loopback import Loopback, answer, answer_json

pytestmark = pytest.mark.anyio

# The door


@pytest.mark.parametrize("vector", payloads.load("signature_vectors.json"), ids=lambda vector: vector["name"])
def test_signature_vectors(vector):
    receiver = CloudReceiver(CloudHook(app_secret=Secret(vector["app_secret"]), verify_token=Secret("t")))
    request = WebhookRequest(
        url=URL,
        method="POST",
        query="",
        headers={SIGNATURE: vector["x_hub_signature_256"]},
        body=vector["raw_body_utf8"].encode(),
    )
    if vector["valid"]:
        receiver.verify(request)
    else:
        with pytest.raises(SignatureInvalid):
            receiver.verify(request)


def test_without_a_secret_nobody_comes_in():
    receiver = CloudReceiver(CloudHook(app_secret=Secret(""), verify_token=Secret("")))
    with pytest.raises(SignatureInvalid):
        receiver.verify(WebhookRequest(url=URL, method="POST", query="", headers=sign(b"{}", ""), body=b"{}"))
    with pytest.raises(SignatureInvalid):
        receiver.handshake(handshake(**{"hub.verify_token": ""}))


def handshake(**changes):
    query = payloads.load("webhooks/verification_get.json")["query"] | changes
    return WebhookRequest(url=URL, method="GET", query=urlencode(query, errors="surrogateescape"), headers={}, body=b"")


def test_the_handshake_gives_the_challenge_back_without_a_signature():
    expected = payloads.load("webhooks/verification_get.json")["expect"]["body"]
    assert CloudReceiver(parse_config(CloudHook, HOOK)).handshake(handshake()) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"hub.verify_token": "another"},
        {"hub.verify_token": ""},
        {"hub.verify_token": "fixture-verify-tokén"},
        {"hub.verify_token": "\udcff"},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": ""},
        {"hub.challenge": "1" * 1025},
    ],
)
def test_a_handshake_that_does_not_fit_is_refused(changes):
    with pytest.raises(SignatureInvalid):
        CloudReceiver(parse_config(CloudHook, HOOK)).handshake(handshake(**changes))


# Settings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone_number_id", "+1 555 0100"),
        ("phone_number_id", "../me"),
        ("phone_number_id", "٣"),
        ("phone_number_id", "1" * 33),
        ("access_token", "to\nken"),
        ("access_token", "tokén"),
        ("api_url", "graph.facebook.com"),
        ("api_url", "ftp://graph.facebook.com"),
        ("api_url", "https://user:pass@graph.facebook.com"),
        ("api_url", "https://graph.facebook.com?x=1"),
        ("api_url", "https://graph.facebook.com:99999"),
        ("api_url", "https://[::1"),
        ("api_url", "https://"),
        ("version", "24"),
        ("version", "v23.0/../x"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named(field, value):
    with pytest.raises(InputError) as raised:
        parse_config(CloudChannel, {**CHANNEL, field: value})
    assert raised.value.field == field
    assert value not in raised.value.detail


@pytest.mark.parametrize("api_url", ["http://127.0.0.1:9000", "http://127.0.0.1:9000/", "https://proxy.example/meta/"])
def test_the_api_can_be_elsewhere(api_url):
    channel = parse_config(CloudChannel, {**CHANNEL, "api_url": api_url, "version": "v24.0"})
    assert channel.number_url == f"{api_url.rstrip('/')}/v24.0/{ACCOUNT}"


# Requests


async def sent_by(call, script=TAKEN):
    """Head and body of the one request that the call makes."""
    async with Loopback(script) as server, Transport() as transport:
        channel = parse_config(CloudChannel, {**CHANNEL, "api_url": server.url})
        await call(cloud.SPEC.connect(Connection(config=channel, transport=transport)))
    [head], [body] = server.heads, server.bodies
    return head.decode(), body


async def test_a_send_goes_to_the_number_with_the_token():
    head, body = await sent_by(lambda provider: provider.send(MESSAGE, unguarded))
    assert head.startswith(f"POST /v25.0/{ACCOUNT}/messages HTTP/1.1\r\n")
    assert "\r\nAuthorization: Bearer fixture-access-token\r\n" in head
    assert json.loads(body)["biz_opaque_callback_data"] == f"{MESSAGE.id}.2"


@pytest.mark.parametrize(("typing", "fixture"), [(False, "mark_read"), (True, "mark_read_and_typing")])
async def test_reading_is_marked_as_documented(typing, fixture):
    _, body = await sent_by(
        lambda provider: provider.mark_read("wamid.FIXTUREIN0001==", typing=typing),
        answer_json(200, payloads.load("responses/success.json")),
    )
    assert json.loads(body) == payloads.load(f"requests/{fixture}.json")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (coded(131009), Rejected),
        (coded(190, 401), ChannelUnauthorized),
        (answer(500), OutcomeUnknown),
        (loopback.accept_then_reset, OutcomeUnknown),
    ],
)
async def test_a_read_receipt_that_fails_says_why(script, error):
    with pytest.raises(error):
        await sent_by(lambda provider: provider.mark_read("wamid.1", typing=False), script)


# Health


async def health_with(script, **settings):
    async with Loopback(script) as server, Transport() as transport:
        channel = parse_config(CloudChannel, {**CHANNEL, "api_url": server.url, **settings})
        return await cloud.SPEC.connect(Connection(config=channel, transport=transport)).check(), server.heads


async def test_health_tells_facts_about_the_number():
    number = {
        "id": ACCOUNT,
        "verified_name": "Example Ltd",
        "quality_rating": "GREEN",
        "throughput": {"level": "STANDARD"},
        "health_status": {"can_send_message": "LIMITED", "entities": []},
    }
    health, [head] = await health_with(answer_json(200, number))
    assert head.startswith(f"GET /v25.0/{ACCOUNT}?fields=display_phone_number,".encode())
    assert health.ok
    assert health.facts == {
        "verified_name": "Example Ltd",
        "quality_rating": "GREEN",
        "throughput": "STANDARD",
        "health_status": "LIMITED",
    }


@pytest.mark.parametrize(
    "script",
    [
        answer_json(200, {"id": ACCOUNT, "health_status": {"can_send_message": "BLOCKED"}}),
        answer_json(200, []),
        answer(200, b"<html>"),
        answer(404),
        coded(100, 400, error_subcode=33),
        loopback.accept_then_reset,
    ],
)
async def test_ill_health_is_an_answer(script):
    health, _ = await health_with(script)
    assert not health.ok
    assert health.detail


async def test_a_server_that_is_not_there_is_ill_health():
    async with Transport() as transport:
        channel = parse_config(CloudChannel, {**CHANNEL, "api_url": "http://nowhere.invalid"})
        assert not (await cloud.SPEC.connect(Connection(config=channel, transport=transport)).check()).ok


# What the answer says in passing


async def answered(script, message=MESSAGE):
    async with Loopback(script) as server, Transport() as transport:
        channel = parse_config(CloudChannel, {**CHANNEL, "api_url": server.url})
        return await outcome_of(cloud.SPEC.connect(Connection(config=channel, transport=transport)), unguarded)


async def test_retry_after_is_heard():
    document = payloads.load("errors/130429_throughput.json")["body"]
    error = await answered(answer_json(429, document, {"Retry-After": "17"}))
    assert isinstance(error, ProviderThrottled)
    assert error.retry_after == 17.0


@settings(max_examples=200)
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode), status=st.integers(200, 599))
def test_no_answer_is_taken_for_a_receipt_by_mistake(body, status):
    with pytest.raises(SendError):
        parse_send_answer(status, {}, body, 0.0)


async def test_an_address_of_another_network_is_refused_before_anything_is_sent():
    message = OutboundMessage(
        id=MESSAGE.id, attempt=1, to=Address(AddressKind.JID, "1@s.whatsapp.net"), content=Text(TextBody("x"))
    )
    async with Loopback(TAKEN) as server, Transport() as transport:
        channel = parse_config(CloudChannel, {**CHANNEL, "api_url": server.url})
        with pytest.raises(Rejected) as raised:
            await cloud.SPEC.connect(Connection(config=channel, transport=transport)).send(message, unguarded)
    assert raised.value.code == "address_unsupported"
    assert server.connections == 0
