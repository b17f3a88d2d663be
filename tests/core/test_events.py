"""Events: clean by construction, silent in a repr, and known by one key however often they are told."""

import msgspec
import pytest
from hypothesis import given

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import InboundText, Unsupported
from hailgate.core.events import Ignored, InboundMessage, MessageStatus
from hailgate.core.status import Status

from .strategies import any_text

PHONE = Address(AddressKind.PHONE, "15551234567")
GROUP = Address(AddressKind.GROUP, "120363@g.us")


def inbound(**changes):
    fields = {
        "account": "106500000000001",
        "message_id": "wamid.1",
        "chat": (PHONE,),
        "author": None,
        "name": "Ana Example",
        "at": 1767225600.0,
        "content": InboundText("Hello"),
        "context_id": None,
    }
    return InboundMessage(**(fields | changes))


def status(**changes):
    fields = {
        "account": "106500000000001",
        "message_id": "wamid.1",
        "status": Status.SENT,
        "at": 1767225600.0,
        "recipient": PHONE,
        "tracker": None,
        "code": None,
        "detail": None,
    }
    return MessageStatus(**(fields | changes))


def ignored(**changes):
    return Ignored(**({"account": "1065", "field": "messages", "kind": "edit", "note": "Not yet."} | changes))


EVENTS = [inbound(), status(), ignored()]
kind_of_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)


@pytest.mark.parametrize(
    "again",
    [
        {"at": 1767225700.0},
        {"name": "Ana E."},
        {"chat": (Address(AddressKind.BSUID, "US.42"), PHONE)},
        {"chat": ()},
        {"content": Unsupported("text", b"{}")},
        {"context_id": "wamid.0"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_message_told_again_has_the_same_key(again):
    assert inbound(**again).effect_key() == inbound().effect_key()


@pytest.mark.parametrize("again", [{"at": 1.0}, {"recipient": None}, {"tracker": "x"}, {"code": "1"}, {"detail": "x"}])
def test_a_status_told_again_has_the_same_key(again):
    assert status(**again).effect_key() == status().effect_key()


def test_different_events_have_different_keys():
    events = [
        inbound(),
        inbound(account="106500000000002"),
        inbound(message_id="wamid.2"),
        inbound(chat=(GROUP,)),
        inbound(chat=(Address(AddressKind.GROUP, "120364@g.us"),)),
        *(status(status=told) for told in Status),
        status(message_id="wamid.2"),
        status(recipient=GROUP),
        status(account="106500000000002"),
        ignored(),
        ignored(account=None),
        ignored(message_id="wamid.1"),
        ignored(field="calls"),
        ignored(kind="revoke"),
        ignored(note="Never."),
    ]

    assert len({event.effect_key() for event in events}) == len(events)


def test_a_group_is_found_at_any_place_of_the_chat():
    assert inbound(chat=(PHONE, GROUP)).effect_key() == inbound(chat=(GROUP,)).effect_key()


@kind_of_event
def test_an_effect_key_has_16_bytes(event):
    assert len(event.effect_key()) == 16


def test_effect_keys_are_stored_and_therefore_fixed():
    assert [event.effect_key().hex() for event in EVENTS] == [
        "de12087bf595c767f7f28317d549eb28",
        "dc00f38bdac79f39b6f9d25eeb96dd84",
        "397244d035f27ec7a1660421f8a54b2a",
    ]


@given(any_text, any_text, any_text)
def test_parts_of_a_key_never_run_into_each_other(account, message_id, moved):
    one = inbound(account=account + moved, message_id=message_id)
    other = inbound(account=account, message_id=moved + message_id)

    assert (one.effect_key() == other.effect_key()) is (
        (one.account, one.message_id) == (other.account, other.message_id)
    )


@given(any_text)
def test_every_string_of_an_event_can_be_stored(told):
    event = inbound(account=told, message_id=told, name=told, context_id=told, content=InboundText(told))

    kept = [event.account, event.message_id, event.name, event.context_id, event.content.body]
    assert all("\0" not in part and part.encode().decode() == part for part in kept)


@kind_of_event
def test_an_event_shows_its_key_and_nothing_it_carries(event):
    shown = repr(event)

    assert shown == f"{type(event).__name__}({event.effect_key().hex()})"
    assert str([event]) == f"[{shown}]"


@kind_of_event
def test_events_are_values(event):
    assert event == msgspec.structs.replace(event)
    assert hash(event) == hash(msgspec.structs.replace(event))
    with pytest.raises(AttributeError):
        event.account = "other"
