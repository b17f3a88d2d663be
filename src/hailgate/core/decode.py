"""Decoding what a caller wrote: every fault is one clear sentence that names the field and repeats no value."""

import re
from typing import Any, NamedTuple, TypeVar

import msgspec

from hailgate.core.content import OUTBOUND_KINDS, respell
from hailgate.core.content.refusals import PATH
from hailgate.core.errors import InputError, MalformedBody

Shape = TypeVar("Shape")


def decode(decoder: "msgspec.json.Decoder[Shape]", body: bytes) -> Shape:
    """Total: whatever the bytes, the only errors are MalformedBody and InputError, and neither repeats a value."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explain(error) from None
    except (msgspec.DecodeError, UnicodeError):
        raise MalformedBody from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None


def decode_message(decoder: "msgspec.json.Decoder[Shape]", body: bytes) -> Shape:
    """As ``decode``; what Meta's pages and common clients spell otherwise is read a second time, in our spelling."""
    try:
        return decode(decoder, body)
    except MalformedBody:
        raise
    except InputError as refused:
        return _decode_respelled(decoder, body, refused)


def _decode_respelled(decoder: "msgspec.json.Decoder[Shape]", body: bytes, refused: InputError) -> Shape:
    try:
        told = respell(msgspec.json.decode(body, type=dict[str, Any]))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise refused from None
    try:
        read: Shape = msgspec.convert(told, decoder.type)
    except msgspec.ValidationError as error:
        raise _explain(error) from None
    return read


class _Rule(NamedTuple):
    """How one sentence of msgspec reads in ours; a sentence without a rule may hold a value of the caller."""

    pattern: "re.Pattern[str]"
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
_KINDS = f"must be one of: {', '.join(OUTBOUND_KINDS)}"


def _explain(error: msgspec.ValidationError) -> InputError:
    sentence = str(error)
    path = found.group(1) if (found := PATH.search(sentence)) else ""
    for pattern, field, rule in _RULES:
        if match := pattern.match(sentence):
            where = ".".join(filter(None, (path, field.format(*match.groups()))))
            return _refused(where, _KINDS if where == "type" else rule.format(*match.groups()))
    return _refused(path, "has a value that is not allowed")


def _refused(field: str, rule: str) -> InputError:
    return InputError(f"{field or 'The body'}: {rule}.", field=field or None)
