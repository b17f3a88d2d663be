"""What a test wants from the fake, beyond what it shares with the real ones."""

import pytest

from hailgate.core.errors import OutcomeUnknown, ProviderThrottled
from hailgate.core.events import Ignored
from hailgate.providers.contract import MarksRead, SendReceipt
from hailgate.providers.fake import FakeChannel, FakeProvider, FakeReceiver, Reached, Wrote, webhook

from .conformance import MESSAGE, PHONE, outcome_of
from .fake_case import HOOK, NUMBER

pytestmark = pytest.mark.anyio


async def test_planned_outcomes_come_in_order_and_then_receipts():
    provider = FakeProvider(FakeChannel(number=NUMBER))
    provider.plan(ProviderThrottled(retry_after=3), SendReceipt("chosen"))
    outcomes = [await outcome_of(provider, lambda: None) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [ProviderThrottled, SendReceipt, SendReceipt]
    assert outcomes[1].provider_id == "chosen"
    assert len(provider.tried) == 3
    assert len(provider.taken) == 2


async def test_a_message_with_an_unknown_outcome_was_taken():
    provider = FakeProvider(FakeChannel(number=NUMBER))
    provider.plan(OutcomeUnknown())
    await outcome_of(provider, lambda: None)
    assert provider.taken == [MESSAGE]


async def test_an_echo_tells_each_step_with_the_tracker_before_the_send_returns():
    told = []
    provider = FakeProvider(FakeChannel(number=NUMBER), echo=told.append, clock=lambda: 7.0)
    receipt = await provider.send(MESSAGE, lambda: None)
    assert told == [
        Reached(id=receipt.provider_id, status=word, at=7.0, tracker=MESSAGE.tracker) for word in ("sent", "delivered")
    ]


def test_a_built_webhook_is_one_that_the_receiver_takes():
    request = webhook(HOOK, NUMBER, Wrote(id="1", sender=PHONE.value, text="hello"), Reached(id="2", status="read"))
    receiver = FakeReceiver(HOOK)
    receiver.verify(request)
    assert [type(event).__name__ for event in receiver.parse(request)] == ["InboundMessage", "MessageStatus"]


@pytest.mark.parametrize(
    "happening",
    [
        Wrote(id="1", sender="nobody", text="hello"),
        Wrote(id="", sender=PHONE.value, text="hello"),
        Reached(id="1", status="queued"),
    ],
)
def test_what_makes_no_sense_has_no_effect(happening):
    [event] = FakeReceiver(HOOK).parse(webhook(HOOK, NUMBER, happening))
    assert isinstance(event, Ignored)


async def test_reading_is_remembered():
    provider = FakeProvider(FakeChannel(number=NUMBER))
    assert isinstance(provider, MarksRead)
    await provider.mark_read("1", typing=True)
    assert provider.marked_read == [("1", True)]
