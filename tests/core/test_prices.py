"""Prices: read line by line, looked up for a moment and a market; sums are exact."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import InputError
from hailgate.core.markets import market_of
from hailgate.core.money import NANOS, format_amount, parse_amount
from hailgate.core.prices import PriceList, read_message_prices, read_model_prices

HEAD = "market,category,from,currency,price\n"
MESSAGES = HEAD + (
    "BR,service,2026-10-01,USD,0.0068\nBR,service,2027-01-01,USD,0.0070\nBR,service,2026-10-01,EUR,0.0061\n"
    "AR CL,service,2026-10-01,USD,0.0113\n*,service,2026-10-01,USD,0.02\n"
)
MODELS = (
    "vendor,model,from,currency,input,output\nopenai,gpt-5-mini,2026-01-01,USD,0.25,2\nollama,*,2026-01-01,USD,0,0\n"
)


def at(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


OCTOBER, JANUARY = at("2026-10-15"), at("2027-01-01")


@pytest.fixture
def prices():
    return PriceList(read_message_prices(MESSAGES), read_model_prices(MODELS))


@pytest.mark.parametrize(
    ("market", "moment", "currency", "amount"),
    [
        ("BR", OCTOBER, "USD", "0.0068"),
        ("BR", JANUARY - 1, "USD", "0.0068"),
        ("BR", JANUARY, "USD", "0.007"),
        ("BR", OCTOBER, "EUR", "0.0061"),
        ("CL", OCTOBER, "", "0.0113"),
        ("DE", OCTOBER, "USD", "0.02"),
        ("DE", OCTOBER, "EUR", None),
        ("BR", at("2026-09-30"), "USD", None),
        ("", OCTOBER, "USD", None),
    ],
)
def test_a_message_costs_what_holds_in_its_market_on_its_day(prices, market, moment, currency, amount):
    found = prices.price_message(market, "service", moment, currency)
    assert (None if amount is None else parse_amount(amount, "")) == (found.nanos if found else None)


def test_where_nobody_knows_the_market_the_dearest_is_the_bound(prices):
    assert prices.price_dearest("service", OCTOBER, "USD").nanos == parse_amount("0.02", "")
    assert prices.price_dearest("service", OCTOBER, "GBP").nanos == 0


def test_a_model_is_priced_by_name_else_by_its_vendor_else_not_at_all(prices):
    assert prices.price_model("openai", "gpt-5-mini", OCTOBER, "USD").cost(1_000, 500) == parse_amount("0.00125", "")
    assert prices.price_model("ollama", "whatever", OCTOBER).cost(10**6, 10**6) == 0
    assert prices.price_model("openai", "gpt-6", OCTOBER) is None
    assert prices.price_model("openai", "gpt-5-mini", OCTOBER, "EUR") is None


def test_a_cost_is_never_rounded_to_nothing(prices):
    assert prices.price_model("openai", "gpt-5-mini", OCTOBER).cost(1, 0) == 250


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("br,service,2026-10-01,USD,1", "line 3: market:"),
        ("BR,Service,2026-10-01,USD,1", "line 3: category:"),
        ("BR,service,01.10.2026,USD,1", "line 3: from:"),
        ("BR,service,2026-10-01,usd,1", "line 3: currency:"),
        ("BR,service,2026-10-01,USD,-1", "line 3: price:"),
        ("BR,service,2026-10-01,USD,1e3", "line 3: price:"),
        ('BR,service,2026-10-01,USD,"0,01"', "line 3: price:"),
        ("BR,service,2026-10-01,USD", "line 3: has 4 cells"),
        ("AR,service,2026-10-01,USD,2", "line 3: names the same thing, date and currency as line 2"),
    ],
)
def test_a_faulty_line_is_named_with_its_number_and_never_repeated(line, fault):
    with pytest.raises(InputError) as refused:
        read_message_prices(f"{HEAD}AR,service,2026-10-01,USD,1\n{line}\n")
    assert refused.value.detail.startswith(fault)
    assert line not in refused.value.detail


def test_all_faulty_lines_are_told_up_to_twenty():
    with pytest.raises(InputError) as refused:
        read_message_prices(HEAD + "x,service,2026-10-01,USD,1\n" * 25)
    assert refused.value.detail.count("\n") == 20
    assert refused.value.detail.endswith("and 5 more lines.")


@pytest.mark.parametrize("text", ["", "a,b\n", "vendor,model,from,currency,input,output\n"])
def test_a_file_with_other_columns_is_refused(text):
    with pytest.raises(InputError, match="line 1"):
        read_message_prices(text)


@given(st.text())
def test_whatever_a_file_holds_is_read_or_refused(text):
    for read in (read_message_prices, read_model_prices):
        with contextlib.suppress(InputError):
            read(text)


@given(st.integers(0, 10**6 * NANOS))
def test_an_amount_reads_as_it_was_written(nanos):
    assert parse_amount(format_amount(nanos), "") == nanos


@pytest.mark.parametrize(
    ("kind", "value", "market"),
    [
        ("phone", "5511987654321", "BR"),
        ("phone", "15551234567", "US"),
        ("phone", "14165550100", "CA"),
        ("phone", "18765550100", "JM"),
        ("phone", "77011234567", "KZ"),
        ("phone", "79161234567", "RU"),
        ("phone", "447911234567", "GG"),
        ("phone", "447700900000", "GB"),
        ("phone", "2100000000", ""),
        ("bsuid", "MX.1234abc", "MX"),
        ("bsuid", "nothing", ""),
        ("jid", "4915112345678@s.whatsapp.net", "DE"),
        ("lid", "123456789", ""),
        ("group", "1203630@g.us", ""),
    ],
)
def test_the_market_is_the_numbers_else_the_ids_else_unknown(kind, value, market):
    assert market_of(Address(AddressKind(kind), value)) == market
