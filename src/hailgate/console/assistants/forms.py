"""Form of an assistant's settings: made from the settings themselves, keys never shown."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from hailgate.assistant.settings import JSON_LISTS, LISTS, SECRETS, AssistantSettings

LONG: Final = frozenset({"instructions", *JSON_LISTS})


class AssistantField(NamedTuple):
    """One setting as a form shows it. Of a key only whether there is one."""

    name: str
    title: str
    description: str
    value: str
    secret: bool
    long: bool


def fields_of(settings: AssistantSettings) -> list[AssistantField]:
    kept = msgspec.to_builtins(settings)
    return [
        AssistantField(
            name,
            told.title or name,
            told.description or "",
            _written(name, kept[name]),
            secret=name in SECRETS,
            long=name in LONG,
        )
        for name, told in _about().items()
    ]


def changes_of(settings: AssistantSettings, typed: Mapping[str, str]) -> dict[str, object]:
    """What was typed and differs. A key that is left empty stays; what else is emptied gets its default again."""
    return {
        field.name: typed[field.name].replace("\r\n", "\n")
        for field in fields_of(settings)
        if field.name in typed
        and typed[field.name].replace("\r\n", "\n") != field.value
        and not (field.secret and not typed[field.name])
    }


def _written(name: str, value: Any) -> str:
    if name in SECRETS:
        return ""
    if name in JSON_LISTS:
        return msgspec.json.encode(value).decode() if value else ""
    if name in LISTS:
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _about() -> dict[str, msgspec.Meta]:
    hints = AssistantSettings.__annotations__
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
