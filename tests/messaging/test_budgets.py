"""Budgets: reserved on their rows before a call, settled after it, and never overspent by more than a call."""

import threading

import pytest
from django.db import connection

from hailgate.assistant.settings import ModelChoice
from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.messaging.assistants.budgets import (
    BudgetKey,
    list_standing_budgets,
    remove_budget,
    set_budget,
)
from hailgate.messaging.assistants.prices import import_prices, list_message_prices
from hailgate.messaging.assistants.registry import add_assistant, draft_version, find_live, publish_version
from hailgate.messaging.assistants.spending import Amounts, reserve, settle
from hailgate.messaging.assistants.spending_rules import SpendingAsked, open_spending
from hailgate.messaging.models import AssistantSpending

OPENAI = {"vendor": "openai", "model": "one", "api_key": "sk-very-secret"}
MODELS = "vendor,model,from,currency,input,output\nopenai,one,2020-01-01,EUR,1,10\n"
MESSAGES = "market,category,from,currency,price\nBR,service,2020-01-01,EUR,0.01\nMX,service,2020-01-01,EUR,0.03\n"
BRAZIL = Address(AddressKind.PHONE, "5511987654321")
ONE = ModelChoice(vendor="openai", model="one")


@pytest.fixture
def clinic(tenant):
    return add_assistant(tenant.pk, "clinic", OPENAI | {"messages_per_contact": "0"})


def live(tenant):
    with connection.cursor() as cursor:
        return find_live(cursor, [(tenant.pk, "clinic")])[tenant.pk, "clinic"]


def settings_with(tenant, **limits):
    draft_version(tenant.pk, "clinic", {name: str(value) for name, value in limits.items()})
    publish_version(tenant.pk, "clinic")


def budget(tenant, *given):
    return set_budget(tenant.pk, BudgetKey(*given[:3]), *given[3:])


def open_turn(tenant, contact=7, *, to=BRAZIL, billed=True):
    found = live(tenant)
    return open_spending(SpendingAsked(tenant.pk, found.id, contact, to, found.settings, billed))


def call(tenant, rules, tokens):
    wanted = Amounts(0, tokens, rules.cost(ONE, tokens, 0))
    return reserve(tenant.pk, rules.limits, wanted, rules.currency)


def spent(tenant, **row):
    return AssistantSpending.objects.get(tenant_id=tenant.pk, **row)


# --- an assistant's own limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "contacts", "exceeded"),
    [
        ({"messages_per_day": 3}, [1, 2, 3, 4], "messages_per_day"),
        ({"messages_per_contact": 2}, [1, 1, 2, 1], "messages_per_contact"),
    ],
)
def test_a_limit_refuses_what_is_beyond_it_and_takes_nothing_then(tenant, clinic, limits, contacts, exceeded):
    settings_with(tenant, **limits)
    *fine, last = [open_turn(tenant, contact)[1].exceeded for contact in contacts]
    assert (fine, last) == ([""] * len(fine), exceeded)
    assert spent(tenant, contact_id=0, assistant=clinic).messages == len(fine)


def test_a_call_is_refused_whose_largest_would_be_beyond_the_tokens(tenant, clinic):
    settings_with(tenant, tokens_per_day=250)
    rules, _ = open_turn(tenant)
    assert [call(tenant, rules, 100).exceeded for _ in range(3)] == ["", "", "tokens_per_day"]


def test_what_was_reserved_is_settled_by_what_it_took(tenant, clinic):
    rules, message = open_turn(tenant)
    settle(call(tenant, rules, 400), Amounts(0, 30))
    settle(message, Amounts())
    rows = AssistantSpending.objects.filter(tenant_id=tenant.pk)
    assert {(row.contact_id, row.messages, row.tokens) for row in rows} == {(0, 0, 30), (7, 0, 30)}


def test_a_new_day_has_its_own_room(tenant, clinic, clock):
    settings_with(tenant, messages_per_day=1)
    assert open_turn(tenant)[1].exceeded == ""
    assert open_turn(tenant)[1].exceeded == "messages_per_day"
    clock.forward(86_400)
    assert open_turn(tenant)[1].exceeded == ""


# --- a tenant's budgets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", ["day", "month"])
@pytest.mark.parametrize("subject", ["tenant", "contact"])
def test_a_budget_of_messages_holds_for_its_period_and_subject(tenant, clinic, clock, subject, period):
    budget(tenant, subject, period, "messages", "2")
    contacts = [1, 2, 3] if subject == "tenant" else [1, 1, 1]
    found = [open_turn(tenant, contact)[1].exceeded for contact in contacts]
    assert found == ["", "", f"messages_per_{subject}_{period}"]
    clock.forward(32 * 86_400)
    assert open_turn(tenant, 1)[1].exceeded == ""


def test_one_contact_may_spend_on_where_another_has_spent_theirs(tenant, clinic):
    budget(tenant, "contact", "day", "messages", "1")
    assert [open_turn(tenant, contact)[1].exceeded for contact in (1, 2)] == ["", ""]


def test_money_counts_the_answer_and_the_calls(tenant, clinic):
    import_prices(tenant.pk, "models", MODELS)
    import_prices(tenant.pk, "messages", MESSAGES)
    budget(tenant, "tenant", "month", "money", "0.02", "EUR")
    rules, message = open_turn(tenant)
    assert (message.exceeded, message.reserved.nanos) == ("", 10_000_000)
    assert call(tenant, rules, 5_000).exceeded == ""
    assert call(tenant, rules, 5_001).exceeded == "money_per_tenant_month"
    (standing,) = list_standing_budgets(tenant.pk)
    assert (standing.spent, standing.share) == (15_000_000, 0.75)


def test_an_answer_to_an_unknown_market_is_reserved_as_the_dearest_and_one_that_is_not_billed_as_free(tenant, clinic):
    import_prices(tenant.pk, "models", MODELS)
    import_prices(tenant.pk, "messages", MESSAGES)
    budget(tenant, "tenant", "day", "money", "1", "EUR")
    assert open_turn(tenant, to=Address(AddressKind.LID, "99"))[1].reserved.nanos == 30_000_000
    assert open_turn(tenant, billed=False)[1].reserved.nanos == 0


def test_a_turn_has_budgets_of_its_own(tenant, clinic):
    budget(tenant, "turn", "turn", "tokens", "500")
    rules, _ = open_turn(tenant)
    assert rules.exceeded_by_turn(Amounts(0, 400), Amounts(0, 100)) == ""
    assert rules.exceeded_by_turn(Amounts(0, 400), Amounts(0, 101)) == "tokens_per_turn"


@pytest.mark.parametrize(("subject", "period"), [("contact", "day"), ("turn", "turn")])
def test_what_each_contact_or_answer_may_spend_has_no_one_sum(tenant, clinic, subject, period):
    budget(tenant, subject, period, "tokens", "500")
    rules, _ = open_turn(tenant)
    call(tenant, rules, 10)
    (standing,) = list_standing_budgets(tenant.pk)
    assert (standing.spent, standing.share) == (None, None)


def test_a_budget_in_money_needs_a_price_for_every_model_that_answers(tenant, clinic):
    with pytest.raises(Conflict, match="openai one, which clinic asks, has no price in EUR"):
        budget(tenant, "tenant", "month", "money", "5", "EUR")
    assert list_standing_budgets(tenant.pk) == []


def test_a_version_whose_model_has_no_price_is_not_published_beside_a_budget_in_money(tenant, clinic):
    import_prices(tenant.pk, "models", MODELS)
    budget(tenant, "tenant", "month", "money", "5", "EUR")
    draft_version(tenant.pk, "clinic", {"model": "two"})
    with pytest.raises(Conflict, match="openai two"):
        publish_version(tenant.pk, "clinic")


def test_a_model_that_lost_its_price_is_not_asked(tenant, clinic):
    import_prices(tenant.pk, "models", MODELS)
    budget(tenant, "tenant", "month", "money", "5", "EUR")
    from hailgate.messaging.models import ModelPrice

    ModelPrice.objects.filter(tenant_id=tenant.pk).delete()
    assert open_turn(tenant)[1].exceeded == "unpriced"


def test_all_budgets_in_money_are_in_one_currency_and_another_begins_anew(tenant, clinic):
    import_prices(tenant.pk, "models", MODELS + "openai,one,2020-01-01,USD,1,10\n")
    budget(tenant, "tenant", "month", "money", "5", "EUR")
    with pytest.raises(Conflict, match="EUR"):
        budget(tenant, "contact", "day", "money", "5", "USD")
    rules, _ = open_turn(tenant)
    call(tenant, rules, 1_000_000)
    budget(tenant, "tenant", "month", "money", "5", "USD")
    (standing,) = list_standing_budgets(tenant.pk)
    assert standing.spent == 0
    rules, _ = open_turn(tenant)
    call(tenant, rules, 1_000_000)
    (standing,) = list_standing_budgets(tenant.pk)
    assert standing.spent == 1_000_000_000


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("house", "day", "messages", "1"), "subject"),
        (("tenant", "year", "messages", "1"), "period"),
        (("tenant", "day", "minutes", "1"), "unit"),
        (("tenant", "turn", "tokens", "1"), "period"),
        (("turn", "turn", "messages", "1"), "unit"),
        (("tenant", "day", "messages", "1.5"), "most"),
        (("tenant", "day", "messages", "1", "EUR"), "currency"),
        (("tenant", "day", "money", "1"), "currency"),
        (("tenant", "day", "money", "many", "EUR"), "most"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_by_its_field(tenant, given, field):
    with pytest.raises(InputError) as refused:
        budget(tenant, *given)
    assert refused.value.field == field


def test_a_budget_goes_once(tenant, clinic):
    limit = budget(tenant, "tenant", "day", "messages", "1")
    assert remove_budget(tenant.pk, BudgetKey(*limit[:3]))
    with pytest.raises(NotFound):
        remove_budget(tenant.pk, BudgetKey(*limit[:3]))


def test_prices_are_corrected_by_importing_again_and_a_faulty_file_changes_nothing(tenant):
    assert import_prices(tenant.pk, "messages", MESSAGES) == 2
    import_prices(tenant.pk, "messages", MESSAGES.replace("0.03", "0.04"))
    with pytest.raises(InputError):
        import_prices(tenant.pk, "messages", MESSAGES.replace("0.03", "much"))
    assert [line.nanos for line in list_message_prices(tenant.pk)] == [10_000_000, 40_000_000]


# --- four workers -----------------------------------------------------------------------------------------------------


def in_four_threads(act):
    failed = []

    def run(number):
        try:
            act(number)
        except BaseException as error:  # noqa: BLE001 -- told below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_four_workers_at_once_never_overspend(tenant, clinic):
    """Each call takes at most what it reserved: then nothing is ever beyond a limit."""
    import_prices(tenant.pk, "models", MODELS)
    budget(tenant, "tenant", "day", "messages", "9")
    budget(tenant, "tenant", "month", "money", "0.001", "EUR")
    taken = []

    def work(contact):
        for _ in range(5):
            rules, message = open_turn(tenant, contact)
            taken.append(message.exceeded)
            made = call(tenant, rules, 150)
            taken.append(made.exceeded)
            if not made.exceeded:
                settle(made, Amounts(0, 100, rules.cost(ONE, 100, 0)))

    in_four_threads(work)
    standing = {each.limit.unit: each for each in list_standing_budgets(tenant.pk)}
    assert standing["messages"].spent == 9
    assert standing["money"].spent <= standing["money"].limit.most
    assert taken.count("messages_per_tenant_day") == 20 - 9


def test_a_dead_workers_reservation_counts_as_spent(tenant, clinic):
    budget(tenant, "tenant", "day", "tokens", "1000")
    rules, _ = open_turn(tenant)
    call(tenant, rules, 700)  # and never settled
    rules, _ = open_turn(tenant)
    assert call(tenant, rules, 400).exceeded == "tokens_per_tenant_day"
    (standing,) = list_standing_budgets(tenant.pk)
    assert standing.spent == 700
