"""Settings of hooks and channels as they are typed (`--set name=value`) and as they may be shown (secrets masked)."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hailgate.core.errors import InputError

if TYPE_CHECKING:
    from hailgate.providers.config import Config

MASK = "***"

settings_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the provider. VALUE may be @file, or - for standard input, so that no secret is typed.",
)


def read_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """Raises InputError for what is no assignment or cannot be read. Values never show in it."""
    settings: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise InputError("--set takes NAME=VALUE, for example --set access_token=@token.txt", field="set")
        if name in settings:
            raise InputError(f"--set {name} is given twice.", field=name)
        settings[name] = _read_value(name, value)
    return settings


def mask_settings(kind: "type[Config]", sealed: str) -> dict[str, Any]:
    """Every setting of the kind, with its default where none was given."""
    import msgspec

    from hailgate.messaging.channels.credentials import unseal_settings
    from hailgate.providers.config import parse_config

    return {
        name: _masked(value)
        for name, value in msgspec.structs.asdict(parse_config(kind, unseal_settings(sealed))).items()
    }


def _masked(value: Any) -> Any:
    from hailgate.providers.config import Secret

    return MASK if isinstance(value, Secret) else value


def _read_value(name: str, value: str) -> str:
    if value == "-":
        return sys.stdin.read().strip()
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = unreadable.strerror if isinstance(unreadable, OSError) else "it is not text"
        raise InputError(f"--set {name}: the file cannot be read: {reason}.", field=name) from None
