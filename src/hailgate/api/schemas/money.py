"""Costs and budgets."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from hailgate.api.schemas.common import ChannelRef


class CostOut(Schema):
    currency: str
    amount: str = Field(description="A decimal.")


class TallyOut(Schema):
    """Delivered messages, and what models took. `unpriced` messages and answers are not in `costs`."""

    messages: int
    charged: int
    free_service: int = Field(description="Free service messages that the provider told of: at least so many.")
    unpriced: int
    tokens: int
    unpriced_answers: int
    costs: list[CostOut]


class ChannelCostsOut(TallyOut):
    channel: ChannelRef
    origins: dict[Literal["assistant", "person", "api"], TallyOut]


class CostsOut(Schema):
    """Estimated by your own prices as they are now."""

    month: str
    channels: list[ChannelCostsOut]


class BudgetOut(Schema):
    """A decimal in `most` and `spent` where it is in money. `spent` is null where it is not of the whole tenant."""

    subject: Literal["turn", "contact", "tenant"]
    period: Literal["turn", "day", "month"]
    unit: Literal["messages", "tokens", "money"]
    most: str
    spent: str | None
    currency: str | None


class SpendingOut(Schema):
    stopped_at: datetime | None = Field(description="Since when all assistants are stopped; null while they answer.")
    budgets: list[BudgetOut]
