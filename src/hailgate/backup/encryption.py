"""Encryption of backups: age, to the owner's recipient keys (https://age-encryption.org/v1).

Whoever writes a backup needs no secret, and whoever takes the machine can open none that was made before.
"""

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from pyrage import DecryptError, IdentityError, RecipientError, decrypt_io, encrypt_io, x25519

from hailgate.core.errors import ConfigurationError, InputError

_IDENTITY = "AGE-SECRET-KEY-"
_DRAINED_AT_ONCE = 1 << 16
CANNOT_OPEN = "this identity does not open the backup, or the file is damaged"


def make_identity() -> tuple[str, str]:
    """A new identity, to be kept by its owner, and the recipient key that belongs to it."""
    made = x25519.Identity.generate()
    return str(made), str(made.to_public())


def parse_recipients(keys: Sequence[str]) -> list[x25519.Recipient]:
    """Raises ConfigurationError."""
    if not keys:
        raise ConfigurationError(["no recipient: set HAILGATE_BACKUP_RECIPIENTS, or say --recipient age1…"])
    try:
        return [x25519.Recipient.from_str(key) for key in keys]
    except RecipientError:
        raise ConfigurationError(["a recipient is a public key of age: age1 and 58 further characters"]) from None


def parse_identities(text: str) -> list[x25519.Identity]:
    """Those in an identity file as `age-keygen` writes it. Raises InputError."""
    lines = (line.strip() for line in text.splitlines())
    try:
        found = [x25519.Identity.from_str(line) for line in lines if line.startswith(_IDENTITY)]
    except IdentityError:
        raise InputError("holds a key that is not one of age's", field="identity") from None
    if not found:
        raise InputError(f"holds no line that begins with {_IDENTITY}", field="identity")
    return found


def encrypt(chunks: Iterator[bytes], sink: BinaryIO, recipients: Sequence[x25519.Recipient]) -> None:
    """Write ``chunks`` to ``sink``. Raises what ``chunks`` raises."""
    flow = _Flow(chunks)
    try:
        encrypt_io(flow, sink, list(recipients))
    except Exception:
        if flow.failed is not None:
            raise flow.failed from None
        raise


@contextmanager
def decrypted(source: BinaryIO, identities: Sequence[x25519.Identity]) -> Iterator[BinaryIO]:
    """What is in ``source``, to be read to its end. Raises InputError where it cannot be opened, or not wholly."""
    reading, writing = os.pipe()
    opener = _Opener(source, writing, identities)
    opener.start()
    with os.fdopen(reading, "rb") as plain:
        try:
            yield plain
            while plain.read(_DRAINED_AT_ONCE):
                pass
        except Exception as failed:  # noqa: BLE001 -- raised again
            raise (opener.failed or failed) from None
    opener.join()
    if opener.failed is not None:
        raise opener.failed


class _Opener(threading.Thread):
    """Decrypts into a pipe: the library pushes, and whoever reads an archive pulls."""

    def __init__(self, source: BinaryIO, descriptor: int, identities: Sequence[x25519.Identity]) -> None:
        super().__init__(name="open-backup", daemon=True)
        self._source, self._descriptor, self._identities = source, descriptor, identities
        self.failed: InputError | None = None

    def run(self) -> None:
        with suppress(BrokenPipeError), os.fdopen(self._descriptor, "wb") as sink:
            try:
                decrypt_io(self._source, sink, list(self._identities))
            except (DecryptError, OSError):  # also where its reader has gone, who then looks no more
                self.failed = InputError(CANNOT_OPEN, field="file")


class _Flow(io.RawIOBase):
    """A stream of chunks as a file to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")
        self.failed: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._chunks))
        except StopIteration:
            return 0
        except Exception as failed:
            self.failed = failed
            raise
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
