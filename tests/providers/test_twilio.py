"""The Twilio adapter: signatures, what it posts and sends, its errors, its files, and the evidence it gives."""

import asyncio
import json
import random
from contextlib import AsyncExitStack
from itertools import count
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import msgspec
import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Text, TextBody, parse_outbound
from hailgate.core.errors import (
    ChannelUnauthorized,
    InputError,
    MessageFault,
    OutcomeUnknown,
    ProviderUnavailable,
    RecipientOptedOut,
    Rejected,
    SignatureInvalid,
    TemplateUnavailable,
)
from hailgate.core.events import ChannelFault, InboundMessage, MessageStatus
from hailgate.core.evidence import Findings
from hailgate.core.media import RemoteMedia
from hailgate.core.status import Status
from hailgate.providers import twilio
from hailgate.providers.abilities import Sought
from hailgate.providers.config import Secret, parse_config
from hailgate.providers.contract import OutboundMessage, WebhookRequest
from hailgate.providers.guard import unguarded
from hailgate.providers.twilio import TwilioChannel, TwilioHook, TwilioReceiver
from hailgate.providers.twilio.contents import parse_template
from hailgate.providers.twilio.errors import classify
from hailgate.providers.twilio.webhook import parse_address

from . import payloads_of
from .conformance import MESSAGE, PHONE
from .loopback import Loopback, answer, answer_json
from .twilio_case import ACCOUNT, CHANNEL, HOOK_URL, NUMBER, OUTCOMES, TOKEN, TWILIO, connected, content, form, posted

pytestmark = pytest.mark.anyio

VECTORS = payloads_of.load("twilio", "signature_vectors.json")["vectors"]
SDK_VECTORS = payloads_of.load("twilio", "signature_vectors_sdk.json")["vectors"]
CODES = payloads_of.load("twilio", "error_codes.json")["codes"]
URL = "https://hailgate.example/hooks/token"


# --- signatures -------------------------------------------------------------------------------------------------------


def pairs(params):
    return [(n, one) for n, v in (params or {}).items() for one in (v if isinstance(v, list) else [v])]


@pytest.mark.parametrize("vector", SDK_VECTORS, ids=lambda vector: vector["url"])
def test_what_twilio_s_own_sdk_signed_is_believed_and_nothing_else(vector):
    """Made with the SDK's validator, which is too large for a dependency: names of hosts, no odd ports."""
    hook, url = TwilioHook(auth_token=Secret(vector["secret"])), vector["url"]
    body = urlencode(pairs(vector["params"])).encode()
    headers = {"x-twilio-signature": vector["signature"], "content-type": "application/x-www-form-urlencoded"}
    request = WebhookRequest(url=url, method="POST", query=urlsplit(url).query, headers=headers, body=body)
    TwilioReceiver(hook).verify(request)
    with pytest.raises(SignatureInvalid):
        TwilioReceiver(hook).verify(msgspec.structs.replace(request, body=b"Body=another&" + body))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_signature_vectors(vector):
    hook = TwilioHook(auth_token=Secret(vector["secret"]), signing_key=Secret(vector["secret"]))
    url, raw = vector["url_seen_by_gateway"], vector["raw_body"]
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    body = urlencode(pairs(vector["params"])).encode() if raw is None else raw.encode()
    request = WebhookRequest(
        url=url, method="GET" if vector["name"] == "get_empty_params" else "POST", query=urlsplit(url).query,
        headers=headers, body=body,
    )  # fmt: skip
    if vector["valid"]:
        TwilioReceiver(hook).verify(request)
    else:
        with pytest.raises(SignatureInvalid):
            TwilioReceiver(hook).verify(request)


@pytest.mark.parametrize(
    ("signed", "called", "fits"),
    [
        ("https://[2001:db8::1]/t", "https://[2001:db8::1]:443/t", True),
        ("https://[2001:db8::1]:443/t", "https://[2001:db8::1]/t", True),
        ("https://[2001:db8::1]:8443/t", "https://[2001:db8::1]:8443/t", True),
        ("https://[2001:db8::1]/t", "https://[2001:db8::1]:8443/t", False),
        ("https://a.example/t", "https://a.example:8443/t", False),
        ("https://a.example:8443/t", "https://a.example/t", False),
        ("http://a.example/t", "http://a.example:80/t", True),
        ("http://a.example/t", "https://a.example/t", False),
        ("https://a.example/t?x=%2F", "https://a.example/t?x=/", False),
    ],
)
def test_a_port_of_its_own_is_part_of_the_address(signed, called, fits):
    request = msgspec.structs.replace(posted(signed, b"a=1"), url=called)
    receiver = TwilioReceiver(parse_config(TwilioHook, {"auth_token": TOKEN}))
    if fits:
        receiver.verify(request)
    else:
        with pytest.raises(SignatureInvalid):
            receiver.verify(request)


def test_while_a_token_is_replaced_both_are_believed():
    request = posted(URL, b"a=1")
    TwilioReceiver(TwilioHook(auth_token=Secret("new"), former_auth_token=Secret(TOKEN))).verify(request)
    with pytest.raises(SignatureInvalid):
        TwilioReceiver(TwilioHook(auth_token=Secret("new"))).verify(request)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"x-twilio-webhooks-signature-settings": "key=x,algorithm=HMAC_SHA512"},
        {"x-twilio-webhooks-signature-settings": ""},
    ],
)
def test_what_is_not_known_is_refused(headers):
    request = posted(URL, b"a=1")
    request = msgspec.structs.replace(request, headers={**request.headers, **headers})
    with pytest.raises(SignatureInvalid):
        TwilioReceiver(TwilioHook(auth_token=Secret(TOKEN), signing_key=Secret(TOKEN))).verify(request)


# --- what comes in ----------------------------------------------------------------------------------------------------


def parsed(body, url=URL):
    return TwilioReceiver(TwilioHook(auth_token=Secret(TOKEN))).parse(posted(url, body))


NAMED = {
    "audio": "audio", "bsuid": "text", "document": "document", "flow": "interactive", "image": "image",
    "list": "interactive", "location": "location", "sticker": "sticker", "stop": "text", "template": "button",
    "text": "text", "unknown": "text", "vcard": "document", "video": "video",
}  # fmt: skip


@pytest.mark.parametrize("name", TWILIO.webhooks)
def test_every_webhook_that_is_documented_ends_as_something_named(name):
    """39 of them: 26 messages and 13 steps, and nothing that is not understood."""
    [event] = parsed(TWILIO.webhooks[name])
    if name.startswith("status"):
        assert isinstance(event, MessageStatus)
        assert event.account == NUMBER
        return
    assert isinstance(event, InboundMessage)
    kind = "text" if not hasattr(event.content, "__struct_config__") else event.content.__struct_config__.tag or "text"
    assert kind == NAMED[name.removeprefix("inbound_").split("_")[0]]
    assert event.name == "Ana Example"


def test_a_person_without_a_number_is_known_by_the_scoped_id():
    [event] = parsed(TWILIO.webhooks["inbound_bsuid_only_unverified"])
    assert event.chat == (Address(AddressKind.BSUID, "US.10000000000000000042"),)
    [event] = parsed(TWILIO.webhooks["inbound_text"])
    assert event.chat == (PHONE, Address(AddressKind.BSUID, "US.10000000000000000042"))


def test_a_file_comes_by_its_link_and_a_document_under_its_name():
    [image] = parsed(TWILIO.webhooks["inbound_image"])
    assert image.media.link.startswith(f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/")
    assert image.content.image.caption == "Front door"
    [document] = parsed(TWILIO.webhooks["inbound_document"])
    assert (document.media.name, document.content.document.caption) == ("invoice 42.pdf", None)


def test_answers_carry_what_was_chosen_and_what_they_answer():
    [chosen] = parsed(TWILIO.webhooks["inbound_list_reply_unverified"])
    assert (chosen.content.interactive.list_reply.id, chosen.context_id) == (
        "slot-0900",
        "SM0000000000000000f1c000000000001a",
    )
    [pressed] = parsed(TWILIO.webhooks["inbound_template_quick_reply"])
    assert (pressed.content.button.text, pressed.content.button.payload) == ("Confirm", "confirm-42")
    [flow] = parsed(TWILIO.webhooks["inbound_flow_reply_unverified"])
    assert json.loads(flow.content.interactive.nfm_reply.response_json)["rating"] == "4"


def test_an_ad_and_a_forward_are_told():
    [event] = parsed(TWILIO.webhooks["inbound_text_from_ad"])
    assert (event.origin.referral.source_type, event.origin.referral.ctwa_clid) == ("ad", "FIXTURE_CLICK_ID")
    [event] = parsed(TWILIO.webhooks["inbound_text_frequently_forwarded"])
    assert event.origin.frequently_forwarded


def test_a_webhook_may_come_by_get():
    query = TWILIO.webhooks["inbound_text"].decode()
    request = WebhookRequest(url=f"{URL}?{query}", method="GET", query=query, headers={}, body=b"")
    [event] = TwilioReceiver(TwilioHook(auth_token=Secret(TOKEN))).parse(request)
    assert event.content.body == "Hello, is this still available?"


def test_a_step_may_come_by_get_with_our_id_among_its_fields():
    fields = f"tracker=t.1&{TWILIO.webhooks['status_delivered'].decode()}"
    request = WebhookRequest(url=f"{URL}?{fields}", method="GET", query=fields, headers={}, body=b"")
    [event] = TwilioReceiver(TwilioHook(auth_token=Secret(TOKEN))).parse(request)
    assert (event.status, event.tracker, event.account) == (Status.DELIVERED, "t.1", NUMBER)


@pytest.mark.parametrize("to", ["whatsapp:US.10000000000000000042", "whatsapp:US.ENT.Ab9"])
def test_a_step_of_a_message_to_a_scoped_id_names_the_person(to):
    body = form(MessageSid="SM1", MessageStatus="delivered", From=f"whatsapp:+{NUMBER}", To=to)
    [event] = parsed(body)
    assert event.recipient == Address(AddressKind.BSUID, to.removeprefix("whatsapp:"))


def test_all_that_names_a_person_is_taken_and_the_phone_first():
    body = form(
        MessageSid="SM1", From="whatsapp:US.1", To=f"whatsapp:+{NUMBER}", Body="x", NumMedia="0", MessageType="text",
        WaId=PHONE.value, ExternalUserId="whatsapp:US.1", ParentExternalUserId="whatsapp:US.ENT.9",
    )  # fmt: skip
    [event] = parsed(body)
    kinds = [AddressKind.PHONE, AddressKind.BSUID, AddressKind.BSUID]
    assert event.chat == tuple(map(Address, kinds, [PHONE.value, "US.1", "US.ENT.9"]))


def test_an_opt_out_is_told_as_one():
    [event] = parsed(TWILIO.webhooks["status_failed_21610"])
    assert (event.status, event.code, event.opted_out) == (Status.FAILED, "21610", True)


@pytest.mark.parametrize(
    ("told", "wants"),
    [({"OptOutType": "STOP"}, False), ({"OptOutType": "START"}, True), ({"OptOutType": "HELP"}, None), ({}, None)],
)
def test_what_a_messaging_service_takes_for_a_wish_is_told_as_one_whatever_the_word(told, wants):
    body = form(MessageSid="SM1", From="whatsapp:+15550100042", To=f"whatsapp:+{NUMBER}", Body="chega", **told)
    [event] = parsed(body)
    assert event.wants is wants


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("63018", ChannelFault("provider_throttled", pauses=False, rest_s=60.0)),
        ("63017", ChannelFault("provider_throttled", pauses=False, rest_s=60.0)),
        ("63038", ChannelFault("provider_throttled", pauses=False, rest_s=3600.0)),
        ("30002", ChannelFault("channel_unauthorized", pauses=True)),
        ("63112", ChannelFault("channel_refused", pauses=True)),
        ("63024", None),
        ("63016", None),
        ("63999", None),
    ],
)
def test_a_step_tells_what_its_code_would_tell_in_an_answer(code, fault):
    body = form(
        MessageSid="SM1", MessageStatus="undelivered", ErrorCode=code, From=f"whatsapp:+{NUMBER}", To="whatsapp:US.1"
    )
    [event] = parsed(body)
    assert event.channel_fault == fault
    assert twilio.SPEC.our_code(code) == (None if code == "63999" else classify(code).code)


@pytest.mark.parametrize("word", ["accepted", "queued", "sending", "scheduled"])
def test_what_waits_at_twilio_was_taken(word):
    body = form(MessageSid="SM1", MessageStatus=word, From=f"whatsapp:+{NUMBER}", To="whatsapp:+15550100042")
    [event] = parsed(body, f"{URL}?tracker=t.1")
    assert (event.status, event.tracker) == (Status.SENT, "t.1")


def test_a_thousand_numbers_written_in_any_way_are_one_identity_each():
    chance = random.Random(14)
    for _ in range(1_000):
        number = "".join(chance.choice("123456789") for _ in range(chance.randint(8, 15)))
        written = [f"whatsapp:+{number}", f"whatsapp:{number}", number, f"+{number}"]
        assert {parse_address(one) for one in written} == {Address(AddressKind.PHONE, number)}


# --- what it takes ----------------------------------------------------------------------------------------------------


def test_limits_are_those_that_twilio_documents():
    """Ten messages a second on older pages; ten hours in the queue; 16 MB, pictures 5 MB; 1,600 characters."""
    own = twilio.SPEC.capabilities
    assert (1 / own.channel_limit.interval, own.link_life_s, own.window_seconds) == (10, 36_000, 86_400)
    sizes = {kind: limits.bytes for kind, limits in own.kinds.items() if limits.bytes}
    assert sizes == dict.fromkeys(["audio", "video", "document"], 16 << 20) | {"image": 5 << 20, "sticker": 500 << 10}
    assert (own.kinds["text"].text, own.kinds["interactive.list"].text) == (1_600, 1_024)
    assert not any(limits.quotable for limits in own.kinds.values())


# --- what goes out ----------------------------------------------------------------------------------------------------

LINK = "https://hailgate.example/files/x"
BUTTONS = {
    "type": "button",
    "body": {"text": "Which?"},
    "footer": {"text": "Shop"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": f"b{n}", "title": f"Button {n}"}} for n in (1, 2)]},
}
ROWS = [{"id": "r1", "title": "One", "description": "The first"}, {"id": "r2", "title": "Two"}]
LIST = {"type": "list", "body": {"text": "Choose"}, "action": {"button": "Show", "sections": [{"rows": ROWS}]}}


def asking(document):
    return OutboundMessage(id=MESSAGE.id, attempt=1, to=PHONE, content=parse_outbound(document))


async def sent(document, contents=(), **changes):
    """The form of the send, and the other calls that were made before it."""

    async def script(connection):
        head, _ = await connection.peek()
        if head.startswith(b"GET /v1/Content"):
            await answer_json(200, {"contents": list(contents), "meta": {}})(connection)
        elif head.startswith(b"POST /v1/Content"):
            await answer_json(201, {"sid": "HX" + "b" * 32})(connection)
        else:
            await OUTCOMES["taken"][1](connection)

    async with Loopback(script) as server, connected(server, **changes) as provider:
        await provider.send(asking(document), unguarded)
        await provider.send(asking(document), unguarded)
        calls = list(zip(server.heads, server.bodies, strict=True))
    forms = [parse_qs(body.decode()) for head, body in calls if b"Messages.json" in head]
    assert forms[0] == forms[1]
    return forms[0], [body for head, body in calls if head.startswith(b"POST /v1/Content")]


async def test_a_text_names_its_sender_and_asks_for_its_steps():
    said, _ = await sent({"type": "text", "text": {"body": "Hello"}})
    callback = f"{HOOK_URL}?{urlencode({'tracker': asking({'type': 'text', 'text': {'body': 'x'}}).tracker})}"
    assert said == {
        "To": [f"whatsapp:+{PHONE.value}"],
        "From": [f"whatsapp:+{NUMBER}"],
        "Body": ["Hello"],
        "StatusCallback": [callback],
    }


async def test_without_a_public_address_no_step_is_asked_for_and_the_check_says_what_that_means():
    said, _ = await sent({"type": "text", "text": {"body": "Hello"}}, hook_url=None)
    assert "StatusCallback" not in said
    async with Loopback(answer_json(200, {"sid": ACCOUNT, "status": "active"})) as server:
        async with connected(server, hook_url=None) as provider:
            health = await provider.check()
        async with connected(server) as provider:
            beside = await provider.check()
    assert (health.ok, beside.ok) == (True, True)
    assert "HAILGATE_PUBLIC_URL" in health.detail
    assert "unknown outcomes" in health.detail
    assert "unknown outcomes" not in beside.detail


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"type": "image", "image": {"link": LINK, "caption": "c"}}, {"MediaUrl": [LINK], "Body": ["c"]}),
        ({"type": "document", "document": {"link": LINK}}, {"MediaUrl": [LINK]}),
        ({"type": "audio", "audio": {"link": LINK}}, {"MediaUrl": [LINK]}),
        ({"type": "sticker", "sticker": {"link": LINK}}, {"MediaUrl": [LINK]}),
        (
            {"type": "location", "location": {"latitude": 1.5, "longitude": -2.5, "name": "Cafe"}},
            {"Body": ["Cafe"], "PersistentAction": ["geo:1.5,-2.5|Cafe"]},
        ),
        (
            {
                "type": "contacts",
                "contacts": [{"name": {"formatted_name": "Ana", "first_name": "Ana"}, "phones": [{"phone": "+1 555"}]}],
            },
            {"Body": ["Ana\n+1 555"]},
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "cta_url",
                    "body": {"text": "Your order"},
                    "action": {
                        "name": "cta_url",
                        "parameters": {"display_text": "Open", "url": "https://a.example/42"},
                    },
                },
            },
            {"Body": ["Your order\n\nOpen: https://a.example/42"]},
        ),
    ],
    ids=lambda value: value.get("type", "") if isinstance(value, dict) else "",
)
async def test_each_kind_has_its_form(document, expected):
    said, _ = await sent(document)
    assert {name: said[name] for name in said if name not in {"To", "From", "StatusCallback"}} == expected


@pytest.mark.parametrize(
    ("question", "kind", "words"),
    [
        (BUTTONS, "twilio/quick-reply", ["Which?\n\n_Shop_", "Button 1", "b1", "Button 2", "b2"]),
        (LIST, "twilio/list-picker", ["Choose", "Show", "One", "r1", "The first", "Two", "r2"]),
    ],
    ids=["buttons", "list"],
)
async def test_a_question_is_one_content_for_its_shape_and_its_words_are_variables(question, kind, words):
    said, created = await sent({"type": "interactive", "interactive": question})
    assert json.loads(said["ContentVariables"][0]) == {str(place): word for place, word in enumerate(words, 1)}
    assert "Body" not in said
    [creation] = map(json.loads, created)  # two sends, one creation
    assert list(creation["types"]) == [kind]
    assert not any(word in json.dumps(creation["types"]) for word in words)
    name = creation["friendly_name"]
    _, none = await sent({"type": "interactive", "interactive": question}, [content(name)])
    assert none == []


class Account:
    """The contents of one account, and what was sent with them. `together` lets creations wait for one another."""

    def __init__(self, *names, together=1):
        self.contents = [content(name) for name in names]
        self.used, self._together, self._numbers = [], asyncio.Barrier(together), count(1)

    async def __call__(self, connection):
        head, body = await connection.peek()
        method, path, _ = head.decode().split(" ", 2)
        if "/v1/Content" not in path:
            script = self._send(parse_qs(body.decode())["ContentSid"][0])
        elif method == "POST":
            await self._together.wait()
            script = self._make(json.loads(body))
        elif method == "DELETE":
            self.contents = [each for each in self.contents if not path.endswith(each["sid"])]
            script = answer(204)
        else:
            script = answer_json(200, {"contents": self.contents, "meta": {}})
        await script(connection)

    def _send(self, sid):
        if sid not in self.sids():
            return answer_json(400, {"code": 21655, "status": 400})
        self.used.append(sid)
        return answer_json(201, {"sid": "SM" + "1" * 32, "status": "queued"})

    def _make(self, creation):
        made = creation | {"sid": f"HX{next(self._numbers):032x}", "date_created": "2026-01-01T00:00:00Z"}
        self.contents.append(made)
        return answer_json(201, made)

    def sids(self):
        return [each["sid"] for each in self.contents]


@pytest.mark.parametrize("named", [True, False], ids=["template", "question"])
async def test_a_content_that_was_deleted_is_looked_for_anew(named):
    """One that the caller named by its SID is not: nothing else is meant by it."""
    template = {"name": "promo", "language": {"code": "en"}, "components": []}
    asked = {"type": "template", "template": template} if named else {"type": "interactive", "interactive": LIST}
    account = Account("promo")
    async with Loopback(account) as server, connected(server) as provider:
        await provider.send(asking(asked), unguarded)
        account.contents = [content("promo") | {"sid": "HX" + "e" * 32}]
        with pytest.raises(MessageFault) as fault:
            await provider.send(asking(asked), unguarded)
        assert (fault.value.provider_code, fault.value.max_attempts) == ("21655", 3)
        await provider.send(asking(asked), unguarded)
        assert account.used[1] in account.sids()
        assert account.used[1] != account.used[0]
        gone = {"type": "template", "template": template | {"name": "HX" + "f" * 32}}
        with pytest.raises(TemplateUnavailable):
            await provider.send(asking(gone), unguarded)


async def test_workers_that_make_a_content_at_the_same_moment_keep_one():
    account, asked = Account(together=3), asking({"type": "interactive", "interactive": LIST})
    async with Loopback(account) as server, AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(connected(server)) for _ in range(3)]
        await asyncio.gather(*(worker.send(asked, unguarded) for worker in workers for _ in range(2)))
        assert len(account.contents) == 1
        assert set(account.used) == set(account.sids())


@pytest.mark.parametrize(
    ("types", "named", "components"),
    [
        (
            {"twilio/text": {"body": "Order {{1}} is {{2}}."}},
            False,
            [{"type": "BODY", "text": "Order {{1}} is {{2}}."}],
        ),
        ({"twilio/text": {"body": "Hello"}}, False, [{"type": "BODY", "text": "Hello"}]),
        ({"twilio/text": {"body": "Hello {{first_name}}"}}, True, [{"type": "BODY", "text": "Hello {{first_name}}"}]),
        ({"twilio/text": {"body": "Hello {{3}}"}}, True, [{"type": "BODY", "text": "Hello {{3}}"}]),
        ({"twilio/quick-reply": {"body": "Hi {{1}}", "actions": [{"title": "{{2}}", "id": "a"}]}}, False, None),
        ({"twilio/media": {"body": "Hi", "media": ["https://a.example/{{1}}"]}}, False, None),
    ],
)
def test_a_content_is_known_by_its_body_where_that_holds_every_variable(types, named, components):
    found = parse_template(content("x") | {"types": types}, {"status": "approved"})
    assert found.named is named
    assert (json.loads(found.components) if found.components else None) == components


async def test_a_template_goes_by_its_sid_or_by_its_name():
    variables = [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "42"}]}]
    template = {"name": "order_update", "language": {"code": "en"}, "components": variables}
    said, _ = await sent({"type": "template", "template": template}, [content("promo"), content("order_update")])
    assert said["ContentSid"] == [content("order_update")["sid"]]
    assert json.loads(said["ContentVariables"][0]) == {"1": "Ana", "2": "42"}
    by_sid, _ = await sent({"type": "template", "template": {**template, "name": "HX" + "c" * 32}})
    assert by_sid["ContentSid"] == ["HX" + "c" * 32]
    with pytest.raises(TemplateUnavailable):
        await sent({"type": "template", "template": template})


@pytest.mark.parametrize(("kind", "value"), [("jid", "1@s.whatsapp.net"), ("lid", "1"), ("group", "1@g.us")])
async def test_an_address_of_another_network_is_refused_before_anything_is_sent(kind, value):
    message = OutboundMessage(
        id=UUID(int=1), attempt=1, to=Address(AddressKind(kind), value), content=Text(TextBody("x"))
    )
    async with Loopback(answer(200)) as server, connected(server) as provider:
        with pytest.raises(Rejected):
            await provider.send(message, unguarded)
        assert server.connections == 0


async def test_a_content_that_could_not_be_made_leaves_nothing_unknown():
    async with Loopback(OUTCOMES["reset"][1]) as server, connected(server) as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.send(asking({"type": "interactive", "interactive": LIST}), unguarded)


# --- errors -----------------------------------------------------------------------------------------------------------

CLASSES = {
    "throttle": {"ProviderThrottled", "Rejected"},
    "auth": {"ChannelUnauthorized", "ChannelRefused"},
    "recipient": {"RecipientUnreachable"},
    "consent": {"RecipientOptedOut"},
    "template": {"TemplateUnavailable", "Rejected"},
    "sender": {"ChannelRefused"},
    "media": {"Rejected"},
    "window": {"Rejected"},
}


@pytest.mark.parametrize("row", CODES, ids=lambda row: str(row["code"]))
def test_every_documented_code_is_classed(row):
    error = classify(str(row["code"]))
    assert error.detail
    assert error.provider_code == str(row["code"])
    allowed = CLASSES.get(row["class"]) if row["scope"] != "webhook" else None
    assert allowed is None or type(error).__name__ in allowed


@pytest.mark.parametrize("code", ["", "x", "99999", "-1", "0", "9" * 50, "\u00b2"])
def test_a_code_that_is_not_known_is_a_refusal(code):
    assert isinstance(classify(code), Rejected)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("11999", Rejected, "does not accept"),
        ("20499", Rejected, "does not accept"),
        ("20501", OutcomeUnknown, "failed while"),
        ("20599", OutcomeUnknown, "failed while"),
        ("20600", Rejected, "does not accept"),
        ("21999", Rejected, "does not accept"),
        ("30999", Rejected, "could not deliver"),
        ("35999", Rejected, "does not accept"),
        ("63999", Rejected, "WhatsApp did not take"),
    ],
)
def test_a_code_that_is_not_known_is_classed_by_its_range(code, kind, said):
    error = classify(code)
    assert type(error) is kind
    assert said in error.detail
    assert error.provider_code == code


def test_credentials_are_checked_as_they_are_typed():
    for wrong in ({"account_sid": "AC1"}, {"auth_token": ""}, {"api_key_sid": "SK" + "a" * 32}, {"api_url": "x"}):
        with pytest.raises(InputError):
            parse_config(TwilioChannel, {**CHANNEL, **wrong})
    with pytest.raises(InputError, match="auth_token"):
        parse_config(TwilioChannel, {"account_sid": ACCOUNT})
    assert classify("20003").__class__ is ChannelUnauthorized
    assert classify("21610").__class__ is RecipientOptedOut
    assert classify("20500").__class__ is OutcomeUnknown


# --- files ------------------------------------------------------------------------------------------------------------


async def test_a_file_is_fetched_with_credentials_only_towards_twilio():
    async with Loopback(answer(200, b"bytes of the file")) as elsewhere:

        async def script(connection):
            await answer(307, b"", {"Location": f"{elsewhere.url}/file"})(connection)

        async with Loopback(script) as server, connected(server) as provider:
            media = RemoteMedia("image", link=f"{server.url}/2010-04-01/Media/ME1")
            with pytest.raises(Rejected):  # what is not public is not called, credentials or not
                [chunk async for chunk in provider.fetch_media(media)]
            assert b"authorization: basic" in server.heads[0].lower()
            assert elsewhere.connections == 0
            assert provider._files.knows("https://api.twilio.com/x")
            assert not provider._files.knows("https://api.twilio.com.evil.example/x")
            assert not provider._files.knows("http://api.twilio.com/x")


async def test_a_file_that_is_gone_is_told():
    async with Loopback(answer(404)) as server, connected(server) as provider:
        with pytest.raises(Rejected) as refused:
            [chunk async for chunk in provider.fetch_media(RemoteMedia("image", link=f"{server.url}/x"))]
    assert refused.value.code == "media_gone"


# --- evidence ---------------------------------------------------------------------------------------------------------

AT = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 +0000


def listed(sid="SM1", at="Thu, 01 Jan 2026 00:01:05 +0000", **changes):
    return {
        "sid": sid, "from": f"whatsapp:+{NUMBER}", "to": f"whatsapp:+{PHONE.value}", "body": "Hello", "num_media": "0",
        "direction": "outbound-api", "date_created": at,
    } | changes  # fmt: skip


async def found(*messages, known=(), newest=(), document=None, **changes):
    async def script(connection):
        head, _ = await connection.peek()
        page = messages if b"To=" in head else newest
        known = {"messages": list(page)} if b"/v1/Content" not in head else ORDER if b"/HX" in head else CONTENTS
        await answer_json(200, known)(connection)

    message = asking(document or {"type": "text", "text": {"body": "Hello"}})
    async with Loopback(script) as server, connected(server, **changes) as provider:
        return await provider.find_sent(Sought(message=message, attempted_at=AT, known=frozenset(known)))


async def test_the_same_words_to_the_same_person_after_the_attempt_are_the_message():
    assert await found(listed()) == Findings(matches=("SM1",), newer=True)
    assert (await found(listed(), listed("SM2"))).matches == ("SM1", "SM2")


@pytest.mark.parametrize("at", ["Wed, 31 Dec 2025 23:59:56 +0000", "Thu, 01 Jan 2026 00:00:04 +0000"])
async def test_two_clocks_need_not_agree(at):
    """It may be dated before the attempt began; and what looks newer may have been made before it."""
    assert (await found(listed(at=at))).matches == ("SM1",)
    assert not (await found(newest=[listed("SM2", body="x", at=at)])).newer


@pytest.mark.parametrize(
    "other",
    [
        listed(body="Hello!"),
        listed(to="whatsapp:+15550100099"),
        listed(**{"from": "whatsapp:+15550100099"}),
        listed(direction="inbound"),
        listed(num_media="1"),
        listed(at="Wed, 31 Dec 2025 23:58:58 +0000"),
        listed(at="no date"),
        listed(sid=""),
    ],
    ids=["words", "person", "sender", "direction", "files", "before", "undated", "unnamed"],
)
async def test_another_message_is_no_evidence(other):
    assert await found(other) == Findings(newer=False)


@pytest.mark.parametrize("sender", [None, "whatsapp:+15550100099"])
async def test_a_messaging_service_chooses_who_sends(sender):
    chosen = listed(**{"from": sender})
    assert (await found(chosen, messaging_service_sid="MG" + "a" * 32)).matches == ("SM1",)


ORDER = content("order") | {"types": {"twilio/text": {"body": "Order {{1}} is {{ 2 }}."}}, "variables": {"2": "sent"}}
CONTENTS = {"contents": [ORDER], "meta": {}}
CALL = {
    "type": "template",
    "template": {
        "name": "order", "language": {"code": "en"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "42"}]}],
    },
}  # fmt: skip


async def test_a_template_is_known_by_its_words_and_proves_nothing_by_others():
    newer = [listed("SM9", to="whatsapp:+15550100099")]
    filled = listed(body="Order 42 is sent.", num_media="1")
    assert (await found(listed(body="Hi"), filled | {"sid": "SM2"}, document=CALL)).matches == ("SM2",)
    assert await found(listed(body="Hi"), newest=newer, document=CALL) == Findings()
    assert await found(newest=newer, document=CALL) == Findings(newer=True)
    gone = CALL | {"template": CALL["template"] | {"name": "unknown"}}
    assert await found(filled, newest=newer, document=gone) == Findings()


async def test_a_page_that_ends_after_the_attempt_proves_no_absence():
    newer, others = [listed("SM9", to="whatsapp:+15550100099")], [listed(f"SM{n}", body=str(n)) for n in range(200)]
    assert await found(*others, newest=newer) == Findings(newer=False)
    older = listed("SM200", body="x", at="Wed, 31 Dec 2025 23:58:00 +0000")
    assert await found(*others[1:], older, newest=newer) == Findings(newer=True)


async def test_a_message_that_is_another_of_ours_is_no_evidence():
    assert (await found(listed(), known=["SM1"])).matches == ()


async def test_absence_needs_a_list_that_shows_something_newer():
    assert await found(newest=[listed("SM9", to="whatsapp:+15550100099")]) == Findings(newer=True)
    assert await found(newest=[listed("SM9", at="Thu, 01 Jan 2026 00:00:00 +0000")]) == Findings(newer=False)


async def test_a_question_is_known_by_its_words():
    question = {"type": "interactive", "interactive": LIST}
    assert (await found(listed(body="Choose"), document=question)).matches == ("SM1",)
    assert (await found(listed(body="Hello"), document=question)).matches == ()
