"""Idempotency keys: what was handed in under one before is not accepted again."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import OperationalError, transaction

from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.store.sql import Cursor, among, array, as_uuid, atomic_cursor, waited_for_lock
from hailgate.messaging.store.tables import IDEMPOTENCY

IDEMPOTENCY_LIFE_S = 24 * 3600.0
# A wait for another's claim of a key has ended in vain already when it is asked which key that was.
UNDECIDED_MS = 10
NIL = UUID(int=0)

CallerKey = tuple[int, str]
"""The tenant, and the key of the caller under which a message was handed in."""


def key_of_caller(message: NewMessage) -> CallerKey | None:
    return (message.tenant_id, message.idempotency.key) if message.idempotency else None


def claim_keys(cursor: Cursor, batch: Sequence[NewMessage], moment: float) -> dict[CallerKey | None, UUID]:
    """Which message each key belongs to. A racing transaction is waited for by the unique index itself."""
    first: dict[CallerKey, NewMessage] = {}
    for message in batch:
        if place := key_of_caller(message):
            first.setdefault(place, message)
    if not first:
        return {}
    columns = ("tenant_id", "key", "fingerprint", "message_uid", "created_at")
    claims = [(*place, m.idempotency.fingerprint, m.uid, moment) for place, m in first.items() if m.idempotency]
    _forget_expired(cursor, first, moment)
    IDEMPOTENCY.insert_new(cursor, columns, claims, unique=("tenant_id", "key"))
    return {place: uid for place, (uid, _) in find_keys(cursor, first).items()}


def _forget_expired(cursor: Cursor, places: dict[CallerKey, NewMessage], moment: float) -> None:
    cursor.execute(
        f"DELETE FROM messaging_idempotencykey WHERE {among('tenant_id')} AND {among('key')} AND created_at < %s",
        [
            array({tenant for tenant, _ in places}),
            array({key for _, key in places}),
            moment - IDEMPOTENCY_LIFE_S,
        ],
    )


def find_undecided(batch: Sequence[NewMessage]) -> set[CallerKey | None]:
    """Keys that somebody else is claiming at this moment and has not committed. Writes nothing."""
    claims = {place: message for message in batch if (place := key_of_caller(message))}
    with atomic_cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {UNDECIDED_MS}")
        found: set[CallerKey | None] = {place for place in sorted(claims) if _is_taken(cursor, *place)}
        transaction.set_rollback(True)
    return found


def _is_taken(cursor: Cursor, tenant_id: int, key: str) -> bool:
    columns = ("tenant_id", "key", "fingerprint", "message_uid", "created_at")
    try:
        with transaction.atomic():
            IDEMPOTENCY.insert_new(cursor, columns, [(tenant_id, key, "", NIL, 0.0)], unique=("tenant_id", "key"))
    except OperationalError as failed:
        if not waited_for_lock(failed):
            raise
        return True
    return False


def find_keys(cursor: Cursor, places: Iterable[CallerKey]) -> dict[CallerKey, tuple[UUID, str]]:
    columns = ("tenant_id", "key", "message_uid", "fingerprint")
    stored = IDEMPOTENCY.find(cursor, columns, places, by=("tenant_id", "key"))
    return {(tenant, key): (as_uuid(uid), fingerprint) for tenant, key, uid, fingerprint in stored}
