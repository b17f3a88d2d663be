"""What every provider promises, asked of each one that describes itself."""

from typing import get_args

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hailgate.core.content import OUTBOUND_KINDS, InboundText, content_as_json, encode_content, preview
from hailgate.core.content.interactive import Question
from hailgate.core.embedded_files import LONGEST_STRING, Skimmer
from hailgate.core.errors import InputError, LeaseLost, OutcomeUnknown, PayloadForeign, SendError, SignatureInvalid
from hailgate.core.events import InboundMessage, MessageStatus, ProviderEvent
from hailgate.core.media import StoredInWebhook
from hailgate.core.templates import parse_definition
from hailgate.providers.config import describe_settings, parse_config
from hailgate.providers.contract import (
    AnswersHandshake,
    ListsTemplates,
    MarksRead,
    SendReceipt,
    WebhookRequest,
)
from hailgate.providers.spec import Proof

from .cloud_case import CLOUD
from .conformance import (
    MESSAGE,
    PHONE,
    TEXT,
    URL,
    assert_discreet,
    encode,
    outcome_of,
    posted,
    read_form_or_json,
    write_as,
)
from .evolution_case import EVOLUTION
from .fake_case import FAKE, OPEN_FAKE, SIGNING_FAKE, TOKEN_FAKE
from .opposite_case import OPPOSITE
from .twilio_case import TWILIO
from .wppconnect_case import WPPCONNECT

pytestmark = pytest.mark.anyio

QUESTIONS = {f"interactive.{form.__struct_config__.tag}" for form in get_args(Question)}

CASES = [CLOUD, EVOLUTION, FAKE, SIGNING_FAKE, TOKEN_FAKE, OPEN_FAKE, OPPOSITE, TWILIO, WPPCONNECT]


def each(*proofs):
    """For every provider, or for those that are believed by one of these proofs."""
    cases = [case for case in CASES if not proofs or case.spec.proof in proofs]
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.spec.name)


each_provider = each()
each_signing = each(Proof.BODY, Proof.URL_AND_FORM)

# JSON as bad as it gets, and bodies that once were good.
_any_text = st.text(st.characters() | st.characters(categories=["Cs"]) | st.just("\0"), max_size=20)
_any_number = st.integers() | st.floats() | st.sampled_from([10**4000, 2**63, -(2**64)])
any_json = st.recursive(
    st.none() | st.booleans() | _any_number | _any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_any_text, inner, max_size=3),
    max_leaves=8,
)


def places(document):
    """Each container with each key in it, all the way down."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    found = []
    for key, value in items:
        found.append((document, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


def receiver(case):
    return case.spec.receiver(parse_config(case.spec.hook_config, case.hook))


def check_total(case, body):
    """Events or PayloadForeign; and each event can be stored."""
    try:
        events = receiver(case).parse(posted(case, body))
    except PayloadForeign:
        return []
    for event in events:
        assert isinstance(event, ProviderEvent)
        if isinstance(event, InboundMessage):
            stored = encode_content(event.content, event.origin)
            assert content_as_json(stored)["type"]
            assert isinstance(preview(content_as_json(stored)), str)
            assert "\0" not in stored
            stored.encode()
        assert len(event.effect_key()) == 16
        for name in event.__struct_fields__:
            value = getattr(event, name)
            if isinstance(value, str):
                assert "\0" not in value
                value.encode()
    return events


def configs(case):
    return [
        (case.spec.hook_config, case.hook),
        (case.spec.channel_config, case.channel),
    ]


def channel(case):
    return parse_config(case.spec.channel_config, case.channel)


# The signature


@each_provider
def test_a_genuine_webhook_is_let_in(case):
    for body in [*case.webhooks.values(), b"", "olá".encode(), b"\xff\x00"]:
        receiver(case).verify(posted(case, body))


@each_signing
@pytest.mark.parametrize(
    "forge",
    [
        lambda _: "",
        lambda genuine: genuine[:-1],
        lambda genuine: genuine + "0",
        lambda genuine: f"{genuine},{genuine}",
        lambda genuine: f"{genuine}, {genuine}",
        lambda genuine: f" {genuine}",
        lambda genuine: genuine.upper(),
        lambda genuine: genuine.rsplit("=", 1)[-1][:-1] + "x",
        lambda _: "sha1=" + "0" * 40,
        lambda genuine: "é" * len(genuine),
        lambda _: "\udcff",
        lambda _: "\0",
    ],
)
def test_a_forged_signature_is_refused(case, forge):
    body = next(iter(case.webhooks.values()))
    genuine = case.sign(body)[case.signature]
    with pytest.raises(SignatureInvalid):
        receiver(case).verify(posted(case, body, {case.signature: forge(genuine)}))


@each_signing
def test_a_webhook_without_a_signature_is_refused(case):
    with pytest.raises(SignatureInvalid):
        receiver(case).verify(posted(case, b"{}", {}))


@each_signing
@given(data=st.data())
@settings(max_examples=300)
def test_whatever_is_changed_the_signature_no_longer_fits(case, data):
    body = data.draw(st.sampled_from(sorted(case.webhooks.values())))
    headers = dict(case.sign(body))
    genuine = headers[case.signature]
    headers[case.signature] = data.draw(st.just(genuine) | st.text() | st.text("0123456789abcdef="))
    at = data.draw(st.integers(0, len(body) - 1))
    changed = data.draw(st.sampled_from([body, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], body[at:]]))
    assume(changed != body or headers[case.signature] != genuine)
    with pytest.raises(SignatureInvalid):
        receiver(case).verify(posted(case, changed, headers))


@each_signing
def test_a_signature_over_the_same_words_in_other_bytes_is_refused(case):
    for body in case.webhooks.values():
        again = write_as(body, read_form_or_json(body)) + b" "
        with pytest.raises(SignatureInvalid):
            receiver(case).verify(posted(case, again, case.sign(body)))


@each(Proof.URL_AND_FORM)
@pytest.mark.parametrize("change", [lambda url: f"{url}x", lambda url: f"{url}?a=1", lambda url: url.upper()])
def test_a_call_to_another_url_is_refused(case, change):
    request = posted(case, next(iter(case.webhooks.values())))
    with pytest.raises(SignatureInvalid):
        receiver(case).verify(msgspec.structs.replace(request, url=change(request.url)))


@each(Proof.HEADER)
@pytest.mark.parametrize("forge", [lambda _: "", lambda genuine: genuine[:-1], lambda genuine: genuine + "0"])
def test_a_wrong_header_is_refused(case, forge):
    genuine = case.sign(b"{}")[case.signature]
    for headers in ({case.signature: forge(genuine)}, {}):
        with pytest.raises(SignatureInvalid):
            receiver(case).verify(posted(case, b"{}", headers))


@each(Proof.HEADER, Proof.URL)
def test_what_the_proof_does_not_cover_is_believed_unread(case):
    """The edge asks before it reads a body, which may be large."""
    for body in [b"", b"{", *case.webhooks.values()]:
        receiver(case).verify(posted(case, body))


# Parsing


@each_provider
def test_parsing_is_pure(case):
    for body in case.webhooks.values():
        request = posted(case, body)
        once, twice = receiver(case).parse(request), receiver(case).parse(request)
        assert list(once) == list(twice)
        assert [event.effect_key() for event in once] == [event.effect_key() for event in twice]


@each_provider
@given(document=any_json)
@settings(max_examples=150)
def test_parsing_any_json_is_total(case, document):
    check_total(case, encode(document))


@each_provider
@given(body=st.binary(max_size=200))
def test_parsing_any_bytes_is_total(case, body):
    check_total(case, body)


@each_provider
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"9" * 5000,
        b"1e999",
        b"NaN",
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"entry":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:10]),
)
def test_parsing_a_bomb_is_total(case, body):
    check_total(case, body)


@each_provider
@given(data=st.data())
@settings(max_examples=400)
def test_parsing_a_damaged_webhook_is_total(case, data):
    body = data.draw(st.sampled_from(sorted(case.webhooks.values())))
    document = read_form_or_json(body)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(document)))
        if data.draw(st.booleans()) and isinstance(container, dict):
            container.pop(key, None)
        else:
            container[key] = data.draw(any_json)
        if not places(document):
            break
    check_total(case, write_as(body, document))


@each_provider
@given(data=st.data())
def test_parsing_a_cut_webhook_is_total(case, data):
    body = data.draw(st.sampled_from(sorted(case.webhooks.values())))
    at = data.draw(st.integers(0, len(body)))
    check_total(case, body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 3)) :])


@each_provider
def test_what_a_person_wrote_arrives(case):
    [event] = receiver(case).parse(posted(case, case.wrote("message-1", TEXT)))
    assert isinstance(event, InboundMessage)
    assert (event.message_id, event.content, event.author) == ("message-1", InboundText(TEXT), None)
    assert PHONE in event.chat
    assert event.account == case.spec.account_of(channel(case), "15550100000")


@each_provider
def test_what_no_database_stores_is_cleaned(case):
    [event] = receiver(case).parse(posted(case, case.wrote("message-1", "a\0b\ud83d")))
    assert event.content == InboundText("a\ufffdb\ufffd")


@each_provider
def test_each_step_of_a_message_arrives_with_its_tracker(case):
    for status in case.statuses:
        body = case.reached("message-1", status, MESSAGE.tracker)
        [event] = receiver(case).parse(posted(case, body))
        assert isinstance(event, MessageStatus)
        assert (event.message_id, event.status) == ("message-1", status)
        assert event.tracker == (MESSAGE.tracker if case.spec.capabilities.echoes_tracker else None)


@each_provider
def test_a_webhook_is_understood_alike_without_the_file_in_it(case):
    if case.large is None:
        pytest.skip(f"{case.spec.label} puts no files into webhooks")
    skimmer = Skimmer()
    skimmed = skimmer.feed(case.large) + skimmer.end()
    assert len(skimmed) < len(case.large) - LONGEST_STRING
    events = [receiver(case).parse(posted(case, body)) for body in (case.large, skimmed)]
    assert list(events[0]) == list(events[1])
    assert isinstance(events[0][0].media, StoredInWebhook)


# Sending


@each_provider
def test_every_outcome_that_has_a_class_is_covered(case):
    assert {SendReceipt, OutcomeUnknown} <= set(case.outcomes.values())


@each_provider
async def test_a_message_that_is_taken_gets_a_receipt_and_takes_its_tracker_along(case):
    async with case.connect("taken") as connected:
        receipt = await connected.provider.send(MESSAGE, lambda: None)
        assert receipt.provider_id
        echoes = case.spec.capabilities.echoes_tracker
        assert connected.taken() == [MESSAGE.tracker if echoes else ""]


@each_provider
async def test_every_outcome_ends_in_its_class_after_asking_the_guard_once(case):
    for outcome, kind in case.outcomes.items():
        asked = []
        async with case.connect(outcome) as connected:
            result = await outcome_of(connected.provider, lambda asked=asked: asked.append(True))
        assert isinstance(result, kind), outcome
        assert asked == [True], outcome
        assert_discreet(result)


@each_provider
async def test_a_refusing_guard_keeps_the_message_in(case):
    def refuse():
        raise LeaseLost

    async with case.connect("taken") as connected:
        assert isinstance(await outcome_of(connected.provider, refuse), LeaseLost)
        assert connected.taken() == []


# Around it


@each_provider
async def test_health_is_told_and_not_raised(case):
    async with case.connect("taken") as connected:
        assert (await connected.provider.check()).ok
    async with case.connect("ill") as connected:
        health = await connected.provider.check()
    assert not health.ok
    assert health.detail


@each_provider
async def test_reading_is_shown_where_the_provider_can(case):
    async with case.connect("taken") as connected:
        if not isinstance(connected.provider, MarksRead):
            pytest.skip(f"{case.spec.label} cannot show that a message was read")
        await connected.provider.mark_read("message-1", typing=False)
        await connected.provider.mark_read("message-1", typing=True)


@each_provider
async def test_templates_are_listed_page_by_page_where_the_provider_has_them(case):
    async with case.connect("taken") as connected:
        if not isinstance(connected.provider, ListsTemplates):
            pytest.skip(f"{case.spec.label} has no templates")
        assert case.spec.templates_at in {field.name for field in msgspec.structs.fields(case.spec.channel_config)}
        pages = [await connected.provider.list_templates()]
        while pages[-1].after is not None:
            pages.append(await connected.provider.list_templates(pages[-1].after))
        again = await connected.provider.list_templates()
    assert again == pages[0]
    listed = [template for page in pages for template in page.templates]
    assert len(pages) > 1
    assert sorted(template.name for template in listed) == sorted(case.templates)
    for template in listed:
        assert template.provider_id
        assert template.language
        assert template.status
        assert parse_definition(template)


@each_provider
async def test_a_list_of_templates_that_fails_is_a_send_error(case):
    async with case.connect("ill") as connected:
        if not isinstance(connected.provider, ListsTemplates):
            pytest.skip(f"{case.spec.label} has no templates")
        with pytest.raises(SendError):
            await connected.provider.list_templates()


@each_provider
def test_a_handshake_needs_the_secret(case):
    door = receiver(case)
    if not isinstance(door, AnswersHandshake):
        pytest.skip(f"{case.spec.label} has no handshake")
    with pytest.raises(SignatureInvalid):
        door.handshake(WebhookRequest(url=URL, method="GET", query="", headers={}, body=b""))


@each_provider
def test_headers_that_are_kept_hold_no_credentials(case):
    headers = {"authorization": "Bearer x", "cookie": "session=1", "apikey": "x", **case.sign(b"{}")}
    kept = case.spec.mask_headers(headers)
    assert kept.items() <= headers.items()
    assert not kept.keys() & {"authorization", "cookie", "apikey"}


@each_provider
def test_each_setting_that_is_missing_or_empty_is_named(case):
    for kind, given_settings in configs(case):
        for name in given_settings:
            with pytest.raises(InputError) as raised:
                parse_config(kind, {**given_settings, name: " "})
            assert raised.value.field == name
            with pytest.raises(InputError, match=name):
                parse_config(kind, {key: value for key, value in given_settings.items() if key != name})


@each_provider
def test_an_unknown_setting_is_refused_with_the_known_ones(case):
    for kind, given_settings in configs(case):
        with pytest.raises(InputError) as raised:
            parse_config(kind, {**given_settings, "acess_token": "x"})
        assert raised.value.field == "acess_token"
        assert all(name in raised.value.detail for name in given_settings)


@each_provider
def test_no_secret_shows_in_a_repr(case):
    for kind, given_settings in configs(case):
        shown = repr(parse_config(kind, given_settings)) + str(parse_config(kind, given_settings))
        for name in case.secrets & given_settings.keys():
            assert given_settings[name] not in shown


@each_provider
def test_no_message_shows_in_a_repr(case):
    request = posted(case, case.wrote("message-1", TEXT))
    for thing in (request, MESSAGE, *receiver(case).parse(request)):
        assert TEXT not in repr(thing)
        assert PHONE.value not in repr(thing)


# The description


@each_provider
def test_capabilities_speak_of_kinds_that_there_are(case):
    kinds = case.spec.capabilities.kinds
    assert kinds
    assert {kind.partition(".")[0] for kind in kinds} <= set(OUTBOUND_KINDS)
    assert {kind for kind in kinds if "." in kind} <= QUESTIONS
    assert {limits.degrades_to for limits in kinds.values()} - {None} <= kinds.keys()


@each_provider
def test_each_setting_says_what_it_is(case):
    for kind, given_settings in configs(case):
        described = describe_settings(kind)
        assert given_settings.keys() <= {setting.name for setting in described}
        for setting in described:
            assert setting.title != setting.name
            assert setting.description.endswith(".")
            assert setting.secret is (setting.name in case.secrets) or setting.name not in given_settings


@each_provider
def test_each_code_of_its_own_says_what_to_do(case):
    for code, note in case.spec.codes.items():
        assert code
        assert note.sentence.endswith(".")
        assert note.advice.endswith(".")
