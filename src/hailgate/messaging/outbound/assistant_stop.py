"""The kill switch of a tenant: its assistants say nothing from the next commit on, and people answer.

What was composed and has not left is cancelled; what is being composed is dropped where the turn ends.
"""

from hailgate.accounts.audit import Actor, AuditAction, AuditRecord, audited
from hailgate.messaging.models import AssistantStop, WorkKind, WorkState
from hailgate.messaging.outbound.cancel import cancel_answers
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, fetch, locked, now
from hailgate.messaging.store.sqlite_writer import write
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log


def stop_assistants(tenant_id: int) -> bool:
    """False where they were stopped before.

    A turn that ends now either holds the lock of its conversation, and what it said is seen here, or gets it after the
    commit, and sees the stop.
    """
    with atomic_cursor() as cursor:
        _, made = AssistantStop.objects.get_or_create(tenant_id=tenant_id, defaults={"since": now(cursor)})
        _cancel_unsent(cursor, tenant_id)
    return made


def resume_assistants(tenant_id: int) -> bool:
    """Conversations that people have taken meanwhile stay theirs. False where nothing was stopped."""
    removed, _ = AssistantStop.objects.filter(tenant_id=tenant_id).delete()
    return bool(removed)


def stop_by_hand(actor: Actor, tenant_id: int) -> None:
    """On record, and in the log."""
    write(audited, AuditRecord(actor, tenant_id, AuditAction.ASSISTANTS_STOPPED), stop_assistants, tenant_id)
    log.warning(Event.ASSISTANTS_STOPPED)


def resume_by_hand(actor: Actor, tenant_id: int) -> None:
    write(audited, AuditRecord(actor, tenant_id, AuditAction.ASSISTANTS_RESUMED), resume_assistants, tenant_id)
    log.info(Event.ASSISTANTS_RESUMED)


def _cancel_unsent(cursor: Cursor, tenant_id: int) -> None:
    """Under the locks of their conversations, which a turn that ends holds too."""
    found = fetch(
        cursor,
        f"SELECT DISTINCT key FROM messaging_work WHERE tenant_id = %s AND kind IN ({WorkKind.TURN.value}, "
        f"{WorkKind.DELIVERY.value}) AND state IN ({WorkState.WAITING.value}, {WorkState.READY.value}, "
        f"{WorkState.LEASED.value})",
        [tenant_id],
    )
    keys = sorted(key for (key,) in found)
    fetch(
        cursor,
        f"SELECT id FROM messaging_conversation WHERE tenant_id = %s AND {among('id')} ORDER BY id{locked()}",
        [tenant_id, array(keys)],
    )
    cancel_answers(cursor, keys, now(cursor))
