"""Every spelling that Meta documents or that its common clients send is brought into one."""

import pytest

from hailgate.core.content import content_as_json, encode_content, parse_outbound
from hailgate.core.errors import InputError

LANGUAGE = {"code": "en_US"}


def ask(kind, action, **more):
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "?"}, "action": action} | more}


def call(*components):
    return {"type": "template", "template": {"name": "a", "language": LANGUAGE, "components": list(components)}}


def stored(spelled):
    return content_as_json(encode_content(parse_outbound(spelled)))


TIME = {"fallback_value": "today", "day_of_week": 5, "year": 1977, "month": 2, "day_of_month": 25, "hour": 15}
FLOW = {"flow_message_version": "3", "flow_cta": "Begin", "flow_id": "1"}
PICTURE = {"link": "https://example.com/a.jpg"}
CARDS = [
    {"card_index": n, "action": {"name": "cta_url", "parameters": {"display_text": "x", "url": "https://a.de"}}}
    for n in range(2)
]

SPELLED = {
    "no type": ({"text": {"body": "x"}}, {"type": "text", "text": {"body": "x"}}),
    "no type, a list": (
        {
            name: value
            for name, value in ask("location_request_message", {"name": "send_location"}).items()
            if name != "type"
        },
        ask("location_request_message", {"name": "send_location"}),
    ),
    "type in capitals": ({"type": "TEXT", "text": {"body": "x"}}, {"type": "text", "text": {"body": "x"}}),
    "envelope": (
        {"messaging_product": "whatsapp", "recipient_type": "individual", "type": "text", "text": {"body": "x"}},
        {"type": "text", "text": {"body": "x"}},
    ),
    "degrees in quotes": (
        {"type": "location", "location": {"latitude": "37.5", "longitude": "-122"}},
        {"type": "location", "location": {"latitude": 37.5, "longitude": -122.0}},
    ),
    "interactive in capitals": (
        ask(
            "BUTTON",
            {"buttons": [{"type": "REPLY", "reply": {"id": "a", "title": "A"}}]},
            header={"type": "TEXT", "text": "H"},
        ),
        ask(
            "button",
            {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "A"}}]},
            header={"type": "text", "text": "H"},
        ),
    ),
    "a flow's version as a number": (
        ask("flow", {"name": "flow", "parameters": FLOW | {"flow_message_version": 3, "mode": "DRAFT"}}),
        ask("flow", {"name": "flow", "parameters": FLOW | {"mode": "draft"}}),
    ),
    "minutes as a fraction": (
        ask("voice_call", {"name": "voice_call", "parameters": {"ttl_minutes": 100.0}}),
        ask("voice_call", {"name": "voice_call", "parameters": {"ttl_minutes": 100}}),
    ),
    "the old name of a request": (
        ask("contact_request", {"name": "contact_request"}),
        ask("request_contact_info", {"name": "request_contact_info"}),
    ),
    "cards in capitals": (
        ask("carousel", {"cards": [card | {"type": "CTA_URL"} for card in CARDS]}),
        ask("carousel", {"cards": [card | {"type": "cta_url"} for card in CARDS]}),
    ),
    "components in capitals": (
        call(
            {"type": "HEADER", "parameters": [{"type": "IMAGE", "image": PICTURE}]},
            {"type": "BODY", "parameters": [{"type": "DATE_TIME", "date_time": TIME}]},
            {
                "type": "BUTTON",
                "sub_type": "COPY_CODE",
                "index": 0,
                "parameters": [{"type": "COUPON_CODE", "coupon_code": "A"}],
            },
        ),
        call(
            {"type": "header", "parameters": [{"type": "image", "image": PICTURE}]},
            {"type": "body", "parameters": [{"type": "date_time", "date_time": TIME}]},
            {
                "type": "button",
                "sub_type": "copy_code",
                "index": 0,
                "parameters": [{"type": "coupon_code", "coupon_code": "A"}],
            },
        ),
    ),
    "members in capitals": (
        call({"type": "HEADER", "parameters": [{"type": "IMAGE", "IMAGE": PICTURE}]}),
        call({"type": "header", "parameters": [{"type": "image", "image": PICTURE}]}),
    ),
    "a place in a header": (
        call({"type": "header", "parameters": [{"type": "location", "location": {"latitude": "1", "longitude": "2"}}]}),
        call({"type": "header", "parameters": [{"type": "location", "location": {"latitude": 1.0, "longitude": 2.0}}]}),
    ),
    "a text that is true": (
        call({"type": "button", "sub_type": "quick_reply", "index": 0, "parameters": [{"type": "text", "text": True}]}),
        call(
            {"type": "button", "sub_type": "quick_reply", "index": 0, "parameters": [{"type": "text", "text": "true"}]}
        ),
    ),
    "a number as text": (
        call({"type": "body", "parameters": [{"type": "text", "text": 42}]}),
        call({"type": "body", "parameters": [{"type": "text", "text": "42"}]}),
    ),
    "a call's button without a place": (
        call(
            {"type": "BUTTON", "sub_type": "VOICE_CALL", "parameters": [{"type": "TTL_MINUTES", "ttl_minutes": "100"}]}
        ),
        call(
            {
                "type": "button",
                "sub_type": "voice_call",
                "index": 0,
                "parameters": [{"type": "ttl_minutes", "ttl_minutes": "100"}],
            }
        ),
    ),
    "numbers in quotes": (
        call(
            {
                "type": "body",
                "parameters": [
                    {"type": "currency", "currency": {"fallback_value": "$1", "code": "USD", "amount_1000": "1000"}},
                    {"type": "date_time", "date_time": {"fallback_value": "F", "year": "1977", "day_of_month": "25"}},
                ],
            },
            {
                "type": "limited_time_offer",
                "parameters": [
                    {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": "1709384400000"}},
                ],
            },
        ),
        call(
            {
                "type": "body",
                "parameters": [
                    {"type": "currency", "currency": {"fallback_value": "$1", "code": "USD", "amount_1000": 1000}},
                    {"type": "date_time", "date_time": {"fallback_value": "F", "year": 1977, "day_of_month": 25}},
                ],
            },
            {
                "type": "limited_time_offer",
                "parameters": [
                    {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1709384400000}},
                ],
            },
        ),
    ),
    "cards numbered in quotes": (
        call(
            {
                "type": "carousel",
                "cards": [
                    {
                        "card_index": "0",
                        "components": [{"type": "header", "parameters": [{"type": "image", "image": PICTURE}]}],
                    }
                ],
            }
        ),
        call(
            {
                "type": "carousel",
                "cards": [
                    {
                        "card_index": 0,
                        "components": [{"type": "header", "parameters": [{"type": "image", "image": PICTURE}]}],
                    }
                ],
            }
        ),
    ),
    "ids as numbers": (
        ask("flow", {"name": "flow", "parameters": FLOW | {"flow_id": 123}}),
        ask("flow", {"name": "flow", "parameters": FLOW | {"flow_id": "123"}}),
    ),
    "yes as a text": (
        {"type": "text", "text": {"body": "x", "preview_url": "true"}},
        {"type": "text", "text": {"body": "x", "preview_url": True}},
    ),
    "a language alone": (
        {"type": "template", "template": {"name": "a", "language": LANGUAGE["code"]}},
        {"type": "template", "template": {"name": "a", "language": LANGUAGE}},
    ),
    "no components": (
        {"type": "template", "template": {"name": "a", "language": LANGUAGE, "components": None}},
        {"type": "template", "template": {"name": "a", "language": LANGUAGE}},
    ),
}


@pytest.mark.parametrize(("spelled", "ours"), SPELLED.values(), ids=SPELLED.keys())
def test_a_foreign_spelling_is_stored_as_ours(spelled, ours):
    assert stored(spelled) == stored(ours)


@pytest.mark.parametrize(
    ("foreign", "field"),
    [
        ({"messaging_product": "telegram", "type": "text", "text": {"body": "x"}}, "messaging_product"),
        (
            call(
                {
                    "type": "body",
                    "parameters": [
                        {"type": "currency", "currency": {"fallback_value": "$", "code": "USD", "amount_1000": "one"}}
                    ],
                }
            ),
            "template.components[0].parameters[0].currency.amount_1000",
        ),
        ({"type": "text", "text": {"body": "x", "preview_url": "maybe"}}, "text.preview_url"),
        ({"type": "location", "location": {"latitude": "north", "longitude": "2"}}, "location.latitude"),
        (
            call({"type": "BODY"}, {"type": "BODY", "parameters": [{"type": "smoke"}]}),
            "template.components[1].parameters[0].type",
        ),
        (
            ask("flow", {"name": "flow", "parameters": FLOW | {"flow_message_version": 2.5}}),
            "interactive.action.parameters.flow_message_version",
        ),
    ],
)
def test_what_no_client_writes_is_refused_at_its_place(foreign, field):
    with pytest.raises(InputError) as refused:
        parse_outbound(foreign)
    assert refused.value.field == field
