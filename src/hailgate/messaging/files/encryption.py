"""A file as it lies in the store: AES-GCM in chunks, with a key of its own.

    chunk = ciphertext of at most 64 KiB + 16 bytes of tag; nonce = place of the chunk, and whether it is the last

No chunk can be changed, moved, left out or cut off the end unnoticed, and a reader never holds more than one. The key
is random, used for one file, and lies in the attachment's row, sealed as every other secret.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hailgate.accounts.seal import sealer
from hailgate.core.errors import HailgateError

CHUNK = 64 * 1024
TAG = 16


class FileDamaged(HailgateError):  # noqa: N818 -- named as its siblings in core.errors
    """The stored file was changed or cut, or its key is another."""

    code = "file_damaged"


def make_key() -> str:
    """Sealed, as it is stored."""
    return sealer().seal(b64encode(secrets.token_bytes(32)).decode())


async def seal_chunks(key: str, plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    cipher = _cipher(key)
    place = 0
    async for chunk, last in _pieces(plain, CHUNK):
        yield cipher.encrypt(_nonce(place, last=last), chunk, None)
        place += 1


async def open_chunks(key: str, stored: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Raises FileDamaged at the first chunk that is not what was stored; all before it was."""
    cipher = _cipher(key)
    place = 0
    async for chunk, last in _pieces(stored, CHUNK + TAG):
        try:
            yield cipher.decrypt(_nonce(place, last=last), chunk, None)
        except InvalidTag:
            raise FileDamaged from None
        place += 1


def _cipher(key: str) -> AESGCM:
    return AESGCM(b64decode(sealer().unseal(key)))


def _nonce(place: int, *, last: bool) -> bytes:
    return place.to_bytes(11, "big") + bytes([last])


async def _pieces(source: AsyncIterator[bytes], size: int) -> AsyncIterator[tuple[bytes, bool]]:
    """Cut anew to ``size``, each with whether it is the last. There is always one, if need be an empty one."""
    held = bytearray()
    async for part in source:
        held += part
        while len(held) > size:
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True
