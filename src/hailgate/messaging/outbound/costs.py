"""Costs: what a month's messages and models are estimated to have cost, by channel and sender.

Nothing is kept: the facts are what the provider told of a message and what a model took. Who corrects a price is told
other costs from then on.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final, NamedTuple

from hailgate.core.errors import InputError
from hailgate.core.markets import UNKNOWN
from hailgate.core.prices import Cost, PriceList
from hailgate.core.status import Status
from hailgate.messaging.assistants.prices import load_prices
from hailgate.messaging.models import Channel
from hailgate.messaging.outbound.estimates import find_markets
from hailgate.messaging.store.sql import Cursor, atomic_cursor, every_tenant, fetch, fetch_one, on_postgresql

DAY_S: Final = 86_400
# A message may be delivered so long after it was accepted; templates live for thirty days.
LATEST_DELIVERY_S: Final = 31 * DAY_S
DELIVERED: Final = (Status.DELIVERED, Status.READ, Status.PLAYED)
FREE_SERVICE: Final = "free_customer_service"
PEOPLE: Final = frozenset({"operator", "telephone"})


class Tally(NamedTuple):
    """Messages of one channel and kind of sender. ``unpriced`` are charged, or may be, and nobody knows how much."""

    messages: int = 0
    charged: int = 0
    free_service: int = 0
    unpriced: int = 0
    tokens: int = 0
    unpriced_answers: int = 0
    costs: tuple[Cost, ...] = ()

    def plus(self, other: "Tally") -> "Tally":
        counts = {name: getattr(self, name) + getattr(other, name) for name in self._fields if name != "costs"}
        return Tally(**counts, costs=sum_costs([*self.costs, *other.costs]))


class ChannelCosts(NamedTuple):
    """``origins`` are `assistant`, `person` and `api`, those that there were."""

    uid: str
    name: str
    whole: Tally
    origins: Mapping[str, Tally]


class MonthSpan(NamedTuple):
    """A month (UTC), in seconds since the epoch."""

    begin: float
    end: float


def parse_month(text: str) -> MonthSpan:
    """`2026-11`. Raises InputError."""
    try:
        begin = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise InputError("month: must be a month such as 2026-11.", field="month") from None
    year, month = divmod(begin.year * 12 + begin.month, 12)
    return MonthSpan(begin.timestamp(), begin.replace(year=year, month=month + 1).timestamp())


def month_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


def sum_costs(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """By currency."""
    ordered = sorted(costs)
    groups = groupby(ordered, key=lambda cost: cost.currency)
    return tuple(Cost(currency, sum(cost.nanos for cost in same)) for currency, same in groups)


def tell_costs(tenant_id: int, span: MonthSpan) -> list[ChannelCosts]:
    """Of every channel of the tenant that sent or asked a model in this month."""
    prices = load_prices(tenant_id)
    with atomic_cursor(read_only=True) as cursor:
        found = [*_messages(cursor, tenant_id, span, prices), *_models(cursor, tenant_id, span, prices)]
    channels = {each.pk: each for each in Channel.objects.filter(tenant_id=tenant_id)}
    tallies: dict[int, dict[str, Tally]] = {}
    for channel_id, origin, tally in found:
        origins = tallies.setdefault(channel_id, {})
        origins[origin] = origins.get(origin, Tally()).plus(tally)
    return [
        ChannelCosts(str(channels[id_].uid), channels[id_].name, _sum(origins.values()), origins)
        for id_, origins in sorted(tallies.items())
        if id_ in channels
    ]


def tell_days(tenant_id: int, span: MonthSpan) -> list[tuple[int, int, int]]:
    """Of each day on which models were asked: its begin in seconds, answers, and tokens."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT {_day('created_at')}, count(*), sum(input_tokens + output_tokens) FROM messaging_turnanswer "
            "WHERE tenant_id = %s AND calls > 0 AND created_at >= %s AND created_at < %s GROUP BY 1 ORDER BY 1",
            [tenant_id, span.begin, span.end],
        )
    return [(day * DAY_S, answers, int(tokens)) for day, answers, tokens in found]


def _sum(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole = whole.plus(tally)
    return whole


# --- messages ---------------------------------------------------------------------------------------------------------


def _messages(cursor: Cursor, tenant_id: int, span: MonthSpan, prices: PriceList) -> Iterable[tuple[int, str, Tally]]:
    """Each delivered message counts once, in the month in which it was first known to be delivered."""
    begin, end = _first_id(cursor, span.begin - LATEST_DELIVERY_S), _first_id(cursor, span.end)
    statuses = ", ".join(str(status.value) for status in DELIVERED)
    found = fetch(
        cursor,
        f"SELECT channel_id, conversation_id, sender, cause IS NOT NULL, price_category, price_type, billed, "
        f"{_day('at')}, count(*) FROM (SELECT message.*, COALESCE({_DELIVERED_AT}, message.accepted_at) AS at "
        f"FROM messaging_message message WHERE message.tenant_id = %s AND message.direction = 2 "
        f"AND message.status IN ({statuses}) AND message.id >= %s AND message.id < %s) delivered "
        f"WHERE at >= %s AND at < %s AND tenant_id = %s GROUP BY 1, 2, 3, 4, 5, 6, 7, 8",
        [tenant_id, begin, end, span.begin, span.end, tenant_id],
    )
    markets = find_markets(cursor, tenant_id, {row[1] for row in found if row[6]})
    for channel_id, conversation_id, sender, composed, *facts, day, count in found:
        tally = _tally(prices, markets.get(conversation_id, UNKNOWN), facts, day * DAY_S, count)
        yield channel_id, _origin(sender, composed=bool(composed)), tally


_DELIVERED_AT: Final = (
    "(SELECT min(at) FROM messaging_receipt receipt WHERE receipt.message_id = message.id "
    "AND receipt.event IN ('delivered', 'read', 'played'))"
)


def _day(column: str) -> str:
    whole = f"floor({column} / {DAY_S})" if on_postgresql() else f"{column} / {DAY_S}"
    return f"CAST({whole} AS INTEGER)"


def _origin(sender: str, *, composed: bool) -> str:
    if composed:
        return "assistant"
    return "person" if sender in PEOPLE else "api"


def _tally(prices: PriceList, market: str, facts: Sequence[object], at: float, count: int) -> Tally:
    category, kind, billed = facts
    if billed is None:
        return Tally(count, unpriced=count)
    if not billed:
        return Tally(count, free_service=count if kind == FREE_SERVICE else 0)
    cost = prices.price_message(market, str(category), at)
    costs = (Cost(cost.currency, cost.nanos * count),) if cost else ()
    return Tally(count, charged=count, unpriced=0 if cost else count, costs=costs)


def _first_id(cursor: Cursor, at: float) -> int:
    """Of the messages accepted from then on: ids rise with time, so it is found by halving, by the primary key."""
    mark = every_tenant("by time")
    lowest, highest = fetch_one(cursor, f"SELECT min(id), max(id) + 1 FROM messaging_message {mark}") or (None, None)
    if lowest is None:
        return 0
    while lowest < highest:
        middle = (lowest + highest) // 2
        statement = f"SELECT id, accepted_at FROM messaging_message WHERE id >= %s {mark} ORDER BY id LIMIT 1"
        found = fetch_one(cursor, statement, [middle])
        if found is None or found[1] >= at:
            highest = middle
        else:
            lowest = found[0] + 1
    return int(lowest)


# --- models -----------------------------------------------------------------------------------------------------------


def _models(cursor: Cursor, tenant_id: int, span: MonthSpan, prices: PriceList) -> Iterable[tuple[int, str, Tally]]:
    """All that was asked, also for answers that were never sent."""
    found = fetch(
        cursor,
        f"SELECT channel_id, vendor, model, {_day('created_at')}, sum(input_tokens), sum(output_tokens), count(*) "
        "FROM messaging_turnanswer WHERE tenant_id = %s AND calls > 0 AND created_at >= %s AND created_at < %s "
        "GROUP BY 1, 2, 3, 4",
        [tenant_id, span.begin, span.end],
    )
    for channel_id, vendor, model, day, read, written, count in found:
        price = prices.price_model(vendor, model, day * DAY_S)
        costs = (Cost(price.currency, price.cost(int(read), int(written))),) if price else ()
        tally = Tally(tokens=int(read + written), unpriced_answers=0 if price else count, costs=costs)
        yield channel_id, "assistant", tally
