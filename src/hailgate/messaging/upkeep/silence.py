"""Silent channels: those that have received nothing for far longer than they usually do at these hours."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from hailgate.core.alarms import Alarm, Cause
from hailgate.core.silence import LEAST_GAP_S, LEAST_HISTORY_S, LEAST_S, WEEK_S, WEEKS, Gap, too_quiet_from
from hailgate.messaging.models import Direction
from hailgate.messaging.store.sql import Cursor, as_uuid, every_tenant, fetch, fetch_value

EVERY_S: Final = 300.0
_NEVER: Final = float("inf")


class _Heard(NamedTuple):
    """The last that came in of each channel that may send: ``message_id`` and when."""

    tenant_id: int
    channel_id: int
    subject: str
    message_id: int
    at: float


class SilenceCheck:
    """Remembers of each channel from when on its present silence is too long, so that history is read once for it."""

    def __init__(self) -> None:
        self._from: dict[int, tuple[int, float]] = {}
        self._causes: list[Cause] = []
        self._due = 0.0

    def look(self, cursor: Cursor, moment: float) -> Iterable[Cause]:
        """Every few minutes; in between, what the last look found."""
        if moment >= self._due:
            self._due = moment + EVERY_S
            self._causes = [
                Cause(Alarm.CHANNEL_SILENT, each.subject, each.tenant_id)
                for each in _last_heard(cursor)
                if moment >= each.at + LEAST_S and moment >= self._too_quiet_from(cursor, each)
            ]
        return self._causes

    def _too_quiet_from(self, cursor: Cursor, heard: _Heard) -> float:
        known = self._from.get(heard.channel_id)
        if known is None or known[0] != heard.message_id:
            known = heard.message_id, _read_history(cursor, heard)
            self._from[heard.channel_id] = known
        return known[1]


def _last_heard(cursor: Cursor) -> list[_Heard]:
    """A channel that is paused has its own alarm."""
    found = fetch(
        cursor,
        f"SELECT channel.tenant_id, channel.id, channel.uid, message.id, message.accepted_at "
        f"FROM (SELECT channel_id, max(last_inbound_id) AS last_id FROM messaging_conversation "
        f"WHERE last_inbound_id > 0 GROUP BY channel_id) latest "
        f"JOIN messaging_channel channel ON channel.id = latest.channel_id "
        f"JOIN messaging_message message ON message.id = latest.last_id "
        f"WHERE channel.active AND channel.paused_at IS NULL {every_tenant('alarms')}",
    )
    return [
        _Heard(tenant_id, channel_id, f"channel:{as_uuid(uid)}", message_id, float(at))
        for tenant_id, channel_id, uid, message_id, at in found
    ]


def _read_history(cursor: Cursor, heard: _Heard) -> float:
    came_in = f"channel_id = %s AND direction = {Direction.INBOUND.value} AND accepted_at >= %s"
    given = [heard.channel_id, heard.at - WEEKS * WEEK_S]
    first = fetch_value(
        cursor, f"SELECT min(accepted_at) FROM messaging_message WHERE {came_in} {every_tenant('by key')}", given
    )
    if first is None or heard.at - float(first) < LEAST_HISTORY_S:
        return _NEVER
    gaps = fetch(
        cursor,
        f"SELECT begun, ended FROM (SELECT lag(accepted_at) OVER (ORDER BY id) AS begun, accepted_at AS ended "
        f"FROM messaging_message WHERE {came_in} {every_tenant('by key')}) gap WHERE ended - begun > %s",
        [*given, LEAST_GAP_S],
    )
    return too_quiet_from(heard.at, [Gap(float(begun), float(ended)) for begun, ended in gaps])
