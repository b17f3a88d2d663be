"""Calls to WPPConnect Server: each send as the server wants it, its token, its session, its lists."""

import asyncio
import json
from uuid import UUID

import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import decode_outbound
from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelUnauthorized,
    InputError,
    OutcomeUnknown,
    ProviderUnavailable,
    RecipientUnreachable,
    Rejected,
)
from hailgate.core.media import LocalMedia
from hailgate.core.sessions import SessionState
from hailgate.providers.abilities import FindsSent, HoldsToken, PairsSession, PollsInbound, Sought
from hailgate.providers.config import Secret, parse_config
from hailgate.providers.contract import Connection, OutboundMessage
from hailgate.providers.guard import unguarded
from hailgate.providers.inline import FileInJson
from hailgate.providers.transport import Transport
from hailgate.providers.wppconnect import SPEC, WppChannel
from hailgate.providers.wppconnect.token import SessionToken
from hailgate.providers.wppconnect.wire import fits, parse_own_number, parse_send_answer, parse_session, render_send

from . import payloads_of
from .loopback import Loopback, answer_json

pytestmark = pytest.mark.anyio

ANA = Address(AddressKind.PHONE, "5511900000042")
ANSWERED = "false_5511900000042@c.us_3AF1C0F1C0F1C0000001"
ID = UUID("0198a0b0-0000-7000-8000-000000000001")
REQUESTS = payloads_of.folder("wppconnect", "requests")
FILE = b"Hello, fixture!"


async def chunks():
    yield FILE[:4]
    yield FILE[4:]


def message(content, to=ANA, context_id=None, mime="image/jpeg", name="a.jpg"):
    files = {"0": LocalMedia(name, mime, len(FILE), chunks)}
    return OutboundMessage(id=ID, attempt=1, to=to, content=content, context_id=context_id, files=files)


def content(kind, **members):
    return decode_outbound(json.dumps({"type": kind, kind: members}))


async def body_of(call):
    if isinstance(call.body, FileInJson):
        whole = b"".join([piece async for piece in call.body.body()])
        assert len(whole) == call.body.length
        return json.loads(whole)
    return json.loads(call.body)


LIST = content(
    "interactive",
    type="list",
    body={"text": "Pick a slot"},
    action={
        "button": "Open",
        "sections": [{"title": "Tomorrow", "rows": [{"id": "slot-0900", "title": "09:00", "description": "Morning"}]}],
    },
)
POLL = content("interactive", type="poll", body={"text": "Which day?"}, action={"options": ["Monday", "Tuesday"]})
SENDS = {
    "send_message": message(content("text", body="Hello")),
    "send_message_lid": message(content("text", body="Hello"), Address(AddressKind.LID, "100000000000042")),
    "send_reply": message(content("text", body="Yes"), context_id=ANSWERED),
    "send_image_base64": message(content("image", attachment="0", caption="Front door")),
    "send_file_base64": message(
        content("document", attachment="0", caption="Invoice", filename="invoice 42.pdf"), mime="application/pdf"
    ),
    "send_voice_base64": message(content("audio", attachment="0", voice=True), mime="audio/ogg", name=""),
    "send_location": message(
        content("location", latitude=-23.55052, longitude=-46.633308, name="Example Cafe", address="1 Example Street")
    ),
    "send_list_message": message(LIST),
    "send_poll": message(POLL),
    "react_message": message(content("reaction", message_id=ANSWERED, emoji="\N{THUMBS UP SIGN}")),
}


@pytest.mark.parametrize("name", SENDS)
async def test_a_send_is_what_the_server_is_known_to_take(name):
    wanted = REQUESTS[name]
    call = render_send(SENDS[name])
    assert wanted["path"] == f"/api/shop-one/{call.path}"
    rendered = await body_of(call)
    optional = {"isLid", "isNewsletter", "options"}
    assert {k: v for k, v in rendered.items() if k not in optional} == {
        k: v for k, v in wanted["body"].items() if k not in optional
    }
    assert rendered.get("isLid", False) == wanted["body"].get("isLid", False)


async def test_a_poll_says_how_many_may_be_chosen():
    assert (await body_of(render_send(message(POLL))))["options"] == {"selectableCount": 1}


GROUP = Address(AddressKind.GROUP, "120363000000000001@g.us")


@pytest.mark.parametrize(
    ("given", "path", "told"),
    [
        ({}, "send-mentioned", {"mentioned": ["5511900000042@c.us", "100000000000042@lid"]}),
        (
            {"context_id": ANSWERED},
            "send-message",
            {
                "isNewsletter": False,
                "options": {"quotedMsg": ANSWERED, "mentionedList": ["5511900000042@c.us", "100000000000042@lid"]},
            },
        ),
    ],
)
async def test_a_text_mentions_people_also_where_it_quotes(given, path, told):
    people = ["+5511900000042", {"kind": "lid", "value": "100000000000042"}]
    call = render_send(message(content("text", body="Hi", mentions=people), GROUP, **given))
    assert call.path == path
    place = {"phone": "120363000000000001", "isGroup": True, "isLid": False, "message": "Hi"}
    assert await body_of(call) == place | told


async def test_a_card_is_sent_by_its_number():
    card = {"name": {"formatted_name": "Luis Sample"}, "phones": [{"phone": "+1 555-010-0077"}]}
    call = render_send(message(decode_outbound(json.dumps({"type": "contacts", "contacts": [card]}))))
    assert await body_of(call) == REQUESTS["contact_vcard"]["body"] | {"isLid": False}


async def test_buttons_become_numbered_words():
    asked = content(
        "interactive",
        type="button",
        header={"type": "text", "text": "Booking"},
        body={"text": "Confirm?"},
        footer={"text": "Example Ltd"},
        action={"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]},
    )
    said = (await body_of(render_send(message(asked))))["message"]
    assert said == "*Booking*\n\nConfirm?\n\n1. Yes\n\n_Example Ltd_"


async def test_a_link_is_fetched_by_the_server():
    call = render_send(message(content("document", link="https://files.example/a.pdf", filename="a.pdf")))
    assert call.path == "send-file"
    assert (await body_of(call))["path"] == "https://files.example/a.pdf"


async def test_a_group_goes_by_its_id_alone():
    group = Address(AddressKind.GROUP, "120363000000000001@g.us")
    rendered = await body_of(render_send(message(content("text", body="Hi"), group)))
    assert (rendered["phone"], rendered["isGroup"]) == ("120363000000000001", True)


@pytest.mark.parametrize(
    "sent",
    [
        message(content("text", body="x"), Address(AddressKind.BSUID, "US.1")),
        message(decode_outbound('{"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]}')),
        message(content("image", attachment="other")),
    ],
)
def test_what_the_server_cannot_send_is_refused(sent):
    with pytest.raises(Rejected):
        render_send(sent)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1000, 100_001])
async def test_a_file_in_json_has_the_length_it_told(size):
    whole = bytes(index % 251 for index in range(size))

    async def pieces():
        for at in range(0, size, 7):
            yield whole[at : at + 7]

    stream = FileInJson({"a": "1", "file": "\0file\0", "z": 2}, LocalMedia("n", "a/b", size, pieces), data_url=True)
    written = b"".join([piece async for piece in stream.body()])
    assert len(written) == stream.length
    import base64

    assert base64.b64decode(json.loads(written)["file"].removeprefix("data:a/b;base64,")) == whole


async def test_a_file_that_cannot_be_read_is_nobody_else_s_fault():
    async def broken():
        yield b"abc"
        raise OSError

    stream = FileInJson({"file": "\0file\0"}, LocalMedia("n", "a/b", 6, broken))
    with pytest.raises(OSError):
        [piece async for piece in stream.body()]
    assert isinstance(stream.failure, OSError)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"session": "a b"}, "session"),
        ({"session": "../x"}, "session"),
        ({"secret_key": "with/slash"}, "secret_key"),
        ({"secret_key": "x" * 64, "session": "y" * 8}, "72 bytes"),
        ({"api_url": "ftp://x"}, "api_url"),
        ({"api_url": "http://u:p@x"}, "api_url"),
        ({"timeout_s": "0"}, "timeout_s"),
    ],
)
def test_a_setting_that_would_not_do_is_named(changed, words):
    with pytest.raises(InputError, match=words):
        parse_config(WppChannel, {"session": "shop", "secret_key": "s"} | changed)


def test_the_source_s_defaults():
    config = parse_config(WppChannel, {"session": "shop", "secret_key": "x" * 67})
    assert (config.api_url, config.timeout_s) == ("http://127.0.0.1:21465", 30.0)


# --- the server -------------------------------------------------------------------------------------------------------


class Server:
    """Answers by the end of the path, and remembers what it was asked."""

    def __init__(self, **answers) -> None:
        self.asked: list[str] = []
        self.tokens = 0
        self.answers = answers

    async def __call__(self, connection):
        head, _ = await connection.peek()
        path = head.split(b" ")[1].decode().partition("?")[0].rpartition("/")[2]
        self.asked.append(path)
        if path == "generate-token":
            self.tokens += 1
            await answer_json(201, {"token": f"token-{self.tokens}"})(connection)
        elif b"Bearer token-" not in head:
            await answer_json(401, {"error": "Check that the Session and Token are correct"})(connection)
        else:
            status, told = self.answers.get(path.replace("-", "_"), (200, {}))
            await answer_json(status, told)(connection)


class Wpp:
    def __init__(self, server, secrets=None, now=1000.0) -> None:
        self.server, self.kept, self.now = server, dict(secrets or {}), now

    async def __aenter__(self):
        self.loopback = Loopback(self.server)
        self.transport = Transport()
        address = await self.loopback.__aenter__()
        await self.transport.__aenter__()
        config = parse_config(WppChannel, {"session": "shop", "secret_key": "secret", "api_url": address.url})

        async def keep(secrets):
            self.kept |= secrets

        return SPEC.connect(
            Connection(
                config=config,
                transport=self.transport,
                hook_url="https://hailgate.example/hooks/t",
                secrets=self.kept,
                keep=keep,
                clock=lambda: self.now,
            )
        )

    async def __aexit__(self, *told):
        await self.transport.__aexit__(*told)
        await self.loopback.__aexit__(*told)


STANDING = {"status_session": (200, {"status": "CONNECTED", "qrcode": None})}
LISTED = {"id": "true_5511900000042@c.us_1", "fromMe": True, "type": "chat", "body": "Hello", "t": 1001, "ack": 1}


async def test_a_token_is_made_once_for_all_who_wait_and_kept():
    served = Wpp(Server(**STANDING))
    async with served as provider:
        await asyncio.gather(*(provider.session_state() for _ in range(5)))
    assert served.server.tokens == 1
    assert served.kept["token"] == Secret("token-1")


async def test_a_token_that_is_kept_is_used_and_a_refused_one_renewed_once():
    server = Server(**STANDING)
    served = Wpp(server, {"token": Secret("stale"), "token_made_at": Secret("999")})
    async with served as provider:
        await asyncio.gather(*(provider.session_state() for _ in range(5)))
    assert server.tokens == 1


async def test_a_token_is_made_anew_after_half_a_day_and_the_old_one_serves_where_that_fails():
    made = []

    async def make():
        made.append(1)
        raise ProviderUnavailable

    async def keep(_):
        raise AssertionError

    token = SessionToken(make, keep, {"token": Secret("old"), "token_made_at": Secret("0")}, lambda: 43_200.0)
    assert await token.get() == "old"
    assert made
    with pytest.raises(ProviderUnavailable):
        await SessionToken(make, keep, {}, lambda: 0.0).get()


@pytest.mark.parametrize(
    ("kept", "valid"),
    [({}, False), ({"token": Secret("stale")}, False), ({"token": Secret("token-1")}, True)],
    ids=["none yet", "refused", "taken"],
)
async def test_a_token_is_validated_without_making_one_and_generated_on_request(kept, valid):
    served = Wpp(Server(**STANDING), {**kept, "token_made_at": Secret("999")})
    async with served as provider:
        assert isinstance(provider, HoldsToken)
        assert await provider.validate_token() == valid
        assert served.server.tokens == 0
        await provider.generate_token()
        assert await provider.validate_token()
    assert served.server.tokens == 1
    assert served.kept["token"] == Secret("token-1")


async def test_a_secret_that_is_wrong_stops_the_channel():
    async def refuse(connection):
        await connection.peek()
        await answer_json(400, {"response": False, "message": "The SECRET_KEY is incorrect"})(connection)

    async with Wpp(refuse) as provider:
        with pytest.raises(ChannelUnauthorized):
            await provider.session_state()
        assert not (await provider.check()).ok


@pytest.mark.parametrize(
    ("document", "state"),
    [
        ("status_session_closed", SessionState.CLOSED),
        ("status_session_initializing", SessionState.STARTING),
        ("status_session_qrcode", SessionState.PAIRING),
        ("status_session_connected", SessionState.OPEN),
        ("start_session_qrcode", SessionState.PAIRING),
        ("start_session_phonecode", SessionState.PAIRING),
    ],
)
def test_a_session_stands_as_the_server_says(document, state):
    told = payloads_of.load("wppconnect", f"responses/{document}.json")
    report = parse_session(told["http_status"], {}, json.dumps(told["body"]).encode())
    assert report.state is state
    assert (report.code is not None) == (state is SessionState.PAIRING)
    if report.code:
        assert report.code.typed == ("phone" in document)


async def test_a_session_is_started_with_our_hook_and_a_typed_code_where_a_phone_is_named():
    server = Server(start_session=(200, {"status": "phoneCode", "phoneCode": "ABCD1234"}))
    served = Wpp(server)
    async with served as provider:
        report = await provider.start_session(phone="5511900000000")
        bodies = [json.loads(body) for body in served.loopback.bodies if b"webhook" in body]
    assert bodies == [{"waitQrCode": True, "webhook": "https://hailgate.example/hooks/t", "phone": "5511900000000"}]
    assert (report.code.value, report.code.typed) == ("ABCD1234", True)


async def test_closing_may_fail_and_yet_have_closed():
    server = Server(close_session=(500, {"status": False}), status_session=(200, {"status": "CLOSED"}))
    async with Wpp(server) as provider:
        assert (await provider.end_session()).state is SessionState.CLOSED
        assert (await provider.log_out()).state is SessionState.UNPAIRED


async def test_a_number_that_is_not_on_whatsapp_is_asked_for_once_a_day_and_never_sent_to():
    missing = {"status": "success", "response": {"numberExists": False}}
    server = Server(**{"5511900000042": (200, missing)})
    served = Wpp(server)
    async with served as provider:
        for _ in range(2):
            with pytest.raises(RecipientUnreachable):
                await provider.send(SENDS["send_message"], lambda: None)
        served.now += 86_401
        with pytest.raises(RecipientUnreachable):
            await provider.send(SENDS["send_message"], lambda: None)
    assert server.asked.count("5511900000042") == 2
    assert "send-message" not in server.asked


async def test_a_session_that_is_down_is_found_before_anything_is_sent():
    server = Server(**{"5511900000042": (404, {"status": "Disconnected"})})
    async with Wpp(server) as provider:
        with pytest.raises(ChannelDisconnected):
            await provider.send(SENDS["send_message"], lambda: None)
    assert "send-message" not in server.asked


async def find(listed, **sought):
    server = Server(**{"5511900000042@c.us": (200, {"status": "success", "response": listed})})
    async with Wpp(server) as provider:
        facts = {"message": SENDS["send_message"], "attempted_at": 1000.0, "open_since": 900.0} | sought
        return await provider.find_sent(Sought(**facts))


async def test_a_sent_message_is_found_by_its_words_and_time():
    assert (await find([LISTED])).matches == (LISTED["id"],)
    assert (await find([LISTED, {**LISTED, "id": "true_2"}])).matches == (LISTED["id"], "true_2")
    assert (await find([LISTED], known=frozenset({LISTED["id"]}))).matches == ()
    for other in ({"body": "Other"}, {"fromMe": False}, {"t": 800}, {"type": "image"}):
        assert (await find([{**LISTED, **other}])).matches == ()


async def test_a_message_that_is_listed_by_both_names_of_its_chat_is_one():
    by_number, by_lid = "true_5511900000042@c.us_3EB0A", "true_100000000000042@lid_3EB0A"
    assert len((await find([{**LISTED, "id": by_number}, {**LISTED, "id": by_lid}])).matches) == 1
    assert (await find([{**LISTED, "id": by_lid}], known=frozenset({by_number}))).matches == ()


async def test_absence_needs_something_newer_an_open_session_and_nothing_pending():
    newer = {**LISTED, "id": "false_9", "fromMe": False, "body": "later"}
    found = await find([newer])
    assert (found.newer, found.settled) == (True, True)
    assert not (await find([])).newer
    assert not (await find([newer], open_since=1001.0)).settled
    assert not (await find([newer, {**LISTED, "body": "another", "ack": 0}])).settled


async def test_what_came_in_meanwhile_is_told_as_its_webhook_would_have_been():
    theirs = {**LISTED, "fromMe": False, "id": "false_1"}
    unread = [theirs, {**LISTED, "id": "true_2"}, {**theirs, "t": 1}]
    server = Server(all_unread_messages=(200, {"status": "success", "response": unread}))
    async with Wpp(server) as provider:
        page = await provider.poll_inbound(1000.0)
    [told] = [json.loads(body) for body in page.webhooks]
    assert (told["event"], told["session"], told["id"], page.after) == ("onmessage", "shop", "false_1", None)


BEN = decode_outbound(
    json.dumps(
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ben"}, "phones": [{"wa_id": "15550100077"}]}]}
    )
)


def vcard(number):
    return f"BEGIN:VCARD\nVERSION:3.0\nFN:Whatever\nTEL;waid={number}:+{number}\nEND:VCARD"


def options(*names):
    return [{"name": name, "localId": place} for place, name in enumerate(names)]


@pytest.mark.parametrize(
    ("kind", "listed", "same"),
    [
        ("send_image_base64", {"type": "image", "caption": "Front door"}, True),
        ("send_image_base64", {"type": "image", "caption": ""}, False),
        ("send_file_base64", {"type": "document", "caption": "Invoice"}, True),
        ("send_location", {"type": "location", "lat": -23.55052, "lng": -46.633308}, True),
        ("send_location", {"type": "location", "lat": 1, "lng": 2}, False),
        ("send_list_message", {"type": "list"}, True),
        ("send_list_message", {"type": "list", "body": "Pick a slot"}, True),
        ("send_list_message", {"type": "list", "list": {"description": "Pick a slot"}}, True),
        ("send_list_message", {"type": "list", "body": "Pick a doctor"}, False),
        (
            "send_poll",
            {"type": "poll_creation", "pollName": "Which day?", "pollOptions": options("Monday", "Tuesday")},
            True,
        ),
        ("send_poll", {"type": "poll_creation", "pollName": "Which day?", "pollOptions": options("Friday")}, False),
        ("contact_vcard", {"type": "vcard", "body": vcard("15550100077")}, True),
        ("contact_vcard", {"type": "vcard", "body": vcard("15550100078")}, False),
        ("contact_vcard", {"type": "multi_vcard", "vcardList": [{"vcard": vcard("15550100078")}]}, False),
        ("contact_vcard", {"type": "vcard"}, True),
        ("react_message", {"type": "chat", "body": "\N{THUMBS UP SIGN}"}, False),
        ("send_voice_base64", {"type": "ptt"}, True),
    ],
)
def test_a_message_fits_by_its_kind_and_words(kind, listed, same):
    assert fits({"fromMe": True, **listed}, {**SENDS, "contact_vcard": message(BEN)}[kind]) == same


async def test_a_reaction_that_was_taken_is_sent_though_the_server_gives_it_no_id():
    answer = {"status": "success", "response": {"message": "Reaction sended"}}
    async with Wpp(Server(react_message=(200, answer))) as provider:
        receipt = await provider.send(SENDS["react_message"], unguarded)
    assert receipt.provider_id == f"reaction_{SENDS['react_message'].tracker}"
    with pytest.raises(OutcomeUnknown):
        parse_send_answer(201, {}, json.dumps(answer).encode(), 0.0)


async def test_what_the_spec_promises_the_channel_can():
    async with Wpp(Server()) as provider:
        assert isinstance(provider, PairsSession) == SPEC.capabilities.pairs_session
        assert isinstance(provider, FindsSent) == SPEC.capabilities.finds_sent
        assert isinstance(provider, PollsInbound) == SPEC.capabilities.polls_inbound


@pytest.mark.parametrize(
    ("status", "told", "number"),
    [
        (200, "5511900000042@c.us", "5511900000042"),
        (200, {"_serialized": "5511900000042@c.us"}, "5511900000042"),
        (200, None, None),
        (200, "123@lid", None),
        (500, "5511900000042@c.us", None),
    ],
)
def test_the_paired_phone_tells_its_number(status, told, number):
    assert parse_own_number(status, {}, json.dumps({"status": "success", "response": told}).encode()) == number
