"""What `POST /v1/messages` and its batch take and answer, and what is wrong with a body that is not that."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hailgate.core.address import AddressKind
from hailgate.core.content import TextBody
from hailgate.core.content.interactive import Question
from hailgate.core.content.outbound import MOST_CARDS, OUTBOUND_KINDS, OutboundKind
from hailgate.core.content.parts import AudioFile, CaptionedFile, Card, DocumentFile, File, Mark, Place, count
from hailgate.core.content.templates import TemplateCall
from hailgate.core.errors import InputError, MalformedBody
from hailgate.problems import Problem

MOST_IN_BATCH: Final = 1_000

# Visible characters and spaces: what a name or a foreign id is made of, and what every database stores.
# The last part keeps `$` from matching before a line break at the end.
_PLAIN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)"
_Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]


class Recipient(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that is not, or need not be, a phone number."""

    kind: AddressKind
    value: Annotated[str, Meta(min_length=1, max_length=256)]


class Context(Struct, frozen=True, forbid_unknown_fields=True):
    message_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            pattern=_PLAIN,
            description="The message that is answered: its id here, or the provider's own.",
        ),
    ]


class MessageRequest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A message to send, in the Cloud API's own shape: `type`, and one member of the same name."""

    channel: Annotated[
        str, Meta(min_length=1, max_length=100, pattern=_PLAIN, description="Id or name of the channel.")
    ]
    to: Annotated[str | Recipient, Meta(description="A phone number with its country code, or an address.")]
    type: OutboundKind
    text: TextBody | UnsetType = UNSET
    image: CaptionedFile | UnsetType = UNSET
    video: CaptionedFile | UnsetType = UNSET
    audio: AudioFile | UnsetType = UNSET
    document: DocumentFile | UnsetType = UNSET
    sticker: File | UnsetType = UNSET
    location: Place | UnsetType = UNSET
    contacts: Annotated[tuple[Card, ...], count(MOST_CARDS)] | UnsetType = UNSET
    reaction: Mark | UnsetType = UNSET
    interactive: Question | UnsetType = UNSET
    template: TemplateCall | UnsetType = UNSET
    context: Context | UnsetType = UNSET
    send_at: _Moment | UnsetType = UNSET
    expires_at: _Moment | UnsetType = UNSET
    priority: Literal["interactive", "bulk"] = "interactive"
    metadata: Annotated[
        dict[str, str | int | float], Meta(description="Yours to keep with the message; at most 2 KB of JSON.")
    ] = {}


class BatchRequest(Struct, frozen=True, forbid_unknown_fields=True):
    messages: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_IN_BATCH)]


class AcceptedMessage(Struct, frozen=True):
    """The message is stored and will be delivered."""

    id: str
    status: Literal["queued"]
    channel: str
    to: str | Recipient
    accepted_at: str


class BatchItem(Struct, frozen=True, kw_only=True):
    """The answer to one message: exactly what `POST /v1/messages` would have said."""

    status: int
    message: AcceptedMessage | UnsetType = UNSET
    error: Problem | UnsetType = UNSET


class BatchAnswer(Struct, frozen=True):
    """One result for each message, in order."""

    results: Sequence[BatchItem]


class MediaOut(Struct, frozen=True):
    """A stored file. ``type`` was told by its content; ``kind`` is what it is sent as unless the message says else."""

    id: str
    kind: str
    type: str
    size: int
    sha256: str
    name: str


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
# The names on the way to the field, up to the first index; here too, nothing but names.
_PATH = re.compile(r" - at `\$\.?([A-Za-z_.]*)[^`]*`$")


def _explain(error: msgspec.ValidationError) -> InputError:
    sentence = str(error)
    path = found.group(1) if (found := _PATH.search(sentence)) else ""
    for pattern, field, rule in _RULES:
        if match := pattern.match(sentence):
            where = ".".join(filter(None, (path, field.format(*match.groups()))))
            return _refused(where, _KINDS if where == "type" else rule.format(*match.groups()))
    return _refused(path, "has a value that is not allowed")


def _refused(field: str, rule: str) -> InputError:
    return InputError(f"{field or 'The body'}: {rule}.", field=field or None)


def components() -> dict[str, Any]:
    """JSON schemas of everything above, for the OpenAPI document."""
    shapes = (MessageRequest, BatchRequest, AcceptedMessage, BatchAnswer, MediaOut, Problem)
    _, schemas = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    schemas["BatchRequest"]["properties"]["messages"]["items"] = {"$ref": "#/components/schemas/MessageRequest"}
    return schemas
