"""Decoding what a caller wrote: every fault is one clear sentence that names the field and repeats no value."""

from typing import Any, TypeVar

import msgspec

from hailgate.core.content import OUTBOUND_KINDS, respell
from hailgate.core.content.refusals import read_fault
from hailgate.core.errors import InputError, MalformedBody

Shape = TypeVar("Shape")

_KINDS = f"must be one of: {', '.join(OUTBOUND_KINDS)}"


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


def _explain(error: msgspec.ValidationError) -> InputError:
    field, rule = read_fault(error)
    rule = _KINDS if field == "type" else rule
    return InputError(f"{field or 'The body'}: {rule}.", field=field or None)
