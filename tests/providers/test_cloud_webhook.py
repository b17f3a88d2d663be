"""Every webhook that Meta is known to send, and many that it should not."""

import json
from collections import Counter

import pytest

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import InboundText, content_as_json, encode_content, kind_of, preview
from hailgate.core.content.inbound import InboundReply, OrderItem, Origin, find_file
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import (
    AccountTrouble,
    Change,
    ContactChange,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MarketingChoice,
    MessageChange,
    MessageStatus,
    TemplateChange,
)
from hailgate.core.status import Status
from hailgate.providers.cloud.webhook import parse_webhook

from . import payloads

ACCOUNT = "106500000000001"
PHONE = Address(AddressKind.PHONE, "15550100042")
BSUID = Address(AddressKind.BSUID, "US.10000000000000000042")
GROUP = Address(AddressKind.GROUP, "GROUPIDFIXTURE")

WEBHOOKS = payloads.webhooks()
KEPT_IN_THEIR_SHAPE = {
    "audio",
    "button",
    "contacts",
    "document",
    "image",
    "interactive button_reply",
    "interactive list_reply",
    "interactive nfm_reply",
    "location",
    "order",
    "sticker",
    "video",
}


def parse(name):
    return [event for key, body in WEBHOOKS.items() if key.startswith(f"{name}[") for event in parse_webhook(body)]


def value(**members):
    changes = [{"field": "messages", "value": {"metadata": {"phone_number_id": ACCOUNT}, **members}}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


def events(**members):
    return parse_webhook(json.dumps(value(**members)).encode())


def message(**members):
    written = {"from": PHONE.value, "id": "wamid.1", "timestamp": "5", "type": "text", "text": {"body": "hi"}}
    return {key: member for key, member in (written | members).items() if member is not ...}


def first_value(name):
    return json.loads(WEBHOOKS[f"{name}[0]"])["entry"][0]["changes"][0]


# What each file comes to, each event by its name: a text, a change, a status, or why nothing is done.
NAMED = {
    "account_disabled": ["trouble account_trouble DISABLED_UPDATE"],
    "account_restriction": ["trouble account_trouble ACCOUNT_RESTRICTION"],
    "album_two_images_separate_requests": ["image", "image"],
    "batch_many_messages": ["text", "text", "status delivered", "text"],
    "message_audio": ["audio"],
    "message_contacts": ["contacts"],
    "message_document": ["document"],
    "message_edit": ["edit"],
    "message_empty_wa_id": ["text"],
    "message_image": ["image"],
    "message_image_without_url": ["image"],
    "message_interactive_button_reply": ["interactive button_reply"],
    "message_interactive_flow_reply": ["interactive nfm_reply"],
    "message_interactive_list_reply": ["interactive list_reply"],
    "message_location_pin": ["location"],
    "message_location_place": ["location"],
    "message_order": ["order"],
    "message_reaction_add": ["reaction"],
    "message_reaction_remove_empty": ["reaction"],
    "message_reaction_remove_missing": ["reaction"],
    "message_revoke": ["deletion"],
    "message_sticker_animated": ["sticker"],
    "message_sticker_static": ["sticker"],
    "message_template_quick_reply": ["button"],
    "message_text": ["text"],
    "message_text_forwarded": ["text forwarded"],
    "message_text_frequently_forwarded": ["text forwarded"],
    "message_text_from_ad": ["text referral"],
    "message_text_product_inquiry": ["text product"],
    "message_text_reply": ["text"],
    "message_text_unicode_long": ["text"],
    "message_unsupported": ["poll"],
    "message_username_only_no_phone": ["text"],
    "message_video": ["video"],
    "message_voice_note": ["audio"],
    "smb_message_echo_revoke": ["deletion"],
    "smb_message_echo_text": ["echo text"],
    "status_delivered": ["status delivered"],
    "status_duplicate_delivery": ["status delivered"] * 2,
    "status_group_read": ["status read"],
    "status_out_of_order_read_then_sent": ["status read", "status sent", "status delivered"],
    "status_played": ["status played"],
    "status_read": ["status read"],
    "status_read_without_delivered": ["status sent", "status read"],
    "status_sent": ["status sent"],
    "status_sent_cbp_conversation": ["status sent"],
    "status_sent_with_tracker": ["status sent"],
    "system_identity_changed": ["contact customer_identity_changed"],
    "system_user_changed_number": ["contact user_changed_number"],
    "system_user_changed_user_id": ["contact user_changed_user_id"],
    "template_category_update": ["template category MARKETING"],
    "template_quality_yellow": ["template quality YELLOW"],
    "template_status_approved": ["template status APPROVED"],
    "template_status_rejected": ["template status REJECTED"],
    "unknown_field": ["noted a_field_added_next_year"],
    "user_preferences_resume": ["marketing resumed"],
    "user_preferences_stop": ["marketing stopped"],
    "value_level_errors": ["noted error"],
} | {name.partition("[")[0]: ["status failed"] for name in WEBHOOKS if name.startswith("status_failed_")}


def called(event):
    """The event in words."""
    if isinstance(event, InboundMessage):
        return f"echo {written(event)}" if isinstance(event, EchoedMessage) else written(event)
    words = {
        MessageChange: lambda: str(event.change),
        ContactChange: lambda: f"contact {event.kind}",
        MarketingChoice: lambda: "marketing resumed" if event.wanted else "marketing stopped",
        MessageStatus: lambda: f"status {event.status.word}",
        TemplateChange: lambda: " ".join(["template", *changes_of(event)]),
        AccountTrouble: lambda: f"trouble {event.alarm} {event.kind}",
        Ignored: lambda: f"noted {event.kind}",
    }
    return words[type(event)]()


def changes_of(event):
    facets = {name: getattr(event, name) for name in ("status", "quality", "category")}
    return [f"{name} {value}" for name, value in facets.items() if value] or ["outdated"] * event.outdated


def written(event):
    if isinstance(event.content, InboundReply):
        return f"interactive {event.content.interactive.__struct_config__.tag}"
    origin = event.origin or Origin()
    facts = ("forwarded", origin.forwarded), ("referral", origin.referral), ("product", origin.referred_product)
    return " ".join([kind_of(event.content), *(word for word, told in facts if told)])


def test_each_file_of_webhooks_ends_as_something_named_and_none_is_dropped(capsys):
    told = {name: [called(event) for event in parse(name)] for name in {key.partition("[")[0] for key in WEBHOOKS}}
    with capsys.disabled():
        counted = Counter(word for words in told.values() for word in words)
        print(f"\n{len(told)} files:", ", ".join(f"{count} {word}" for word, count in sorted(counted.items())))
    assert told == NAMED


@pytest.mark.parametrize("name", WEBHOOKS)
def test_each_webhook_says_who_and_when(name):
    for event in parse_webhook(WEBHOOKS[name]):
        if isinstance(event, InboundMessage):
            assert event.chat
            assert event.name
        if isinstance(event, MessageStatus):
            assert event.recipient
        if isinstance(event, InboundMessage | MessageChange | MarketingChoice):
            assert event.at > 1_767_000_000


@pytest.mark.parametrize("word", ["stop", "STOP"])
def test_a_choice_is_that_of_all_who_stand_beside_it(word):
    body = json.loads(next(raw for name, raw in WEBHOOKS.items() if name.startswith("user_preferences_stop")))
    body["entry"][0]["changes"][0]["value"]["user_preferences"][0]["value"] = word
    (event,) = parse_webhook(json.dumps(body).encode())
    assert (event.addresses, event.wanted) == ((PHONE, BSUID), False)


def test_a_text_in_full():
    assert parse("message_text") == [
        InboundMessage(
            account=ACCOUNT,
            message_id="wamid.FIXTURE000001AAAA==",
            chat=(PHONE, BSUID),
            author=None,
            name="Ana Example",
            at=1767225600.0,
            content=InboundText("Hello, is this still available?"),
            context_id=None,
        )
    ]


def test_a_reply_names_the_message_it_answers():
    [event] = parse("message_text_reply")
    assert event.context_id == "wamid.FIXTUREOUT0001=="


@pytest.mark.parametrize("name", ["message_username_only_no_phone", "message_empty_wa_id"])
def test_a_person_without_a_number_is_known_by_the_business_scoped_id(name):
    [event] = parse(name)
    assert event.chat == (BSUID,)


def test_several_numbers_behind_one_hook_stay_apart():
    parsed = parse("batch_many_messages")
    assert [event.account for event in parsed] == [ACCOUNT, ACCOUNT, ACCOUNT, "106500000000002"]


def test_a_file_is_told_with_all_that_helps_to_fetch_and_show_it():
    [event] = parse("message_document")
    file = find_file(event.content)
    assert (file.id, file.mime_type, file.filename, file.caption) == (
        "9000000000000004",
        "application/pdf",
        "invoice 42.pdf",
        "Invoice",
    )
    assert file.sha256 == "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
    assert [
        find_file(event.content).voice for name in ("message_voice_note", "message_audio") for event in parse(name)
    ] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "name", [name for name in WEBHOOKS if name.startswith("message_") and NAMED[name[:-3]][0] in KEPT_IN_THEIR_SHAPE]
)
def test_what_a_person_sent_is_kept_in_the_cloud_apis_shape(name):
    [event] = parse_webhook(WEBHOOKS[name])
    told = first_value(name[:-3])["value"]["messages"][0]
    kept = content_as_json(encode_content(event.content))
    assert kept["type"] == told["type"]
    for field, value in (kept[told["type"]] if isinstance(kept[told["type"]], dict) else {}).items():
        assert told[told["type"]][field] == value
    assert preview(kept) == preview(told)


def test_an_order_and_an_ad_are_told_whole():
    [order] = parse("message_order")
    assert order.content.order.product_items == (OrderItem("sku-001", 2, 19.9, "USD"),)
    [from_ad] = parse("message_text_from_ad")
    assert (from_ad.origin.referral.source_type, from_ad.origin.referral.ctwa_clid) == ("ad", "FIXTURE_CLICK_ID")


def test_a_flow_is_answered_with_json_that_is_not_read():
    [event] = parse("message_interactive_flow_reply")
    assert json.loads(event.content.interactive.nfm_reply.response_json)["rating"] == "4"


@pytest.mark.parametrize(
    ("name", "target", "emoji"),
    [
        ("message_reaction_add", "wamid.FIXTUREOUT0003==", "👍"),
        ("message_reaction_remove_empty", "wamid.FIXTUREOUT0003==", ""),
        ("message_reaction_remove_missing", "wamid.FIXTUREOUT0003==", ""),
        ("message_revoke", "wamid.FIXTUREIN0002==", ""),
        ("message_edit", "wamid.FIXTUREIN0001==", ""),
    ],
)
def test_a_change_names_its_message(name, target, emoji):
    [event] = parse(name)
    assert (event.target, event.emoji, event.author) == (target, emoji, PHONE)
    assert event.content == (InboundText("Corrected text") if name == "message_edit" else None)


def test_a_new_number_and_a_new_id_are_learned():
    [number], [scoped] = parse("system_user_changed_number"), parse("system_user_changed_user_id")
    assert (number.known, number.learned) == ((PHONE,), (Address(AddressKind.PHONE, "15550100099"),))
    assert (scoped.known, scoped.learned) == ((PHONE,), (Address(AddressKind.BSUID, "US.10000000000000000043"),))


def test_a_call_rings_like_a_message_and_its_end_is_noted():
    call = {"id": "wacid.1", "from": PHONE.value, "event": "connect", "direction": "USER_INITIATED", "timestamp": "5"}
    calls = [call, call | {"event": "terminate"}, call | {"id": ""}]
    document = value()
    document["entry"][0]["changes"][0] = {
        "field": "calls",
        "value": {"metadata": {"phone_number_id": ACCOUNT}, "calls": calls},
    }
    rung, ended, broken = parse_webhook(json.dumps(document).encode())
    assert (kind_of(rung.content), rung.chat, rung.at) == ("call", (PHONE,), 5.0)
    assert (ended.kind, broken.kind) == ("terminate", "malformed call")


@pytest.mark.parametrize(
    "kind", ["reaction", "edit", "revoke", "button", "interactive", "image", "unsupported", "a_kind_of_next_year", ""]
)
def test_what_cannot_be_read_as_its_kind_is_kept_as_it_came(kind):
    written = message(type=kind, **({kind: {}} if kind else {}))
    [event] = events(messages=[written])
    assert isinstance(event, InboundMessage)
    assert event.content.kind == (kind or "unknown")
    assert json.loads(event.content.raw) == written


def test_what_nobody_wrote_is_noted():
    [event] = events(messages=[message(type="request_welcome")])
    assert (event.account, event.field, event.kind, event.message_id) == (
        ACCOUNT,
        "messages",
        "request_welcome",
        "wamid.1",
    )


@pytest.mark.parametrize("text", [..., None, {}, [], "hi", {"body": None}, {"body": 5}])
def test_a_text_that_cannot_be_read_is_still_a_message(text):
    [event] = events(messages=[message(text=text)])
    assert event.content.kind == "text"


def test_a_message_in_a_group_has_the_group_as_chat_and_the_person_as_author():
    contacts = [{"wa_id": PHONE.value, "user_id": BSUID.value, "profile": {"name": "Ana"}}]
    [event] = events(messages=[message(group_id=GROUP.value)], contacts=contacts)
    assert (event.chat, event.author, event.name) == ((GROUP,), PHONE, "Ana")


def test_contacts_are_matched_by_id_and_not_by_position():
    contacts = [
        {"wa_id": "15550100001", "profile": {"name": "Wrong"}},
        {"wa_id": PHONE.value, "user_id": BSUID.value, "profile": {"name": "Right"}},
    ]
    [event] = events(messages=[message()], contacts=contacts)
    assert (event.chat, event.name) == ((PHONE, BSUID), "Right")


def test_a_contact_lends_the_number_that_a_message_leaves_out():
    contacts = [{"wa_id": PHONE.value, "user_id": BSUID.value}]
    [event] = events(messages=[message(**{"from": ...}, from_user_id=BSUID.value)], contacts=contacts)
    assert event.chat == (PHONE, BSUID)


@pytest.mark.parametrize("sender", [..., None, "", "not digits", "+", "٣٤٥٦٧٨٩", "1" * 300])
def test_a_message_without_a_sender_has_no_effect(sender):
    [event] = events(messages=[message(**{"from": sender})])
    assert isinstance(event, Ignored)
    assert event.message_id == "wamid.1"


@pytest.mark.parametrize(
    "damage",
    [
        {"from": 5},
        {"from": {}},
        {"id": ...},
        {"id": None},
        {"id": ""},
        {"id": "a\nb"},
        {"id": "x" * 513},
        {"type": 5},
        {"type": None},
        {"group_id": []},
        {"from_user_id": 1e300},
    ],
    ids=str,
)
def test_a_damaged_message_does_not_cost_the_others(damage):
    others = [message(id="wamid.before"), message(id="wamid.after")]
    parsed = events(messages=[others[0], message(**damage), others[1]], statuses=[{"id": "wamid.2", "status": "read"}])
    assert [type(event) for event in parsed] == [InboundMessage, Ignored, InboundMessage, MessageStatus]
    assert parsed[1].note


@pytest.mark.parametrize("part", ["contacts", "messages", "statuses", "errors"])
@pytest.mark.parametrize("damage", [None, 5, "x", {}, [5], [None], [[]]])
def test_a_damaged_part_does_not_cost_the_other_parts(part, damage):
    parts = {"messages": [message()], "statuses": [{"id": "wamid.2", "status": "read"}]}
    parsed = events(**(parts | {part: damage}))
    kept = {InboundMessage, MessageStatus} - {{"messages": InboundMessage, "statuses": MessageStatus}.get(part)}
    assert kept <= {type(event) for event in parsed}


@pytest.mark.parametrize("damage", [5, None, {}, {"changes": 5}, {"changes": [5, {"field": 5}, {"field": "x"}]}])
def test_a_damaged_entry_does_not_cost_the_others(damage):
    document = value(messages=[message()])
    document["entry"].insert(0, damage)
    parsed = parse_webhook(json.dumps(document).encode())
    assert [type(event) for event in parsed][-1] is InboundMessage
    assert all(isinstance(event, Ignored) for event in parsed[:-1])


@pytest.mark.parametrize("metadata", [None, {}, {"phone_number_id": 5}, {"phone_number_id": ""}, []])
def test_a_change_for_nobody_has_no_effect(metadata):
    [event] = events(metadata=metadata, messages=[message()])
    assert (event.account, event.kind) == (None, "nowhere")


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("1767225600", 1767225600.0),
        (1767225600, 1767225600.0),
        (..., 0.0),
        (None, 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("1e300", 0.0),
        ({}, 0.0),
        (10**4000, 0.0),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_time_that_makes_no_sense_is_none_at_all(written, at):
    [event] = events(messages=[message(timestamp=written)])
    assert event.at == at


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\uD83D\\\\uDE00", "\\ud83d\\ud83d\\ude00"])
def test_half_an_emoji_in_one_name_costs_nothing(half):
    contacts = [{"wa_id": PHONE.value, "profile": {"name": "HALF"}}]
    body = json.dumps(value(messages=[message(), message(id="wamid.2")], contacts=contacts))
    parsed = parse_webhook(body.replace("HALF", f"Ana {half}").encode())
    assert [event.message_id for event in parsed] == ["wamid.1", "wamid.2"]
    assert parsed[0].name.startswith("Ana \ufffd")


def test_a_whole_emoji_is_kept_beside_half_of_one():
    contacts = [{"wa_id": PHONE.value, "profile": {"name": "HALF"}}]
    body = json.dumps(value(messages=[message(text={"body": "\\ud83d 😀"})], contacts=contacts))
    [event] = parse_webhook(body.replace("HALF", "\\ud83d").encode())
    assert event.content == InboundText("\\ud83d 😀")
    assert event.name == "\ufffd"


def test_bytes_that_are_no_utf_8_cost_nothing():
    body = json.dumps(value(messages=[message(text={"body": "HERE"}), message(id="wamid.2")]))
    parsed = parse_webhook(body.encode().replace(b"HERE", b"a\xffb"))
    assert [event.message_id for event in parsed] == ["wamid.1", "wamid.2"]


# Statuses


@pytest.mark.parametrize("word", ["sent", "delivered", "read", "played", "failed"])
def test_each_step_has_its_status(word):
    [event] = events(statuses=[{"id": "wamid.1", "status": word, "timestamp": "7", "recipient_id": PHONE.value}])
    assert (event.status.word, event.at, event.recipient) == (word, 7.0, PHONE)


@pytest.mark.parametrize("word", ["deleted", "warning", "queued", "", "a_step_of_next_year"])
def test_another_word_is_noted(word):
    [event] = events(statuses=[{"id": "wamid.1", "status": word}])
    assert isinstance(event, Ignored)
    assert event.kind == f"status {word}"


def test_the_tracker_comes_back():
    [event] = parse("status_sent_with_tracker")
    assert event.tracker == "tenant-a|msg-01J0000000000000000000FIX"


def test_a_status_in_a_group_is_about_the_group():
    [event] = parse("status_group_read")
    assert event.recipient == GROUP


def test_a_recipient_without_a_number_is_known_by_the_business_scoped_id():
    [event] = events(statuses=[{"id": "wamid.1", "status": "read", "recipient_user_id": BSUID.value}])
    assert event.recipient == BSUID


@pytest.mark.parametrize("code", ["130472", "131000", "131026", "131047", "131049", "131050", "131053", "132015"])
def test_a_failure_says_why_in_our_words(code):
    [event] = parse(f"status_failed_{code}")
    assert (event.status, event.code) == (Status.FAILED, code)
    said = json.dumps(first_value(f"status_failed_{code}"))
    assert event.detail.endswith(".")
    assert event.detail not in said


@pytest.mark.parametrize(("code", "opted_out"), [("131050", True), ("131049", False), ("131026", False)])
def test_an_opt_out_is_told_apart_from_other_failures(code, opted_out):
    [event] = parse(f"status_failed_{code}")
    assert event.opted_out is opted_out


def test_an_unknown_failure_is_told_by_its_title_and_never_by_its_details():
    error = {"code": 999_999, "title": "T" * 500, "message": "secret", "error_data": {"details": "secret"}}
    [event] = events(statuses=[{"id": "wamid.1", "status": "failed", "errors": [error]}])
    assert (event.code, event.detail) == ("999999", "T" * 200)


@pytest.mark.parametrize("errors", [None, [], {}, [5], [{}], [{"code": []}], "x"])
def test_a_failure_without_a_reason_is_a_failure(errors):
    [event] = events(statuses=[{"id": "wamid.1", "status": "failed", "errors": errors}])
    assert (event.status, event.code, event.detail) == (Status.FAILED, None, None)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("status_out_of_order_read_then_sent", Status.READ),
        ("status_duplicate_delivery", Status.DELIVERED),
        ("status_read_without_delivered", Status.READ),
    ],
)
def test_a_history_in_any_order_has_one_end(name, end):
    assert max(event.status for event in parse(name)) is end


def test_a_status_told_twice_has_one_effect_key():
    one, two = parse("status_duplicate_delivery")
    assert one.effect_key() == two.effect_key()


# What the business writes on its own telephone


def test_an_echo_is_ours_and_names_the_recipient():
    [event] = parse("smb_message_echo_text")
    assert type(event) is EchoedMessage
    assert (event.chat, event.author, event.name) == ((PHONE, BSUID), None, "Ana Example")
    assert event.content == InboundText("Answered from the phone app by a human")


def test_what_is_taken_back_there_was_done_by_us():
    [event] = parse("smb_message_echo_revoke")
    assert (event.change, event.target, event.author) == (Change.DELETION, "wamid.FIXTUREOUT0009==", None)


@pytest.mark.parametrize("echo", [{}, {"id": "wamid.1"}, {"id": "wamid.1", "type": "text", "to": 5}, 7])
def test_an_echo_that_says_too_little_is_noted(echo):
    [event] = parse_webhook(changed("smb_message_echoes", message_echoes=[echo]))
    assert isinstance(event, Ignored)


# Groups


def changed(field, **value):
    whole = {"metadata": {"phone_number_id": ACCOUNT}, **value}
    entry = {"id": "1", "changes": [{"field": field, "value": whole}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


@pytest.mark.parametrize(
    ("field", "groups", "noted"),
    [
        ("group_lifecycle_update", [{"type": "group_create", "subject": "x"}], [("group_create", "Done to a group.")]),
        (
            "group_participants_update",
            [{"type": "group_participants_add"}, {"type": "group_join_request_created"}],
            [("group_participants_add", "Done to a group."), ("group_join_request_created", "Done to a group.")],
        ),
        (
            "group_settings_update",
            [{"type": "group_settings_update", "errors": [{"code": 131209, "title": "Bad"}]}],
            [("group_settings_update", "It failed. 131209: The group's picture must be square.")],
        ),
        ("group_status_update", [{"type": "group_suspend"}], [("group_suspend", "Done to a group.")]),
        ("group_status_update", [5], [("malformed group", "It has another shape than Meta documents.")]),
        ("group_next_year", [], [("malformed group_next_year", "It has another shape than Meta documents.")]),
    ],
)
def test_what_becomes_of_a_group_is_noted_by_its_name(field, groups, noted):
    events = parse_webhook(changed(field, groups=groups))
    assert [(event.kind, event.note) for event in events] == noted
    assert {event.account for event in events} == {ACCOUNT}


# Everything else


@pytest.mark.parametrize(
    ("name", "field", "kind"),
    [
        ("unknown_field", "a_field_added_next_year", "a_field_added_next_year"),
    ],
)
def test_another_field_is_noted(name, field, kind):
    [event] = parse(name)
    assert (event.field, event.kind) == (field, kind)


def test_a_rejected_template_in_full():
    assert parse("template_status_rejected") == [
        TemplateChange(
            business="102000000000001",
            provider_id="1600000000000002",
            name="promo",
            language="en",
            at=1767225699.0,
            status="REJECTED",
            reason="INVALID_FORMAT. Adjacent variables. Put text between variables",
        )
    ]


def told_of_template(field, **value):
    named = {"message_template_id": 7, "message_template_name": "promo", "message_template_language": "en-US"}
    changes = [{"field": field, "value": named | value}]
    entry = {"id": "102000000000001", "time": 1767225699, "changes": changes}
    [event] = parse_webhook(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())
    return event


@pytest.mark.parametrize(
    ("field", "value", "changes"),
    [
        ("message_template_status_update", {"event": "REINSTATED"}, ["status APPROVED"]),
        ("message_template_status_update", {"event": "FLAGGED"}, ["outdated"]),
        ("message_template_status_update", {"event": "UNARCHIVED"}, ["outdated"]),
        ("message_template_components_update", {"message_template_element": "Hello"}, ["outdated"]),
        ("template_category_update", {"new_category": "UTILITY"}, ["category UTILITY"]),
        ("template_category_update", {"correct_category": "UTILITY"}, []),
    ],
)
def test_what_is_told_of_a_template(field, value, changes):
    event = told_of_template(field, **value)
    assert (changes_of(event), event.language, event.provider_id) == (changes, "en_US", "7")


def test_a_template_without_a_name_is_noted():
    assert told_of_template("message_template_status_update", message_template_name=None).kind == "malformed"


def test_an_error_of_the_number_is_noted_with_its_code():
    [event] = parse("value_level_errors")
    assert (event.account, event.kind) == (ACCOUNT, "error")
    assert event.note.startswith("130429: ")


def test_an_empty_webhook_has_no_events():
    assert parse_webhook(b'{"object":"whatsapp_business_account","entry":[]}') == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"object":"page","entry":[]}',
        b'{"object":"whatsapp_business_account"}',
        b'{"object":"whatsapp_business_account","entry":{}}',
        b"[]",
        b"null",
        b"",
        "{}".encode("utf-16"),
    ],
)
def test_a_foreign_body_is_called_foreign(body):
    with pytest.raises(PayloadForeign):
        parse_webhook(body)
