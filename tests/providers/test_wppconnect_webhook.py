"""Every payload of WPPConnect Server ends as something named."""

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
)
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import (
    Change,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MessageChange,
    MessageStatus,
    SessionChange,
)
from hailgate.core.media import RemoteMedia, StoredInWebhook
from hailgate.core.status import Status
from hailgate.providers.wppconnect import SPEC
from hailgate.providers.wppconnect.webhook import parse_webhook

from . import payloads_of
from .conformance import encode

BODIES = payloads_of.webhooks("wppconnect")
ANA = Address(AddressKind.PHONE, "5511900000042")
HIDDEN = Address(AddressKind.LID, "100000000000042")
GROUP = Address(AddressKind.GROUP, "120363000000000001@g.us")
OURS = "true_5511900000042@c.us_3EB0F1C0F1C0F1C00001"

ENDS = {
    "closesession": SessionChange,
    "incomingcall": InboundCall,
    "logoutsession": SessionChange,
    "onack_clock": Ignored,
    "onack_content_gone": Status.FAILED,
    "onack_content_too_big": Status.FAILED,
    "onack_content_unuploadable": Status.FAILED,
    "onack_expired": Status.FAILED,
    "onack_failed": Status.FAILED,
    "onack_inactive": Status.FAILED,
    "onack_md_downgrade": Status.FAILED,
    "onack_played": Status.PLAYED,
    "onack_read": Status.READ,
    "onack_received": Status.DELIVERED,
    "onack_remote_object_unverified": Status.DELIVERED,
    "onack_sent": Status.SENT,
    "onmessage_audio": InboundAudio,
    "onmessage_buttons_response": InboundReply,
    "onmessage_chat": InboundText,
    "onmessage_chat_forwarded": InboundText,
    "onmessage_chat_lid": InboundText,
    "onmessage_chat_reply": InboundText,
    "onmessage_chat_unicode": InboundText,
    "onmessage_ciphertext": Unsupported,
    "onmessage_document": InboundDocument,
    "onmessage_event_overridden": InboundText,
    "onmessage_group_chat": InboundText,
    "onmessage_image_autodownload": InboundImage,
    "onmessage_image_no_download": InboundImage,
    "onmessage_image_s3": InboundImage,
    "onmessage_list_response": InboundReply,
    "onmessage_location": InboundLocation,
    "onmessage_multi_vcard": InboundContacts,
    "onmessage_poll_creation": InboundReply,
    "onmessage_ptt": InboundAudio,
    "onmessage_status_broadcast": Ignored,
    "onmessage_sticker": InboundSticker,
    "onmessage_template_button_reply": InboundButton,
    "onmessage_unknown_type": Unsupported,
    "onmessage_vcard": InboundContacts,
    "onmessage_video": InboundVideo,
    "onparticipantschanged": Ignored,
    "onpollresponse": InboundReply,
    "onpresencechanged": Ignored,
    "onreactionmessage_add": Change.REACTION,
    "onreactionmessage_remove": Change.REACTION,
    "onrevokedmessage": Change.DELETION,
    "onselfmessage_chat": InboundText,
    "onupdatelabel": Ignored,
    "phonecode": SessionChange,
    "qrcode": SessionChange,
    "status_find_autoclosecalled": SessionChange,
    "status_find_browserclose": SessionChange,
    "status_find_disconnectedmobile": SessionChange,
    "status_find_inchat": SessionChange,
    "status_find_islogged": SessionChange,
    "status_find_notlogged": SessionChange,
    "status_find_phonenotconnected": SessionChange,
    "status_find_qrreaderror": SessionChange,
    "status_find_qrreadfail": SessionChange,
    "status_find_qrreadsuccess": SessionChange,
    "status_find_serverclose": SessionChange,
    "status_find_without_session": SessionChange,
    "unreadmessages_chat": InboundText,
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
    print(f"wppconnect: {len(BODIES)} webhooks, {dict(counted)}")


@pytest.mark.parametrize("name", ENDS)
def test_a_payload_ends_as_something_named(name):
    event = only(name)
    assert end_of(event) == ENDS[name]
    assert event.account == "shop-one"  # the hook's, whatever the body says


def test_what_a_person_wrote_says_who_and_when():
    event = only("onmessage_chat")
    assert (event.chat, event.name, event.at, event.author) == ((ANA,), "Ana Example", 1767225600.0, None)


def test_a_person_without_a_number_is_known_by_the_hidden_id():
    assert only("onmessage_chat_lid").chat == (HIDDEN,)


def test_a_group_has_its_author():
    event = only("onmessage_group_chat")
    assert (event.chat, event.author) == ((GROUP,), ANA)


def test_what_was_typed_on_the_phone_is_an_echo():
    event = only("onselfmessage_chat")
    assert isinstance(event, EchoedMessage)
    assert event.chat == (ANA,)


@pytest.mark.parametrize("name", ["onmessage_chat_reply", "onmessage_list_response", "onmessage_buttons_response"])
def test_an_answer_names_the_message_that_it_answers(name):
    assert only(name).context_id == OURS


def test_a_status_names_the_message_as_its_send_did():
    assert only("onack_read").message_id == OURS


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("onmessage_image_autodownload", StoredInWebhook),
        ("onmessage_image_no_download", RemoteMedia),
        ("onmessage_image_s3", RemoteMedia),
        ("onmessage_ptt", StoredInWebhook),
        ("onmessage_document", StoredInWebhook),
    ],
)
def test_a_file_is_where_the_server_put_it(name, place):
    media = only(name).media
    assert isinstance(media, place)
    assert len(media.sha256) == 64
    assert media.kind in {"image", "audio", "document"}


def test_a_voice_note_is_one_and_a_document_has_its_name():
    assert only("onmessage_ptt").content.audio.voice
    assert not only("onmessage_audio").content.audio.voice
    assert only("onmessage_document").media.name == "invoice 42.pdf"


def test_cards_are_read():
    [card] = only("onmessage_vcard").content.contacts
    assert (card.name.formatted_name, card.phones[0].wa_id) == ("Luis Sample", "15550100077")
    assert [card.name.formatted_name for card in only("onmessage_multi_vcard").content.contacts] == ["A", "B"]


def test_a_place_has_a_name_and_an_address():
    place = only("onmessage_location").content.location
    assert (place.name, place.address, place.latitude) == ("Example Cafe", "1 Example Street", -23.55052)


def test_a_reaction_that_changes_is_told_again():
    first, second = only("onreactionmessage_add"), only("onreactionmessage_remove")
    assert (first.target, first.emoji, second.emoji) == (OURS, "\N{THUMBS UP SIGN}", "")
    assert first.effect_key() != second.effect_key()


def test_what_could_not_be_decrypted_does_not_hide_what_comes_later():
    plain = {"event": "onmessage", "id": "false_5511900000042@c.us_1", "type": "chat", "body": "now", "from": ANA.value}
    first = parse_webhook(encode({**plain, "type": "ciphertext", "body": ""}), "shop-one")[0]
    second = parse_webhook(encode(plain), "shop-one")[0]
    assert first.effect_key() != second.effect_key()


def voted(**changes):
    [event] = parse_webhook(encode({**msgspec.json.decode(BODIES["onpollresponse[0]"]), **changes}), "shop-one")
    return event


def test_a_vote_names_its_options_and_its_poll():
    vote = voted()
    assert vote.content.interactive.poll_reply.options == ("Monday",)
    assert (vote.context_id, vote.chat, vote.author) == ("true_5511900000042@c.us_3EB0F1C0F1C0F1C00002", (ANA,), None)
    assert voted(selectedOptions=[]).content.interactive.poll_reply.options == ()
    assert voted(chatId="120363000000000001@g.us").author == ANA


def test_what_names_a_vote_fits_its_column():
    """A row that is too long for PostgreSQL would take its whole batch with it."""
    vote = voted(msgId="x" * 255)
    assert (len(vote.message_id), len(vote.message_token)) == (255, 255)


@pytest.mark.parametrize("told", [None, "Monday", [{"localId": 0}]])
def test_a_vote_in_another_shape_is_kept_as_it_came(told):
    assert voted(selectedOptions=told).content.kind == "poll_vote"


def test_two_votes_within_a_second_are_two():
    assert voted().effect_key() == voted().effect_key() != voted(timestamp=1767225600400).effect_key()


def test_those_whom_a_text_mentions_are_told():
    hidden = Address(AddressKind.LID, "100000000000042")
    told = msgspec.json.decode(BODIES["onmessage_group_chat[0]"])
    named = ["5511900000042@c.us", {"_serialized": "100000000000042@lid"}, None]
    [event] = parse_webhook(encode(told | {"mentionedJidList": named}), "shop-one")
    assert event.content.mentions == (ANA, hidden)


def test_a_webhook_and_a_poll_of_one_message_have_one_effect():
    """The list spells the same message as the webhook does."""
    message = {"id": "false_5511900000042@c.us_1", "type": "chat", "body": "hi", "from": f"{ANA.value}@c.us", "t": 1}
    told = parse_webhook(encode({"event": "onmessage", **message}), "shop-one")[0]
    unread = parse_webhook(encode({"event": "unreadmessages", **message, "extra": 1}), "shop-one")[0]
    assert told.effect_key() == unread.effect_key()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"event": 1}', b"event=onmessage"])
def test_what_is_no_webhook_of_this_server_is_foreign(body):
    with pytest.raises(PayloadForeign):
        parse_webhook(body, "shop-one")


@pytest.mark.parametrize(("word", "away"), [("inChat", False), ("isLogged", False), ("browserClose", True)])
def test_a_notice_says_whether_the_session_is_without_its_phone(word, away):
    body = msgspec.json.encode({"event": "status-find", "session": "shop-one", "status": word})
    assert [told.away for told in parse_webhook(body, "shop-one")] == [away]


@pytest.mark.parametrize("name", ["qrcode", "phonecode"])
def test_a_code_is_taken_out_before_anything_is_stored(name):
    mask = SPEC.mask_body()
    stored = mask.feed(BODIES[f"{name}[0]"]) + mask.end()
    for secret in (b"iVBORw0KGgo=", b"2@FIXTUREQRTEXT", b"ABCD1234"):
        assert secret not in stored
    assert end_of(parse_webhook(stored, "shop-one")[0]) is SessionChange
