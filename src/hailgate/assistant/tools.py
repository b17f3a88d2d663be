"""Tools of an assistant: what a model may ask for, described to it and checked before anything runs.

A tool is a function of an installed package, or a signed call of an HTTP address. Whose data it works on is never an
argument: that comes from the turn.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta, Struct

from hailgate.core.errors import InputError

# Of one turn: beyond them a person goes on.
MOST_CALLS: Final = 5
LONGEST_ARGUMENTS: Final = 8_000
LONGEST_RESULT: Final = 4_000
LEAST_SECRET: Final = 16
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FIELD: Final = re.compile(r"\{([a-z0-9_]+)\}")
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


class ToolParameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One argument. ``max_length`` counts characters, of a string alone."""

    type: Literal["string", "integer", "number", "boolean"] = "string"
    description: str = ""
    enum: tuple[str, ...] = ()
    max_length: Annotated[int, Meta(ge=1, le=2_000)] = 200
    minimum: float | None = None
    maximum: float | None = None
    required: bool = True


class Tool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``url`` is called signed with ``secret``, or ``function`` names an entry point of the group `hailgate.tools`.

    ``roles`` says in which chats it may be asked for. ``confirm`` is what the person is asked before a write, with
    `{argument}` where its value belongs.
    """

    name: str
    description: str = ""
    mode: Literal["reads", "writes"] = "reads"
    parameters: dict[str, ToolParameter] = {}
    roles: tuple[Literal["person", "group"], ...] = ("person",)
    url: str = ""
    secret: str = ""
    function: str = ""
    confirm: str = ""
    timeout_s: Annotated[float, Meta(ge=0.1, le=10)] = 5.0

    def __repr__(self) -> str:
        return f"<Tool {self.name} {self.mode}>"


class ToolCallAsked(Struct, frozen=True):
    """What a model asks for: ``arguments`` as it wrote them, JSON or not."""

    id: str
    name: str
    arguments: str

    def __repr__(self) -> str:
        return f"<ToolCallAsked {self.name[:40]!r}>"


class ToolResult(NamedTuple):
    """``text`` is what the model is told: untrusted, and never sent as it is. ``code`` is empty where it went well."""

    text: str
    code: str = ""


class CalledTool(Struct, frozen=True, kw_only=True):
    """One call of a turn, for the record. A write that waits has a ``token``, and its arguments as JSON."""

    ordinal: int
    name: str
    mode: str
    code: str = ""
    token: str = ""
    arguments: str = ""

    def __repr__(self) -> str:
        return f"<CalledTool {self.ordinal} {self.name} {self.code}>"


class RunsTools(Protocol):
    """Carries a call out for one turn, whose tenant, conversation and person it knows: no argument can change them."""

    @property
    def role(self) -> str:
        """`person` or `group`: the kind of chat."""

    @property
    def confirms(self) -> bool:
        """Whether the person can be asked with a button."""

    async def run(self, tool: Tool, arguments: Mapping[str, Any], ordinal: int) -> ToolResult:
        """Never raises: what went wrong is in the result."""


def check_tools(tools: Iterable[Tool]) -> None:
    """Raises InputError naming the tool and the rule."""
    names: set[str] = set()
    for tool in tools:
        place = f"tools.{tool.name[:40]}"
        if not _NAME.fullmatch(tool.name) or tool.name in names:
            raise InputError(f"{place}: needs a name of its own: small letters, digits and _.", field="tools")
        names.add(tool.name)
        if bool(tool.url) == bool(tool.function):
            raise InputError(f"{place}: needs either url or function.", field="tools")
        if tool.url and len(tool.secret) < LEAST_SECRET:
            rule = f"needs {LEAST_SECRET} characters; calls are signed with it"
            raise InputError(f"{place}.secret: {rule}.", field="tools")
        if unknown := set(_FIELD.findall(tool.confirm)) - set(tool.parameters):
            raise InputError(f"{place}.confirm: {min(unknown)} is no parameter.", field="tools")


def allowed_tools(tools: Iterable[Tool], role: str, *, confirms: bool) -> list[Tool]:
    """Those that a model may be told of in this chat: no write where nobody can be asked."""
    return [tool for tool in tools if role in tool.roles and (confirms or tool.mode == "reads")]


def check_arguments(tool: Tool, written: str) -> dict[str, Any]:
    """The arguments as the tool declares them, and nothing else. Raises InputError."""
    if len(written) > LONGEST_ARGUMENTS:
        raise InputError("arguments: are too long.", field="arguments")
    try:
        given = msgspec.json.decode(written or "{}")
    except (msgspec.DecodeError, UnicodeError):
        raise InputError("arguments: are not JSON.", field="arguments") from None
    if not isinstance(given, dict) or not set(given) <= set(tool.parameters):
        raise InputError("arguments: only what the tool declares may be given.", field="arguments")
    for name, parameter in tool.parameters.items():
        if name in given:
            _check_value(name, parameter, given[name])
        elif parameter.required:
            raise InputError(f"{name}: is missing.", field=name)
    return given


def describe_parameters(tool: Tool) -> dict[str, Any]:
    """As JSON Schema, which vendors take."""
    return {
        "type": "object",
        "properties": {name: _schema_of(parameter) for name, parameter in tool.parameters.items()},
        "required": [name for name, parameter in tool.parameters.items() if parameter.required],
        "additionalProperties": False,
    }


def confirmation_of(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """What the person is asked: every value that will be used can be read in it."""
    asked = _FIELD.sub(lambda field: str(arguments.get(field[1], "")), tool.confirm) or tool.description or tool.name
    named = _FIELD.findall(tool.confirm)
    rest = (f"{name}: {value}" for name, value in arguments.items() if name not in named)
    return "\n".join((asked, *rest))


def _check_value(name: str, parameter: ToolParameter, value: object) -> None:
    fits = isinstance(value, _TYPES[parameter.type]) and isinstance(value, bool) == (parameter.type == "boolean")
    if not fits:
        raise InputError(f"{name}: must be of type {parameter.type}.", field=name)
    if isinstance(value, str) and len(value) > parameter.max_length:
        raise InputError(f"{name}: may hold {parameter.max_length} characters.", field=name)
    if parameter.enum and value not in parameter.enum:
        raise InputError(f"{name}: must be one of the values that are listed.", field=name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if parameter.minimum is not None and value < parameter.minimum:
            raise InputError(f"{name}: must be at least {parameter.minimum:g}.", field=name)
        if parameter.maximum is not None and value > parameter.maximum:
            raise InputError(f"{name}: must be at most {parameter.maximum:g}.", field=name)


def _schema_of(parameter: ToolParameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.type}
    if parameter.description:
        schema["description"] = parameter.description
    if parameter.enum:
        schema["enum"] = list(parameter.enum)
    if parameter.type == "string":
        schema["maxLength"] = parameter.max_length
    bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    return schema | {word: bound for word, bound in bounds.items() if bound is not None}
