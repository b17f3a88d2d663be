"""One codec for every sealed column: ``sealed:<key id>:<Fernet token>``.

The first key seals, every key unseals, so that rotation is: put a new key in front, seal again, drop the old one.
Plain values pass through ``unseal`` untouched, which lets sealing of content be switched on with data in place.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken

from hailgate.core.errors import ConfigurationError

MARK = "sealed:"
DIGEST_BYTES = 20


class Sealer:
    """Seals with the first of ``keys`` (strings of ``id:base64url of 32 bytes``)."""

    def __init__(self, keys: Sequence[str], *, content: bool = False) -> None:
        self._fernets = _fernets(keys)
        self._current = next(iter(self._fernets))
        self._content = content
        self._lookup: bytes | None = None

    def __repr__(self) -> str:
        return f"Sealer(keys={list(self._fernets)})"

    @property
    def seals_content(self) -> bool:
        """Then nothing that people wrote can be searched by a part of it."""
        return self._content

    def seal(self, plain: str) -> str:
        return f"{self.mark}{self._fernets[self._current].encrypt(plain.encode()).decode()}"

    def unseal(self, stored: str) -> str:
        """Raises ConfigurationError where the key that sealed the value is not among ours."""
        if not stored.startswith(MARK):
            return stored
        key_id, _, token = stored.removeprefix(MARK).partition(":")
        return self._opened(key_id, token.encode()).decode()

    def seal_content(self, plain: str) -> str:
        """Seals only where the installation seals content. A plain value that looks sealed is sealed always."""
        return self.seal(plain) if self._content or plain.startswith(MARK) else plain

    def seal_bytes(self, plain: bytes) -> bytes:
        if not self._content and not plain.startswith(MARK.encode()):
            return plain
        return self.mark.encode() + self._fernets[self._current].encrypt(plain)

    def unseal_bytes(self, stored: bytes) -> bytes:
        if not stored.startswith(MARK.encode()):
            return stored
        key_id, _, token = stored[len(MARK) :].partition(b":")
        return self._opened(key_id.decode("ascii", "replace"), token)

    @property
    def mark(self) -> str:
        """What begins each value that the newest key sealed."""
        return f"{MARK}{self._current}:"

    def reseal(self, stored: str | bytes) -> str | bytes:
        """The same with the newest key. Raises ConfigurationError as ``unseal`` does."""
        if isinstance(stored, str):
            return self.seal(self.unseal(stored))
        return self.mark.encode() + self._fernets[self._current].encrypt(self.unseal_bytes(stored))

    def _opened(self, key_id: str, token: bytes) -> bytes:
        try:
            return self._fernets[key_id].decrypt(token)
        except KeyError:
            raise ConfigurationError(
                [f"HAILGATE_SECRET_KEYS lacks the key {key_id!r} that sealed stored data"]
            ) from None
        except InvalidToken:
            raise ConfigurationError(
                [f"stored data sealed with key {key_id!r} was altered or the key is wrong"]
            ) from None

    def use_lookup_key(self, key: bytes) -> None:
        self._lookup = key

    def digest(self, value: str) -> str:
        """Keyed hash (40 hex digits) under which a sealed value is looked up."""
        if self._lookup is None:
            self._lookup = _load_lookup_key(self)
        return hmac.digest(self._lookup, value.encode(), "sha256")[:DIGEST_BYTES].hex()


def _fernets(keys: Sequence[str]) -> dict[str, Fernet]:
    ring: dict[str, Fernet] = {}
    for key_id, fernet in map(_fernet, keys):
        if key_id in ring:
            raise ConfigurationError([f"HAILGATE_SECRET_KEYS: two keys are called {key_id!r}"])
        ring[key_id] = fernet
    if not ring:
        raise ConfigurationError(["HAILGATE_SECRET_KEYS holds no key"])
    return ring


def _fernet(key: str) -> tuple[str, Fernet]:
    key_id, _, encoded = key.partition(":")
    try:
        raw = urlsafe_b64decode(encoded)
    except ValueError:
        raw = b""
    if not key_id.isalnum() or len(raw) != 32:
        raise ConfigurationError(
            ["HAILGATE_SECRET_KEYS: each key is id:base64url of 32 bytes, as `hailgate key seal` prints"]
        )
    if len(set(raw)) == 1:
        raise ConfigurationError(
            [f"HAILGATE_SECRET_KEYS: the key {key_id!r} is one byte over and over; make one with `hailgate key seal`"]
        )
    return key_id, Fernet(urlsafe_b64encode(hashlib.sha256(b"hailgate column sealing\0" + raw).digest()))


def _load_lookup_key(sealer: Sealer) -> bytes:
    """The installation's look-up key outlives every sealing key, so it lies in the database, sealed.

    Where there is one, no other column is touched: the backup of an older version is opened before it is migrated.
    """
    from hailgate.accounts.models import Installation

    stored = Installation.objects.filter(id=1).values_list("lookup_key", flat=True)
    if not stored:
        made = Installation(id=1, lookup_key=sealer.seal(secrets.token_hex(32)))
        Installation.objects.bulk_create([made], ignore_conflicts=True)
        stored = stored.all()
    return bytes.fromhex(sealer.unseal(stored[0]))


_sealer: Sealer | None = None


def use_sealer(sealer: Sealer) -> None:
    """Called once by each composition root."""
    global _sealer  # noqa: PLW0603 -- one installation has one key ring
    _sealer = sealer


def has_sealer() -> bool:
    return _sealer is not None


def sealer() -> Sealer:
    if _sealer is None:
        raise ConfigurationError(["no key ring is in use: the program started without its composition root"])
    return _sealer
