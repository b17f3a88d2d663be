"""Alarms as rows: raised once, told once, cleared. What is raised again soon after is the same alarm."""

import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import F, Q, QuerySet

from hailgate.accounts.models import RaisedAlarm
from hailgate.core.alarms import Alarm, Cause
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import ALARMS

# An alarm that comes back within this is the same one: a cause that comes and goes is told once.
QUIET_S: Final = 900.0
# A notice that could not be delivered is tried again, later and later, and then given up; the row remains.
MOST_TELLS: Final = 6
TELL_AGAIN_S: Final = 60.0
# Longer than a notifier may take: whoever has not said by then how it went has ended.
CLAIM_S: Final = 300.0


class Notice(NamedTuple):
    """What is sent out of an alarm: a code, ids and times, nothing that names anybody."""

    id: int
    alarm: Alarm
    subject: str
    raised_at: float
    tries: int


def raise_alarm(cause: Cause) -> bool:
    """Whether it is new. Harmless to repeat, and where two raise it at once there is one row."""
    now = time.time()
    with transaction.atomic():
        if _again(cause, now):
            return False
        row = RaisedAlarm(
            tenant_id=cause.tenant_id,
            code=cause.alarm.value,
            subject=cause.subject,
            raised_at=now,
            last_at=now,
            tell_at=now,
        )
        RaisedAlarm.objects.bulk_create([row], ignore_conflicts=True)
    ALARMS.labels(code=cause.alarm.value).inc()
    log.error(Event.ALARM_RAISED, code=cause.alarm.value, subject=cause.subject)
    return True


def clear_alarm(cause: Cause) -> bool:
    """Whether it stood."""
    standing = RaisedAlarm.objects.filter(code=cause.alarm.value, subject=cause.subject, cleared_at=None)
    return bool(standing.update(cleared_at=time.time()))


def settle(found: Iterable[Cause], watched: Iterable[Alarm], subjects: str = "") -> None:
    """Make the standing alarms of some kinds those that were found, among the subjects that begin like this."""
    causes = {(cause.alarm.value, cause.subject): cause for cause in found}
    rows = RaisedAlarm.objects.filter(code__in=[alarm.value for alarm in watched], cleared_at=None)
    standing = set(rows.filter(subject__startswith=subjects).values_list("code", "subject"))
    for key, cause in causes.items():
        if key not in standing:
            raise_alarm(cause)
    for code, subject in standing - causes.keys():
        clear_alarm(Cause(Alarm[code.upper()], subject))
        log.info(Event.ALARM_CLEARED, code=code, subject=subject)


def find_alarms(tenant_id: int | None = None, *, installation: bool = False) -> QuerySet[RaisedAlarm]:
    """All, or those of one tenant and, where asked for, of the installation itself; the standing ones first."""
    rows = RaisedAlarm.objects.order_by(F("cleared_at").desc(nulls_first=True), "-last_at")
    if tenant_id is None:
        return rows
    return rows.filter(Q(tenant_id=tenant_id) | Q(tenant_id=None) if installation else Q(tenant_id=tenant_id))


# --- telling ----------------------------------------------------------------------------------------------------------


def claim_notices(limit: int = 20) -> list[Notice]:
    """What is to be sent out now. Again after a while where a process ends meanwhile: rather told twice than never."""
    now = time.time()
    due = RaisedAlarm.objects.filter(told_at=None, cleared_at=None, tell_at__lte=now, tell_tries__lt=MOST_TELLS)
    claimed: list[RaisedAlarm] = [
        row
        for row in due.order_by("id")[:limit]
        if RaisedAlarm.objects.filter(pk=row.pk, told_at=None, tell_at__lte=now).update(tell_at=now + CLAIM_S)
    ]
    return [
        Notice(row.pk, Alarm[row.code.upper()], row.subject, row.raised_at.timestamp(), row.tell_tries)
        for row in claimed
        if row.code in set(Alarm)
    ]


def record_told(notices: Sequence[Notice]) -> None:
    RaisedAlarm.objects.filter(pk__in=[notice.id for notice in notices]).update(told_at=time.time())


def tell_later(notices: Sequence[Notice]) -> None:
    """They could not be sent out."""
    now = time.time()
    for notice in notices:
        RaisedAlarm.objects.filter(pk=notice.id).update(
            tell_tries=F("tell_tries") + 1, tell_at=now + TELL_AGAIN_S * 2**notice.tries
        )


def _again(cause: Cause, now: float) -> bool:
    same = RaisedAlarm.objects.filter(code=cause.alarm.value, subject=cause.subject)
    if same.filter(cleared_at=None).update(times=F("times") + 1, last_at=now):
        return True
    last = same.filter(cleared_at__gte=now - QUIET_S).order_by("-id").first()
    return last is not None and bool(same.filter(pk=last.pk).update(times=F("times") + 1, last_at=now, cleared_at=None))
