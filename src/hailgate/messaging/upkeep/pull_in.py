"""Due times that lie absurdly far ahead: written by a clock that ran ahead, and pulled in."""

from itertools import compress
from typing import NamedTuple

from hailgate.core.delivery import RetryPolicy
from hailgate.core.limits import CLOCK_SKEW
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.sql import atomic_cursor, every_tenant, fetch_one, now
from hailgate.messaging.templates.sync import REFRESH_S


class _Wait(NamedTuple):
    """A column of due times, the rows for which it counts, and how many seconds they honestly wait at most."""

    table: str
    column: str
    rows: str
    longest: float

    @property
    def absurd(self) -> str:
        """As SQL, with a mark for what is the ``latest`` that anything honest waits for."""
        return f"{self.rows} AND {self.column} > %s {every_tenant('sweep')}"

    def latest(self, moment: float) -> float:
        return moment + self.longest + CLOCK_SKEW


# A scheduled delivery keeps its time; what a retry added to it does not count as its schedule.
_RETRIED = (
    f"kind = {WorkKind.DELIVERY.value} AND state = {WorkState.READY.value} "
    f"AND due_at > coalesce((SELECT send_at FROM messaging_message WHERE id = message_id), 0)"
)
_FETCHES = f"kind = {WorkKind.FETCH.value} AND state = {WorkState.READY.value}"
_TURNS = f"kind = {WorkKind.TURN.value} AND state IN ({WorkState.WAITING.value}, {WorkState.READY.value})"


def longest_retry(longest_rest_s: float) -> float:
    """Seconds that no retry is put off further than, where no provider asks for a longer rest than this."""
    return longest_rest_s + RetryPolicy().cap


def pull_in(longest_turn_s: float, hold_s: float, longest_rest_s: float) -> int:
    """What waits absurdly long was put off by a clock that ran ahead: it is due now. Only ``send_at`` may be far."""
    longest_retry_s = longest_retry(longest_rest_s)
    waits = (
        _Wait("messaging_work", "due_at", _RETRIED, longest_retry_s),
        _Wait("messaging_work", "due_at", _FETCHES, longest_retry_s),
        _Wait("messaging_work", "due_at", _TURNS, longest_turn_s),
        _Wait("messaging_work", "hold_until", f"state = {WorkState.PARKED.value}", hold_s),
        _Wait("messaging_templatelibrary", "due_at", "due_at > 0", REFRESH_S),
        _Wait("messaging_conversation", "held_until", "held_until IS NOT NULL", hold_s),
    )
    looks = ", ".join(f"EXISTS (SELECT 1 FROM {wait.table} WHERE {wait.absurd})" for wait in waits)
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
        found = fetch_one(cursor, f"SELECT {looks}", [wait.latest(moment) for wait in waits])
    return sum(_pull_in(wait) for wait in compress(waits, found or ()))


def _pull_in(wait: _Wait) -> int:
    with atomic_cursor() as cursor:
        moment = now(cursor)
        statement = f"UPDATE {wait.table} SET {wait.column} = %s WHERE {wait.absurd}"
        cursor.execute(statement, [moment, wait.latest(moment)])
        return int(cursor.rowcount)
