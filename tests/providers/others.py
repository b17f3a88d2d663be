"""Two providers that differ from the fake in their proof: one signs its URL, the other proves nothing but its URL."""

import hmac
from dataclasses import replace

import msgspec

from hailgate import providers
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import InboundText
from hailgate.core.errors import PayloadForeign, SignatureInvalid
from hailgate.core.events import InboundMessage
from hailgate.core.json_stream import JsonMask
from hailgate.core.media import StoredInWebhook
from hailgate.providers import fake
from hailgate.providers.spec import Proof

HEADER = "x-signature"
SECRET = "fixture-secret"


def sign(url: str, body: bytes) -> str:
    return hmac.digest(SECRET.encode(), url.encode() + body, "sha256").hex()


class SigningReceiver(fake.FakeReceiver):
    """The signature covers the URL; the id of the message is in its query, and the sender in a header."""

    def verify(self, request):
        if not hmac.compare_digest(request.headers.get(HEADER, ""), sign(request.url, request.body)):
            raise SignatureInvalid

    def parse(self, request):
        if "id" not in request.params:
            raise PayloadForeign
        sender = Address(AddressKind.PHONE, request.headers["x-sender"])
        content = InboundText(f"{request.method} {request.url}")
        return [InboundMessage("15550100000", request.params["id"], (sender,), None, None, 0.0, content, None)]


class OpenReceiver(fake.FakeReceiver):
    """Everything that reaches the URL is believed; files lie in the webhook."""

    def verify(self, request):
        pass

    def parse(self, request):
        try:
            body = msgspec.json.decode(request.body, type=dict)
        except msgspec.DecodeError:
            raise PayloadForeign from None
        sender = Address(AddressKind.PHONE, body["sender"])
        media = StoredInWebhook("document", "/data/base64", name="report.pdf") if "data" in body else None
        content = InboundText(body["text"])
        return [InboundMessage("15550100000", body["id"], (sender,), None, None, 0.0, content, None, media=media)]


SIGNING = replace(
    fake.SPEC,
    name="signing",
    proof=Proof.URL_AND_FORM,
    receiver=SigningReceiver,
    mask_headers=lambda headers: {name: headers[name] for name in ("x-sender",) if name in headers},
    capabilities=msgspec.structs.replace(fake.SPEC.capabilities, webhook_methods=frozenset({"GET", "POST"})),
)
OPEN = replace(
    fake.SPEC,
    name="open",
    proof=Proof.URL,
    receiver=OpenReceiver,
    mask_body=lambda: JsonMask({"/apikey"}),
    capabilities=msgspec.structs.replace(fake.SPEC.capabilities, max_webhook_body=140 << 20),
)


def install(monkeypatch, *specs) -> None:
    """As third parties' would be."""
    installed = dict(providers._installed()) | {spec.name: spec for spec in specs}
    monkeypatch.setattr(providers, "_installed", lambda: installed)
