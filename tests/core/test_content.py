"""Content: strict on the way out, tolerant on the way in, and silent in every repr."""

import json
import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hailgate.core.content import (
    MAX_KIND_LENGTH,
    OUTBOUND_KINDS,
    TEXT_LIMIT,
    InboundText,
    Outbound,
    Text,
    TextBody,
    Unsupported,
    check_content,
    check_quotes,
    clean_text,
    content_as_json,
    decode_outbound,
    encode_content,
    find_limits,
    kind_of,
    parse_outbound,
)
from hailgate.core.content.outbound import BY_KIND
from hailgate.core.content.parts import Mark
from hailgate.core.errors import InputError, MalformedBody
from hailgate.core.kinds import KindLimits
from hailgate.providers import list_providers

from .strategies import any_json, any_text

SECRET = "the diagnosis"
TYPES = f"type: must be one of: {', '.join(OUTBOUND_KINDS)}."


class Limits(msgspec.Struct, frozen=True):
    kinds: dict[str, KindLimits] = msgspec.field(default_factory=lambda: {"text": KindLimits(text=TEXT_LIMIT)})


def text(body, **options):
    return Text(TextBody(body, **options))


def deep(levels):
    nested = []
    for _ in range(levels):
        nested = [nested]
    return nested


# Out


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        ({"type": "text", "text": {"body": "Hello"}}, text("Hello")),
        ({"type": "text", "text": {"body": "Hello", "preview_url": True}}, text("Hello", preview_url=True)),
        (b'{"type":"text","text":{"body":"\\ud83d\\ude00 \xc3\xa9"}}', text("\U0001f600 \u00e9")),
        (b'{"text":{"body":" "},"type":"text"}', text(" ")),
    ],
)
def test_the_cloud_apis_shape_is_read(raw, content):
    assert parse_outbound(raw) == content


@pytest.mark.parametrize(
    ("raw", "field", "detail"),
    [
        ({}, "type", TYPES),
        ({"text": {"body": "x"}, "image": {"id": "1"}}, "type", TYPES),
        ({"type": "hologram", "hologram": {"id": "1"}}, "type", TYPES),
        ({"type": ["text"]}, "type", TYPES),
        ({"type": "text\ud800"}, "type", TYPES),
        ({"type": "text"}, "text", "text: is missing."),
        ({"type": "text", "text": None}, "text", "text: must be of type object."),
        ({"type": "text", "text": {}}, "text.body", "text.body: is missing."),
        ({"type": "text", "text": {"body": 5}}, "text.body", "text.body: must be of type str."),
        ({"type": "text", "text": {"body": 10**5000}}, "text.body", "text.body: must be of type str."),
        (
            {"type": "text", "text": {"body": "x", "preview_url": "yes"}},
            "text.preview_url",
            "text.preview_url: must be of type bool.",
        ),
        ({"type": "text", "text": {"bdy": "x"}}, "text.bdy", "text.bdy: is not known here; remove it."),
        (
            {"type": "text", "text": {"body": "x"}, "extra": 1},
            "extra",
            "extra: is not known here; remove it.",
        ),
        (
            {"type": "text", "text": {"the diagnosis": "x"}},
            "text",
            "text: contains a field that is not known; remove it.",
        ),
        (
            {"type": "text", "text": {"15551234567": 1}},
            "text",
            "text: contains a field that is not known; remove it.",
        ),
        ({"type": "text", "text": {"body": "x", 5: 1}}, "text", "text: must be of type str."),
        ({"type": "text", "text": {"body": "a\0b"}}, "text.body", None),
        ({"type": "text", "text": {"body": "a\ud800b"}}, "text.body", None),
        (b'{"type":"text","text":{"body":"a\\u0000b"}}', "text.body", None),
        (b"[]", None, "The content: must be of type object."),
        (b"null", None, "The content: must be of type object."),
        (b"9" * 6000, None, "The content: holds a number out of range."),
        (
            b'{"type":"text","text":{"body":' + b"9" * 6000 + b"}}",
            None,
            "The content: holds a number out of range.",
        ),
        (b'{"type":"text","text":{"body":1e999}}', None, "The content: holds a number out of range."),
    ],
)
def test_a_refusal_names_the_field_and_the_rule(raw, field, detail):
    with pytest.raises(InputError) as refusal:
        parse_outbound(raw)

    assert (refusal.value.field, refusal.value.status) == (field, 422)
    assert detail in {None, refusal.value.detail}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b'{"type":"text","text":{"body":"\xff"}}',
        b'{"type":"text","text":{"body":"\\ud800"}}',
        b'{"type":"text","text":{"body":"\\udc00 \\ud800 x"}}',
        b'{"type":"text","text":{"body":"\xed\xa0\x80"}}',
        b'{"type":"text","text":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
        {"type": "text", "text": {"body": "x", "\ud800": 1}},
    ],
    ids=lambda raw: repr(raw[:40]) if isinstance(raw, bytes) else "surrogate in a name",
)
def test_what_is_not_json_is_malformed(raw):
    with pytest.raises(MalformedBody):
        parse_outbound(raw)


def test_a_nesting_bomb_in_a_mapping_is_refused():
    with pytest.raises(InputError):
        parse_outbound({"type": "text", "text": {"body": deep(100_000)}})


def test_a_nesting_bomb_is_called_by_its_name():
    with pytest.raises(MalformedBody, match="nested too deeply"):
        parse_outbound(b'{"a":' * 100_000)


def test_a_value_that_no_rule_of_ours_explains_is_refused_without_its_sentence(monkeypatch):
    monkeypatch.setattr("hailgate.core.content.refusals._RULES", ())

    with pytest.raises(InputError) as refusal:
        parse_outbound({"type": "text", "text": {"body": 5}})

    assert refusal.value.detail == "text.body: has a value that is not allowed."


@given(
    any_json.filter(lambda raw: isinstance(raw, dict))
    | st.fixed_dictionaries({"type": st.just("text"), "text": any_json})
    | st.builds(
        lambda body, extra: {"type": "text", "text": extra | {"body": body}},
        any_json,
        st.dictionaries(any_text, any_json, max_size=2),
    )
)
def test_whatever_mapping_comes_in_only_an_input_error_comes_out(raw):
    try:
        content = parse_outbound(raw)
    except InputError:
        return
    assert decode_outbound(encode_content(content)) == content


@given(st.binary() | any_json.map(lambda value: json.dumps(value).encode()))
def test_whatever_bytes_come_in_only_an_input_error_comes_out(raw):
    with pytest.raises(InputError):
        parse_outbound(raw)


@given(st.text(min_size=5).filter(lambda value: value.lower() not in OUTBOUND_KINDS))
def test_a_refusal_never_repeats_a_value(value):
    for raw in (
        {"type": value},
        {"type": "text", "text": {"body": [value]}},
        {"type": "text", "text": value},
    ):
        with pytest.raises(InputError) as refusal:
            parse_outbound(raw)
        assert refusal.value.detail == refused(raw).detail


@given(
    st.text(st.characters(exclude_characters="`", exclude_categories=["Cs"])).filter(
        lambda name: not re.fullmatch("[A-Za-z_]+", name)
    )
)
@example("15551234567")
@example("the diagnosis")
def test_a_refusal_never_repeats_a_made_up_name_that_is_more_than_a_word(name):
    for raw in ({"type": "text", "text": {"body": "x"}, name: 1}, {"type": "text", "text": {name: 1}}):
        with pytest.raises(InputError, match=r"^(text|The content): contains a field that is not known; remove it\.$"):
            parse_outbound(raw)


@pytest.mark.parametrize("name", ["x - at `$.15551234567", "15551234567` - at `$.text", "x` in `$[15551234567]"])
def test_a_made_up_name_that_looks_like_a_path_is_not_repeated_either(name):
    with pytest.raises(InputError) as refusal:
        parse_outbound({"type": "text", "text": {"body": "x"}, name: 1})

    assert "1555" not in f"{refusal.value.detail} {refusal.value.field}"


def refused(raw):
    """The refusal of the same shape with another value."""
    other = json.loads(json.dumps(raw), parse_constant=str)
    if other["type"] == "text":
        other["text"] = {"body": ["other"]} if isinstance(other["text"], dict) else "other"
    else:
        other["type"] = "other"
    with pytest.raises(InputError) as refusal:
        parse_outbound(other)
    return refusal.value


@pytest.mark.parametrize("body", ["x", "x" * TEXT_LIMIT, " x ", "\U0001f600" * TEXT_LIMIT])
def test_a_text_within_the_limits_passes(body):
    check_content(text(body), Limits())


@pytest.mark.parametrize(
    ("content", "limits", "field", "advice"),
    [
        (text(""), Limits(), "text.body", "white space"),
        (text(" \n\t\u00a0\u2003"), Limits(), "text.body", "white space"),
        (text("x" * 4097), Limits(), "text.body", "at most 4096"),
        (text("x" * 11), Limits({"text": KindLimits(text=10)}), "text.body", "at most 10"),
        (text("x\0"), Limits(), "text.body", "NUL"),
        (text("x\udfff"), Limits(), "text.body", "surrogates"),
        (text("x"), Limits({"image": KindLimits(), "audio": KindLimits()}), "type", "audio, image on this channel"),
    ],
)
def test_what_the_channel_cannot_deliver_is_refused(content, limits, field, advice):
    with pytest.raises(InputError) as refusal:
        check_content(content, limits)

    assert (refusal.value.field, refusal.value.code) == (field, "invalid_content")
    assert advice in refusal.value.detail


def poll(*options, **action):
    asked = {"type": "poll", "body": {"text": "Day?"}, "action": {"options": list(options), **action}}
    return parse_outbound({"type": "interactive", "interactive": asked})


POLLS = Limits({"interactive.poll": KindLimits(text=255, options=10)})


@pytest.mark.parametrize(
    ("content", "field", "advice"),
    [
        (poll("a"), "options", "2 to 12 options"),
        (poll(*map(str, range(13))), "options", "2 to 12 options"),
        (poll(*map(str, range(11))), "options", "2 to 10 options on this channel"),
        (poll("a", "a "), "options", "same option twice"),
        (poll("a", " "), "options[1]", "white space"),
        (poll("a", "b" * 101), "options[1]", "at most 100"),
        (poll("a", "b", selectable_count=3), "selectable_count", "0 for any number"),
        (poll("a", "b", selectable_count=-1), "selectable_count", "0 for any number"),
    ],
)
def test_a_poll_is_held_to_its_rules(content, field, advice):
    with pytest.raises(InputError) as refusal:
        check_content(content, POLLS)
    assert refusal.value.field == f"interactive.action.{field}"
    assert advice in refusal.value.detail


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_poll_takes_one_some_or_any_number_of_options(count):
    check_content(poll("a", "b", selectable_count=count), POLLS)


def test_where_there_are_no_polls_the_refusal_says_what_to_send():
    with pytest.raises(InputError, match="has no polls; send a list"):
        check_content(poll("a", "b"), Limits({"interactive.list": KindLimits()}))


@pytest.mark.parametrize(
    ("people", "field"),
    [
        (["not a number"], "text.mentions[0]"),
        (["+15550100042", "(555) 010-0042"], "text.mentions[1]"),
        ([{"kind": "group", "value": "120363@g.us"}], "text.mentions[0]"),
        ([{"kind": "lid", "value": ""}], "text.mentions[0]"),
        (["+15550100042"] * 1025, "text.mentions"),
        ([{"kind": "lid", "value": "1\0"}], "text.mentions[0].value"),
    ],
)
def test_a_mention_names_a_person(people, field):
    with pytest.raises(InputError) as refusal:
        check_content(parse_outbound({"type": "text", "text": {"body": "Hi", "mentions": people}}), Limits())
    assert refusal.value.field == field


def test_every_kind_that_is_read_has_its_name_in_the_list():
    kinds = msgspec.inspect.type_info(Outbound).types
    assert tuple(kind.tag for kind in kinds) == OUTBOUND_KINDS == tuple(BY_KIND)
    assert all(kind.tag in {field.name for field in kind.fields} for kind in kinds)


# In


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("Hello", "Hello"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\0\udc00", "\ufffd\ufffd"),
    ],
)
def test_inbound_text_is_cleaned_of_what_no_database_stores(told, kept):
    assert clean_text(told) == kept
    assert InboundText(told).body == kept


@given(any_text)
def test_cleaned_text_can_be_stored_and_is_clean(told):
    kept = clean_text(told)

    assert "\0" not in kept
    assert kept.encode().decode() == kept
    assert clean_text(kept) == kept


def test_a_foreign_kind_is_kept_at_a_bounded_length():
    assert Unsupported("sticker\0" + "x" * 1000, b"{}").kind == "sticker\ufffd" + "x" * (MAX_KIND_LENGTH - 8)


# Stored and shown


@pytest.mark.parametrize(
    ("content", "kind", "stored"),
    [
        (text("Hi"), "text", {"type": "text", "text": {"body": "Hi"}}),
        (text("Hi", preview_url=True), "text", {"type": "text", "text": {"body": "Hi", "preview_url": True}}),
        (InboundText("Hi"), "text", {"type": "text", "text": {"body": "Hi"}}),
        (
            Unsupported("sticker", b'{"id": 1, "s": "\\u0000\xff"}'),
            "sticker",
            {
                "type": "unsupported",
                "unsupported": {"kind": "sticker", "raw": '{"id": 1, "s": "\\u0000\ufffd"}'},
            },
        ),
        (
            Unsupported("bomb", b"[" * 100_000),
            "bomb",
            {"type": "unsupported", "unsupported": {"kind": "bomb", "raw": "[" * 100_000}},
        ),
    ],
    ids=["text", "text with preview", "inbound text", "unsupported", "unsupported bomb"],
)
def test_content_is_stored_in_the_cloud_apis_shape(content, kind, stored):
    assert kind_of(content) == kind
    assert content_as_json(encode_content(content)) == stored


@given(st.text(), st.booleans())
def test_outbound_content_survives_the_store(body, preview_url):
    content = text(body.replace("\0", ""), preview_url=preview_url)

    assert decode_outbound(encode_content(content)) == content


@pytest.mark.parametrize(
    "content",
    [text(SECRET), InboundText(SECRET), Unsupported("note", SECRET.encode())],
    ids=lambda content: type(content).__name__,
)
def test_content_never_shows_in_a_repr(content):
    assert SECRET not in f"{content} {content!r} {[content]}"


@pytest.mark.parametrize("spec", list_providers(), ids=lambda spec: spec.name)
def test_what_cannot_quote_is_told_so_and_all_else_may(spec):
    kinds = spec.capabilities.kinds
    for content in (Text(TextBody("hello")), BY_KIND["reaction"](Mark("wamid.1", "👍"))):
        own = find_limits(content, kinds)
        if own is None or own.quotable:
            check_quotes(content, kinds)
        else:
            with pytest.raises(InputError, match="cannot quote another on this channel"):
                check_quotes(content, kinds)
