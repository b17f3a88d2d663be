"""Spending of assistants: reserved before a call, settled after it, so that no two workers spend the same room.

What a killed worker had reserved counts as spent: a budget is never exceeded by more than the calls under way.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from hailgate.assistant.settings import AssistantSettings
from hailgate.messaging.assistants.budgets import BudgetLimit
from hailgate.messaging.store.sql import Cursor, atomic_cursor, fetch_one, locked
from hailgate.messaging.store.tables import ASSISTANT_SPENDING

DAY_S: Final = 86_400
# Of the rows of a period: that of all contacts together.
WHOLE: Final = 0
COLUMNS: Final = ("tenant_id", "assistant_id", "contact_id", "day", "messages", "tokens", "nanos", "currency")


class Spender(NamedTuple):
    """Who spends, and when. ``assistant_id`` is None where an assistant's own limits do not count."""

    tenant_id: int
    assistant_id: int | None
    contact_id: int
    at: float


class Amounts(NamedTuple):
    """``nanos`` are billionths of the budgets' currency."""

    messages: int = 0
    tokens: int = 0
    nanos: int = 0

    def plus(self, other: "Amounts") -> "Amounts":
        return Amounts(*(mine + its for mine, its in zip(self, other, strict=True)))

    def less(self, other: "Amounts") -> "Amounts":
        return Amounts(*(mine - its for mine, its in zip(self, other, strict=True)))


class SpendingRow(NamedTuple):
    """Where spending is counted: an assistant's, or where that is None the tenant's; a contact's, or of all."""

    assistant_id: int | None
    contact_id: int
    day: int


class SpendingLimit(NamedTuple):
    """``unit`` is a field of amounts; ``code`` is what the refusal is called."""

    row: SpendingRow
    unit: str
    most: int
    code: str


class Reservation(NamedTuple):
    """``exceeded`` names the limit that leaves no room; empty where the call may be made."""

    tenant_id: int
    rows: tuple[SpendingRow, ...]
    reserved: Amounts
    exceeded: str = ""


def limits_of(spender: Spender, settings: AssistantSettings, budgets: Iterable[BudgetLimit]) -> list[SpendingLimit]:
    """The assistant's own first, then the tenant's: the first one that leaves no room is the one that is told."""
    day = int(spender.at) // DAY_S
    own = _own_limits(spender, settings, day) if spender.assistant_id is not None else []
    shared = [
        SpendingLimit(
            SpendingRow(None, spender.contact_id if each.subject == "contact" else WHOLE, each.number_of(spender.at)),
            each.column,
            each.most,
            each.code,
        )
        for each in budgets
        if each.subject != "turn"
    ]
    return own + shared


def reserve(tenant_id: int, limits: Sequence[SpendingLimit], wanted: Amounts, currency: str = "") -> Reservation:
    """Room for ``wanted`` in all of the limits' rows, or the name of the one that refuses it; then nothing is taken."""
    rows = _in_one_order(limit.row for limit in limits)
    with atomic_cursor() as cursor:
        spent = {row: _lock(cursor, tenant_id, row, currency) for row in rows}
        exceeded = next((limit.code for limit in limits if _exceeds(limit, spent[limit.row], wanted)), "")
        if not exceeded:
            for row in rows:
                _add(cursor, tenant_id, row, wanted)
    return Reservation(tenant_id, () if exceeded else rows, wanted, exceeded)


def charge(tenant_id: int, limits: Sequence[SpendingLimit], spent: Amounts, currency: str = "") -> None:
    """What was spent without room for it."""
    with atomic_cursor() as cursor:
        for row in _in_one_order(limit.row for limit in limits):
            _lock(cursor, tenant_id, row, currency)
            _add(cursor, tenant_id, row, spent)


def settle(reservation: Reservation, spent: Amounts) -> None:
    """What it took in truth."""
    with atomic_cursor() as cursor:
        for row in reservation.rows:
            _add(cursor, reservation.tenant_id, row, spent.less(reservation.reserved))


def _own_limits(spender: Spender, settings: AssistantSettings, day: int) -> list[SpendingLimit]:
    """Of its version. Both rows are kept also where there is no limit: they are what a day took."""
    whole = SpendingRow(spender.assistant_id, WHOLE, day)
    own = SpendingRow(spender.assistant_id, spender.contact_id, day)
    return [
        SpendingLimit(whole, "messages", settings.messages_per_day, "messages_per_day"),
        SpendingLimit(whole, "tokens", settings.tokens_per_day, "tokens_per_day"),
        SpendingLimit(own, "messages", settings.messages_per_contact, "messages_per_contact"),
    ]


def _in_one_order(rows: Iterable[SpendingRow]) -> tuple[SpendingRow, ...]:
    """Whoever locks several of them locks them in this order, or two would wait for each other."""
    return tuple(sorted(set(rows), key=lambda row: (row.assistant_id or 0, row.contact_id, row.day)))


def _exceeds(limit: SpendingLimit, spent: Amounts, wanted: Amounts) -> bool:
    """A limit of an assistant that is 0 is none. What wants nothing of a unit is not refused for it."""
    more: int = getattr(wanted, limit.unit)
    if limit.row.assistant_id is not None and not limit.most:
        return False
    return more > 0 and bool(getattr(spent, limit.unit) + more > limit.most)


def _lock(cursor: Cursor, tenant_id: int, row: SpendingRow, currency: str) -> Amounts:
    """So far. Money in another currency than now counts no more."""
    ASSISTANT_SPENDING.insert(
        cursor, COLUMNS, [(tenant_id, *row, 0, 0, 0, currency)], on_conflict="ON CONFLICT DO NOTHING"
    )
    place, values = _place(tenant_id, row)
    found = fetch_one(
        cursor,
        f"SELECT messages, tokens, nanos, currency FROM messaging_assistantspending WHERE {place}{locked()}",
        values,
    )
    assert found is not None  # noqa: S101 -- it was put there above
    messages, tokens, nanos, kept = found
    if currency and kept != currency:
        cursor.execute(
            f"UPDATE messaging_assistantspending SET nanos = 0, currency = %s WHERE {place}", [currency, *values]
        )
        nanos = 0
    return Amounts(messages, tokens, nanos)


def _add(cursor: Cursor, tenant_id: int, row: SpendingRow, amounts: Amounts) -> None:
    place, values = _place(tenant_id, row)
    cursor.execute(
        "UPDATE messaging_assistantspending SET messages = messages + %s, tokens = tokens + %s, nanos = nanos + %s "
        f"WHERE {place}",
        [*amounts, *values],
    )


def _place(tenant_id: int, row: SpendingRow) -> tuple[str, list[int]]:
    rest = [row.contact_id, row.day]
    if row.assistant_id is None:
        return "tenant_id = %s AND assistant_id IS NULL AND contact_id = %s AND day = %s", [tenant_id, *rest]
    return "tenant_id = %s AND assistant_id = %s AND contact_id = %s AND day = %s", [tenant_id, row.assistant_id, *rest]
