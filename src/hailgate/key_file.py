"""The file of sealing keys: made once, on disk before anything is sealed with them."""

import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

from hailgate.core.errors import ConfigurationError

KEYS_FILE = "secret_keys"


def make_sealing_key() -> str:
    """A new key string: a short id, a colon, 32 random bytes in base64url."""
    return f"k{secrets.token_hex(3)}:{urlsafe_b64encode(secrets.token_bytes(32)).decode()}"


def read_or_make_keys(path: Path) -> tuple[str, ...]:
    """Made once, readable by the owner alone; two processes that start together end with the same keys."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_keys(path)
    keys = tuple(line.strip() for line in path.read_text(encoding="ascii").splitlines() if line.strip())
    if not keys:
        raise ConfigurationError([f"{KEYS_FILE} in HAILGATE_HOME is empty: bring back the keys that were in it"])
    return keys


def _make_keys(path: Path) -> None:
    """On disk before anything is sealed with them: a key that a power cut takes away takes the data with it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    with draft.open("w", encoding="ascii") as file:
        file.write(make_sealing_key() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
