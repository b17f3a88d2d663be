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
from hailgate.core.status import Status
from hailgate.messaging.channels.admin import BY_HAND, is_mended_by_settings
from hailgate.messaging.channels.checks import PATIENT_CHECKS
from hailgate.messaging.channels.sessions import NEEDS_HAND, NOT_PAIRED
from hailgate.messaging.models import Direction, WorkKind, WorkState
from hailgate.messaging.store.sql import (
    Cursor,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_value,
    now,
)
from hailgate.messaging.upkeep.assistant_checks import look_at_assistants, look_at_budgets
from hailgate.messaging.upkeep.ending_settings import EndingSettingsCheck
from hailgate.messaging.upkeep.silence import SilenceCheck
from hailgate.providers import get_provider

# Paused by what may heal by itself, and not asked often enough to say that it does not.
HEALING: Final = (
    f"EXISTS (SELECT 1 FROM messaging_work work WHERE work.kind = {WorkKind.CHECK.value} "
    f"AND work.key = messaging_channel.id AND work.state IN ({WorkState.READY.value}, {WorkState.LEASED.value}) "
    f"AND work.attempts < {PATIENT_CHECKS})"
)
OF_STORE: Final = WATCHED - {Alarm.DISK_LOW}


def keeps_house(worker_id: int) -> bool:
    """Whether this worker does what one must do for all: the one that has been alive for longest."""
    with atomic_cursor(read_only=True) as cursor:
        return bool(fetch_value(cursor, "SELECT min(id) FROM messaging_worker WHERE alive") == worker_id)


class AlarmChecks:
    """Remembers how many dead letters there were, to see them grow, and how long each channel may be silent."""

    def __init__(self) -> None:
        self._dead: Growth[int] = Growth(DEAD_GROWTH, DEAD_WINDOW_S)
        self._silence = SilenceCheck()
        self._ending = EndingSettingsCheck()

    def look_round(self) -> None:
        with atomic_cursor(read_only=True) as cursor:
            moment = now(cursor)
            causes = [
                *_channels(cursor, moment),
                *self._silence.look(cursor, moment),
                *self._ending.look(cursor, moment),
                *_unknown(cursor, moment),
                *_rejected(cursor, moment),
                *look_at_assistants(cursor, moment),
                *look_at_budgets(cursor, moment),
                *(Cause(Alarm.DEAD_LETTERS, _tenant(id_), id_) for id_ in self._dead.note(_dead(cursor), moment)),
            ]
        settle(causes, OF_STORE)


def _tenant(tenant_id: int) -> str:
    return f"tenant:{tenant_id}"


def _channels(cursor: Cursor, moment: float) -> Iterable[Cause]:
    found = fetch(
        cursor,
        f"SELECT tenant_id, uid, provider, paused_reason, paused_at IS NOT NULL, breaker_failures >= %s "
        f"FROM messaging_channel "
        f"WHERE active AND (paused_at IS NULL OR paused_reason NOT IN (%s, %s)) AND NOT {HEALING} "
        f"AND (paused_at IS NOT NULL OR breaker_failures >= %s OR ready_at > %s) {every_tenant('alarms')}",
        [DOWN_FAILURES, BY_HAND, NOT_PAIRED, DOWN_FAILURES, moment + LONG_REST_S],
    )
    for tenant_id, uid, provider, reason, paused, down in found:
        alarm = Alarm.PROVIDER_DOWN if down else Alarm.CHANNEL_RESTS
        yield Cause(_of_pause(provider, reason) if paused else alarm, f"channel:{as_uuid(uid)}", tenant_id)


def _of_pause(provider: str, reason: str) -> Alarm:
    """By what may end it."""
    if reason in NEEDS_HAND:
        return Alarm.SESSION_UNPAIRED
    mended = is_mended_by_settings(get_provider(provider), reason)
    return Alarm.CHANNEL_PAUSED if mended else Alarm.CHANNEL_RESTRICTED


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
    """Many calls; of a provider that repeats none each of them is lost, and the first is told."""
    found = fetch(
        cursor,
        f"SELECT hook.tenant_id, hook.uid, hook.provider, count(*) FROM messaging_rejectedcall call "
        f"JOIN messaging_hook hook ON hook.id = call.hook_id WHERE call.at > %s {every_tenant('alarms')} "
        f"GROUP BY hook.tenant_id, hook.uid, hook.provider",
        [moment - REJECTED_WINDOW_S],
    )
    return [
        Cause(Alarm.WEBHOOKS_REJECTED, f"hook:{as_uuid(uid)}", tenant_id)
        for tenant_id, uid, provider, count in found
        if count >= REJECTED_CALLS or not _repeats(provider)
    ]


def _repeats(provider: str) -> bool:
    return get_provider(provider).capabilities.repeats_webhooks


def _dead(cursor: Cursor) -> dict[int, int]:
    """By tenant, before or after their provider took them: an index holds nothing but these."""
    return dict(
        fetch(
            cursor,
            f"SELECT tenant_id, count(*) FROM messaging_message WHERE direction = {Direction.OUTBOUND.value} "
            f"AND status = {Status.FAILED.value} GROUP BY tenant_id {every_tenant('alarms')}",
        )
    )
