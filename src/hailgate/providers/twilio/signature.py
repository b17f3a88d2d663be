"""Twilio's signature over the public URL and the form that was posted to it.

base64(HMAC-SHA1(auth token, URL + each name, in byte order, with each of its distinct values)). A JSON body is covered
by its SHA-256 in the URL. A header names SHA-256 and a shared key where one signs; what else it names is refused.
"""

import hmac
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlunsplit

from hailgate.core.errors import SignatureInvalid
from hailgate.core.urls import find_parts
from hailgate.providers.contract import WebhookRequest
from hailgate.providers.twilio.config import TwilioHook

SIGNATURE: Final = "x-twilio-signature"
SETTINGS: Final = "x-twilio-webhooks-signature-settings"
BODY_HASH: Final = "bodySHA256"
_PORTS: Final = {"http": 80, "https": 443}


def check_signature(hook: TwilioHook, request: WebhookRequest) -> None:
    """Raises SignatureInvalid."""
    given = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
    fields = _signed_fields(request)
    for secret, algorithm in _keys(hook, request.headers.get(SETTINGS)):
        for url in _spellings(request.url):
            digest = hmac.digest(secret.encode(), (url + fields).encode("utf-8", "surrogatepass"), algorithm)
            if hmac.compare_digest(given, b64encode(digest)):
                return
    raise SignatureInvalid


def parse_form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def _signed_fields(request: WebhookRequest) -> str:
    """What follows the URL. Raises SignatureInvalid where the body is not the one that was signed."""
    told = request.params.get(BODY_HASH)
    if told is not None:
        if not hmac.compare_digest(told.lower().encode("utf-8", "replace"), sha256(request.body).hexdigest().encode()):
            raise SignatureInvalid("The body is not the one whose hash stands in the URL.")
        return ""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        raise SignatureInvalid("A JSON body needs its hash in the URL.")
    values = defaultdict(set)
    for name, value in parse_form(request.body):
        values[name].add(value)
    return "".join(f"{name}{value}" for name in sorted(values) for value in sorted(values[name]))


def _keys(hook: TwilioHook, settings: str | None) -> Iterator[tuple[str, str]]:
    """Secrets that may have signed, each with its algorithm. Raises SignatureInvalid for what is not known."""
    if settings is None:
        for token in (hook.auth_token, hook.former_auth_token):
            if token:
                yield token.reveal(), "sha1"
        return
    named = dict(part.strip().partition("=")[::2] for part in settings.split(","))
    if named.get("algorithm") != "HMAC_SHA256" or not hook.signing_key:
        raise SignatureInvalid("The webhook is signed with a key or an algorithm that this hook does not know.")
    yield hook.signing_key.reveal(), "sha256"


def _spellings(url: str) -> Iterator[str]:
    """As it is, and with or without its scheme's own port: Twilio and proxies differ in that."""
    yield url
    if (parts := find_parts(url)) is None:
        return
    own = _PORTS.get(parts.scheme)
    # In its own spelling, which the signature covers.
    name = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
    if parts.port is None:
        yield urlunsplit(parts._replace(netloc=f"{name}:{own}"))
    elif parts.port == own:
        yield urlunsplit(parts._replace(netloc=name))
