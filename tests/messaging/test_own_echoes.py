"""What we sent ourselves comes back as an echo: it is never mistaken for somebody at the phone."""

from dataclasses import replace

import msgspec
import pytest

from hailgate import providers
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import InboundText, encode_content, parse_outbound
from hailgate.core.content.inbound import (
    InboundContacts,
    InboundLocation,
    ReceivedCard,
    ReceivedName,
    ReceivedPhone,
    ReceivedPlace,
)
from hailgate.core.errors import OutcomeUnknown
from hailgate.core.events import EchoedMessage
from hailgate.core.status import Status
from hailgate.messaging.inbound import echoes
from hailgate.messaging.inbound.echoes import HELD_S, release_held
from hailgate.messaging.inbound.ingest import apply_webhooks, take_webhooks, understand_webhooks
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.models import PERSON, TELEPHONE, EventState, Message, WebhookEvent
from hailgate.messaging.outbound.parked import settle_parked
from hailgate.messaging.store.ids import uuid7
from hailgate.providers import cloud
from messaging.acting import (
    NO_WAIT,
    account_of,
    attempt,
    claim_one,
    conversation_of,
    failed,
    fresh,
    hook_id_of,
    messages,
    new_message,
    send,
    send_all,
    sent,
    tell,
    work,
    work_of,
    wrote,
)

PHONE, HIDDEN = Address(AddressKind.PHONE, "15550100001"), Address(AddressKind.LID, "77000000000001")


@pytest.fixture(autouse=True)
def echoing(monkeypatch, store):
    """The Cloud API, as if it told us of our own sends."""
    able = msgspec.structs.replace(cloud.SPEC.capabilities, echoes_sends=True)
    spec = replace(cloud.SPEC, capabilities=able)
    installed = dict(providers._installed())
    monkeypatch.setattr(providers, "_installed", lambda: installed | {"cloud": spec})


def echo(channel, to=1, body="hello", message_id="echo.1") -> EchoedMessage:
    return EchoedMessage(**msgspec.structs.asdict(wrote(channel, to, body=body, message_id=message_id)))


def receive(worker, channel, *events) -> str:
    """One webhook that tells these; what it came to."""
    if events:
        store_webhooks([ReceivedWebhook(uuid7(), channel.tenant_id, hook_id_of(channel), "{}", b"x")])
    hook = hook_id_of(channel)
    taken = take_webhooks(worker, hook)
    receive.told = events or receive.told
    apply_webhooks(worker, hook, understand_webhooks(taken, lambda _: receive.told), NO_WAIT)
    return WebhookEvent.objects.filter(tenant_id=channel.tenant_id).latest("id").outcome


def typed(channel) -> list:
    return messages(channel.tenant_id, sender=TELEPHONE)


def test_an_echo_of_a_message_that_was_sent_changes_nothing_but_its_proof(worker, clock, wide):
    message = send(wide)
    claimed = claim_one(worker)
    attempt(worker, claimed)
    tell(worker, sent(claimed, "echo.1"))
    assert receive(worker, wide, echo(wide)) == "1 status"
    assert typed(wide) == []
    assert fresh(message).status == Status.SENT


def test_an_echo_that_is_faster_than_the_answer_waits_for_it(worker, clock, wide):
    send(wide)
    claimed = claim_one(worker)
    attempt(worker, claimed)
    assert receive(worker, wide, echo(wide)) == "waits for what belongs to it"
    assert typed(wide) == []
    tell(worker, sent(claimed, "echo.1"))
    assert release_held() == 1
    assert receive(worker, wide) == "1 status"
    assert typed(wide) == []
    assert release_held() == 0


def test_an_echo_settles_an_unknown_outcome_with_the_same_words(worker, clock, wide):
    message = send(wide)
    lost = claim_one(worker)
    attempt(worker, lost)
    tell(worker, failed(lost, OutcomeUnknown()))
    assert receive(worker, wide, echo(wide)) == "1 status"
    settle_parked()
    after = fresh(message)
    assert (after.status, after.provider_id, after.unknown) == (Status.SENT, "echo.1", False)
    assert work_of(message) is None
    assert typed(wide) == []


@pytest.mark.parametrize("chat", [(PHONE, HIDDEN), (HIDDEN, PHONE)], ids=["number first", "hidden id first"])
def test_it_is_known_by_any_address_of_its_chat(worker, clock, wide, chat):
    send(wide, HIDDEN)
    attempt(worker, claim_one(worker))
    early = EchoedMessage(**msgspec.structs.asdict(wrote(wide, *chat, message_id="echo.1")))
    assert receive(worker, wide, early) == "waits for what belongs to it"


def test_an_attempt_that_ends_while_echoes_are_judged_is_known_by_its_id(worker, clock, wide, monkeypatch):
    """The answer of the provider comes between the two reads."""
    message = send(wide)
    claimed = claim_one(worker)
    attempt(worker, claimed)

    def ending(read):
        def read_then_ended(cursor, told):
            found = read(cursor, told)
            if fresh(message).status < Status.SENT:
                tell(worker, sent(claimed, "echo.1"))
            return found

        return read_then_ended

    for name in ("_known", "_open_attempts"):
        monkeypatch.setattr(echoes, name, ending(getattr(echoes, name)))
    assert receive(worker, wide, echo(wide)) == "1 status"
    assert typed(wide) == []


def lose(worker, channel, **content) -> Message:
    """Send a message of this kind and never hear what became of it."""
    stored = encode_content(parse_outbound(msgspec.json.encode(content)))
    [message] = send_all(channel, [new_message(channel)._replace(kind=content["type"], content=stored)])
    claimed = claim_one(worker)
    attempt(worker, claimed)
    tell(worker, failed(claimed, OutcomeUnknown()))
    return message


HERE = {"type": "location", "location": {"latitude": -23.55052, "longitude": -46.633308, "name": "Clinic"}}
CARD = {"name": {"formatted_name": "Ben"}, "phones": [{"phone": "+1 555 010 0077", "wa_id": "15550100077"}]}
ASKED = {
    "type": "button",
    "body": {"text": "Will you come?"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
}
BEN = ReceivedCard(ReceivedName("Ben as they know him"), (ReceivedPhone("+15550100077"),))


@pytest.mark.parametrize(
    ("content", "told", "same"),
    [
        (HERE, InboundLocation(ReceivedPlace(-23.55052, -46.633308)), True),
        (HERE, InboundLocation(ReceivedPlace(-23.55052, -40.0)), False),
        ({"type": "contacts", "contacts": [CARD]}, InboundContacts((BEN,)), True),
        (
            {"type": "contacts", "contacts": [CARD]},
            InboundContacts((ReceivedCard(phones=(ReceivedPhone("+1"),)),)),
            False,
        ),
        ({"type": "interactive", "interactive": ASKED}, InboundText("Will you come?\n\n1. Yes"), True),
        ({"type": "interactive", "interactive": ASKED}, InboundText("Will you come?"), False),
    ],
    ids=["its place", "another place", "its card", "another card", "its menu in words", "other words"],
)
def test_what_has_no_words_settles_only_its_like(worker, wide, content, told, same):
    message = lose(worker, wide, **content)
    receive(worker, wide, msgspec.structs.replace(echo(wide), content=told))
    settle_parked()
    assert fresh(message).unknown is not same


def test_one_echo_settles_one_message(worker, clock, wide):
    for to in (1, 2):
        lost = send(wide, to)
        claimed = claim_one(worker)
        attempt(worker, claimed)
        tell(worker, failed(claimed, OutcomeUnknown()))
        assert work_of(lost)
    receive(worker, wide, echo(wide, 1))
    settle_parked()
    assert len(work(wide.tenant_id)) == 1


def test_other_words_wait_while_an_outcome_is_unknown_and_then_count_as_typed(worker, clock, wide):
    message = send(wide)
    lost = claim_one(worker)
    attempt(worker, lost)
    tell(worker, failed(lost, OutcomeUnknown()))
    assert "waits" in receive(worker, wide, echo(wide, body="from the phone"))
    clock.forward(HELD_S + 1)
    release_held()
    assert receive(worker, wide) == "1 echo"
    assert len(typed(wide)) == 1
    assert fresh(message).unknown
    assert conversation_of(message).answered_by == PERSON


def test_what_is_surely_not_ours_was_typed_at_once(worker, clock, wide):
    assert receive(worker, wide, echo(wide, body="from the phone")) == "1 echo"
    assert len(typed(wide)) == 1
    assert account_of(wide)


def test_an_attempt_to_somebody_else_holds_nothing_up(worker, clock, wide):
    send(wide, 2)
    attempt(worker, claim_one(worker))
    assert receive(worker, wide, echo(wide, 1)) == "1 echo"


def test_an_echo_by_a_hidden_id_that_nobody_is_known_by_waits_for_any_open_attempt(worker, clock, wide):
    """We have the number of whom we wrote to; the server names their chat by an id that nobody has told yet."""
    send(wide)
    claimed = claim_one(worker)
    attempt(worker, claimed)
    hidden = EchoedMessage(**msgspec.structs.asdict(wrote(wide, HIDDEN, message_id="echo.1")))
    assert receive(worker, wide, hidden) == "waits for what belongs to it"
    tell(worker, sent(claimed, "echo.1"))
    release_held()
    assert receive(worker, wide) == "1 status"
    assert typed(wide) == []
    assert receive(worker, wide, msgspec.structs.replace(hidden, message_id="echo.2")) == "1 echo"


def test_a_held_webhook_is_shown_as_such(worker, clock, wide):
    send(wide)
    attempt(worker, claim_one(worker))
    receive(worker, wide, echo(wide))
    assert WebhookEvent.objects.get(tenant_id=wide.tenant_id).state == EventState.HELD
