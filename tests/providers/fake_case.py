"""The fake, described."""

import hmac
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec

from hailgate.core.embedded_files import LONGEST_STRING
from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    SignatureInvalid,
    TemplateUnavailable,
)
from hailgate.core.media import StoredInWebhook
from hailgate.core.status import Status
from hailgate.core.templates import TemplateDefinition
from hailgate.providers import fake
from hailgate.providers.config import Secret
from hailgate.providers.contract import ChannelHealth, SendReceipt
from hailgate.providers.fake import FakeChannel, FakeHook, FakeProvider, Reached, webhook
from hailgate.providers.spec import Proof

from .conformance import PHONE, URL, Case, Connected, encode

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
    provider.templates = [
        TemplateDefinition(name, name, "en", "UTILITY", "APPROVED", components="[]") for name in TEMPLATES
    ]
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


# --- fakes that are believed in another way ---------------------------------------------------------------------------


def sign_url(body, url=URL):
    return hmac.digest(b"fixture-secret", url.encode() + body, "sha256").hex()


class SigningReceiver(fake.FakeReceiver):
    def verify(self, request):
        given = request.headers.get(fake.SIGNATURE, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, sign_url(request.body, request.url).encode()):
            raise SignatureInvalid


class TokenReceiver(fake.FakeReceiver):
    def verify(self, request):
        if request.headers.get(fake.SIGNATURE) != "fixture-secret":
            raise SignatureInvalid


class OpenReceiver(fake.FakeReceiver):
    """Puts files into its webhooks."""

    def verify(self, request):
        pass

    def parse(self, request):
        events = super().parse(request)
        if b'"file"' not in request.body:
            return events
        return [msgspec.structs.replace(event, media=StoredInWebhook("document", "/file")) for event in events]


def like_the_fake(name, proof, receiver, sign, **changes):
    spec = replace(fake.SPEC, name=name, proof=proof, receiver=receiver)
    return replace(FAKE, spec=spec, sign=sign, signature=fake.SIGNATURE, **changes)


SIGNING_FAKE = like_the_fake(
    "signing", Proof.URL_AND_FORM, SigningReceiver, lambda body: {fake.SIGNATURE: sign_url(body)}
)
TOKEN_FAKE = like_the_fake("token", Proof.HEADER, TokenReceiver, lambda _: {fake.SIGNATURE: "fixture-secret"})
OPEN_FAKE = like_the_fake(
    "open",
    Proof.URL,
    OpenReceiver,
    lambda _: {},
    large=wrote("1", "with a file")[:-1] + b', "file": "' + b"QUJD" * LONGEST_STRING + b'"}',
)
