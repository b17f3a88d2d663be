"""What a template says is read tolerantly; a call that cannot succeed is refused with field, rule and what to do."""

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.address import AddressKind
from hailgate.core.content import check_content, parse_outbound
from hailgate.core.errors import InputError
from hailgate.core.templates import (
    Definition,
    TemplateDefinition,
    check_template,
    fill_call,
    fits_a_form,
    list_variables,
    parse_definition,
    preview_template,
    values_of,
)
from hailgate.simulator.cloud.examples import EXAMPLES

from .strategies import any_json
from .test_outbound import DOCUMENTED, Limits


def template(*components, name="news", language="en", status="APPROVED", named=False):
    return TemplateDefinition("1", name, language, "UTILITY", status, "GREEN", named, json.dumps(components))


def text(value, name=None):
    return {"type": "text", "text": value, **({"parameter_name": name} if name else {})}


def call(*components, name="news", language="en"):
    wanted = {"name": name, "language": {"code": language}, "components": list(components)}
    return parse_outbound({"type": "template", "template": wanted}).template


def body(*parameters):
    return {"type": "body", "parameters": list(parameters)}


def header(*parameters):
    return {"type": "header", "parameters": list(parameters)}


def button(index, sub_type, *parameters):
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": list(parameters)}


def refusal(wanted, *known):
    with pytest.raises(InputError) as refused:
        check_template(wanted, known)
    assert refused.value.detail.startswith(f"{refused.value.field}: ")
    return refused.value


EXAMPLE = {
    example.name: TemplateDefinition(
        "1", example.name, example.language, example.category, example.status, example.quality,
        example.parameter_format == "NAMED", json.dumps(example.components),
    )
    for example in EXAMPLES
}  # fmt: skip


@pytest.mark.parametrize("request_name", [name for name in DOCUMENTED if name.startswith("template")])
def test_the_documented_calls_fit_the_simulators_templates(request_name):
    wanted = parse_outbound(DOCUMENTED[request_name]).template
    check_template(wanted, [EXAMPLE[wanted.name]])


# --- the template as a whole ------------------------------------------------------------------------------------------


def test_a_name_that_the_provider_does_not_have_is_refused():
    refused = refusal(call())
    assert (refused.field, refused.code) == ("template.name", "template_unavailable")


def test_another_language_is_refused_with_those_there_are():
    refused = refusal(call(language="pt_BR"), template(language="en"), template(language="de"))
    assert refused.field == "template.language.code"
    assert refused.detail.endswith("it exists in: de, en.")


@pytest.mark.parametrize(
    "status",
    ["PENDING", "IN_APPEAL", "REJECTED", "PAUSED", "DISABLED", "PENDING_DELETION", "DELETED", "ARCHIVED",
     "LIMIT_EXCEEDED"],
)  # fmt: skip
def test_a_template_that_is_not_approved_is_refused(status):
    assert refusal(call(), template(status=status)).field == "template.name"


def test_a_code_is_not_sent_to_a_user_id():
    code, wanted = template()._replace(category="AUTHENTICATION"), call()
    check_template(wanted, [code], AddressKind.PHONE)
    with pytest.raises(InputError) as refused:
        check_template(wanted, [code], AddressKind.BSUID)
    assert refused.value.field == "to"
    check_template(wanted, [template()], AddressKind.BSUID)


def test_what_is_not_known_is_left_to_the_provider():
    check_template(call(body(text("x"))), [template(status="SOMETHING_NEW")._replace(components="")])
    check_template(call(body(text("x"))), [template()._replace(components="{")])


# --- its parts --------------------------------------------------------------------------------------------------------

BODY = {"type": "BODY", "text": "Hello {{1}}, we expect you at {{2}}, {{1}}."}
NAMED = {"type": "BODY", "text": "Hello {{first_name}}, see you at {{time}}."}
PICTURE = {"type": "HEADER", "format": "IMAGE"}
BUTTONS = {
    "type": "BUTTONS",
    "buttons": [
        {"type": "QUICK_REPLY", "text": "Yes"},
        {"type": "URL", "text": "Open", "url": "https://example.com/{{1}}"},
        {"type": "URL", "text": "Home", "url": "https://example.com/"},
        {"type": "COPY_CODE", "text": "Copy"},
        {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550100000"},
    ],
}
OTP = {"type": "BUTTONS", "buttons": [{"type": "OTP", "text": "Copy"}]}
PLACE = {"type": "HEADER", "format": "LOCATION"}
ADDRESS, CODE = text("a/b?c=1"), {"type": "coupon_code", "coupon_code": "SPRING"}
TOLD = (button(1, "url", ADDRESS), button("3", "copy_code", CODE))
LINK = {"type": "image", "image": {"link": "https://example.com/a.jpg"}}
CARDS = {
    "type": "CAROUSEL",
    "cards": [
        {"components": [PICTURE, {"type": "BODY", "text": "For {{1}}"}]},
        {"components": [PICTURE, {"type": "BODY", "text": "Plain"}]},
    ],
}


def card(index, *components):
    return {"card_index": index, "components": list(components)}


def carousel(*cards):
    return {"type": "carousel", "cards": list(cards)}


FITTING_CARDS = (card(0, header(LINK), body(text("you"))), card(1, header(LINK)))
OFFER = {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Soon over", "has_expiration": True}}
UNTIL = {
    "type": "limited_time_offer",
    "parameters": [{"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1}}],
}


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (template(), call()),
        (template(BODY), call(body(text("Ana"), text("nine")))),
        (template(BODY), call(body({"type": "date_time", "date_time": {"fallback_value": "Monday"}}, text("nine")))),
        (template(NAMED, named=True), call(body(text("nine", "time"), text("Ana", "first_name")))),
        (template(PICTURE), call(header(LINK))),
        (template({"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}"}), call(header(text("Ana")))),
        (template({"type": "HEADER", "format": "HOLOGRAM"}), call(header(LINK))),
        (template(BUTTONS), call(*TOLD)),
        (template(BUTTONS), call(*TOLD, button(0, "quick_reply", {"type": "payload", "payload": "yes"}))),
        (template(OTP), call(button(0, "url", text("1")))),
        (template({"type": "BUTTONS", "buttons": [{"type": "NEW", "text": "?"}]}), call(button(0, "flow"))),
        (template(CARDS), call(carousel(*FITTING_CARDS))),
        (template(CARDS), call(carousel(*reversed(FITTING_CARDS)))),
        (template(OFFER), call(UNTIL)),
        (template({"type": "BODY", "text": "{{1}}"}), call(body(text("x" * 1100)))),
    ],
)
def test_a_call_that_fits_is_taken(known, wanted):
    check_template(wanted, [known])


@pytest.mark.parametrize(
    ("known", "wanted", "where", "rule"),
    [
        (template(BODY), call(), "", "2 parameters for the body ({{1}}, {{2}}), and there are 0"),
        (template(BODY), call(body(text("a"))), "[0].parameters", "must hold 2"),
        (template(), call(body(text("a"))), "[0].parameters", "has no variables"),
        (template(NAMED, named=True), call(body(text("a"), text("b"))), "[0].parameters[0].parameter_name",
         "first_name, time"),
        (template(NAMED, named=True), call(body(text("a", "time"), text("b", "time"))), "[0].parameters",
         "each variable once"),
        (template(BODY), call(body(LINK, text("b"))), "[0].parameters[0].type", "must be text"),
        (template(BODY), call(body(), body()), "[1]", "a second body"),
        (template(PICTURE), call(), "", "a header with one image parameter"),
        (template(PICTURE), call(header(text("a"))), "[0].parameters", "exactly one image"),
        (template(), call(header(LINK)), "[0].parameters", "header of this template has no"),
        (template({"type": "HEADER", "format": "TEXT", "text": "{{1}}"}), call(header(text("x" * 61))),
         "[0].parameters", "at most 60 characters long, and it has 61"),
        (template(BODY, {"type": "FOOTER", "text": "Clinic"}), call(body(text("x" * 600), text("a"))),
         "[0].parameters", "at most 1024"),
        (template(BUTTONS), call(TOLD[1]), "", "index 1, sub_type url and one text parameter"),
        (template(BUTTONS), call(TOLD[0]), "", "index 3, sub_type copy_code and one coupon_code"),
        (template(BUTTONS), call(*TOLD, button(5, "url", ADDRESS)), "[2].index", "0 to 4"),
        (template(), call(button(0, "url", ADDRESS)), "[0].index", "has none"),
        (template(BUTTONS), call(*TOLD, TOLD[0]), "[2].index", "twice"),
        (template(BUTTONS), call(*TOLD, button(0, "url", ADDRESS)), "[2].sub_type", "quick_reply"),
        (template(BUTTONS), call(*TOLD, button(2, "url", ADDRESS)), "[2].parameters", "no variable"),
        (template(BUTTONS), call(TOLD[1], button(1, "url", text("a b"))), "[1].parameters[0].text",
         "no white space"),
        (template(BUTTONS), call(TOLD[1], button(1, "url", text("a" * 1990))), "[1].parameters[0].text",
         "at most 2000"),
        (template(BUTTONS), call(TOLD[1], button(1, "url", CODE)), "[1].parameters", "one text"),
        (template(CARDS), call(), "", "a carousel with 2 cards"),
        (template(), call(carousel(*FITTING_CARDS)), "[0].cards", "not part of this template"),
        (template(CARDS), call(carousel(*FITTING_CARDS, card(2))), "[0].cards", "must hold 2 cards"),
        (template(CARDS), call(carousel(FITTING_CARDS[0], FITTING_CARDS[0])), "[0].cards[1].card_index",
         "each card once"),
        (template(CARDS), call(carousel(FITTING_CARDS[0], card(1))), "[0].cards[1].components",
         "one image parameter"),
        (template(OFFER), call(), "", "limited_time_offer"),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_is_refused_with_field_and_rule(known, wanted, where, rule):
    refused = refusal(wanted, known)
    assert (refused.field, refused.code) == (f"template.components{where}", "invalid_content")
    assert rule in refused.detail


@pytest.mark.parametrize("value", ["two\nlines", "a\ttab", "five     spaces", "a\rreturn"])
def test_a_variable_may_not_break_its_paragraph(value):
    for parameter in (text(value), {"type": "date_time", "date_time": {"fallback_value": value}}):
        whole = {"name": "news", "language": {"code": "en"}, "components": [body(parameter)]}
        with pytest.raises(InputError) as refused:
            check_content(parse_outbound({"type": "template", "template": whole}), Limits())
        assert refused.value.field.startswith("template.components[0].parameters[0].")
        assert value not in refused.value.detail


@given(any_json)
def test_whatever_a_provider_lists_is_read_or_left_to_it(document):
    for components in (document, [document], [{"type": "BODY", **document}] if isinstance(document, dict) else []):
        known = template()._replace(components=json.dumps(components))
        assert isinstance(parse_definition(known), Definition | None)
        definition = parse_definition(known)
        if definition:
            list_variables(definition)
            preview_template(definition, {})


# --- forms ------------------------------------------------------------------------------------------------------------


def test_variables_are_listed_for_a_form_with_their_examples():
    definition = parse_definition(EXAMPLE["order_update"])
    assert [(each.key, each.kind, each.example) for each in list_variables(definition)] == [
        ("body.1", "text", "42"), ("body.2", "text", "shipped"),
    ]  # fmt: skip
    promo = list_variables(parse_definition(EXAMPLE["promo"]))
    assert [(each.key, each.kind, each.required) for each in promo] == [
        ("header", "image", True), ("body.first_name", "text", True), ("button.0", "payload", False),
        ("button.1", "suffix", True),
    ]  # fmt: skip


@dataclass
class Filled:
    name: str
    values: dict[str, str]
    body: str
    header: str = ""
    buttons: tuple[str, ...] = field(default=())


@pytest.mark.parametrize(
    "case",
    [
        Filled("order_update", {"body.1": "42", "body.2": "shipped"}, "Order 42 is shipped."),
        Filled("order_update", {"body.1": "42"}, "Order 42 is {{2}}."),
        Filled("hello_world", {}, "Welcome! This message shows that your number can send templates.", "Hello World"),
        Filled(
            "promo", {"body.first_name": "Ana"}, "Spring sale for you, Ana: everything at half price until Sunday.",
            buttons=("Stop promotions", "See offers"),
        ),
    ],
)  # fmt: skip
def test_a_preview_shows_what_the_person_reads(case):
    shown = preview_template(parse_definition(EXAMPLE[case.name]), case.values)
    assert (shown.body, shown.header, shown.buttons) == (case.body, case.header, case.buttons)


FORM = {
    "order_update": {"body.1": "42", "body.2": "shipped"},
    "appointment_reminder": {"header.1": "Monday", "body.1": "Ana", "body.2": "nine"},
    "promo": {"header": "https://example.com/p.jpg", "body.first_name": "Ana", "button.1": "spring"},
    "otp": {"body.1": "123456", "button.0": "123456"},
    "hello_world": {},
}


@pytest.mark.parametrize("name", FORM)
def test_a_filled_form_is_a_call_that_fits_and_can_be_read_back(name):
    known, values = EXAMPLE[name], FORM[name]
    definition = parse_definition(known)
    assert fits_a_form(definition)
    wanted = fill_call(known, definition, values)
    check_template(wanted, [known])
    assert preview_template(definition, values_of(wanted, definition)) == preview_template(definition, values)


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("https://example.com/a.jpg", "link"),
        ("0198a0b0-0000-7000-8000-000000000001", "attachment"),
        ("1013859600285441", "id"),
    ],
)
def test_a_file_in_a_form_is_an_address_or_stored_here_or_the_providers(given, source):
    for form in ("image", "video", "document"):
        known = template({"type": "HEADER", "format": form.upper()})
        wanted = fill_call(known, parse_definition(known), {"header": given})
        check_template(wanted, [known])
        file = getattr(wanted.components[0].parameters[0], form)
        assert getattr(file, source) == given


@pytest.mark.parametrize("key", ["body.1", "body.2"])
def test_a_form_with_a_field_left_empty_does_not_fit(key):
    known = EXAMPLE["order_update"]
    values = {**FORM["order_update"], key: " "}
    refusal(fill_call(known, parse_definition(known), values), known)


@pytest.mark.parametrize("known", [template(CARDS), template(OFFER), template(PLACE)])
def test_what_does_not_fit_into_lines_is_no_form(known):
    assert not fits_a_form(parse_definition(known))


@given(st.text(), st.text())
def test_a_value_is_never_read_as_a_variable(first, second):
    definition = parse_definition(template({"type": "BODY", "text": "a {{1}} b {{2}} c"}))
    shown = preview_template(definition, {"body.1": first, "body.2": second})
    assert shown.body == f"a {first or '{{1}}'} b {second or '{{2}}'} c"


# --- one-time codes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["123456", "A1B2-C3D4-E5F6", "123 456", "x" * 15, "J$FpnYnP", "1.234", "1+2=3"])
def test_a_one_time_code_passes(code):
    known = template({"type": "BODY", "text": "{{1}}"}, OTP)._replace(category="AUTHENTICATION")
    check_template(call(body(text(code)), button(0, "url", text(code.replace(" ", "")))), [known])


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("x" * 16, "at most 15 characters"),
        ("http://a.de/1", "not an address"),
        ("www.a.de", "not an address"),
        ("a.com", "not an address"),
        ("a.com:80", "not an address"),
        ("пример.рф", "not an address"),
        ("https:a", "not an address"),
        ("tel:12345", "not an address"),
        ("192.0.2.1", "not an address"),
        # Meta, authentication templates: "URLs, media, and emojis are not supported" in parameters
        ("12\N{GRINNING FACE}34", "no emoji"),
        ("1\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}", "no emoji"),
        ("\N{BLACK HEART SUIT}1", "no emoji"),
    ],
)
def test_a_one_time_code_is_short_and_no_address(code, rule):
    known = template({"type": "BODY", "text": "{{1}}"}, OTP)._replace(category="AUTHENTICATION")
    for given_, path in ((call(body(text(code))), 0), (call(body(text("1")), button(0, "url", text(code))), 1)):
        with pytest.raises(InputError, match=rule) as refused:
            check_template(given_, [known])
        assert refused.value.field == f"template.components[{path}].parameters[0].text"


@pytest.mark.parametrize(
    ("parameter", "member"),
    [
        ({"type": "currency", "currency": {"fallback_value": "x" * 16, "code": "USD", "amount_1000": 1}}, "currency"),
        ({"type": "date_time", "date_time": {"fallback_value": "x" * 16}}, "date_time"),
    ],
)
def test_a_one_time_code_of_another_type_is_short_too(parameter, member):
    known = template({"type": "BODY", "text": "{{1}}"}, OTP)._replace(category="AUTHENTICATION")
    with pytest.raises(InputError, match="at most 15 characters") as refused:
        check_template(call(body(parameter)), [known])
    assert refused.value.field == f"template.components[0].parameters[0].{member}.fallback_value"


def test_what_is_no_code_may_be_long():
    check_template(call(body(text("x" * 200))), [template({"type": "BODY", "text": "{{1}}"})])
