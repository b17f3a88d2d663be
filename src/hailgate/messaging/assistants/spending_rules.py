"""Rules of one turn's spending: its tenant's budgets and what its calls and its answer may cost, read once."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from hailgate.assistant.settings import AssistantSettings, ModelChoice
from hailgate.core.address import Address
from hailgate.core.markets import market_of
from hailgate.core.prices import ModelPriceLine
from hailgate.messaging.assistants.budgets import BudgetLimit, currency_of, find_budgets
from hailgate.messaging.assistants.prices import load_prices
from hailgate.messaging.assistants.spending import (
    Amounts,
    Reservation,
    Spender,
    SpendingLimit,
    limits_of,
    reserve,
)
from hailgate.messaging.store.sql import atomic_cursor, now

# What an answer within the window is charged as.
SERVICE: Final = "service"
UNPRICED: Final = "unpriced"


class SpendingAsked(NamedTuple):
    """``billed`` says that the provider charges for messages."""

    tenant_id: int
    assistant_id: int
    contact_id: int
    to: Address
    settings: AssistantSettings
    billed: bool


class SpendingRules(NamedTuple):
    """``limits`` of the rows that turns share; ``of_turn`` of this one alone. ``message_nanos`` its answer costs."""

    tenant_id: int
    limits: Sequence[SpendingLimit]
    of_turn: Sequence[BudgetLimit]
    currency: str
    message_nanos: int
    models: dict[tuple[str, str], ModelPriceLine | None]

    def cost(self, choice: ModelChoice, input_tokens: int, output_tokens: int) -> int | None:
        """Billionths; 0 where no budget is in money, None where nobody knows."""
        if not self.currency:
            return 0
        price = self.models.get((choice.vendor, choice.model))
        return price.cost(input_tokens, output_tokens) if price else None

    def exceeded_by_turn(self, spent: Amounts, wanted: Amounts) -> str:
        """The budget of one turn that leaves no room; empty where there is some."""
        after = spent.plus(wanted)
        refusing = (each for each in self.of_turn if getattr(after, each.column) > each.most)
        return next((each.code for each in refusing if getattr(wanted, each.column)), "")


def open_spending(asked: SpendingAsked) -> tuple[SpendingRules, Reservation]:
    """The rules, and room for the one message of an answer. Of a script only the tenant's budgets count."""
    with atomic_cursor() as cursor:
        moment, budgets = now(cursor), find_budgets(cursor, asked.tenant_id)
        rules = _read_rules(asked, budgets, moment)
        wanted = Amounts(1, 0, rules.message_nanos)
        if exceeded := _refused(rules, asked.settings) or rules.exceeded_by_turn(Amounts(), wanted):
            return rules, Reservation(asked.tenant_id, (), wanted, exceeded)
        return rules, reserve(asked.tenant_id, rules.limits, wanted, rules.currency)


def _refused(rules: SpendingRules, settings: AssistantSettings) -> str:
    """A model without a price may not be asked where a budget is in money."""
    choices = () if settings.is_scripted else settings.choices
    return UNPRICED if any(rules.cost(choice, 0, 0) is None for choice in choices) else ""


def _read_rules(asked: SpendingAsked, budgets: Sequence[BudgetLimit], moment: float) -> SpendingRules:
    scripted = asked.settings.is_scripted
    spender = Spender(asked.tenant_id, None if scripted else asked.assistant_id, asked.contact_id, moment)
    limits, of_turn = limits_of(spender, asked.settings, budgets), [each for each in budgets if each.subject == "turn"]
    currency = currency_of(budgets)
    if not currency:
        return SpendingRules(asked.tenant_id, limits, of_turn, "", 0, {})
    prices = load_prices(asked.tenant_id)
    known = prices.price_message(market_of(asked.to), SERVICE, moment, currency)
    message = (known or prices.price_dearest(SERVICE, moment, currency)).nanos if asked.billed else 0
    models = {
        (choice.vendor, choice.model): prices.price_model(choice.vendor, choice.model, moment, currency)
        for choice in asked.settings.choices
    }
    return SpendingRules(asked.tenant_id, limits, of_turn, currency, message, models)
