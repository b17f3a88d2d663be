"""Settings of hooks and channels: described once by their struct, read as a person typed them, never shown."""

import hmac
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from hailgate.core.errors import InputError

Config = TypeVar("Config", bound=Struct)


class Secret:
    """A value that does not show itself in a repr, a log line or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


GENERATED = {"generated": True}
"""In a setting's ``Meta(extra=…)``: a word that only has to be unguessable, so that a form may offer a fresh one."""


class Setting(Struct, frozen=True, kw_only=True):
    """One setting as a form, a command line and a page of the documentation show it.

    ``flag`` is true or false; ``generated`` is a secret of our own making; see ``GENERATED``.
    """

    name: str
    title: str
    description: str
    example: str
    required: bool
    secret: bool
    default: str | None
    flag: bool = False
    generated: bool = False

    @property
    def is_url(self) -> bool:
        """An address that this installation will call: such settings are called so."""
        return self.name.endswith("_url")


def describe_settings(kind: type[Struct]) -> list[Setting]:
    """The settings of a hook or channel, in the order in which they are asked for."""
    return [_describe(field) for field in _fields(kind).values()]


def parse_config(kind: type[Config], given: Mapping[str, str]) -> Config:
    """Read the settings of a hook or channel as a person typed them. Raises InputError naming the field."""
    known = _fields(kind)
    _refuse_unknown(given, known)
    values = {}
    for name, field in known.items():
        text = given.get(name, "").strip()
        if text:
            values[name] = _read(name, text, field.type)
        elif name in given:
            raise InputError(f"Setting {name} is empty.", field=name)
        elif field.required:
            raise InputError(f"Setting {name} is missing.", field=name)
    return kind(**values)


@cache  # they are resolved from annotations each time, which takes longer than to read the settings
def _fields(kind: type[Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(kind)}


def _describe(field: msgspec.structs.FieldInfo) -> Setting:
    told = next((note for note in get_args(field.type)[1:] if isinstance(note, Meta)), Meta())
    bare = _bare(field.type)
    default = None if field.default is NODEFAULT or field.default is None else str(field.default)
    return Setting(
        name=field.name,
        title=told.title or field.name,
        description=told.description or "",
        example=str(told.examples[0]) if told.examples else "",
        required=field.required,
        secret=_is_secret(field.type),
        default=default,
        flag=bare is bool,
        generated=bool((told.extra or {}).get("generated")),
    )


def _refuse_unknown(given: Mapping[str, str], known: Mapping[str, object]) -> None:
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise InputError(f"Setting {name[:64]!r} is unknown; known settings: {listed}.", field=name[:64])


def _read(name: str, text: str, kind: Any) -> Any:
    if _is_secret(kind):
        return Secret(text)
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise InputError(f"Setting {name} is not valid.", field=name) from None


def _is_secret(kind: Any) -> bool:
    bare = _bare(kind)
    return bare is Secret or Secret in get_args(bare)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
