"""What is published, as the broker gets it: the body, the routing key and the headers. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from hailgate.core.content import content_as_json
from hailgate.messaging.broker.outbox import DEAD_LETTER, AboutMessage, NewPublication
from hailgate.messaging.models import Direction

# A word of a routing key: a point would begin the next one, and `#` and `*` mean something else there.
_UNWORDLY: Final = re.compile(r"[^A-Za-z0-9_-]+")
# The broker takes no longer key.
LONGEST_KEY: Final = 255
# In bytes.
LONGEST_ID: Final = 255


class Rendered(NamedTuple):
    """``message_id`` is the same in every repeat."""

    message_id: str
    event: str
    routing_key: str
    at: datetime
    headers: Mapping[str, Any]
    body: bytes


def render(publication: NewPublication, queue: str) -> Rendered | None:
    """None for an event whose message is gone."""
    if publication.event == DEAD_LETTER:
        return _letter(publication, queue)
    return None if publication.message is None else _event(publication, publication.message)


def word(name: str) -> str:
    """A name as one word of a routing key."""
    return _UNWORDLY.sub("-", name).strip("-") or "-"


def _tenant_word(message: AboutMessage) -> str:
    """No two tenants share one, or whoever may listen for the one would hear of the other."""
    plain = word(message.tenant)
    return plain if plain == message.tenant else str(message.tenant_uid)


def _letter(letter: NewPublication, queue: str) -> Rendered:
    """As it came, with what became of it in its headers."""
    headers = json.loads(letter.headers or "{}") | {
        "x-hailgate-code": letter.code,
        "x-hailgate-reason": letter.detail,
        "x-hailgate-attempts": letter.attempts,
        "x-hailgate-queue": queue,
        "x-hailgate-at": _moment(letter.at),
    }
    at = datetime.fromtimestamp(letter.at, UTC)
    return Rendered(_letter_id(letter), DEAD_LETTER, f"{queue}.dlq", at, headers, letter.body)


def _letter_id(letter: NewPublication) -> str:
    """The sender's, where there is one and AMQP has room for it; else one that a repeat has again."""
    if letter.reference and len(letter.reference.encode()) <= LONGEST_ID:
        return letter.reference
    return str(UUID(bytes=blake2b(letter.reference.encode() or letter.body, digest_size=16).digest()))


def _event(publication: NewPublication, message: AboutMessage) -> Rendered:
    key = ".".join((_tenant_word(message), word(message.channel), publication.event))
    told: dict[str, Any] = {
        "id": str(publication.uid),
        "event": publication.event,
        "at": _moment(publication.at),
        "tenant": message.tenant,
        "channel": {"id": str(message.channel_uid), "name": message.channel},
        "message": _message(message),
    }
    if publication.code:
        told["error"] = {"code": publication.code, "detail": publication.detail}
    at = datetime.fromtimestamp(publication.at, UTC)
    body = msgspec.json.encode(told)
    return Rendered(str(publication.uid), publication.event, key[:LONGEST_KEY], at, {}, body)


def _message(message: AboutMessage) -> dict[str, Any]:
    inbound = message.direction is Direction.INBOUND
    told: dict[str, Any] = {
        "id": str(message.uid),
        "conversation": str(message.conversation),
        "from" if inbound else "to": {"kind": message.address.kind.value, "value": message.address.value},
        "type": message.kind,
    }
    if message.reference:
        told["reference"] = message.reference
    if message.provider_id:
        told["provider_id"] = message.provider_id
    if message.metadata:
        told["metadata"] = json.loads(message.metadata)
    if inbound:
        told["content"] = content_as_json(message.content)
    return told


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
