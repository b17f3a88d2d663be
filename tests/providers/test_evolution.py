"""Calls to Evolution API: each send as the server wants it, its instance, its webhook, its lists."""

import json
import re
from uuid import UUID

import pytest
from msgspec.structs import replace

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import check_content, decode_outbound
from hailgate.core.errors import Disposition, InputError, ProviderUnavailable, Rejected, SendError
from hailgate.core.media import LocalMedia, RemoteMedia
from hailgate.core.sessions import SessionState
from hailgate.providers.abilities import DeletesSession, FindsSent, PairsSession, PollsInbound, Sought
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection, OutboundMessage
from hailgate.providers.evolution import SPEC, EvolutionChannel
from hailgate.providers.evolution.wire import EVENTS, own_id, parse_state, render_send
from hailgate.providers.inline import FileInJson
from hailgate.providers.transport import Transport

from . import payloads_of
from .conformance import URL
from .evolution_case import CHANNEL
from .loopback import Loopback, answer_json

pytestmark = pytest.mark.anyio

ANA = Address(AddressKind.PHONE, "5511900000042")
ID = UUID("0198a0b0-0000-7000-8000-000000000001")
REQUESTS = payloads_of.folder("evolution", "requests")
FILE = b"Hello, fixture!"


async def chunks():
    yield FILE


def message(content, to=ANA, context_id=None, mime="application/pdf", name="a.pdf"):
    files = {"0": LocalMedia(name, mime, len(FILE), chunks)}
    return OutboundMessage(id=ID, attempt=1, to=to, content=content, context_id=context_id, files=files)


def content(kind, **members):
    return decode_outbound(json.dumps({"type": kind, kind: members}))


async def body_of(call):
    if isinstance(call.body, FileInJson):
        return json.loads(b"".join([piece async for piece in call.body.body()]))
    return json.loads(call.body)


LUIS = {
    "name": {"formatted_name": "Luis Sample"},
    "phones": [{"phone": "+1 555 010 0077", "wa_id": "15550100077"}],
    "org": {"company": "Example Ltd"},
    "emails": [{"email": "luis@example.com"}],
    "urls": [{"url": "https://example.com"}],
}
ROW = {"id": "slot-0900", "title": "09:00", "description": "Morning"}
SENDS = {
    "send_text": message(content("text", body="Hello")),
    "send_media_url": message(content("image", link="https://files.example.com/a.jpg", caption="Front door")),
    "send_media_base64_document": message(content("document", attachment="0", filename="invoice 42.pdf")),
    "send_audio": message(content("audio", attachment="0", voice=True)),
    "send_sticker": message(content("sticker", link="https://files.example.com/s.webp")),
    "send_location": message(
        content("location", latitude=-23.55052, longitude=-46.633308, name="Example Cafe", address="1 Example Street")
    ),
    "send_contact": message(decode_outbound(json.dumps({"type": "contacts", "contacts": [LUIS]}))),
    "send_reaction": message(content("reaction", message_id="3AF1C0F1C0F1C0000001", emoji="\N{THUMBS UP SIGN}")),
    "send_poll": message(
        content("interactive", type="poll", body={"text": "Which day?"}, action={"options": ["Monday", "Tuesday"]})
    ),
    "send_list": message(
        content(
            "interactive",
            type="list",
            header={"type": "text", "text": "Slots"},
            body={"text": "Pick a slot"},
            footer={"text": "Example Ltd"},
            action={"button": "Open", "sections": [{"title": "Tomorrow", "rows": [ROW]}]},
        )
    ),
}
UNTOLD = {"mimetype", "fileName"}  # of a file behind a link


@pytest.mark.parametrize("name", SENDS)
async def test_a_send_is_what_the_server_is_known_to_take(name):
    wanted, call = REQUESTS[name], render_send(SENDS[name], native_menus=True)
    assert wanted["path"] == f"/{call.path}/shop-one"
    rendered = await body_of(call)
    skipped = UNTOLD if name == "send_media_url" else set()
    if name == "send_audio":  # by its bytes: behind a link it is not checked
        rendered["audio"] = wanted["body"]["audio"]
    assert rendered == {key: value for key, value in wanted["body"].items() if key not in skipped}


@pytest.mark.parametrize("name", SENDS)
async def test_where_the_server_keeps_our_ids_each_attempt_has_one_of_its_own(name):
    sent = SENDS[name]
    named = [
        (await body_of(render_send(replace(sent, attempt=attempt), native_menus=True, own_ids=True)))["messageId"]
        for attempt in (1, 1, 2)
    ]
    assert named[0] == named[1] == own_id(sent) != named[2]
    assert re.fullmatch("3EB0[0-9A-F]{18}", named[0])
    assert "messageId" not in await body_of(render_send(sent, native_menus=True))


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({"mentions": ["+55 11 90000-0042"]}, {"mentioned": ["5511900000042"]}),
        ({"mentions": [{"kind": "lid", "value": "100000000000042"}]}, {"mentioned": ["100000000000042@lid"]}),
        ({"mentions": ["+5511900000042", "5511900000042"]}, {"mentioned": ["5511900000042"]}),
        ({"mention_all": True}, {"mentionsEveryOne": True}),
        ({}, {}),
    ],
)
async def test_a_text_mentions_people_or_everybody(told, asked):
    call = render_send(message(content("text", body="Hi", **told)), native_menus=False)
    assert await body_of(call) == {"number": "5511900000042", "text": "Hi", **asked}


async def test_a_quote_names_the_message_and_menus_are_words_unless_they_are_wanted():
    quoting = render_send(message(content("text", body="Yes"), context_id="3AF1"), native_menus=False)
    assert (await body_of(quoting))["quoted"] == {"key": {"id": "3AF1"}}
    menu = render_send(SENDS["send_list"], native_menus=False)
    assert menu.path == "message/sendText"
    assert "1. 09:00 - Morning" in (await body_of(menu))["text"]


@pytest.mark.parametrize(
    ("to", "number"),
    [
        (Address(AddressKind.LID, "100000000000042"), "100000000000042@lid"),
        (Address(AddressKind.GROUP, "120363000000000001@g.us"), "120363000000000001@g.us"),
    ],
)
async def test_people_and_groups_go_by_their_jids(to, number):
    assert (await body_of(render_send(message(content("text", body="x"), to), native_menus=False)))["number"] == number


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
        render_send(sent, native_menus=False)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"instance": "a/b"}, "instance"),
        ({"jwt_key": "short"}, "16 characters"),
        ({"api_key": "a b"}, "api_key"),
        ({"api_url": "x"}, "api_url"),
        ({"timeout_s": "900"}, "timeout_s"),
    ],
)
def test_a_setting_that_would_not_do_is_named(changed, words):
    with pytest.raises(InputError, match=words):
        parse_config(EvolutionChannel, CHANNEL | changed)


# --- the server -------------------------------------------------------------------------------------------------------


class Server:
    """Answers by the call's path without the instance, and remembers what it was asked."""

    def __init__(self, **answers) -> None:
        self.asked: list[str] = []
        self.answers = answers

    async def __call__(self, connection):
        head, _ = await connection.peek()
        method, target = head.split(b" ")[:2]
        path = target.decode().partition("?")[0].strip("/").removesuffix("/shop-one")
        self.asked.append(f"{method.decode()} {path}")
        status, told = self.answers.get(path.rpartition("/")[2], (200, {}))
        await answer_json(status, told)(connection)


class Connected:
    def __init__(self, server, settings=None) -> None:
        self.server, self.settings = server, {**CHANNEL, **(settings or {})}

    async def __aenter__(self):
        self.loopback, self.transport = Loopback(self.server), Transport()
        address = await self.loopback.__aenter__()
        await self.transport.__aenter__()
        config = parse_config(EvolutionChannel, {**self.settings, "api_url": address.url})
        return SPEC.connect(Connection(config=config, transport=self.transport, hook_url=URL, clock=lambda: 2000.0))

    async def __aexit__(self, *told):
        await self.transport.__aexit__(*told)
        await self.loopback.__aexit__(*told)

    def bodies(self, word):
        return [json.loads(body) for body in self.loopback.bodies if word in body]


@pytest.mark.parametrize(
    ("document", "state"),
    [
        ("connection_state_open", SessionState.OPEN),
        ("connection_state_close", SessionState.CLOSED),
        ("connection_state_connecting", SessionState.STARTING),
        ("connect_qr", SessionState.PAIRING),
        ("instance_create", SessionState.PAIRING),
    ],
)
def test_a_session_stands_as_the_server_says(document, state):
    told = payloads_of.load("evolution", f"responses/{document}.json")
    report = parse_state(told["http_status"], {}, json.dumps(told["body"]).encode())
    assert (report.state, report.code is not None) == (state, state is SessionState.PAIRING)


async def test_an_instance_that_is_not_there_is_made_with_our_webhook():
    missing = (404, {"response": {"message": ['The "shop-one" instance does not exist']}})
    served = Connected(Server(connectionState=missing, create=(201, {"qrcode": {"code": "2@x", "count": 1}})))
    async with served as provider:
        assert (await provider.start_session()).code.value == "2@x"
    [made] = served.bodies(b"instanceName")
    assert (made["webhook"]["url"], made["webhook"]["headers"]) == (URL, {"jwt_key": CHANNEL["jwt_key"]})


async def test_one_that_is_there_is_pointed_at_us_and_asked_for_a_code():
    server = Server(connectionState=(200, {"instance": {"state": "close"}}), connect=(200, {"pairingCode": "ABCD1234"}))
    served = Connected(server)
    async with served as provider:
        report = await provider.start_session(phone="5511900000000")
    assert (report.code.value, report.code.typed) == ("ABCD1234", True)
    assert server.asked == ["GET instance/connectionState", "POST webhook/set", "GET instance/connect"]


async def test_the_phone_s_number_is_told_by_the_list_of_instances():
    owner = [{"ownerJid": "5511900000000@s.whatsapp.net"}]
    server = Server(connectionState=(200, {"instance": {"state": "open"}}), fetchInstances=(200, owner))
    async with Connected(server) as provider:
        assert (await provider.session_state()).number == "5511900000000"


async def test_a_webhook_that_leads_elsewhere_is_told_by_the_check():
    server = Server(
        connectionState=(200, {"instance": {"state": "open"}}), find=(200, {"url": "http://x", "enabled": True})
    )
    async with Connected(server) as provider:
        health = await provider.check()
    assert (health.ok, health.detail) == (False, "The server's webhook leads elsewhere.")
    assert health.sends


def test_a_voice_note_that_nobody_decoded_never_reaches_the_server():
    sent = message(content("audio", link="https://example.com/a.ogg", voice=True))
    with pytest.raises(Rejected, match="upload it"):
        render_send(sent, native_menus=False)
    with pytest.raises(InputError, match="attach it"):  # it is not accepted in the first place
        check_content(sent.content, SPEC.capabilities)
    plain = message(content("audio", link="https://example.com/a.ogg"))
    check_content(plain.content, SPEC.capabilities)
    assert render_send(plain, native_menus=False).path


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"headers": None}, ""),
        ({"headers": {"jwt_key": "another key of 16 letters"}}, "has another key"),
        ({"headers": {}}, "has another key"),
        ({"events": ["MESSAGES_UPSERT"]}, "leaves out events"),
        ({"enabled": False}, "leads elsewhere"),
    ],
)
async def test_a_webhook_that_would_be_refused_or_leaves_something_out_is_told_by_the_check(changed, words):
    webhook = {"url": URL, "enabled": True, "headers": {"jwt_key": CHANNEL["jwt_key"]}, "events": list(EVENTS)}
    server = Server(connectionState=(200, {"instance": {"state": "open"}}), find=(200, webhook | changed))
    async with Connected(server) as provider:
        health = await provider.check()
    assert health.ok is not bool(words)
    assert words in health.detail


async def test_one_that_hangs_is_restarted_and_keeps_its_login():
    server = Server(connectionState=(200, {"instance": {"state": "connecting"}}), connect=(200, {"count": 0}))
    async with Connected(server) as provider:
        assert (await provider.end_session()).state is SessionState.CLOSED
        assert (await provider.start_session()).state is SessionState.STARTING
    assert "POST instance/restart" in server.asked
    assert "DELETE instance/logout" not in server.asked


async def test_a_code_that_nobody_wants_any_more_is_taken_away():
    server = Server(connectionState=(200, {"instance": {"state": "connecting"}}), connect=(200, {"code": "2@x"}))
    async with Connected(server) as provider:
        assert (await provider.end_session()).state is SessionState.CLOSED
    assert server.asked[-1] == "DELETE instance/logout"


async def test_a_phone_that_could_not_be_logged_out_is_not_said_to_be():
    async with Connected(Server(logout=(500, {"response": {"message": "Timed Out"}}))) as provider:
        with pytest.raises(SendError):
            await provider.log_out()
    refused = (400, {"response": {"message": ['The "shop-one" instance is not connected']}})
    async with Connected(Server(logout=refused)) as provider:
        assert (await provider.log_out()).state is SessionState.UNPAIRED


@pytest.mark.parametrize("answer", [(200, {"status": "SUCCESS"}), (404, {"response": {"message": ["unknown"]}})])
async def test_an_instance_is_deleted_and_one_that_is_gone_is_no_failure(answer):
    server = Server(delete=answer)
    async with Connected(server) as provider:
        assert (await provider.delete_session()).state is SessionState.UNPAIRED
    assert server.asked == ["DELETE instance/delete"]


async def test_an_instance_that_could_not_be_deleted_is_not_said_to_be():
    async with Connected(Server(delete=(500, {"response": {"message": "Timed Out"}}))) as provider:
        with pytest.raises(SendError):
            await provider.delete_session()


async def test_the_number_of_the_phone_before_is_not_taken_for_that_of_the_next():
    owner = [{"ownerJid": "5511900000000@s.whatsapp.net", "connectionStatus": "close"}]
    server = Server(connectionState=(200, {"instance": {"state": "open"}}), fetchInstances=(200, owner))
    async with Connected(server) as provider:
        assert (await provider.session_state()).number is None


async def test_an_open_connection_is_not_closed_but_told_to_be_silent():
    served = Connected(Server(connectionState=(200, {"instance": {"state": "open"}})))
    async with served as provider:
        assert (await provider.end_session()).state is SessionState.CLOSED
        assert (await provider.log_out()).state is SessionState.UNPAIRED
    assert served.bodies(b"webhook")[0]["webhook"]["enabled"] is False


SENT = {
    "key": {"id": "3EB01", "fromMe": True, "remoteJid": "5511900000042@s.whatsapp.net"},
    "message": {"conversation": "Hello"},
    "messageTimestamp": 1001,
}


async def find(records, *, settings=None, **sought):
    listed = (200, {"messages": {"pages": 1, "currentPage": 1, "records": records}})
    async with Connected(Server(findMessages=listed), settings) as provider:
        facts = {"message": SENDS["send_text"], "attempted_at": 1000.0, "open_since": 900.0} | sought
        return await provider.find_sent(Sought(**facts))


async def test_a_sent_message_is_found_by_its_words():
    assert (await find([SENT])).matches == ("3EB01",)
    assert (await find([SENT], known=frozenset({"3EB01"}))).matches == ()
    for other in ({"message": {"conversation": "Other"}}, {"key": {**SENT["key"], "fromMe": False}}):
        assert (await find([{**SENT, **other}])).matches == ()


HERE = {"degreesLatitude": -23.55052, "degreesLongitude": -46.633308}
BEN = "BEGIN:VCARD\nVERSION:3.0\nFN:Whatever\nTEL;waid=15550100077:+15550100077\nEND:VCARD"


@pytest.mark.parametrize(
    ("name", "told", "same"),
    [
        ("send_location", {"locationMessage": HERE}, True),
        ("send_location", {"locationMessage": {**HERE, "degreesLongitude": -46.0}}, False),
        ("send_contact", {"contactMessage": {"displayName": "Whatever", "vcard": BEN}}, True),
        ("send_contact", {"contactMessage": {"displayName": "x", "vcard": BEN.replace("0077", "0078")}}, False),
    ],
)
async def test_what_has_no_words_is_found_by_its_place_or_its_numbers(name, told, same):
    assert bool((await find([{**SENT, "message": told}], message=SENDS[name])).matches) == same


OURS = {**SENT, "key": {**SENT["key"], "id": own_id(SENDS["send_text"])}}


@pytest.mark.parametrize(
    ("own_ids", "records", "matches"),
    [
        ("true", [SENT, OURS, {**SENT, "key": {**SENT["key"], "id": "3EB02"}}], (OURS["key"]["id"],)),
        ("true", [{**OURS, "message": {"conversation": "as the server spells it"}}], (OURS["key"]["id"],)),
        ("true", [SENT], ("3EB01",)),
        ("false", [SENT, OURS], ("3EB01", OURS["key"]["id"])),
    ],
    ids=["among others that read alike", "spelt otherwise", "not kept", "not asked for"],
)
async def test_an_id_of_ours_says_more_than_words(own_ids, records, matches):
    assert (await find(records, settings={"own_ids": own_ids})).matches == matches


async def test_absence_needs_something_newer_and_an_open_session():
    found = await find([{**SENT, "message": {"conversation": "later"}}])
    assert (found.newer, found.settled) == (True, True)
    assert not (await find([])).newer
    assert not (await find([SENT], open_since=1001.0)).settled


async def test_what_came_in_is_polled_page_by_page_without_what_we_sent():
    theirs = {**SENT, "key": {**SENT["key"], "fromMe": False, "id": "in.1"}}
    listed = (200, {"messages": {"pages": 2, "currentPage": 1, "records": [theirs, SENT]}})
    async with Connected(Server(findMessages=listed)) as provider:
        page = await provider.poll_inbound(1000.0)
        assert page.after == "2"
    [told] = [json.loads(body) for body in page.webhooks]
    assert (told["event"], told["instance"], told["data"]["key"]["id"]) == ("messages.upsert", "shop-one", "in.1")


async def test_a_file_is_asked_for_by_its_message():
    document = payloads_of.load("evolution", "responses/get_base64.json")
    answered = (document["http_status"], document["body"])
    async with Connected(Server(getBase64FromMediaMessage=answered)) as provider:
        assert b"".join([piece async for piece in provider.fetch_media(RemoteMedia("image", "3AF1"))]) == FILE


@pytest.mark.parametrize(
    ("status", "said", "disposition"),
    [
        (400, "Message not found", Disposition.BURY),
        (400, "The message is not of the media type", Disposition.BURY),
        (400, "Error: fetch failed", Disposition.PARK),
        (400, "Timed Out", Disposition.PARK),
        (400, "Connection Closed", Disposition.PARK),
        (500, "Connection Closed", Disposition.SNOOZE),
        (502, None, Disposition.PARK),
    ],
)
async def test_a_file_is_given_up_only_where_the_server_surely_has_none(status, said, disposition):
    told = {"status": status, "error": "x", "response": {"message": [said]}} if said else {}
    async with Connected(Server(getBase64FromMediaMessage=(status, told))) as provider:
        with pytest.raises(SendError) as failed:
            [piece async for piece in provider.fetch_media(RemoteMedia("image", "3AF1"))]
    assert failed.value.disposition is disposition


async def test_a_list_that_makes_no_sense_is_no_evidence():
    async with Connected(Server(findMessages=(200, {"messages": "x"}))) as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.find_sent(Sought(message=SENDS["send_text"], attempted_at=1000.0))


async def test_what_the_spec_promises_the_channel_can():
    async with Connected(Server()) as provider:
        assert isinstance(provider, PairsSession) == SPEC.capabilities.pairs_session
        assert isinstance(provider, DeletesSession) == SPEC.capabilities.deletes_session
        assert isinstance(provider, FindsSent) == SPEC.capabilities.finds_sent
        assert isinstance(provider, PollsInbound) == SPEC.capabilities.polls_inbound
