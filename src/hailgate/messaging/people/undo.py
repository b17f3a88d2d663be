"""Undoing a join by hand."""

from uuid import UUID

from hailgate.core.errors import Conflict, NotFound
from hailgate.messaging.models import JoinState
from hailgate.messaging.people.joins import take_step
from hailgate.messaging.store.sql import atomic_cursor, fetch_one, locked
from hailgate.messaging.store.tables import JOIN


def undo_join(tenant_id: int, uid: UUID, by: str) -> bool:
    """False where it waits for what is being sent, and is done soon. Raises NotFound, or Conflict where none stands."""
    with atomic_cursor() as cursor:
        found = fetch_one(
            cursor,
            f"SELECT id, state FROM messaging_join WHERE tenant_id = %s AND uid = %s{locked()}",
            [tenant_id, uid.hex],
        )
        if found is None:
            raise NotFound
        id_, state = found
        if state != JoinState.JOINED:
            raise Conflict("Only a join that stands can be undone.", code="not_joined")
        JOIN.update(cursor, ("state", "by"), [(id_, JoinState.UNDOING.value, by[:100])])
    return take_step(id_)
