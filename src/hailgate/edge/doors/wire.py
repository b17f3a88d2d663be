"""What `POST /v1/messages` and its batch take and answer."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hailgate.messaging.outbound.request import MessageRequest, Recipient
from hailgate.problems import Problem

MOST_IN_BATCH: Final = 1_000


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
    """The answer to one message: exactly what `POST /v1/messages` would have said.

    `replayed` stands for its header `Idempotency-Replayed`: the key was used before, and this is the answer of then.
    """

    status: int
    message: AcceptedMessage | UnsetType = UNSET
    error: Problem | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET


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


def components() -> dict[str, Any]:
    """JSON schemas of everything above, for the OpenAPI document."""
    shapes = (MessageRequest, BatchRequest, AcceptedMessage, BatchAnswer, MediaOut, Problem)
    _, schemas = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    schemas["BatchRequest"]["properties"]["messages"]["items"] = {"$ref": "#/components/schemas/MessageRequest"}
    return schemas
