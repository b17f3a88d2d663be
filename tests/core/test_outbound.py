"""Every kind we send is held to WhatsApp's limits before it is accepted, in sentences that help."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.content import (
    OUTBOUND_KINDS,
    check_content,
    decode_outbound,
    encode_content,
    kind_of,
    parse_outbound,
)
from hailgate.core.content.checking import MOST_LEVELS
from hailgate.core.errors import InputError
from hailgate.core.kinds import KindLimits

from .strategies import any_json

META = Path(__file__).parents[1] / "fixtures" / "meta" / "requests"


class Limits(msgspec.Struct, frozen=True):
    kinds: dict[str, KindLimits] = msgspec.field(
        default_factory=lambda: {kind: KindLimits() for kind in OUTBOUND_KINDS}
    )


def documented(name):
    request = json.loads((META / f"{name}.json").read_text())
    return {"type": request["type"], request["type"]: request[request["type"]]}


DOCUMENTED = {path.stem: documented(path.stem) for path in META.glob("*.json") if not path.stem.startswith("mark_read")}


def changed(name, path, value):
    """A documented request with one place changed; `...` takes it out."""
    document = json.loads(json.dumps(documented(name)))
    *way, last = path
    place = document
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def refusal(raw):
    with pytest.raises(InputError) as refused:
        check_content(parse_outbound(raw), Limits())
    return refused.value


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_is_documented_passes_and_survives_the_store(name):
    content = parse_outbound(DOCUMENTED[name])

    check_content(content, Limits())
    assert kind_of(content) == DOCUMENTED[name]["type"]
    assert decode_outbound(encode_content(content)) == content


BUTTONS = ("interactive", "action", "buttons")
SECTIONS = ("interactive", "action", "sections")
FLOW = ("interactive", "action", "parameters")
ROW = {"id": "r", "title": "Row"}


def button(id_, title="Yes"):
    return {"type": "reply", "reply": {"id": id_, "title": title}}


@pytest.mark.parametrize(
    ("name", "path", "value", "field", "advice"),
    [
        ("image_link", ("image", "id"), "1", "image", "exactly one of attachment, id and link"),
        ("image_link", ("image",), {}, "image", "exactly one of attachment, id and link"),
        ("image_link", ("image", "link"), "ftp://example.com/a", "image.link", "http or https"),
        ("image_link", ("image", "link"), "https:///a.jpg", "image.link", "with a host"),
        ("image_link", ("image", "link"), "https://[::1", "image.link", "http or https"),
        ("image_link", ("image", "link"), "https://example.com/" + "a" * 2000, "image.link", "at most 2000"),
        ("image_link", ("image", "link"), "http://127.0.0.1/a.jpg", "image.link", "public address"),
        ("image_link", ("image", "link"), "http://[::1]:8000/a.jpg", "image.link", "public address"),
        ("image_link", ("image", "link"), "https://0x7f.1/a.jpg", "image.link", "public address"),
        ("image_link", ("image", "link"), "https://LocalHost./a.jpg", "image.link", "name it as attachment"),
        ("image_id", ("image", "attachment"), "6f1c1b3e-0000-4000-8000-000000000000", "image", "exactly one of"),
        ("image_id", ("image",), {"attachment": "nonsense"}, "image.attachment", "POST /v1/media"),
        ("image_id", ("image", "id"), " ", "image.id", "white space"),
        ("image_id", ("image", "caption"), "x" * 1025, "image.caption", "at most 1024 characters; send the rest"),
        ("image_id", ("image", "capton"), "x", "image.capton", "not known here"),
        ("image_id", ("image", "caption"), "a\0", "image.caption", "NUL"),
        ("audio_id", ("audio", "caption"), "x", "audio.caption", "not known here"),
        ("sticker_id", ("sticker", "caption"), "x", "sticker.caption", "not known here"),
        ("document_link", ("document", "filename"), "", "document.filename", "white space"),
        ("location", ("location", "latitude"), 90.1, "location.latitude", "between -90 and 90"),
        ("location", ("location", "longitude"), -181, "location.longitude", "between -180 and 180"),
        ("location", ("location", "latitude"), float("nan"), "location.latitude", "finite"),
        ("location", ("location", "name"), ..., "location.name", "needed beside an address"),
        ("contacts", ("contacts",), [], "contacts", "1 to 257"),
        ("contacts", ("contacts", 0, "name"), {"formatted_name": "L"}, "contacts[0].name", "such as first_name"),
        ("reaction", ("reaction", "emoji"), "ok", "reaction.emoji", "one emoji"),
        ("reaction", ("reaction", "emoji"), ..., "reaction.emoji", "is missing"),
        ("reaction", ("reaction", "message_id"), "", "reaction.message_id", "white space"),
        ("interactive_button", BUTTONS, [], "interactive.action.buttons", "1 to 3 buttons; use a list"),
        ("interactive_button", BUTTONS, [button(str(n), str(n)) for n in range(4)], None, "1 to 3 buttons"),
        ("interactive_button", BUTTONS, [button("a"), button("a", "No")], None, "same id twice"),
        ("interactive_button", BUTTONS, [button("a"), button("b")], None, "same title twice"),
        (
            "interactive_button",
            (*BUTTONS, 1, "reply", "title"),
            "x" * 21,
            "interactive.action.buttons[1].reply.title",
            "at most 20",
        ),
        ("interactive_button", ("interactive", "header", "text"), "x" * 61, "interactive.header.text", "at most 60"),
        ("interactive_button", ("interactive", "footer", "text"), "x" * 61, "interactive.footer.text", "at most 60"),
        ("interactive_button", ("interactive", "body", "text"), "x" * 1025, "interactive.body.text", "at most 1024"),
        ("interactive_button", ("interactive", "header"), {"type": "image", "image": {}}, None, "exactly one of"),
        ("interactive_list", ("interactive", "body", "text"), "x" * 4097, "interactive.body.text", "at most 4096"),
        ("interactive_list", ("interactive", "action", "button"), "x" * 21, "interactive.action.button", "at most 20"),
        ("interactive_list", (*SECTIONS, 0, "rows"), [], "interactive.action.sections", "1 to 10 rows in all"),
        (
            "interactive_list",
            SECTIONS,
            [{"title": str(n), "rows": [{"id": f"{n}.{m}", "title": "x"} for m in range(4)]} for n in range(3)],
            "interactive.action.sections",
            "1 to 10 rows in all sections together",
        ),
        ("interactive_list", SECTIONS, [{"rows": [ROW]}, {"rows": [ROW]}], None, "white space"),
        ("interactive_list", (*SECTIONS, 0, "rows"), [ROW, ROW], "interactive.action.sections", "same row id twice"),
        ("interactive_list", (*SECTIONS, 0, "rows", 0, "description"), "x" * 73, None, "at most 72"),
        ("interactive_cta_url", (*FLOW, "display_text"), "x" * 21, f"{'.'.join(FLOW)}.display_text", "at most 20"),
        ("interactive_cta_url", (*FLOW, "url"), "javascript:alert(1)", f"{'.'.join(FLOW)}.url", "http or https"),
        ("interactive_flow", (*FLOW, "flow_name"), "x", ".".join(FLOW), "exactly one of flow_id and flow_name"),
        ("interactive_flow", (*FLOW, "mode"), "live", f"{'.'.join(FLOW)}.mode", "one of the values"),
        ("interactive_flow", (*FLOW, "flow_action_payload", "screen"), "a\0", None, "NUL"),
        ("interactive_flow", ("interactive", "type"), "hologram", "interactive.type", "one of the values"),
        ("interactive_flow", (*FLOW, "flow_cta"), "x" * 31, f"{'.'.join(FLOW)}.flow_cta", "at most 30"),
        ("template_body_params", ("template", "name"), "", "template.name", "white space"),
        ("template_header_buttons", ("template", "components", 2, "index"), "10", None, "0 to 9"),
        ("template_header_buttons", ("template", "components", 2, "index"), "٣", None, "0 to 9"),
        ("template_header_buttons", ("template", "components", 0, "parameters", 0, "image"), {}, None, "exactly one"),
        (
            "template_body_params",
            ("template", "components", 0),
            {"type": "carousel", "cards": [{"card_index": 0, "components": []}]},
            "template.components[0].cards",
            "2 to 10 cards",
        ),
    ],
)  # fmt: skip
def test_a_limit_is_named_with_its_field(name, path, value, field, advice):
    refused = refusal(changed(name, path, value))

    assert (refused.code, refused.status) == ("invalid_content", 422)
    assert advice in refused.detail
    assert field in {None, refused.field}


def asking(kind, action, **more):
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "?"}, "action": action} | more}


def card(index, **more):
    link = {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com"}}
    return {"card_index": index, "action": link} | more


SECTION = {"title": "Fruit", "product_items": [{"product_retailer_id": "A1"}]}
QUICK = {"buttons": [{"type": "quick_reply", "quick_reply": {"id": "a", "title": "A"}}]}
TITLE = {"type": "text", "text": "Ours"}
SELLING = {
    "product": asking("product", {"catalog_id": "1", "product_retailer_id": "A1"}),
    "product_list": asking("product_list", {"catalog_id": "1", "sections": [SECTION]}, header=TITLE),
    "catalog_message": asking("catalog_message", {"name": "catalog_message"}),
    "order_details": asking("order_details", {"name": "review_and_pay", "parameters": {"reference_id": "r"}}),
    "order_status": asking("order_status", {"name": "review_order", "parameters": {"reference_id": "r"}}),
    "voice_call": asking(
        "voice_call", {"name": "voice_call", "parameters": {"display_text": "Call", "ttl_minutes": 60}}
    ),
    "call_permission_request": asking("call_permission_request", {"name": "call_permission_request"}),
    "request_contact_info": asking("request_contact_info", {"name": "request_contact_info"}),
    "address_message": asking("address_message", {"name": "address_message", "parameters": {"country": "IN"}}),
    "carousel": asking("carousel", {"cards": [card(0), card(1, action=QUICK, body={"text": "x"})]}),
}


WORDS_ALONE = Limits(
    {
        "template": KindLimits(words_only=True),
        "text": KindLimits(text=200),
        "interactive.button": KindLimits(text=100, words_only=True),
        "interactive.cta_url": KindLimits(text=100, degrades_to="text"),
    }
)
BUTTON = {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "A"}}]}
OPEN = {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com"}}
PICTURE = {"type": "image", "image": {"link": "https://example.com/a.png"}}


def calling(*components):
    template = {"name": "a", "language": {"code": "en"}, "components": list(components)}
    return {"type": "template", "template": template}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (asking("button", BUTTON, header=PICTURE), "interactive.header.type"),
        (asking("cta_url", OPEN, header=PICTURE), "interactive.header.type"),
        (
            asking("button", BUTTON, footer={"text": "f" * 60}, header={"type": "text", "text": "h" * 32}),
            "interactive.body.text",
        ),
        (calling({"type": "header", "parameters": [PICTURE]}), "template.components[0].parameters[0].type"),
        (
            calling(
                {"type": "body", "parameters": [{"type": "text", "text": "x"}]},
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "0",
                    "parameters": [{"type": "payload", "payload": "p"}],
                },
            ),
            "template.components[1].parameters[0].type",
        ),
    ],
)
def test_what_is_more_than_words_is_refused_where_words_alone_are_taken(raw, field):
    with pytest.raises(InputError) as refused:
        check_content(parse_outbound(raw), WORDS_ALONE)
    assert refused.value.field == field
    check_content(parse_outbound(raw), Limits())


@pytest.mark.parametrize(
    "raw",
    [
        asking("button", BUTTON, header={"type": "text", "text": "h" * 31}, footer={"text": "f" * 60}),
        asking("cta_url", OPEN, header={"type": "text", "text": "h"}),
        calling({"type": "body", "parameters": [{"type": "text", "text": "x"}]}),
        calling(),
    ],
)
def test_words_pass_up_to_the_last_character(raw):
    check_content(parse_outbound(raw), WORDS_ALONE)


@pytest.mark.parametrize("kind", SELLING)
def test_every_interactive_kind_passes_and_survives_the_store(kind):
    content = parse_outbound(SELLING[kind])
    check_content(content, Limits())
    assert decode_outbound(encode_content(content)) == content


@pytest.mark.parametrize(
    ("kind", "path", "value", "field", "advice"),
    [
        ("product", ("action", "catalog_id"), " ", "interactive.action.catalog_id", "id of the catalog|white space"),
        ("product", ("header",), TITLE, "interactive.header", "not known here"),
        ("product_list", ("header",), ..., "interactive.header", "is missing"),
        (
            "product_list",
            ("action", "sections"),
            [SECTION | {"title": ""}] * 2,
            "interactive.action.sections[0].title",
            "white",
        ),
        ("product_list", ("action", "sections"), [SECTION] * 11, "interactive.action.sections", "1 to 10 sections"),
        (
            "product_list",
            ("action", "sections", 0, "product_items"),
            [{"product_retailer_id": "A"}] * 31,
            "interactive.action.sections",
            "1 to 30 products",
        ),
        ("order_details", ("action", "parameters"), {}, "interactive.action.parameters.reference_id", "know the order"),
        ("order_details", ("action", "parameters", "reference_id"), "x" * 36, None, "at most 35"),
        (
            "order_status",
            ("action", "parameters", "reference_id"),
            5,
            "interactive.action.parameters.reference_id",
            "text",
        ),
        ("voice_call", ("action", "parameters", "ttl_minutes"), 43_201, None, "between 1 and 43200"),
        ("voice_call", ("action", "parameters", "display_text"), "x" * 21, None, "at most 20"),
        ("carousel", ("action", "cards"), [card(0)], "interactive.action.cards", "2 to 10 cards"),
        ("carousel", ("action", "cards"), [card(0), card(0)], "interactive.action.cards", "each once"),
        (
            "carousel",
            ("action", "cards", 1, "body", "text"),
            "x" * 161,
            "interactive.action.cards[1].body.text",
            "at most 160",
        ),
        ("carousel", ("action", "cards", 0, "action"), {}, "interactive.action.cards[0].action", "exactly one of"),
        ("carousel", ("action", "cards", 0, "header"), {"type": "image", "image": {}}, None, "exactly one of"),
        ("request_contact_info", ("body",), ..., "interactive.body", "is missing"),
    ],
)
def test_a_limit_of_the_newer_kinds_is_named_too(kind, path, value, field, advice):
    document = json.loads(json.dumps(SELLING[kind]))
    place = document["interactive"]
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value

    refused = refusal(document)

    assert re.search(advice, refused.detail)
    assert field in {None, refused.field}


def test_foreign_json_may_be_deep_but_not_endless():
    nested = "x"
    for _ in range(MOST_LEVELS):
        nested = {"a": nested}
    assert "nested too deeply" in refusal(changed("interactive_flow", (*FLOW, "flow_action_payload"), nested)).detail


def test_a_kind_that_the_channel_does_not_know_is_refused():
    with pytest.raises(InputError, match="must be one of: text on this channel"):
        check_content(parse_outbound(documented("image_id")), Limits({"text": KindLimits()}))


@given(st.data())
def test_whatever_is_changed_only_an_input_error_comes_out(data):
    name = data.draw(st.sampled_from(sorted(DOCUMENTED)))
    document = json.loads(json.dumps(DOCUMENTED[name]))
    container, key = data.draw(st.sampled_from(places(document[document["type"]])))
    container[key] = data.draw(any_json)
    try:
        content = parse_outbound(document)
        check_content(content, Limits())
    except InputError:
        return
    assert decode_outbound(encode_content(content)) == content


def places(document):
    items = list(document.items() if isinstance(document, dict) else enumerate(document))
    return [(document, key) for key, _ in items] + [
        place for _, value in items if isinstance(value, dict | list) for place in places(value)
    ]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_is_sent_never_shows_in_a_repr(name):
    content = parse_outbound(DOCUMENTED[name])
    assert repr(content) == f"{type(content).__name__}(…)"
    member = getattr(content, kind_of(content))
    assert all(repr(part).startswith(type(part).__name__) for part in (member if type(member) is tuple else [member]))


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "content.md"


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL))
def test_the_examples_of_the_manual_can_be_sent(example):
    check_content(parse_outbound(json.loads(example)), Limits())


@pytest.mark.parametrize("kind", OUTBOUND_KINDS)
def test_every_kind_is_in_the_manual(kind):
    assert f"`{kind}`" in PAGE.read_text()
