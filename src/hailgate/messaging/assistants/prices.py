"""Prices that an owner has imported: kept by tenant, corrected by importing again. What was sent is never rewritten."""

from collections.abc import Iterable, Sequence
from typing import Final

from hailgate.assistant.settings import ModelChoice
from hailgate.core.errors import Conflict
from hailgate.core.prices import (
    MessagePriceLine,
    ModelPriceLine,
    PriceList,
    read_message_prices,
    read_model_prices,
)
from hailgate.messaging.models import Budget, MessagePrice, ModelPrice
from hailgate.messaging.store.sql import atomic_cursor, now

MESSAGES: Final = "messages"
_MESSAGE: Final = ("market", "category", "since", "currency", "nanos")
_MODEL: Final = ("vendor", "model", "since", "currency", "input_nanos", "output_nanos")


def import_prices(tenant_id: int, kind: str, text: str) -> int:
    """All lines of a CSV, or none of them. One for the same thing, date and currency is corrected. Raises InputError.

    Returns how many prices were read.
    """
    if kind == MESSAGES:
        messages = [MessagePrice(tenant_id=tenant_id, **line._asdict()) for line in read_message_prices(text)]
        with atomic_cursor():
            MessagePrice.objects.bulk_create(
                messages, update_conflicts=True, unique_fields=["tenant", *_MESSAGE[:4]], update_fields=_MESSAGE[4:]
            )
        return len(messages)
    models = [ModelPrice(tenant_id=tenant_id, **line._asdict()) for line in read_model_prices(text)]
    with atomic_cursor():
        ModelPrice.objects.bulk_create(
            models, update_conflicts=True, unique_fields=["tenant", *_MODEL[:4]], update_fields=_MODEL[4:]
        )
    return len(models)


def load_prices(tenant_id: int) -> PriceList:
    return PriceList(list_message_prices(tenant_id), list_model_prices(tenant_id))


def check_priced(tenant_id: int, currency: str, choices: Iterable[tuple[str, ModelChoice]]) -> None:
    """``choices`` are the models that answer, by the names of who asks them.

    Raises Conflict where one has no price: nobody could say what it spends.
    """
    prices = load_prices(tenant_id)
    with atomic_cursor(read_only=True) as cursor:
        moment = now(cursor)
    for name, choice in choices:
        if prices.price_model(choice.vendor, choice.model, moment, currency) is None:
            raise Conflict(
                f"{choice.vendor} {choice.model}, which {name} asks, has no price in {currency}: no budget in "
                "money can hold it. Import one with `hailgate prices import models`.",
                code="unpriced",
            )


def find_money_currency(tenant_id: int) -> str:
    """Of the tenant's budgets in money; empty where there is none."""
    return Budget.objects.filter(tenant_id=tenant_id, unit="money").values_list("currency", flat=True).first() or ""


def list_message_prices(tenant_id: int) -> Sequence[MessagePriceLine]:
    found = MessagePrice.objects.filter(tenant_id=tenant_id).order_by(*_MESSAGE[:4]).values_list(*_MESSAGE)
    return [MessagePriceLine._make(row) for row in found]


def list_model_prices(tenant_id: int) -> Sequence[ModelPriceLine]:
    found = ModelPrice.objects.filter(tenant_id=tenant_id).order_by(*_MODEL[:4]).values_list(*_MODEL)
    return [ModelPriceLine._make(row) for row in found]
