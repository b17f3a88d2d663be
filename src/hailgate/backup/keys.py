"""Sealing keys that travel with a backup: without them nothing that is sealed in it can be read."""

import os
from pathlib import Path

from hailgate.core.errors import InputError
from hailgate.env import Environment
from hailgate.key_file import KEYS_FILE

FIELD = "HAILGATE_SECRET_KEYS"


def check_has_keys(env: Environment) -> None:
    """Raises InputError where a backup that brought no sealing keys would get new ones, which do not open it."""
    if not env.secret_keys and not (env.home / KEYS_FILE).exists():
        raise InputError("the backup's sealing keys were kept elsewhere: set them first", field=FIELD)


def take_keys(brought: bytes, env: Environment) -> None:
    """Keep them in HOME, behind those that are there. Raises InputError where others are set, OSError."""
    keys = brought.decode().split("\n")
    if env.secret_keys:
        _check_set(keys, [key.get_secret_value() for key in env.secret_keys])
        return
    env.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = env.home / KEYS_FILE
    present = place.read_text(encoding="ascii").split() if place.exists() else []
    kept = [*present, *(key for key in keys if key not in present)]
    write_file(place, ("\n".join(kept) + "\n").encode())


def write_file(place: Path, data: bytes) -> None:
    """On disk when it returns, for its owner alone."""
    descriptor = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _check_set(brought: list[str], present: list[str]) -> None:
    missing = sorted({key.partition(":")[0] for key in brought if key not in present})
    if missing:
        raise InputError(f"lacks keys of the backup ({', '.join(missing)}): add them behind, or unset it", field=FIELD)
