"""The fake, described."""

from contextlib import asynccontextmanager

from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    TemplateUnavailable,
)
from hailgate.core.status import Status
from hailgate.core.templates import Template
from hailgate.providers import fake
from hailgate.providers.contract import ChannelHealth, Secret, SendReceipt
from hailgate.providers.fake import FakeChannel, FakeHook, FakeProvider, Reached, webhook

from .conformance import PHONE, Case, Connected, encode

HOOK = FakeHook(secret=Secret("fixture-secret"))
NUMBER = "15550100000"
TEMPLATES = ("one", "two", "three")
ERRORS = (
    ProviderUnavailable,
    ProviderThrottled,
    Rejected,
    RecipientUnreachable,
    TemplateUnavailable,
    RecipientOptedOut,
    ChannelUnauthorized,
    ChannelDisconnected,
    OutcomeUnknown,
)


def wrote(message_id, text):
    happening = {"happened": "wrote", "id": message_id, "sender": PHONE.value, "text": text}
    return encode({"account": NUMBER, "happenings": [happening]})


def reached(message_id, status, tracker):
    return webhook(HOOK, NUMBER, Reached(id=message_id, status=status.word, tracker=tracker)).body


@asynccontextmanager
async def connect(outcome):
    provider = FakeProvider(FakeChannel(number=NUMBER))
    provider.templates = [Template(name, name, "en", "UTILITY", "APPROVED", components="[]") for name in TEMPLATES]
    if outcome == "ill":
        provider.health = ChannelHealth(ok=False, detail="ill")
    elif outcome != "taken":
        provider.plan({error.__name__: error for error in ERRORS}[outcome]())
    yield Connected(provider, lambda: [message.tracker for message in provider.taken])


FAKE = Case(
    spec=fake.SPEC,
    hook={"secret": "fixture-secret"},
    channel={"number": NUMBER},
    secrets=frozenset({"secret"}),
    sign=lambda body: {fake.SIGNATURE: fake._sign(HOOK, body)},
    signature=fake.SIGNATURE,
    webhooks={"wrote": wrote("1", "hello"), "reached": reached("1", Status.READ, "tracker")},
    wrote=wrote,
    reached=reached,
    outcomes={"taken": SendReceipt} | {error.__name__: error for error in ERRORS},
    templates=TEMPLATES,
    connect=connect,
)
