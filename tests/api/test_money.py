"""Costs, budgets and the kill switch over the API."""

import pytest

pytestmark = pytest.mark.anyio


async def test_costs_of_a_month_by_channel_and_origin(site, key, told) -> None:
    shown = (await site.get("/v1/costs?month=2020-01", key=key)).json
    assert shown == {"month": "2020-01", "channels": []}
    refused = await site.get("/v1/costs?month=2020-13", key=key)
    assert (refused.status, refused.json["field"]) == (422, "month")


async def test_the_switch_is_thrown_and_taken_back_and_on_record(site, key) -> None:
    assert (await site.get("/v1/assistants/spending", key=key)).json == {"stopped_at": None, "budgets": []}
    stopped = await site.post("/v1/assistants/stop", key=key)
    assert stopped.json["stopped_at"] is not None
    assert (await site.post("/v1/assistants/resume", key=key)).json["stopped_at"] is None
    actions = [entry["action"] for entry in (await site.get("/v1/audit", key=key)).json["items"]]
    assert actions[:2] == ["assistants.resumed", "assistants.stopped"]


async def test_budgets_are_shown_with_what_is_spent(site, key, channel, db) -> None:
    from hailgate.messaging.assistants.budgets import BudgetKey, set_budget

    await db(set_budget, channel.tenant_id, BudgetKey("tenant", "month", "money"), "5", "EUR")
    (budget,) = (await site.get("/v1/assistants/spending", key=key)).json["budgets"]
    assert budget == {
        "subject": "tenant",
        "period": "month",
        "unit": "money",
        "most": "5.00",
        "spent": "0.00",
        "currency": "EUR",
    }
