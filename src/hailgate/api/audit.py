"""The audit log: who did what."""

from django.http import HttpRequest
from ninja import Router

from hailgate.accounts.audit import find_entries
from hailgate.api.access import tenant_of
from hailgate.api.paging import Limit, Place, page_of
from hailgate.api.schemas.audit import ActorOut, AuditOut
from hailgate.api.schemas.common import Page

router = Router(tags=["Audit"])


@router.get("/audit", response=Page[AuditOut], operation_id="list_audit")
def list_audit(request: HttpRequest, limit: Limit = 50, cursor: Place = None) -> Page[AuditOut]:
    """What was done by hand to messages, channels, hooks, templates, keys, operators and limits, and by whom.

    The newest first; kept for a year.
    """
    tenant_id = tenant_of(request)
    page, older = page_of(find_entries(tenant_id), "id", limit, cursor, "audit", tenant_id)
    items = [
        AuditOut(
            id=str(entry.uid),
            at=entry.at,
            actor=ActorOut(kind=entry.actor_kind, id=entry.actor, name=entry.name),
            action=entry.action,
            subject=entry.subject,
            count=entry.count,
            detail=entry.detail,
        )
        for entry in page
    ]
    return Page[AuditOut](items=items, next=older)
