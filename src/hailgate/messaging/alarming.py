"""Looking round for what an operator must know: few rows, by their indexes, once in a while."""

from collections.abc import Iterable
from typing import Final

from hailgate.accounts.alarms import settle
from hailgate.core.alarms import (
    DEAD_GROWTH,
    DEAD_WINDOW_S,
    DOWN_FAILURES,
    LONG_REST_S,
    REJECTED_CALLS,
    REJECTED_WINDOW_S,
    WATCHED,
    Alarm,
    Cause,
    Growth,
)
from hailgate.messaging.models import WorkState
from hailgate.messaging.sql import Cursor, as_uuid, atomic_cursor, every_tenant, fetch, fetch_value, now
from hailgate.messaging.tending import BY_HAND

OF_STORE: Final = WATCHED - {Alarm.DISK_LOW}


def keeps_house(worker_id: int) -> bool:
    """Whether this worker does what one must do for all: the one that has been alive for longest."""
    with atomic_cursor(read_only=True) as cursor:
        return bool(fetch_value(cursor, "SELECT min(id) FROM messaging_worker WHERE alive") == worker_id)


class Watchman:
    """Remembers how many dead letters there were, to see them grow."""

    def __init__(self) -> None:
        self._dead: Growth[int] = Growth(DEAD_GROWTH, DEAD_WINDOW_S)

    def look_round(self) -> None:
        with atomic_cursor(read_only=True) as cursor:
            moment = now(cursor)
            causes = [
                *_channels(cursor, moment),
                *_unknown(cursor, moment),
                *_rejected(cursor, moment),
                *(Cause(Alarm.DEAD_LETTERS, _tenant(id_), id_) for id_ in self._dead.note(_dead(cursor), moment)),
            ]
        settle(causes, OF_STORE)


def _tenant(tenant_id: int) -> str:
    return f"tenant:{tenant_id}"


def _channels(cursor: Cursor, moment: float) -> Iterable[Cause]:
    found = fetch(
        cursor,
        f"SELECT tenant_id, uid, paused_at IS NOT NULL, breaker_failures >= %s, ready_at > %s FROM messaging_channel "
        f"WHERE active AND (paused_at IS NULL OR paused_reason <> %s) "
        f"AND (paused_at IS NOT NULL OR breaker_failures >= %s OR ready_at > %s) {every_tenant('alarms')}",
        [DOWN_FAILURES, moment + LONG_REST_S, BY_HAND, DOWN_FAILURES, moment + LONG_REST_S],
    )
    for tenant_id, uid, paused, down, rests in found:
        alarms = {Alarm.CHANNEL_PAUSED: paused, Alarm.PROVIDER_DOWN: down, Alarm.CHANNEL_RESTS: rests}
        alarm = next(alarm for alarm, stands in alarms.items() if stands)
        yield Cause(alarm, f"channel:{as_uuid(uid)}", tenant_id)


def _unknown(cursor: Cursor, moment: float) -> Iterable[Cause]:
    """Parked for longer than they hold their conversations: nothing will settle them but a person."""
    found = fetch(
        cursor,
        f"SELECT DISTINCT tenant_id FROM messaging_work WHERE state = {WorkState.PARKED.value} AND hold_until <= %s "
        f"{every_tenant('alarms')}",
        [moment],
    )
    return [Cause(Alarm.UNKNOWN_OUTCOMES, _tenant(tenant_id), tenant_id) for (tenant_id,) in found]


def _rejected(cursor: Cursor, moment: float) -> Iterable[Cause]:
    found = fetch(
        cursor,
        f"SELECT hook.tenant_id, hook.uid FROM messaging_rejectedcall call "
        f"JOIN messaging_hook hook ON hook.id = call.hook_id WHERE call.at > %s {every_tenant('alarms')} "
        f"GROUP BY hook.tenant_id, hook.uid HAVING count(*) >= %s",
        [moment - REJECTED_WINDOW_S, REJECTED_CALLS],
    )
    return [Cause(Alarm.WEBHOOKS_REJECTED, f"hook:{as_uuid(uid)}", tenant_id) for tenant_id, uid in found]


def _dead(cursor: Cursor) -> dict[int, int]:
    """By tenant: an index holds nothing but these."""
    return dict(
        fetch(
            cursor,
            f"SELECT tenant_id, count(*) FROM messaging_work WHERE state = {WorkState.DEAD.value} "
            f"GROUP BY tenant_id {every_tenant('alarms')}",
        )
    )
