"""Money: what was spent by month and channel, budgets, and the kill switch of assistants."""

import time
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router

from hailgate.api.access import actor_of, tenant_of
from hailgate.api.schemas.common import ChannelRef
from hailgate.api.schemas.money import BudgetOut, ChannelCostsOut, CostOut, CostsOut, SpendingOut, TallyOut
from hailgate.core.money import format_amount
from hailgate.messaging.assistants.budgets import StandingBudget, list_standing_budgets
from hailgate.messaging.assistants.stopping import find_stop
from hailgate.messaging.outbound.assistant_stop import resume_by_hand, stop_by_hand
from hailgate.messaging.outbound.costs import ChannelCosts, Tally, month_of, parse_month, tell_costs

router = Router(tags=["Money"])


@router.get("/costs", response=CostsOut, operation_id="get_costs")
def get_costs(request: HttpRequest, month: Annotated[str, Query(max_length=7)] = "") -> CostsOut:
    """Of a month (UTC, `2026-11`; this one where none is named), by channel and by who wrote."""
    chosen = month or month_of(time.time())
    found = tell_costs(tenant_of(request), parse_month(chosen))
    return CostsOut(month=chosen, channels=[_show_channel(each) for each in found])


@router.get("/assistants/spending", response=SpendingOut, operation_id="get_spending")
def get_spending(request: HttpRequest) -> SpendingOut:
    """The tenant's budgets and what is spent of them, and whether its assistants are stopped."""
    tenant_id = tenant_of(request)
    budgets = [_show_budget(each) for each in list_standing_budgets(tenant_id)]
    return SpendingOut(stopped_at=find_stop(tenant_id), budgets=budgets)


@router.post("/assistants/stop", response=SpendingOut, operation_id="stop_assistants")
def stop(request: HttpRequest) -> SpendingOut:
    """The kill switch: no assistant says anything from now on; what has not left is cancelled, and people answer."""
    stop_by_hand(actor_of(request), tenant_of(request))
    return get_spending(request)


@router.post("/assistants/resume", response=SpendingOut, operation_id="resume_assistants")
def resume(request: HttpRequest) -> SpendingOut:
    """Let assistants answer again. Conversations that people have meanwhile stay theirs."""
    resume_by_hand(actor_of(request), tenant_of(request))
    return get_spending(request)


def _show_channel(found: ChannelCosts) -> ChannelCostsOut:
    return ChannelCostsOut(
        channel=ChannelRef(id=found.uid, name=found.name),
        origins={origin: _show_tally(tally) for origin, tally in found.origins.items()},  # type: ignore[misc]
        **_show_tally(found.whole).model_dump(),
    )


def _show_tally(tally: Tally) -> TallyOut:
    costs = [CostOut(currency=cost.currency, amount=format_amount(cost.nanos)) for cost in tally.costs]
    return TallyOut(**{**tally._asdict(), "costs": costs})


def _show_budget(standing: StandingBudget) -> BudgetOut:
    limit, spent = standing.limit, standing.spent
    return BudgetOut(
        subject=limit.subject,  # type: ignore[arg-type]  # checked when it was set
        period=limit.period,  # type: ignore[arg-type]
        unit=limit.unit,  # type: ignore[arg-type]
        most=format_amount(limit.most) if limit.currency else str(limit.most),
        spent=None if spent is None else format_amount(spent) if limit.currency else str(spent),
        currency=limit.currency or None,
    )
