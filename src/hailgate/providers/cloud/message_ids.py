"""Meta's ids of messages, read: one message may have two, which differ in whom they name and share a token.

``wamid.`` and base64 of ``1c 18 <length> <peer> 15 02 00 <kind> 18 <length> <token> 00``: in replies the peer may be
the person's user id where the message itself was given the number.
"""

from base64 import b64decode
from binascii import Error
from typing import Final

_PREFIX: Final = "wamid."
_START: Final = b"\x1c\x18"
_MIDDLE: Final = b"\x15\x02\x00"


def token_of(message_id: str) -> str | None:
    """What two ids of one message have in common; None where an id is not made like this."""
    if not message_id.startswith(_PREFIX):
        return None
    encoded = message_id.removeprefix(_PREFIX).rstrip("=")
    try:
        raw = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (Error, ValueError):
        return None
    return _token(raw)


def _token(raw: bytes) -> str | None:
    if not raw.startswith(_START) or len(raw) < 4:
        return None
    _, rest = _counted(raw[2:])
    if not rest.startswith(_MIDDLE) or rest[4:5] != b"\x18":
        return None
    token, _ = _counted(rest[5:])
    return token.decode("ascii", "ignore") or None


def _counted(raw: bytes) -> tuple[bytes, bytes]:
    """As many bytes as the first one says, and what follows them."""
    size = raw[0] if raw else 0
    return raw[1 : 1 + size], raw[1 + size :]
