"""The envelope: what a message on the queue looks like, and its JSON Schema. Pure.

It is a message of the Cloud API (`to`, `type` and a member of that name) with three words around it: `tenant`, `id`
and, where the tenant has several, `channel`.
"""

from hashlib import blake2b
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hailgate.core.decode import decode
from hailgate.core.errors import InputError
from hailgate.messaging.outbound.request import PLAIN, MessageRequest

# What AMQP has room for in a message id.
LONGEST_ID: Final = 255
FINGERPRINT_BYTES: Final = 20

_Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN)]
_Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, pattern=PLAIN)]


class Envelope(MessageRequest, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A message to send, published to the queue."""

    tenant: Annotated[_Name, Meta(description="Whose message it is: the tenant's name, or its id.")]
    id: Annotated[
        _Id | UnsetType,
        Meta(description="Yours, unique per tenant: it is accepted once in 30 days. Default: AMQP's message_id."),
    ] = UNSET
    channel: Annotated[
        str,
        Meta(
            max_length=100, pattern=PLAIN, description="Id or name of the channel; needed where the tenant has several."
        ),
    ] = ""
    messaging_product: Literal["whatsapp"] | UnsetType = UNSET
    recipient_type: Literal["individual", "group"] | UnsetType = UNSET


class _Loose(msgspec.Struct):
    """Whose a faulty envelope may be, as far as that can be read."""

    tenant: str = ""
    id: str = ""


class Whose(NamedTuple):
    tenant: str
    id: str


_decoder = msgspec.json.Decoder(Envelope)
_loose_decoder = msgspec.json.Decoder(_Loose)
_canonical = msgspec.json.Encoder(order="deterministic").encode


def parse_envelope(body: bytes, message_id: str = "") -> Envelope:
    """With an id: its own, else AMQP's. Raises InputError and MalformedBody; neither repeats a value."""
    envelope = decode(_decoder, body)
    if envelope.id is not UNSET:
        return envelope
    if not message_id:
        raise InputError("id: is missing, as is AMQP's message_id; give one of them.", code="id_missing", field="id")
    if len(message_id) > LONGEST_ID or not message_id.isprintable():
        raise InputError(f"message_id: needs 1 to {LONGEST_ID} visible characters.", field="message_id")
    return msgspec.structs.replace(envelope, id=message_id)


def whose(body: bytes) -> Whose:
    """Of an envelope that is refused: the tenant and the id that it names, each empty where it names none."""
    try:
        found = _loose_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Whose("", "")
    return Whose(found.tenant[:100], found.id if found.id.isprintable() and len(found.id) <= LONGEST_ID else "")


def fingerprint(envelope: Envelope) -> str:
    """Of what was understood, whatever its spelling."""
    return blake2b(_canonical(envelope), digest_size=FINGERPRINT_BYTES).hexdigest()


def envelope_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of an envelope."""
    schema = msgspec.json.schema(Envelope, ref_template="#/$defs/{name}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
