"""For every property of the suite a fake that breaks it: exactly that property fails, and no other notices."""

import asyncio
import inspect
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from itertools import product
from typing import Annotated, ClassVar

import msgspec
import pytest
from hypothesis import settings
from msgspec import Meta, Struct

from hailgate.core.content import InboundText, encode_content
from hailgate.core.errors import LeaseLost, SignatureInvalid
from hailgate.core.events import InboundMessage, MessageStatus
from hailgate.core.kinds import KindLimits
from hailgate.core.status import Status
from hailgate.providers import fake
from hailgate.providers.config import Secret
from hailgate.providers.contract import ChannelHealth
from hailgate.providers.spec import CodeNote

from . import test_conformance as suite
from .conformance import Connected
from .fake_case import FAKE, HOOK, OPEN_FAKE, SIGNING_FAKE, TOKEN_FAKE, sign_url

# Of properties that draw what they ask: few draws are enough for twins that are broken through and through.
DRAWS = settings(max_examples=60, deadline=None, database=None, derandomize=True)
# These are broken in one place of many, which has to be met.
MANY_DRAWS = settings(max_examples=400, deadline=None, database=None, derandomize=True)

PROPERTIES = {
    name.removeprefix("test_"): check
    for name, check in vars(suite).items()
    if name.startswith("test_") and "case" in inspect.signature(check).parameters
}


class Held(StrEnum):
    """What a property came to. It is not asked of providers with another proof, nor of an ability that one lacks."""

    YES = "held"
    NO = "broken"
    NOT_ASKED = "not asked"


def holds(name, case, draws=DRAWS) -> bool:
    return judge(name, case, draws) is not Held.NO


def judge(name, case, draws=DRAWS) -> Held:
    """Whether one property holds for a case, with everything that it is parametrized with."""
    check = PROPERTIES[name]
    marks = [mark.args for mark in check.pytestmark if mark.name == "parametrize"]
    cases = next(values for argument, values in (args[:2] for args in marks) if argument == "case")
    if case.spec.proof not in {one.spec.proof for one in cases}:
        return Held.NOT_ASKED
    others = [args[:2] for args in marks if args[0] != "case"]
    found = set()
    for values in product(*(values for _, values in others)):
        given = dict(zip((argument for argument, _ in others), values, strict=True))
        found.add(ask(check, draws, case=case, **given))
    return next(held for held in (Held.NO, Held.NOT_ASKED, Held.YES) if held in found)


def ask(check, draws, **given) -> Held:
    if hasattr(check, "hypothesis"):
        check._hypothesis_internal_use_settings = draws
    try:
        outcome = check(**given)
        if inspect.iscoroutine(outcome):
            asyncio.run(outcome)
    except pytest.skip.Exception:
        return Held.NOT_ASKED
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 -- that a property does not hold shows in any way
        return Held.NO
    return Held.YES


# --- broken receivers -------------------------------------------------------------------------------------------------


def receiving(case=FAKE, **methods):
    """The case with a receiver that does one thing otherwise."""
    broken = type("Broken", (case.spec.receiver,), methods)
    return replace(case, spec=replace(case.spec, receiver=broken))


def parsing(change, case=FAKE):
    """``change`` gets the request and the events that are right."""
    return receiving(case, parse=lambda self, request: change(request, case.spec.receiver.parse(self, request)))


def raising(when, case=FAKE):
    """A receiver that stumbles over some bodies."""

    def parse(self, request):
        if when(request.body):
            raise ValueError
        return case.spec.receiver.parse(self, request)

    return receiving(case, parse=parse)


def verifying(normal, case=FAKE):
    """A receiver that looks at less than the body, or at another form of the header."""

    def verify(self, request):
        body, given = normal(request.body, request.headers.get(fake.SIGNATURE))
        if given != fake._sign(HOOK, body):
            raise SignatureInvalid

    broken = receiving(case, verify=verify)
    return replace(broken, sign=lambda body: {fake.SIGNATURE: fake._sign(HOOK, normal(body, "")[0])})


def canonical(body, given):
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode(), given
    except (ValueError, RecursionError):
        return body, given


def each_event(change):
    return parsing(lambda _, events: [change(event) for event in events])


counted = iter(range(10**9))


def changed(event, **fields):
    return msgspec.structs.replace(event, **fields)


class Talkative(InboundMessage, frozen=True):
    def __repr__(self) -> str:
        return f"Talkative({encode_content(self.content)})"


def telling(event):
    if not isinstance(event, InboundMessage):
        return event
    shown = {name: getattr(event, name) for name in event.__struct_fields__}
    return Talkative(**shown)


def is_damaged(body):
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "account" in document and not isinstance(document["account"], str)


def is_cut(body):
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return body.startswith(b'{"account')
    return False


# --- broken connections -----------------------------------------------------------------------------------------------


def connecting(change):
    """The case with a provider that does one thing otherwise."""

    @asynccontextmanager
    async def connect(outcome):
        async with FAKE.connect(outcome) as connected:
            yield change(connected, outcome)

    return replace(FAKE, connect=connect)


def with_method(name, method):
    def change(connected, outcome):
        own = getattr(connected.provider, name)
        setattr(connected.provider, name, lambda *given, **named: method(own, outcome, *given, **named))
        return connected

    return connecting(change)


async def ignores_the_guard(send, _outcome, message, guard):
    def deaf():
        try:
            guard()
        except LeaseLost:
            return

    return await send(message, deaf)


async def asks_the_guard_twice(send, outcome, message, guard):
    if outcome == "Rejected":
        guard()
    return await send(message, guard)


async def is_always_well(_check, _outcome):
    return ChannelHealth(ok=True, detail="Fine.")


async def cannot_mark(_mark, _outcome, _message_id, *, typing):
    raise NotImplementedError


async def lists_twice(list_templates, outcome, after=None):
    page = await list_templates(after)
    return page if outcome == "ill" else msgspec.structs.replace(page, templates=[*page.templates, *page.templates])


async def fails_its_own_way(list_templates, outcome, after=None):
    if outcome == "ill":
        raise KeyError
    return await list_templates(after)


# --- broken descriptions ----------------------------------------------------------------------------------------------


def described(case=FAKE, **changes):
    return replace(case, spec=replace(case.spec, **changes))


def capable(**changes):
    return described(capabilities=msgspec.structs.replace(FAKE.spec.capabilities, **changes))


def titled(title, **given):
    return Meta(title=title, description="For a twin.", **given)


class LoudHook(fake.FakeHook, frozen=True, kw_only=True):
    def __repr__(self) -> str:
        return self.secret.reveal()


class MuteHook(Struct, frozen=True, kw_only=True):
    secret: Secret


class LenientChannel(fake.FakeChannel, frozen=True, kw_only=True):
    number: Annotated[str, titled("Number")] = "15550100000"


class WideChannel(fake.FakeChannel, frozen=True, kw_only=True):
    acess_token: Annotated[str, titled("Typing error")] = "x"


class Handshaking(fake.FakeReceiver):
    handshakes: ClassVar = 0

    def handshake(self, request):
        return request.query


TWINS = {
    "a_genuine_webhook_is_let_in": receiving(
        verify=lambda self, request: (
            (_ for _ in ()).throw(SignatureInvalid) if not request.body else fake.FakeReceiver.verify(self, request)
        )
    ),
    "a_forged_signature_is_refused": verifying(lambda body, given: (body, given and given.lower())),
    "a_webhook_without_a_signature_is_refused": verifying(
        lambda body, given: (body, fake._sign(HOOK, body) if given is None else given)
    ),
    "whatever_is_changed_the_signature_no_longer_fits": verifying(
        lambda body, given: (bytes(byte & 0xFE for byte in body), given)
    ),
    "a_signature_over_the_same_words_in_other_bytes_is_refused": verifying(canonical),
    "a_call_to_another_url_is_refused": replace(
        receiving(
            SIGNING_FAKE,
            verify=lambda self, request: SIGNING_FAKE.spec.receiver.verify(
                self, msgspec.structs.replace(request, url=suite.URL)
            ),
        ),
        sign=lambda body: {fake.SIGNATURE: sign_url(body)},
    ),
    "a_wrong_header_is_refused": receiving(
        TOKEN_FAKE,
        verify=lambda self, request: (
            TOKEN_FAKE.spec.receiver.verify(self, request) if len(request.headers.get(fake.SIGNATURE, "")) < 8 else None
        ),
    ),
    "what_the_proof_does_not_cover_is_believed_unread": receiving(
        OPEN_FAKE,
        verify=lambda _, request: json.loads(request.body) if request.body == b"{" else None,
    ),
    "parsing_is_pure": each_event(
        lambda event: changed(event, name=str(next(counted))) if isinstance(event, InboundMessage) else event
    ),
    "parsing_any_json_is_total": raising(lambda body: body in {b"true", b"false"}),
    "parsing_any_bytes_is_total": raising(
        lambda body: len(body) > 3 and 0x80 <= body[0] < 0xC0 and b'"' not in body[:-3]
    ),
    "parsing_a_bomb_is_total": raising(lambda body: body.startswith(b"\xef\xbb\xbf{}")),
    "parsing_a_damaged_webhook_is_total": raising(is_damaged),
    "parsing_a_cut_webhook_is_total": raising(is_cut),
    "what_a_person_wrote_arrives": each_event(
        lambda event: changed(event, account="elsewhere") if isinstance(event, InboundMessage) else event
    ),
    "what_no_database_stores_is_cleaned": each_event(
        lambda event: (
            changed(event, content=InboundText(event.content.body.replace("\ufffd", "")))
            if isinstance(event, InboundMessage)
            else event
        )
    ),
    "each_step_of_a_message_arrives_with_its_tracker": each_event(
        lambda event: (
            changed(event, status=Status.SENT)
            if isinstance(event, MessageStatus) and event.status is Status.PLAYED
            else event
        )
    ),
    "a_webhook_is_understood_alike_without_the_file_in_it": parsing(
        lambda request, events: (
            [changed(event, name=str(len(request.body))) for event in events] if b'"file"' in request.body else events
        ),
        OPEN_FAKE,
    ),
    "every_outcome_that_has_a_class_is_covered": replace(
        FAKE, outcomes={name: kind for name, kind in FAKE.outcomes.items() if name != "OutcomeUnknown"}
    ),
    "a_message_that_is_taken_gets_a_receipt_and_takes_its_tracker_along": connecting(
        lambda connected, _: Connected(connected.provider, lambda: ["another" for _ in connected.taken()])
    ),
    "every_outcome_ends_in_its_class_after_asking_the_guard_once": with_method("send", asks_the_guard_twice),
    "a_refusing_guard_keeps_the_message_in": with_method("send", ignores_the_guard),
    "health_is_told_and_not_raised": with_method("check", is_always_well),
    "reading_is_shown_where_the_provider_can": with_method("mark_read", cannot_mark),
    "templates_are_listed_page_by_page_where_the_provider_has_them": with_method("list_templates", lists_twice),
    "a_list_of_templates_that_fails_is_a_send_error": with_method("list_templates", fails_its_own_way),
    "a_handshake_needs_the_secret": described(receiver=Handshaking),
    "headers_that_are_kept_hold_no_credentials": described(mask_headers=dict),
    "each_setting_that_is_missing_or_empty_is_named": described(channel_config=LenientChannel),
    "an_unknown_setting_is_refused_with_the_known_ones": described(channel_config=WideChannel),
    "no_secret_shows_in_a_repr": described(hook_config=LoudHook),
    "no_message_shows_in_a_repr": each_event(telling),
    "capabilities_speak_of_kinds_that_there_are": capable(kinds={"text": KindLimits(), "poem": KindLimits()}),
    "each_setting_says_what_it_is": described(hook_config=MuteHook),
    "each_code_of_its_own_says_what_to_do": described(codes={"strange": CodeNote("Something is strange.", "")}),
}


def test_every_property_has_its_twin():
    assert TWINS.keys() == PROPERTIES.keys()


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_fails_exactly_its_property(name):
    broken = [other for other in PROPERTIES if not holds(other, TWINS[name], MANY_DRAWS if other == name else DRAWS)]
    assert broken == [name]


@pytest.mark.parametrize("case", [FAKE, SIGNING_FAKE, TOKEN_FAKE, OPEN_FAKE], ids=lambda case: case.spec.name)
def test_the_fakes_themselves_fail_none(case):
    assert [name for name in PROPERTIES if not holds(name, case)] == []
