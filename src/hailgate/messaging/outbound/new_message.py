"""A new message: what every door hands to ``accept_messages``, checked and not yet stored."""

from typing import NamedTuple
from uuid import UUID

from hailgate.core.address import Address


class Idempotency(NamedTuple):
    """Both are hex digests: of the caller's key, and of the body that came with it."""

    key: str
    fingerprint: str


class NewMessage(NamedTuple):
    """A message that has been checked against its channel. Times are seconds since the epoch.

    ``sender`` is ``api``, ``operator`` or an assistant's name. ``cause`` is the work row that this message is an
    effect of; with ``ordinal`` it is unique for ever, so that no kill can make a second reply. ``conversation_id`` is
    set on what is said in a known conversation; elsewhere it follows from ``to``. ``again_of`` is the failed message
    that this one is sent instead of. ``takes_thread`` where it may take the thread from another responder.
    """

    uid: UUID
    tenant_id: int
    channel_id: int
    to: Address
    kind: str
    content: str
    sender: str
    answered_by: str
    life_s: float
    context_id: str = ""
    idempotency: Idempotency | None = None
    send_at: float | None = None
    expires_at: float | None = None
    priority: int = 0
    metadata: str = ""
    cause: int | None = None
    ordinal: int = 0
    conversation_id: int | None = None
    again_of: int | None = None
    takes_thread: bool = False
