"""Costs of a month: each delivered message once, by what the provider told of it and the owner's prices as they are."""

from datetime import UTC, datetime

import msgspec
import pytest

from hailgate.assistant.contract import Usage
from hailgate.core.errors import InputError
from hailgate.core.events import Price
from hailgate.core.prices import Cost
from hailgate.core.status import Status
from hailgate.messaging.assistants.answers import AnswerRecord, TurnPlace, record_answers
from hailgate.messaging.assistants.prices import import_prices
from hailgate.messaging.models import Message
from hailgate.messaging.outbound.costs import MonthSpan, month_of, parse_month, tell_costs
from hailgate.messaging.outbound.estimates import estimate_messages
from hailgate.messaging.store.sql import atomic_cursor
from messaging.acting import apply, conversation_of, deliver_all, new_worker, send, told

HEAD = "market,category,from,currency,price\n"
CHARGED = Price("service", "regular", True, None)
FREE = Price("service", "free_customer_service", False, None)


@pytest.fixture
def month(clock):
    """The one that runs, by the store's clock."""
    with atomic_cursor() as cursor:
        from hailgate.messaging.store.sql import now

        return parse_month(month_of(now(cursor)))


def prices(tenant, price="0.5", since="2020-01-01"):
    import_prices(tenant.pk, "messages", f"{HEAD}US,service,{since},USD,{price}\n")


def deliver(channel, at, *, price=CHARGED, number=1, status=Status.DELIVERED):
    """A message that was sent and delivered at ``at``."""
    message = send(channel, number, "Yes.")
    deliver_all(new_worker())
    tell(channel, message, at, price=price, status=status)
    return message


def tell(channel, message, at, *, price=CHARGED, status=Status.DELIVERED):
    report = told(channel, status, f"wamid.{message.uid}", at=at)
    apply(channel, msgspec.structs.replace(report, price=price))


def whole(tenant, month):
    found = tell_costs(tenant.pk, month)
    return found[0].whole if found else None


def test_a_charged_message_costs_what_its_market_says(tenant, channel, month):
    prices(tenant)
    deliver(channel, month.begin + 10)
    deliver(channel, month.begin + 20)
    tally = whole(tenant, month)
    assert (tally.messages, tally.charged, tally.unpriced) == (2, 2, 0)
    assert tally.costs == (Cost("USD", 1_000_000_000),)


def test_a_free_one_is_counted_and_costs_nothing(tenant, channel, month):
    prices(tenant)
    deliver(channel, month.begin + 10, price=FREE)
    tally = whole(tenant, month)
    assert (tally.messages, tally.charged, tally.free_service, tally.costs) == (1, 0, 1, ())


@pytest.mark.parametrize("price", [CHARGED, Price("", "", None, None)])
def test_what_nobody_knows_is_counted_and_not_guessed(tenant, channel, month, price):
    deliver(channel, month.begin + 10, price=price)
    tally = whole(tenant, month)
    assert (tally.messages, tally.unpriced, tally.costs) == (1, 1, ())


def test_it_counts_once_in_the_month_in_which_it_was_delivered_whatever_is_told_again(tenant, channel, month):
    prices(tenant)
    message = deliver(channel, month.end - 1)
    tell(channel, message, month.end + 100, status=Status.READ)
    tell(channel, message, month.end - 1)
    assert whole(tenant, month).messages == 1
    assert whole(tenant, parse_month(month_of(month.end))) is None


def test_a_correction_of_a_price_changes_what_is_told_and_no_row(tenant, channel, month):
    prices(tenant)
    message = deliver(channel, month.begin + 10)
    before = Message.objects.filter(tenant_id=tenant.pk, uid=message.uid).values().get()
    prices(tenant, "0.7")
    assert whole(tenant, month).costs == (Cost("USD", 700_000_000),)
    assert Message.objects.filter(tenant_id=tenant.pk, uid=message.uid).values().get() == before


def test_a_message_that_was_not_delivered_costs_nothing(tenant, channel, month):
    prices(tenant)
    deliver(channel, month.begin + 10, status=Status.SENT)
    assert whole(tenant, month) is None


def test_models_cost_by_their_tokens_and_whose_price_is_missing_is_counted(tenant, channel, month):
    message = deliver(channel, month.begin + 10, price=FREE)
    place = TurnPlace(tenant.pk, conversation_of(message).pk, channel.id, 1, 1, 0)
    record = AnswerRecord("answered", "", "clinic", None, False, Usage("openai", "one", 1, 900_000, 100_000), 0.5)
    other = record._replace(usage=Usage("openai", "two", 1, 10, 10))
    with atomic_cursor() as cursor:
        record_answers(cursor, [(place, record), (place, other)], month.begin + 5)
    import_prices(tenant.pk, "models", "vendor,model,from,currency,input,output\nopenai,one,2020-01-01,EUR,1,10\n")
    (found,) = tell_costs(tenant.pk, month)
    tally = found.origins["assistant"]
    assert (tally.tokens, tally.unpriced_answers, tally.costs) == (1_000_020, 1, (Cost("EUR", 1_900_000_000),))
    assert found.origins["api"].messages == 1


def test_another_tenant_sees_none_of_it(tenant, channel, month):
    from hailgate.accounts.keys import add_tenant

    deliver(channel, month.begin + 10)
    assert tell_costs(add_tenant("shop").pk, month) == []


def test_one_message_is_told_with_its_cost(tenant, channel, month):
    prices(tenant)
    charged, free, untold = (deliver(channel, month.begin + 10, price=price) for price in (CHARGED, FREE, None))
    rows = list(Message.objects.filter(tenant_id=tenant.pk).order_by("id"))
    found = estimate_messages(tenant.pk, rows)
    by_uid = {row.uid: found.get(row.pk) for row in rows}
    assert [by_uid[each.uid] for each in (charged, free, untold)] == [Cost("USD", 500_000_000), Cost("", 0), None]


@pytest.mark.parametrize(("text", "days"), [("2026-02", 28), ("2024-02", 29), ("2026-12", 31), ("2026-04", 30)])
def test_a_month_is_as_long_as_it_is(text, days):
    span = parse_month(text)
    assert (span.end - span.begin) / 86_400 == days
    assert span == MonthSpan(datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).timestamp(), span.end)


@pytest.mark.parametrize("text", ["2026-13", "november", "2026", ""])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(InputError):
        parse_month(text)
