"""The slow floor: what no event brings about, a look round does. Each begins with a look that takes no lock."""

from hailgate.messaging.models import WorkState
from hailgate.messaging.store.sql import atomic_cursor, every_tenant, fetch_value, now
from hailgate.messaging.work import rows


def promote_all() -> int:
    """Scheduled rows whose time has come, and followers of a parked message whose hold has passed."""
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
        scheduled = rows.next_scheduled(cursor)
        held = fetch_value(
            cursor,
            f"SELECT min(held_until) FROM messaging_conversation WHERE held_until IS NOT NULL {every_tenant('sweep')}",
        )
        if not any(at is not None and at <= moment for at in (scheduled, held)):
            return 0
    with atomic_cursor() as cursor:
        moment = now(cursor)
        return rows.promote_due(cursor, moment) + rows.promote_unheld(cursor, moment)


def promote_lost_heads() -> int:
    """Keys whose head was forgotten. Every one found is a bug of ours, mended here and counted."""
    with atomic_cursor(read_only=True) as cursor:
        waiting = fetch_value(
            cursor,
            f"SELECT 1 FROM messaging_work WHERE state = {WorkState.WAITING.value} {every_tenant('sweep')} LIMIT 1",
        )
    if waiting is None:
        return 0
    with atomic_cursor() as cursor:
        moment = now(cursor)
        # What has come due since the last look round was not forgotten.
        rows.promote_due(cursor, moment)
        rows.promote_unheld(cursor, moment)
        return rows.promote_forgotten(cursor, moment)
