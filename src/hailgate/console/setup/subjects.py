"""Whose channel it is, and the record of what is done to it."""

from django.http import Http404

from hailgate.accounts.audit import AuditAction, AuditRecord, operator_of
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.sign_in.access import parse_uid
from hailgate.messaging.models import Channel


def own_channel(viewer: CurrentOperator, uid: str) -> Channel:
    """With its hook. Not one whose settings an external service keeps: those are changed there."""
    ours = Channel.objects.filter(tenant_id=viewer.tenant_id, uid=parse_uid(uid), active=True, source="")
    found = ours.select_related("hook").first()
    if found is None:
        raise Http404
    return found


def deed_of(viewer: CurrentOperator, action: AuditAction, subject: str, detail: str = "") -> AuditRecord:
    return AuditRecord(operator_of(viewer), viewer.tenant_id, action, subject, detail)
