"""What Meta tells beside messages: calls, what it does not deliver, prices, groups, and trouble of an account."""

import json

import pytest

from hailgate.core.alarms import Alarm
from hailgate.core.content import content_as_json, encode_content, preview
from hailgate.core.events import AccountTrouble, EchoedMessage, Ignored, InboundMessage
from hailgate.providers.cloud.webhook import parse_webhook

from .payloads import webhooks

PERSON, NUMBER = "15550100042", "15550100000"
METADATA = {"display_phone_number": NUMBER, "phone_number_id": "106500000000001"}


def parse(field, value, **entry):
    whole = {"id": "102000000000001", "changes": [{"field": field, "value": value}], **entry}
    return parse_webhook(json.dumps({"object": "whatsapp_business_account", "entry": [whole]}).encode())


def status(**told):
    whole = {"id": "wamid.1", "status": "sent", "timestamp": "1767225650", "recipient_id": PERSON} | told
    [event] = parse("messages", {"metadata": METADATA, "statuses": [whole]})
    return event


def message(**told):
    whole = {"from": PERSON, "id": "wamid.1", "timestamp": "1767225600"} | told
    [event] = parse("messages", {"metadata": METADATA, "messages": [whole]})
    return event


# --- calls ------------------------------------------------------------------------------------------------------------


def call(**told):
    whole = {"id": "wacid.1", "event": "connect", "timestamp": "1767225600"} | told
    [event] = parse("calls", {"metadata": METADATA, "calls": [whole]})
    return event


def test_a_call_that_the_business_makes_goes_to_the_person():
    event = call(**{"from": NUMBER, "to": PERSON, "direction": "BUSINESS_INITIATED"})
    assert type(event) is EchoedMessage
    assert [address.value for address in event.chat] == [PERSON]


def test_a_call_that_a_person_makes_comes_from_them():
    event = call(**{"from": PERSON, "to": NUMBER, "direction": "USER_INITIATED"})
    assert type(event) is InboundMessage
    assert [address.value for address in event.chat] == [PERSON]


def test_a_call_of_ours_whose_person_is_not_named_is_noted():
    assert type(call(**{"from": NUMBER, "direction": "BUSINESS_INITIATED"})) is Ignored


# --- what cannot be shown ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"type": "unsupported", "unsupported": {"type": "poll"}, "errors": [{"code": 131051}]},
         "Poll. WhatsApp does not give such messages to businesses."),
        ({"type": "unsupported", "unsupported": {"type": "video_note"}, "errors": [{"code": 131051}]},
         "Video note. WhatsApp does not give such messages to businesses."),
        ({"type": "unsupported", "errors": [{"code": 131051}]},
         "Message that cannot be shown. WhatsApp does not give such messages to businesses."),
        ({"type": "image", "errors": [{"code": 131052}]},
         "Photo. WhatsApp could not take the file from the person; ask for it again."),
        ({"type": "unsupported", "errors": [{"code": "131060"}]},
         "Message that cannot be shown. WhatsApp does not have the message; ask for it again."),
        ({"type": "interactive", "errors": [{"code": 131000}]},
         "Interactive message. WhatsApp does not have the message; ask for it again."),
        ({"type": "hologram", "hologram": {"id": 1}}, "Message that cannot be shown (hologram)"),
        ({"type": "unsupported", "unsupported": 5, "errors": "x"}, "Message that cannot be shown"),
    ],
)  # fmt: skip
def test_what_is_not_handed_over_is_told_in_words(told, line):
    content = content_as_json(encode_content(message(**told).content))
    assert preview(content) == line
    assert json.loads(content["unsupported"]["raw"])["id"] == "wamid.1"


@pytest.mark.parametrize(
    ("response", "line"),
    [("accept", "Calls allowed"), ("reject", "Calls not allowed"), ("later", "Answer about calls")],
)
def test_an_answer_about_calls_is_named(response, line):
    reply = {"response": response, "expiration_timestamp": 1767312000, "response_source": "user_action"}
    event = message(type="interactive", interactive={"type": "call_permission_reply", "call_permission_reply": reply})
    content = content_as_json(encode_content(event.content))
    assert (content["type"], preview(content)) == ("interactive", line)
    assert content["interactive"]["call_permission_reply"] == reply


# --- statuses ---------------------------------------------------------------------------------------------------------

FREE = {"billable": False, "pricing_model": "PMP", "type": "free_entry_point", "category": "service"}


@pytest.mark.parametrize(
    ("pricing", "price"),
    [
        (
            {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"},
            ("utility", "regular", True),
        ),
        (
            {"billable": True, "type": "free_customer_service", "category": "service"},
            ("service", "free_customer_service", False),
        ),
        (
            {"type": "regular", "category": "authentication-international"},
            ("authentication-international", "regular", True),
        ),
        (
            {"billable": True, "pricing_model": "CBP", "category": "service"},
            ("service", "", True),
        ),  # before types were told
        (
            {"category": "general_purpose_ai", "type": "a_type_of_next_year"},
            ("general_purpose_ai", "a_type_of_next_year", False),
        ),
        ({}, ("", "", None)),
    ],
)
def test_a_price_is_decided_by_its_type(pricing, price):
    found = status(pricing=pricing).price
    assert (found.category, found.type, found.billed) == price


def test_the_end_of_a_free_window_is_kept():
    conversation = {"id": "c", "expiration_timestamp": "1767312000", "origin": {"type": "referral_conversion"}}
    assert status(pricing=FREE, conversation=conversation).price.free_until == 1767312000.0


@pytest.mark.parametrize("damage", [5, "x", [], {"type": 5}, {"category": []}, None])
def test_a_damaged_price_costs_no_status(damage):
    assert status(pricing=damage).message_id == "wamid.1"


def test_the_words_of_a_failure_are_kept_apart_from_ours():
    errors = [{"code": 131026, "title": "Undeliverable", "error_data": {"details": "Ask the person to update."}}]
    event = status(status="failed", errors=errors)
    assert event.told == "Ask the person to update."
    assert "update" not in event.detail


def test_the_read_of_one_participant_is_not_that_of_another():
    one, other = (
        status(status="read", recipient_id="G", recipient_type="group", recipient_participant_id=number)
        for number in (PERSON, "15550100043")
    )
    assert one.participant.value == PERSON
    assert one.effect_key() != other.effect_key()


# --- accounts ---------------------------------------------------------------------------------------------------------

TROUBLE = {
    "disabled": ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}),
    "restricted": ("account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": []}),
    "violation": ("account_update", {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SPAM"}}),
    "deleted": ("account_update", {"event": "ACCOUNT_DELETED"}),
    "removed": ("account_update", {"event": "PARTNER_REMOVED", "disconnection_info": {"reason": "x"}}),
    "alert": (
        "account_alerts",
        {"alert_info": {"alert_severity": "CRITICAL", "alert_status": "ACTIVE", "alert_type": "OBA"}},
    ),
    "flat alert": ("account_alerts", {"alert_severity": "WARNING", "alert_status": "ACTIVE", "alert_type": "OBA"}),
    "review": ("account_review_update", {"decision": "REJECTED"}),
}
QUIET = {
    "reinstated": ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}),
    "verified": ("account_update", {"event": "VERIFIED_ACCOUNT"}),
    "informational": (
        "account_alerts",
        {"alert_severity": "INFORMATIONAL", "alert_status": "ACTIVE", "alert_type": "X"},
    ),
    "upgrade": ("phone_number_quality_update", {"event": "UPGRADE", "current_limit": "TIER_1K"}),
    "throughput": ("phone_number_quality_update", {"event": "THROUGHPUT_UPGRADE"}),
    "approved": ("account_review_update", {"decision": "APPROVED"}),
    "strange": ("account_update", 5),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_of_an_account_is_an_alarm(name):
    [event] = parse(*TROUBLE[name], time=1767225699)
    assert (type(event), event.business, event.alarm) == (AccountTrouble, "102000000000001", Alarm.ACCOUNT_TROUBLE)


@pytest.mark.parametrize("event", ["FLAGGED", "DOWNGRADE"])
def test_a_number_that_loses_quality_is_an_alarm(event):
    [trouble] = parse("phone_number_quality_update", {"event": event, "display_phone_number": NUMBER})
    assert trouble.alarm is Alarm.NUMBER_QUALITY
    assert NUMBER not in trouble.words


@pytest.mark.parametrize("name", QUIET)
def test_the_rest_is_noted(name):
    [event] = parse(*QUIET[name])
    assert type(event) is Ignored


@pytest.mark.parametrize("field", ["history", "smb_app_state_sync", "business_capability_update"])
def test_a_field_that_nothing_is_done_with_is_noted_under_its_name(field):
    [event] = parse(field, {"metadata": METADATA})
    assert (type(event), event.field) == (Ignored, field)


def test_every_webhook_of_the_fixtures_is_read():
    for body in webhooks().values():
        parse_webhook(body)
