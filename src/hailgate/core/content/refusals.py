"""What is wrong with content, or with what a caller wrote, in sentences of ours that never repeat a value."""

import re
from typing import NamedTuple

import msgspec

from hailgate.core.errors import InputError


class _Rule(NamedTuple):
    """How one sentence of msgspec reads in ours; a sentence without a rule may hold a value of the caller."""

    pattern: re.Pattern[str]
    field: str
    rule: str


# A name that a caller made up is repeated only if it can be neither a number nor a sentence.
_NAME = r"`([A-Za-z_]{1,32})`"

_RULES = (
    _Rule(re.compile(rf"Object missing required field {_NAME}"), "{0}", "is missing"),
    _Rule(re.compile(rf"Object contains unknown field {_NAME}"), "{0}", "is not known here; remove it"),
    _Rule(re.compile(r"Object contains unknown field"), "", "contains a field that is not known; remove it"),
    _Rule(re.compile(r"Expected `(str|array)` of length >= (\d+)"), "", "must hold at least {1}"),
    _Rule(re.compile(r"Expected `(str|array)` of length <= (\d+)"), "", "must hold at most {1}"),
    _Rule(re.compile(r"Expected `str` matching"), "", "may hold visible characters only"),
    _Rule(re.compile(r"Expected `datetime` with|Invalid RFC3339"), "", "must be RFC 3339 with an offset"),
    _Rule(re.compile(r"Expected `([\w |]+)`"), "", "must be of type {0}"),
    _Rule(re.compile(r"Invalid (?:enum )?value"), "", "is not one of the values that are known here"),
    _Rule(re.compile(r"(?:Integer value|Number) out of range"), "", "holds a number out of range"),
)
# The way to the field: names and places. A key that a caller made up ends it, since msgspec writes `[...]` for it.
_PATH = re.compile(r" (?:at|in) `\$\.?((?:\.?[A-Za-z_]\w*(?:\[\d{1,3}\])*)*)[^`]*`$", re.ASCII)


def explain(error: msgspec.ValidationError) -> InputError:
    """Our sentence for msgspec's, which may quote what the caller sent."""
    return refused(*read_fault(error))


def read_fault(error: msgspec.ValidationError) -> tuple[str, str]:
    """The field and the rule that msgspec's sentence means; the field is empty where it is the whole."""
    sentence = str(error)
    path = found.group(1) if (found := _PATH.search(sentence)) else ""
    for pattern, field, rule in _RULES:
        if match := pattern.match(sentence):
            groups = match.groups()
            return ".".join(filter(None, (path, field.format(*groups)))), rule.format(*groups)
    return path, "has a value that is not allowed"


def refuse_unstorable(path: str) -> InputError:
    """For what no database stores (`cleaning.is_storable`)."""
    return refused(path, "may hold neither NUL characters nor lone surrogates; remove them")


def refused(field: str, rule: str) -> InputError:
    return InputError(f"{field or 'The content'}: {rule}.", code="invalid_content", field=field or None)
