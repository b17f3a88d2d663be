"""The proof of a webhook: a JSON Web Token (RFC 7519) in HS256 that the server makes with a key of ours. Pure."""

import base64
import binascii
import hmac
from typing import Any, Final

import msgspec

from hailgate.core.errors import SignatureInvalid

SCHEME: Final = "Bearer "
# Clocks differ; the server makes a token for each call, and lets it live for ten minutes.
LEEWAY_S: Final = 300.0
LONGEST: Final = 4096

_object = msgspec.json.Decoder(dict[str, Any])


def check_token(header: str, key: bytes, now: float) -> None:
    """Raise SignatureInvalid unless the token is the server's and is alive."""
    head, _, signature = header.removeprefix(SCHEME).rpartition(".")
    first, _, claims = head.partition(".")
    if not header.startswith(SCHEME) or len(header) > LONGEST or not key:
        raise SignatureInvalid("The webhook bears no token of this hook's key.")
    expected = hmac.digest(key, head.encode("utf-8", "replace"), "sha256")
    if not hmac.compare_digest(_decode(signature), expected) or _read(first).get("alg") != "HS256":
        raise SignatureInvalid("The webhook's token was not made with this hook's key.")
    told = _read(claims)
    expires = told.get("exp")
    if not isinstance(expires, int | float) or expires + LEEWAY_S < now or told.get("action") != "webhook":
        raise SignatureInvalid("The webhook's token has expired, or is for something else.")


def _read(part: str) -> dict[str, Any]:
    try:
        return _object.decode(_decode(part))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part.encode() + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
