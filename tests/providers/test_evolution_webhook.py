"""Every payload of Evolution API ends as something named."""

from collections import Counter

import msgspec
import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import InboundText, Unsupported
from hailgate.core.content.inbound import (
    InboundAudio,
    InboundButton,
    InboundCall,
    InboundContacts,
    InboundDocument,
    InboundImage,
    InboundLocation,
    InboundReply,
    InboundSticker,
    InboundVideo,
    WhyNot,
)
from hailgate.core.errors import PayloadForeign, SignatureInvalid
from hailgate.core.events import (
    Change,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MessageChange,
    MessageStatus,
    SessionChange,
    UnreadableMessage,
)
from hailgate.core.media import RemoteMedia, StoredInWebhook
from hailgate.core.status import Status
from hailgate.providers.evolution import SPEC
from hailgate.providers.evolution.proof import check_token
from hailgate.providers.evolution.webhook import parse_webhook, repeats

from . import payloads_of
from .conformance import encode
from .evolution_case import KEY, token, told

BODIES = payloads_of.webhooks("evolution")
ANA = Address(AddressKind.PHONE, "5511900000042")
HIDDEN = Address(AddressKind.LID, "100000000000042")
GROUP = Address(AddressKind.GROUP, "120363000000000001@g.us")
OURS = "3EB0F1C0F1C0F1C00001"

ENDS = {
    "application_startup": Ignored,
    "call_offer": InboundCall,
    "chats_upsert": Ignored,
    "connection_update_close_logged_out": SessionChange,
    "connection_update_connecting": SessionChange,
    "connection_update_open": SessionChange,
    "connection_update_refused_qr_limit": SessionChange,
    "contacts_update": Ignored,
    "contacts_upsert": Ignored,
    "error_webhook": Ignored,
    "group_participants_update": Ignored,
    "groups_upsert": Ignored,
    "logout_instance": SessionChange,
    "messages_delete_by_api": Change.DELETION,
    "messages_delete_by_contact": Change.DELETION,
    "messages_edited": Change.EDIT,
    "messages_update_delivery_ack": Status.DELIVERED,
    "messages_update_error": Status.FAILED,
    "messages_update_group_participant": Status.READ,
    "messages_update_played": Status.PLAYED,
    "messages_update_poll": InboundReply,
    "messages_update_read": Status.READ,
    "messages_update_server_ack": Status.SENT,
    "messages_update_without_message_id": Status.DELIVERED,
    "messages_upsert_apikey_exposed": InboundText,
    "messages_upsert_audio_file": InboundAudio,
    "messages_upsert_buttons_response": InboundReply,
    "messages_upsert_contact": InboundContacts,
    "messages_upsert_contacts_array": InboundContacts,
    "messages_upsert_document": InboundDocument,
    "messages_upsert_document_with_caption": InboundDocument,
    "messages_upsert_empty_message": Ignored,
    "messages_upsert_from_me_phone": InboundText,
    "messages_upsert_group_text": InboundText,
    "messages_upsert_image": InboundImage,
    "messages_upsert_image_base64": InboundImage,
    "messages_upsert_image_mediaurl": InboundImage,
    "messages_upsert_interactive_response": InboundReply,
    "messages_upsert_list_response": InboundReply,
    "messages_upsert_live_location": InboundLocation,
    "messages_upsert_location": InboundLocation,
    "messages_upsert_poll_update": Unsupported,
    "messages_upsert_reaction_add": Change.REACTION,
    "messages_upsert_reaction_remove": Change.REACTION,
    "messages_upsert_status_broadcast": Ignored,
    "messages_upsert_sticker": InboundSticker,
    "messages_upsert_template_button_reply": InboundButton,
    "messages_upsert_text": InboundText,
    "messages_upsert_text_disappearing": InboundText,
    "messages_upsert_text_forwarded": InboundText,
    "messages_upsert_text_from_ad": InboundText,
    "messages_upsert_text_lid_only": InboundText,
    "messages_upsert_text_lid_with_alt": InboundText,
    "messages_upsert_text_old_senderpn": InboundText,
    "messages_upsert_text_reply": InboundText,
    "messages_upsert_unknown_type": Unsupported,
    "messages_upsert_video": InboundVideo,
    "messages_upsert_view_once": InboundImage,
    "messages_upsert_voice_note": InboundAudio,
    "messages_upsert_voice_note_transcribed": InboundAudio,
    "presence_update": Ignored,
    "qrcode_limit": SessionChange,
    "qrcode_updated": SessionChange,
    "qrcode_updated_pairing": SessionChange,
    "remove_instance": SessionChange,
    "send_message": InboundText,
    "send_message_update": Change.EDIT,
    "status_instance_closed": SessionChange,
}


def only(name):
    [event] = parse_webhook(BODIES[f"{name}[0]"], "shop-one")
    return event


def end_of(event):
    if isinstance(event, InboundMessage):
        return type(event.content)
    if isinstance(event, MessageStatus):
        return event.status
    return event.change if isinstance(event, MessageChange) else type(event)


def test_every_payload_has_an_end():
    assert {name.partition("[")[0] for name in BODIES} == ENDS.keys()
    counted = Counter(getattr(end, "__name__", None) or end.name for end in map(end_of, map(only, ENDS)))
    print(f"evolution: {len(BODIES)} webhooks, {dict(counted)}")


@pytest.mark.parametrize("name", ENDS)
def test_a_payload_ends_as_something_named(name):
    event = only(name)
    assert end_of(event) == ENDS[name]
    assert event.account == "shop-one"


@pytest.mark.parametrize(
    ("name", "chat"),
    [
        ("messages_upsert_text", (ANA, HIDDEN)),
        ("messages_upsert_text_lid_only", (HIDDEN,)),
        ("messages_upsert_text_lid_with_alt", (ANA, HIDDEN)),
        ("messages_upsert_text_old_senderpn", (ANA, HIDDEN)),
        ("messages_upsert_group_text", (GROUP,)),
    ],
)
def test_a_person_has_all_addresses_that_are_told_the_number_first(name, chat):
    assert only(name).chat == chat


def test_whoever_wrote_on_our_phone_is_not_the_person_of_the_chat():
    key = {
        "remoteJid": "100000000000042@lid",
        "fromMe": True,
        "id": "3EB01",
        "senderPn": "5511900000000@s.whatsapp.net",
    }
    data = {"key": key, "message": {"conversation": "typed"}, "messageType": "conversation"}
    body = msgspec.json.encode({"event": "messages.upsert", "instance": "shop-one", "data": data})
    [told] = parse_webhook(body, "shop-one")
    assert told.chat == (HIDDEN,)


def test_a_group_has_its_author_by_number():
    assert only("messages_upsert_group_text").author == ANA


@pytest.mark.parametrize(("participant", "beside"), [("@s.whatsapp.net", "@lid"), ("@lid", "@s.whatsapp.net")])
def test_an_author_is_the_number_whichever_place_it_is_told_in(participant, beside):
    """By the group's addressing mode the number is the participant or stands beside it."""
    users = {"@s.whatsapp.net": ANA.value, "@lid": HIDDEN.value}
    told = msgspec.json.decode(BODIES["messages_upsert_group_text[0]"])
    told["data"]["key"] |= {
        "participant": f"{users[participant]}{participant}",
        "participantAlt": f"{users[beside]}{beside}",
    }
    [event] = parse_webhook(msgspec.json.encode(told), "shop-one")
    assert event.author == ANA


@pytest.mark.parametrize("name", ["send_message", "messages_upsert_from_me_phone"])
def test_what_we_wrote_is_an_echo(name):
    assert isinstance(only(name), EchoedMessage)


@pytest.mark.parametrize(
    "name", ["messages_upsert_text_reply", "messages_upsert_buttons_response", "messages_upsert_interactive_response"]
)
def test_an_answer_names_the_message_that_it_answers(name):
    assert only(name).context_id == OURS


def test_statuses_are_matched_by_what_whatsapp_calls_the_message():
    assert only("messages_update_read").message_id == OURS
    assert only("messages_update_without_message_id").message_id == OURS


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("messages_upsert_image", RemoteMedia),
        ("messages_upsert_image_base64", StoredInWebhook),
        ("messages_upsert_view_once", RemoteMedia),
        ("messages_upsert_voice_note", RemoteMedia),
    ],
)
def test_a_file_is_where_the_server_put_it(name, place):
    assert isinstance(only(name).media, place)


def test_a_voice_note_is_one_and_a_document_has_its_name_and_caption():
    assert only("messages_upsert_voice_note").content.audio.voice
    document = only("messages_upsert_document_with_caption").content.document
    assert (document.filename, document.caption) == ("invoice 42.pdf", "Invoice")


def test_an_ad_and_a_forward_say_where_a_message_comes_from():
    assert only("messages_upsert_text_from_ad").origin.referral.ctwa_clid == "FIXTURE_CLICK_ID"
    assert only("messages_upsert_text_forwarded").origin.forwarded


def test_a_number_in_two_halves_is_a_time():
    """2044 and 411 halves are 1,765,233,629,164 ms, in 2025."""
    assert only("messages_edited").at == pytest.approx(((411 << 32) + 2044) / 1000)


def test_a_contact_joins_its_hidden_id_and_its_number():
    joined = {"remoteJid": f"{HIDDEN.value}@lid", "remoteJidAlt": f"{ANA.value}@s.whatsapp.net"}
    [event] = parse_webhook(told("contacts.upsert", [joined]), "shop-one")
    assert (event.known, event.learned) == ((HIDDEN,), (ANA,))


def voted(event="messages.upsert", **changes):
    """The vote of the fixture, as a server tells it that has read it."""
    name = "messages_upsert_poll_update" if event == "messages.upsert" else "messages_update_poll"
    told = msgspec.json.decode(BODIES[f"{name}[0]"])
    vote = told["data"].get("message", {}).get("pollUpdateMessage", {}).get("vote", {})
    vote |= changes.pop("vote", {})
    told["data"] |= changes.pop("data", {})
    return parse_webhook(msgspec.json.encode(told | changes), "shop-one")


READ = [{"name": "Yes", "voters": [f"{ANA.value}@s.whatsapp.net"]}, {"name": "No", "voters": []}]


@pytest.mark.parametrize(
    "told",
    [
        {"vote": {"selectedOptions": ["Yes"]}},
        {"data": {"pollUpdates": READ}},
        {"event": "messages.update"},
        {"event": "messages.update", "data": {"pollUpdates": READ}},
    ],
)
def test_a_vote_that_the_server_read_names_its_options_and_its_poll(told):
    [event] = voted(**told)
    assert type(event) is InboundMessage
    assert (event.content.interactive.poll_reply.options, event.context_id) == (("Yes",), OURS)
    assert event.chat[0] == ANA


def test_a_vote_that_nobody_could_read_waits_and_says_so():
    [event] = voted()
    assert isinstance(event, UnreadableMessage)
    assert (event.content.kind, event.content.why) == ("poll_vote", WhyNot.UNREADABLE)
    [read] = voted(vote={"selectedOptions": ["Yes"]})
    assert event.readable_key() == read.effect_key()


def test_a_vote_taken_back_and_the_same_vote_again_are_events_of_their_own():
    nobody = [{"name": "Yes", "voters": []}, {"name": "No", "voters": []}]
    times = ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z")
    told = [voted("messages.update", date_time=at, data={"pollUpdates": updates})
            for at, updates in zip(times, (READ, nobody, READ), strict=True)]  # fmt: skip
    assert [event.content.interactive.poll_reply.options for [event] in told] == [("Yes",), (), ("Yes",)]
    assert len({event.effect_key() for [event] in told}) == 3


def test_in_a_group_each_voter_has_a_vote():
    bo = Address(AddressKind.PHONE, "5511900000043")
    both = [f"{each.value}@s.whatsapp.net" for each in (ANA, bo)]
    updates = [{"name": "Yes", "voters": both}, {"name": "No", "voters": both[1:]}]
    told = voted("messages.update", data={"remoteJid": GROUP.value, "pollUpdates": updates})
    assert [(event.author, event.content.interactive.poll_reply.options) for event in told] == [
        (ANA, ("Yes",)), (bo, ("Yes", "No")),
    ]  # fmt: skip
    assert {event.chat for event in told} == {(GROUP,)}


def test_a_poll_of_a_person_shows_its_question_and_options():
    poll = {"name": "Which day?", "options": [{"optionName": "Mon"}, {"optionName": "Tue"}]}
    data = {"key": {"remoteJid": f"{ANA.value}@s.whatsapp.net", "id": "1"}, "message": {"pollCreationMessageV3": poll}}
    [event] = parse_webhook(told("messages.upsert", data), "shop-one")
    asked = event.content.interactive
    assert (asked.body.text, asked.action.options) == ("Which day?", ("Mon", "Tue"))


@pytest.mark.parametrize("inside", [True, False])
def test_those_whom_a_text_mentions_are_told(inside):
    context = {"contextInfo": {"mentionedJid": [f"{ANA.value}@s.whatsapp.net", f"{HIDDEN.value}@lid", 7, "x@story"]}}
    text = {"extendedTextMessage": {"text": "@all", **context}} if inside else {"conversation": "@all"}
    data = {"key": {"remoteJid": GROUP.value, "id": "1", "participant": f"{ANA.value}@s.whatsapp.net"}, "message": text}
    [event] = parse_webhook(told("messages.upsert", {**data, **({} if inside else context)}), "shop-one")
    assert (event.content.body, event.content.mentions) == ("@all", (ANA, HIDDEN))


def test_a_webhook_and_a_poll_of_one_message_have_one_effect():
    data = {"key": {"remoteJid": f"{ANA.value}@s.whatsapp.net", "id": "1"}, "message": {"conversation": "hi"}}
    [first] = parse_webhook(told("messages.upsert", data), "shop-one")
    [second] = parse_webhook(told("messages.upsert", {"id": "row", **data, "MessageUpdate": []}), "shop-one")
    assert first.effect_key() == second.effect_key()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"event": 1}', encode({"event": "messages.upsert", "instance": "other"})]
)
def test_what_is_not_this_instance_s_is_foreign(body):
    with pytest.raises(PayloadForeign):
        parse_webhook(body, "shop-one")


@pytest.mark.parametrize("event", ["messages.upsert", "MESSAGES_UPSERT", "messages.UPSERT"])
def test_an_event_goes_by_each_of_its_spellings(event):
    data = {"key": {"remoteJid": f"{ANA.value}@s.whatsapp.net", "id": "1"}, "message": {"conversation": "hi"}}
    [parsed] = parse_webhook(encode({"event": event, "instance": "shop-one", "data": data}), "shop-one")
    assert parsed.content == InboundText("hi")


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("messages_upsert_apikey_exposed", [b"FIXTURE-INSTANCE-TOKEN"]),
        ("error_webhook", [b"FIXTURE-GLOBAL-KEY"]),
        ("qrcode_updated", [b"2@FIXTUREQRTEXT", b"iVBORw0KGgo="]),
        ("qrcode_updated_pairing", [b"ABCD1234"]),
    ],
)
def test_keys_and_codes_are_taken_out_before_anything_is_stored(name, secrets):
    mask = SPEC.mask_body()
    stored = mask.feed(BODIES[f"{name}[0]"]) + mask.end()
    for secret in secrets:
        assert secret not in stored
    assert end_of(parse_webhook(stored, "shop-one")[0]) == ENDS[name]


@pytest.mark.parametrize(("word", "away"), [("open", False), ("close", True), ("connecting", True)])
def test_a_notice_says_whether_the_session_is_without_its_phone(word, away):
    body = {"event": "connection.update", "instance": "shop-one", "data": {"state": word}}
    assert [told.away for told in parse_webhook(msgspec.json.encode(body), "shop-one")] == [away]


def test_a_notice_that_repeats_the_last_one_is_known_as_such():
    first = told("connection.update", {"state": "connecting", "statusReason": 200})
    assert repeats(first, first)
    assert not repeats(told("connection.update", {"state": "open"}), first)
    assert not repeats(told("messages.upsert", {}), told("messages.upsert", {}))
    assert not repeats(b"x", first)


NOW = 1_800_000_000.0


def test_the_server_s_token_is_believed():
    check_token(token(now=NOW), KEY.encode(), NOW)
    check_token(token(now=NOW), KEY.encode(), NOW + 800)  # clocks differ


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer ",
        "Bearer a.b.c",
        token(now=NOW).removeprefix("Bearer "),
        token("another key of some length", now=NOW),
        token(now=NOW - 7200),
        token(now=NOW, alg="none"),
        token(now=NOW, action="login"),
        token(now=NOW, exp="soon"),
        token(now=NOW)[:-2],
        "Bearer " + "x" * 10_000,
        "Bearer \u00e9.\u00e9.\u00e9",
    ],
)
def test_any_other_token_is_refused(header):
    with pytest.raises(SignatureInvalid):
        check_token(header, KEY.encode(), NOW)
