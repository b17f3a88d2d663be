"""The page of alarms: those of the tenant, and for who owns the installation those of all of it."""

from datetime import datetime
from typing import Final, NamedTuple

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from hailgate.accounts.alarms import clear_alarm, find_alarms
from hailgate.accounts.audit import AuditAction, AuditRecord, audited, operator_of
from hailgate.accounts.models import Operator, RaisedAlarm
from hailgate.accounts.operators import CurrentOperator
from hailgate.console.sign_in.access import owners_only, parse_uid
from hailgate.core.alarms import Alarm, Cause
from hailgate.messaging.models import Channel
from hailgate.messaging.store.sqlite_writer import write

MOST_SHOWN: Final = 100


class AlarmView(NamedTuple):
    uid: str
    standing: bool
    what: str
    advice: str
    about: str
    times: int
    raised_at: datetime
    last_at: datetime
    cleared_at: datetime | None


@require_GET
@owners_only
def show_alarms(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    rows = list(find_alarms(viewer.tenant_id, installation=_owns_all(request))[:MOST_SHOWN])
    names = {f"channel:{uid}": name for uid, name in _channels(viewer.tenant_id)}
    context = {"section": "alarms", "alarms": [_shown(row, names) for row in rows]}
    return render(request, "console/alarms.html", context)


@require_POST
@owners_only
def clear(request: HttpRequest, viewer: CurrentOperator, uid: str) -> HttpResponse:
    """Somebody has seen to it."""
    ours = find_alarms(viewer.tenant_id, installation=_owns_all(request)).filter(cleared_at=None)
    found = ours.filter(uid=parse_uid(uid)).first()
    if found is None:
        raise Http404
    deed = AuditRecord(
        operator_of(viewer), found.tenant_id, AuditAction.ALARM_CLEARED, f"alarm:{found.uid}", found.code
    )
    write(audited, deed, clear_alarm, Cause(Alarm[found.code.upper()], found.subject))
    return redirect("console:alarms")


def _owns_all(request: HttpRequest) -> bool:
    return isinstance(request.user, Operator) and request.user.is_superuser


def _channels(tenant_id: int) -> list[tuple[object, str]]:
    return list(Channel.objects.filter(tenant_id=tenant_id).values_list("uid", "name"))


def _shown(row: RaisedAlarm, names: dict[str, str]) -> AlarmView:
    alarm = Alarm[row.code.upper()]
    return AlarmView(
        uid=row.uid.hex,
        standing=row.cleared_at is None,
        what=_(alarm.sentence),
        advice=_(alarm.advice),
        about=names.get(row.subject, "" if row.subject.startswith("tenant:") else row.subject),
        times=row.times,
        raised_at=row.raised_at,
        last_at=row.last_at,
        cleared_at=row.cleared_at,
    )
