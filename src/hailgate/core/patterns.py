"""Patterns: texts that are said again and again, with variables in double braces: ``Hello {{name}}!``. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from hailgate.core.content.cleaning import is_storable
from hailgate.core.content.parts import TEXT_LIMIT
from hailgate.core.content.refusals import refuse_unstorable
from hailgate.core.errors import InputError

LONGEST_VALUE: Final = 1_024
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_VARIABLE: Final = re.compile(r"\{\{([^{}]*)\}\}")
_VARIABLE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


class StandingPattern(NamedTuple):
    name: str
    language: str
    text: str

    @property
    def place(self) -> str:
        """Both in one word, for a path."""
        return f"{self.name}.{self.language}"

    @property
    def variables(self) -> tuple[str, ...]:
        return variables_of(self.text)


class PatternCall(Struct, frozen=True, forbid_unknown_fields=True):
    """A pattern by its name, and what its variables say."""

    name: Annotated[str, Meta(min_length=1, max_length=40)]
    language: Annotated[str, Meta(max_length=6, description="Of its texts; needed where there are several.")] = ""
    values: Annotated[dict[str, str], Meta(description="By the names of its variables.")] = {}


def check_pattern(name: str, language: str, text: str) -> None:
    """Raises InputError."""
    check_place(name, language)
    if not text.strip() or len(text) > TEXT_LIMIT:
        raise InputError(f"text: needs 1 to {TEXT_LIMIT} characters.", field="text")
    if not is_storable(text):
        raise refuse_unstorable("text")
    for variable in variables_of(text):
        if not _VARIABLE_NAME.fullmatch(variable):
            rule = "a variable needs a small letter, then small letters, digits or _, as in {{first_name}}"
            raise InputError(f"text: {rule}.", field="text")
    if "{{" in _VARIABLE.sub("", text):
        raise InputError("text: {{ needs its }}.", field="text")


def check_place(name: str, language: str) -> None:
    """Raises InputError where no pattern can stand there."""
    if not _NAME.fullmatch(name):
        raise InputError("name: needs 1 to 40 small letters, digits, - or _.", field="name")
    if not _LANGUAGE.fullmatch(language):
        raise InputError("language: must be one like en or pt_BR.", field="language")


def variables_of(text: str) -> tuple[str, ...]:
    """Their names, each once, in the order in which they are read."""
    return tuple(dict.fromkeys(found.strip() for found in _VARIABLE.findall(text)))


def choose_pattern(patterns: Iterable[StandingPattern], name: str, language: str) -> StandingPattern:
    """In the language, else in its family (`pt` for `pt_BR`); the only one where none is named. Raises InputError."""
    named = {each.language: each for each in patterns if each.name == name}
    if not named:
        raise InputError("pattern.name: there is no such pattern.", code="unknown_pattern", field="pattern.name")
    wanted = language.replace("-", "_")
    for spelling in (wanted, wanted.partition("_")[0]):
        if spelling in named:
            return named[spelling]
    if not wanted and len(named) == 1:
        return next(iter(named.values()))
    raise InputError(
        f"pattern.language: must be one of {', '.join(sorted(named))}.",
        code="unknown_pattern",
        field="pattern.language",
    )


def fill_pattern(text: str, values: Mapping[str, str], field: str = "values") -> str:
    """Raises InputError that names the variable which is missing or unknown, or whose value is too long."""
    wanted = variables_of(text)
    for name in wanted:
        if not values.get(name, "").strip():
            raise InputError(f"{field}.{name}: is missing; the pattern needs it.", field=f"{field}.{name}")
        if len(values[name]) > LONGEST_VALUE:
            raise InputError(f"{field}.{name}: may hold {LONGEST_VALUE} characters.", field=f"{field}.{name}")
    if unknown := next((name for name in values if name not in wanted), None):
        listed = ", ".join(wanted) or "none"
        raise InputError(f"{field}: the pattern has no such variable; it has: {listed}.", field=_shown(field, unknown))
    return _VARIABLE.sub(lambda found: values[found.group(1).strip()], text)


def _shown(field: str, name: str) -> str:
    """A name that a caller made up is repeated only where it can be no sentence."""
    return f"{field}.{name}" if _VARIABLE_NAME.fullmatch(name) else field
