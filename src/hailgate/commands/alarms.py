"""`hailgate alarms`: what an operator must know, and having seen to it."""

from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.bootstrap import deed_of, open_store
from hailgate.commands.output import json_option, moment, table, tell
from hailgate.core.errors import NotFound

if TYPE_CHECKING:
    from hailgate.accounts.models import RaisedAlarm


@click.group()
def alarms() -> None:
    """Alarms: what stands, of the installation and of every tenant."""


@alarms.command("list")
@click.option("--all", "past", is_flag=True, help="Also those that are over.")
@click.option("--limit", type=click.IntRange(1, 1000), metavar="NUMBER", default=100, show_default=True)
@json_option
def list_alarms(*, past: bool, limit: int, as_json: bool) -> None:
    """The standing ones first."""
    with open_store():
        from hailgate.accounts.alarms import find_alarms

        found = find_alarms().select_related("tenant")
        rows = [_row(alarm) for alarm in (found if past else found.filter(cleared_at=None))[:limit]]
    tell(rows, table(rows, "There are none."), as_json=as_json)


@alarms.command("clear")
@click.argument("alarm_id")
@json_option
def clear(alarm_id: str, *, as_json: bool) -> None:
    """You have seen to it. One whose cause is still there comes back by itself."""
    with open_store():
        from hailgate.accounts.alarms import clear_alarm, find_alarms
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.core.alarms import Alarm, Cause

        found = next((alarm for alarm in find_alarms().filter(cleared_at=None) if str(alarm.uid) == alarm_id), None)
        if found is None:
            raise NotFound("no alarm of this id stands; see `hailgate alarms list`")
        deed = deed_of(found.tenant_id, AuditAction.ALARM_CLEARED, f"alarm:{found.uid}", found.code)
        audited(deed, clear_alarm, Cause(Alarm[found.code.upper()], found.subject))
    tell({"id": alarm_id, "cleared": True}, "It is cleared.", as_json=as_json)


def _row(alarm: "RaisedAlarm") -> dict[str, Any]:
    from hailgate.core.alarms import Alarm

    known = Alarm[alarm.code.upper()]
    return {
        "id": str(alarm.uid),
        "code": alarm.code,
        "tenant": alarm.tenant.name if alarm.tenant else None,
        "subject": alarm.subject,
        "times": alarm.times,
        "raised_at": moment(alarm.raised_at),
        "cleared_at": moment(alarm.cleared_at),
        "what": known.sentence,
        "advice": known.advice,
    }
