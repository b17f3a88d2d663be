"""Budgets of a tenant: what its assistants may spend, in messages, tokens or money."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.core.money import format_amount, parse_amount, parse_currency
from hailgate.messaging.assistants.prices import check_priced
from hailgate.messaging.assistants.registry import list_priced_choices
from hailgate.messaging.models import AssistantSpending, Budget
from hailgate.messaging.store.sql import Cursor, atomic_cursor, fetch, now

SUBJECTS: Final = ("turn", "contact", "tenant")
PERIODS: Final = ("turn", "day", "month")
UNITS: Final = ("messages", "tokens", "money")
MOST_COUNT: Final = 1_000_000_000_000
_DAY_S: Final = 86_400


class BudgetKey(NamedTuple):
    """What a tenant has one budget of."""

    subject: str
    period: str
    unit: str


class BudgetLimit(NamedTuple):
    """``most`` counts messages, tokens or billionths of ``currency``."""

    subject: str
    period: str
    unit: str
    most: int
    currency: str = ""

    @property
    def code(self) -> str:
        """Such as `money_per_tenant_month`."""
        return f"{self.unit}_per_{self.subject}" + ("" if self.subject == "turn" else f"_{self.period}")

    @property
    def column(self) -> str:
        return "nanos" if self.unit == "money" else self.unit

    @property
    def shown(self) -> str:
        return f"{format_amount(self.most)} {self.currency}" if self.unit == "money" else str(self.most)

    def number_of(self, at: float) -> int:
        """Of the period: days since 1970 (UTC), months since year 0 below zero."""
        if self.period == "day":
            return int(at) // _DAY_S
        moment = datetime.fromtimestamp(at, UTC)
        return -(moment.year * 12 + moment.month - 1)


class StandingBudget(NamedTuple):
    """With what is spent of it; None for budgets of an answer or of each contact, which have no one sum."""

    limit: BudgetLimit
    spent: int | None

    @property
    def share(self) -> float | None:
        if self.spent is None:
            return None
        return self.spent / self.limit.most if self.limit.most else 1.0


def set_budget(tenant_id: int, key: BudgetKey, most: str, currency: str = "") -> BudgetLimit:
    """Takes the place of one for the same. Raises InputError, and Conflict where a model has no price."""
    limit = _check_budget(key, most, currency)
    with atomic_cursor():
        if limit.currency:
            _check_currency(tenant_id, key, limit.currency)
            check_priced(tenant_id, limit.currency, list_priced_choices(tenant_id))
        Budget.objects.bulk_create(
            [Budget(tenant_id=tenant_id, **limit._asdict())],
            update_conflicts=True,
            unique_fields=["tenant", *key._fields],
            update_fields=["most", "currency"],
        )
    return limit


def remove_budget(tenant_id: int, key: BudgetKey) -> bool:
    """Raises NotFound."""
    removed, _ = Budget.objects.filter(tenant_id=tenant_id, **key._asdict()).delete()
    if not removed:
        raise NotFound("There is no such budget.")
    return True


def list_standing_budgets(tenant_id: int) -> list[StandingBudget]:
    """With what is spent of the period that runs now."""
    with atomic_cursor(read_only=True) as cursor:
        moment, limits = now(cursor), find_budgets(cursor, tenant_id)
    rows = {
        row.day: row
        for row in AssistantSpending.objects.filter(tenant_id=tenant_id, assistant=None, contact_id=0)
        if row.day in {limit.number_of(moment) for limit in limits}
    }
    return [StandingBudget(limit, _spent(limit, rows.get(limit.number_of(moment)))) for limit in limits]


def find_budgets(cursor: Cursor, tenant_id: int) -> list[BudgetLimit]:
    found = fetch(
        cursor,
        "SELECT subject, period, unit, most, currency FROM messaging_budget WHERE tenant_id = %s "
        "ORDER BY subject, period, unit",
        [tenant_id],
    )
    return [BudgetLimit._make(row) for row in found]


def currency_of(limits: Iterable[BudgetLimit]) -> str:
    """Of a tenant's money budgets: all have the same. Empty where there is none."""
    return next((limit.currency for limit in limits if limit.unit == "money"), "")


def _spent(limit: BudgetLimit, row: AssistantSpending | None) -> int | None:
    if limit.subject != "tenant":
        return None
    if row is None or (limit.unit == "money" and row.currency != limit.currency):
        return 0
    return int(getattr(row, limit.column))


def _check_budget(key: BudgetKey, most: str, currency: str) -> BudgetLimit:
    for name, value, known in zip(key._fields, key, (SUBJECTS, PERIODS, UNITS), strict=True):
        if value not in known:
            raise InputError(f"{name}: must be one of {', '.join(known)}.", field=name)
    if (key.subject == "turn") != (key.period == "turn"):
        raise InputError("period: a turn's budget is for the turn; another is for a day or a month.", field="period")
    if (key.subject, key.unit) == ("turn", "messages"):
        raise InputError("unit: an answer is one message; limit its tokens or its money.", field="unit")
    if key.unit == "money":
        return BudgetLimit(*key, parse_amount(most, "most"), parse_currency(currency))
    if currency:
        raise InputError("currency: only a budget in money has one.", field="currency")
    return BudgetLimit(*key, _parse_count(most))


def _parse_count(most: str) -> int:
    if not (most.isascii() and most.isdecimal()) or len(most) > len(str(MOST_COUNT)) or int(most) > MOST_COUNT:
        raise InputError(f"most: must be a whole number from 0 to {MOST_COUNT}.", field="most")
    return int(most)


def _check_currency(tenant_id: int, key: BudgetKey, currency: str) -> None:
    """One currency for all: what a call costs is counted once."""
    others = Budget.objects.filter(tenant_id=tenant_id, unit="money").exclude(**key._asdict())
    if found := others.exclude(currency=currency).first():
        raise Conflict(f"Another budget is in {found.currency}: all of them need one currency.", field="currency")
