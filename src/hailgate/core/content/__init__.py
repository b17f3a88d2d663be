"""What a message says: the Cloud API's own JSON shape, as two unions.

`Outbound` is strict, so that a caller's typing error is found before it is accepted. `Inbound` is tolerant:
a kind that is not understood yet is kept as it came. Content never shows in a `repr`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from hailgate.core.content.attached import HandedFile as HandedFile
from hailgate.core.content.attached import NamedFile as NamedFile
from hailgate.core.content.attached import may_name_files as may_name_files
from hailgate.core.content.attached import named_files as named_files
from hailgate.core.content.attached import with_provider_ids as with_provider_ids
from hailgate.core.content.checking import ContentLimits as ContentLimits
from hailgate.core.content.checking import check_content as check_content
from hailgate.core.content.checking import check_quotes as check_quotes
from hailgate.core.content.checking import check_storable
from hailgate.core.content.cleaning import clean_text as clean_text
from hailgate.core.content.degrading import degrade as degrade
from hailgate.core.content.degrading import find_limits as find_limits
from hailgate.core.content.inbound import MAX_KIND_LENGTH as MAX_KIND_LENGTH
from hailgate.core.content.inbound import Deleted, Origin, Told
from hailgate.core.content.inbound import Inbound as Inbound
from hailgate.core.content.inbound import InboundText as InboundText
from hailgate.core.content.inbound import Unsupported as Unsupported
from hailgate.core.content.inbound import find_file as find_file
from hailgate.core.content.outbound import BY_KIND, NOT_SENT
from hailgate.core.content.outbound import OUTBOUND_KINDS as OUTBOUND_KINDS
from hailgate.core.content.outbound import Outbound as Outbound
from hailgate.core.content.outbound import Text as Text
from hailgate.core.content.parts import TEXT_LIMIT as TEXT_LIMIT
from hailgate.core.content.parts import Part
from hailgate.core.content.parts import TextBody as TextBody
from hailgate.core.content.preview import preview as preview
from hailgate.core.content.preview import words_of as words_of
from hailgate.core.content.refusals import explain, refused
from hailgate.core.content.spellings import respelled
from hailgate.core.errors import InputError, MalformedBody


def parse_outbound(raw: Mapping[str, Any] | bytes) -> Outbound:
    """Read `{"type": "text", "text": {"body": …}}`.

    Total: whatever comes in, the only error is InputError. It names the field and never repeats a value.
    """
    fields = _decode(raw) if isinstance(raw, bytes) else raw
    try:
        content = _read(fields)
    except InputError:
        content = _read(respell(fields))
    check_storable(content)
    return content


def respell(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What did not read as it stood, in our spelling.

    Raises MalformedBody for what is nested too deeply, InputError for a kind that Meta documents and that is not sent.
    """
    try:
        told = respelled(fields, (*OUTBOUND_KINDS, *NOT_SENT))
    except RecursionError:
        raise _too_deep() from None
    if isinstance(kind := told.get("type"), str) and kind in NOT_SENT:
        raise refused("type", NOT_SENT[kind])
    return told


def _read(fields: Mapping[str, Any]) -> Outbound:
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in BY_KIND:
        raise refused("type", f"must be one of: {', '.join(OUTBOUND_KINDS)}")
    try:
        content: Outbound = msgspec.convert(fields, BY_KIND[kind])
    except msgspec.ValidationError as error:
        raise explain(error) from None
    except UnicodeError:
        raise MalformedBody from None
    except RecursionError:
        raise _too_deep() from None
    return content


def kind_of(content: Outbound | Inbound) -> str:
    """The kind in the API's words; for an unsupported message the provider's own word."""
    if isinstance(content, Part | Told):
        return str(content.__struct_config__.tag)
    return content.kind if isinstance(content, Unsupported) else "text"


def encode_content(content: Outbound | Inbound | Deleted, origin: Origin | None = None) -> str:
    """The JSON that is stored and shown, without nulls and defaults; `origin` stands beside the content.

    An unsupported message keeps its raw JSON as a string inside ours: no foreign nesting, number or
    escape has to be understood to read the row again.
    """
    shape = content if isinstance(content, Part | Told) else _shape(content)
    encoded = msgspec.json.encode(shape).decode()
    if origin is None:
        return encoded
    return f'{encoded[:-1]},"origin":{msgspec.json.encode(origin).decode()}}}'


def decode_outbound(stored: str) -> Outbound:
    return parse_outbound(stored.encode())


def content_as_json(stored: str) -> dict[str, Any]:
    """Stored content of either direction as plain values."""
    return msgspec.json.decode(stored, type=dict[str, Any])


def _shape(content: InboundText | Unsupported) -> dict[str, object]:
    if isinstance(content, InboundText):
        return {"type": "text", "text": {"body": content.body, **_mentions(content)}}
    raw = clean_text(content.raw.decode("utf-8", "replace"))
    told = {"why": content.why, "code": content.code}
    whole = {"kind": content.kind, **{name: value for name, value in told.items() if value}, "raw": raw}
    return {"type": "unsupported", "unsupported": whole}


def _mentions(text: InboundText) -> dict[str, object]:
    return {"mentions": [{"kind": each.kind, "value": each.value} for each in text.mentions]} if text.mentions else {}


def _decode(raw: bytes) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise explain(error) from None
    except (msgspec.DecodeError, UnicodeError):
        raise MalformedBody from None
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> MalformedBody:
    return MalformedBody("The body is nested too deeply.")
