"""Prices: the owner's dated tables of what messages and models cost, read from CSV, and looked up for a moment.

A price holds from the beginning of its day (UTC) until a later one of the same thing does.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from io import StringIO
from typing import Final, NamedTuple, TypeVar

from hailgate.core.errors import InputError
from hailgate.core.markets import UNKNOWN
from hailgate.core.money import parse_amount, parse_currency

# Whatever country, or whatever model of a vendor, no line of its own names.
ANY: Final = "*"
PER_TOKENS: Final = 1_000_000
MESSAGE_COLUMNS: Final = ("market", "category", "from", "currency", "price")
MODEL_COLUMNS: Final = ("vendor", "model", "from", "currency", "input", "output")
LONGEST_FILE: Final = 4 * 1024 * 1024
MOST_FAULTS: Final = 20
_MARKET: Final = re.compile(r"[A-Z]{2}|\*")
_WORD: Final = re.compile(r"[a-z0-9_-]{1,40}")
_MODEL: Final = re.compile(r"[!-~]{1,100}")

Priced = TypeVar("Priced", "MessagePriceLine", "ModelPriceLine")


class MessagePriceLine(NamedTuple):
    """Of one message that is charged. ``since`` is a date as ISO writes it."""

    market: str
    category: str
    since: str
    currency: str
    nanos: int


class ModelPriceLine(NamedTuple):
    """Of a million tokens that a model reads or writes."""

    vendor: str
    model: str
    since: str
    currency: str
    input_nanos: int
    output_nanos: int

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Billionths, rounded up."""
        return -(-(input_tokens * self.input_nanos + output_tokens * self.output_nanos) // PER_TOKENS)


class Cost(NamedTuple):
    currency: str
    nanos: int


class PriceList:
    """All prices of a tenant. Where several currencies have a price, ``currency`` chooses; without it the first."""

    def __init__(self, messages: Iterable[MessagePriceLine] = (), models: Iterable[ModelPriceLine] = ()) -> None:
        self._messages = _by_first_two(messages)
        self._models = _by_first_two(models)

    def __bool__(self) -> bool:
        return bool(self._messages or self._models)

    def price_message(self, market: str, category: str, at: float, currency: str = "") -> Cost | None:
        """None where no line says it; always for an unknown market."""
        if market == UNKNOWN:
            return None
        found = self._of_market(market, category, at, currency)
        return Cost(found.currency, found.nanos) if found else None

    def price_dearest(self, category: str, at: float, currency: str) -> Cost:
        """What a message of the category costs at most, wherever it goes: 0 where nothing is known of any place."""
        markets = [market for market, priced in self._messages if priced == category]
        found = [self._of_market(market, category, at, currency) for market in markets]
        return Cost(currency, max((line.nanos for line in found if line), default=0))

    def price_model(self, vendor: str, model: str, at: float, currency: str = "") -> ModelPriceLine | None:
        named = _in_force(self._models.get((vendor, model), ()), at, currency)
        return named or _in_force(self._models.get((vendor, ANY), ()), at, currency)

    def _of_market(self, market: str, category: str, at: float, currency: str) -> MessagePriceLine | None:
        named = _in_force(self._messages.get((market, category), ()), at, currency)
        return named or _in_force(self._messages.get((ANY, category), ()), at, currency)


def _by_first_two(prices: Iterable[Priced]) -> dict[tuple[str, str], list[Priced]]:
    found: dict[tuple[str, str], list[Priced]] = {}
    for price in prices:
        found.setdefault((price[0], price[1]), []).append(price)
    return found


def _in_force(lines: Iterable[Priced], at: float, currency: str) -> Priced | None:
    """The newest of those that have begun; of several currencies the first by name."""
    day = datetime.fromtimestamp(at, UTC).date().isoformat()
    fitting = [line for line in lines if line.since <= day and currency in {"", line.currency}]
    newest = max((line.since for line in fitting), default="")
    return min((line for line in fitting if line.since == newest), key=lambda line: line.currency, default=None)


def read_message_prices(text: str) -> list[MessagePriceLine]:
    """A line may name several markets with spaces between them. Raises InputError naming every faulty line."""
    return _read(text, MESSAGE_COLUMNS, _message_prices)


def read_model_prices(text: str) -> list[ModelPriceLine]:
    """Raises InputError naming every faulty line."""
    return _read(text, MODEL_COLUMNS, lambda line: [_model_price(line)])


def _message_prices(line: Mapping[str, str]) -> list[MessagePriceLine]:
    markets = line["market"].split()
    if not markets or not all(_MARKET.fullmatch(market) for market in markets):
        raise InputError("market: must be countries of two capital letters, such as BR or AR CL, or * for all others.")
    if not _WORD.fullmatch(line["category"]):
        raise InputError("category: must be a category in small letters, such as service, utility or marketing.")
    since, currency = _date(line["from"]), parse_currency(line["currency"])
    price = parse_amount(line["price"], "price")
    return [MessagePriceLine(market, line["category"], since, currency, price) for market in markets]


def _model_price(line: Mapping[str, str]) -> ModelPriceLine:
    if not _WORD.fullmatch(line["vendor"][:30]):
        raise InputError("vendor: must be a vendor as an assistant names it, such as openai.")
    if not _MODEL.fullmatch(line["model"]):
        raise InputError("model: must be a model as the vendor names it, or * for all others.")
    amounts = parse_amount(line["input"], "input"), parse_amount(line["output"], "output")
    return ModelPriceLine(
        line["vendor"][:30], line["model"], _date(line["from"]), parse_currency(line["currency"]), *amounts
    )


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError("from: must be a date such as 2026-10-01.") from None


def _read(text: str, columns: Sequence[str], read: Callable[[Mapping[str, str]], list[Priced]]) -> list[Priced]:
    head, lines = _split(text)
    if head != list(columns):
        raise InputError(f"line 1: must name the columns: {','.join(columns)}.")
    found: dict[tuple[object, ...], tuple[int, Priced]] = {}
    faults: list[str] = []
    for number, cells in lines:
        try:
            for price in read(_named(columns, cells)):
                _check_new(number, found.setdefault(price[:4], (number, price))[0])
        except InputError as wrong:
            faults.append(f"line {number}: {wrong.detail}")
    if faults:
        raise InputError("\n".join(_shortened(faults)))
    return [price for _, price in found.values()]


def _shortened(faults: list[str]) -> list[str]:
    more = len(faults) - MOST_FAULTS
    return faults if more <= 0 else [*faults[:MOST_FAULTS], f"and {more} more lines."]


def _named(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise InputError(f"has {len(cells)} cells; {len(columns)} are needed.")
    return dict(zip(columns, cells, strict=True))


def _check_new(number: int, earlier: int) -> None:
    if earlier != number:
        raise InputError(f"names the same thing, date and currency as line {earlier}.")


def _split(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Head and lines with their numbers; empty lines are passed over."""
    if len(text) > LONGEST_FILE:
        raise InputError("The file is too long: at most 4 MiB.")
    reader = csv.reader(StringIO(text.removeprefix("\ufeff")))
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error:
        raise InputError(f"line {reader.line_num}: is not CSV: fields with commas between them.") from None
    return (rows[0][1], rows[1:]) if rows else ([], [])
