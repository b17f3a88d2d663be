"""`hailgate prices`, `hailgate budget` and `hailgate costs`: what messages and models cost, and what may be spent."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import json_option, table, tell, tenant_option
from hailgate.core.errors import InputError

if TYPE_CHECKING:
    from hailgate.messaging.assistants.budgets import StandingBudget
    from hailgate.messaging.outbound.costs import Tally

KINDS = ("messages", "models")


@click.group()
def prices() -> None:
    """Prices: your own dated tables of what messages and models cost."""


@prices.command("import")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@tenant_option
@json_option
def import_file(kind: str, file: Path, tenant: str | None, *, as_json: bool) -> None:
    """Read a CSV of prices: all its lines, or none. A price that is there already is corrected.

    Of messages: market,category,from,currency,price. Of models: vendor,model,from,currency,input,output, where the last
    two are prices of a million tokens.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError("file: is not UTF-8.", field="file") from None
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.prices import import_prices

        tenant_id = choose_tenant(tenant).pk
        count = audited(
            deed_of(tenant_id, AuditAction.PRICES_IMPORTED, detail=kind), import_prices, tenant_id, kind, text
        )
    tell({"kind": kind, "prices": count}, f"{count} prices of {kind} are known now.", as_json=as_json)


@prices.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@tenant_option
@json_option
def list_prices(kind: str, tenant: str | None, *, as_json: bool) -> None:
    """The prices that were imported."""
    with open_store():
        from hailgate.messaging.assistants import prices as kept

        tenant_id = choose_tenant(tenant).pk
        rows = _message_rows(kept, tenant_id) if kind == KINDS[0] else _model_rows(kept, tenant_id)
    tell(rows, table(rows, f"No price yet: hailgate prices import {kind} FILE"), as_json=as_json)


@click.group()
def budget() -> None:
    """Budgets: what a tenant's assistants may spend. Beyond them people answer."""


@budget.command("set")
@click.argument("subject")
@click.argument("period")
@click.argument("unit")
@click.argument("most")
@click.argument("currency", default="")
@tenant_option
@json_option
def set_one(  # noqa: PLR0917 -- a command line's own words
    subject: str, period: str, unit: str, most: str, currency: str, tenant: str | None, *, as_json: bool
) -> None:
    """Let the SUBJECT (turn, contact, tenant) take at most MOST of a UNIT (messages, tokens, money) each PERIOD.

    PERIOD is day or month (UTC), or turn for a turn. Money needs a CURRENCY, and a price for each model that answers.
    """
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.budgets import BudgetKey, set_budget

        tenant_id = choose_tenant(tenant).pk
        limit = audited(
            lambda made: deed_of(tenant_id, AuditAction.BUDGET_SET, f"budget:{made.code}", made.shown),
            set_budget,
            tenant_id,
            BudgetKey(subject, period, unit),
            most,
            currency,
        )
    document = {"budget": limit.code, "most": limit.shown}
    tell(document, f"{limit.code}: at most {limit.shown}.", as_json=as_json)


@budget.command("remove")
@click.argument("subject")
@click.argument("period")
@click.argument("unit")
@tenant_option
@json_option
def remove_one(subject: str, period: str, unit: str, tenant: str | None, *, as_json: bool) -> None:
    """Take a budget away: nothing of this kind is limited any more."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.budgets import BudgetKey, remove_budget

        tenant_id, key = choose_tenant(tenant).pk, BudgetKey(subject, period, unit)
        deed = deed_of(tenant_id, AuditAction.BUDGET_REMOVED, f"budget:{unit}_per_{subject}_{period}")
        audited(deed, remove_budget, tenant_id, key)
    tell({"removed": True}, "The budget is gone.", as_json=as_json)


@budget.command("list")
@tenant_option
@json_option
def list_all(tenant: str | None, *, as_json: bool) -> None:
    """The budgets of a tenant, and what is spent of those of the whole tenant."""
    with open_store():
        from hailgate.messaging.assistants.budgets import list_standing_budgets

        rows = [_budget_row(each) for each in list_standing_budgets(choose_tenant(tenant).pk)]
    tell(rows, table(rows, "No budget yet: hailgate budget set tenant month messages 1000"), as_json=as_json)


def _budget_row(standing: "StandingBudget") -> dict[str, Any]:
    limit, spent, share = standing.limit, standing.spent, standing.share
    return {
        "subject": limit.subject,
        "period": limit.period,
        "unit": limit.unit,
        "most": limit.shown,
        "spent": None if spent is None else limit._replace(most=spent).shown,
        "share": None if share is None else f"{share:.0%}",
    }


def _message_rows(kept: Any, tenant_id: int) -> list[dict[str, Any]]:
    from hailgate.core.money import format_amount

    return [
        {
            "market": line.market,
            "category": line.category,
            "from": line.since,
            "currency": line.currency,
            "price": format_amount(line.nanos),
        }
        for line in kept.list_message_prices(tenant_id)
    ]


def _model_rows(kept: Any, tenant_id: int) -> list[dict[str, Any]]:
    from hailgate.core.money import format_amount

    return [
        {
            "vendor": line.vendor,
            "model": line.model,
            "from": line.since,
            "currency": line.currency,
            "input": format_amount(line.input_nanos),
            "output": format_amount(line.output_nanos),
        }
        for line in kept.list_model_prices(tenant_id)
    ]


@click.command("costs")
@click.argument("month", default="")
@tenant_option
@json_option
def costs(month: str, tenant: str | None, *, as_json: bool) -> None:
    """What a MONTH (UTC, 2026-11; this one if none is named) is estimated to have cost, by channel and sender.

    By your own prices as they are now. Free service messages are those that the provider told of: at least so many.
    """
    with open_store():
        from hailgate.messaging.outbound.costs import month_of, parse_month, tell_costs

        span = parse_month(month or month_of(time.time()))
        rows = [
            _cost_row(found.name, origin, tally)
            for found in tell_costs(choose_tenant(tenant).pk, span)
            for origin, tally in [*sorted(found.origins.items()), ("all", found.whole)]
        ]
    tell(rows, table(rows, "Nothing was delivered in this month, and no model was asked."), as_json=as_json)


def _cost_row(channel: str, origin: str, tally: "Tally") -> dict[str, Any]:
    from hailgate.core.money import format_amount

    counts = {name: value for name, value in tally._asdict().items() if name != "costs"}
    amounts = ", ".join(f"{format_amount(cost.nanos)} {cost.currency}" for cost in tally.costs)
    return {"channel": channel, "origin": origin, **counts, "cost": amounts}
