"""Prices and budgets by hand, and the kill switch."""

import pytest


@pytest.fixture
def prices(tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text("market,category,from,currency,price\nBR,service,2026-10-01,USD,0.0068\n")
    return file


def test_prices_are_imported_and_listed(ask, tenant, prices):
    assert ask("prices", "import", "messages", str(prices)) == {"kind": "messages", "prices": 1}
    (row,) = ask("prices", "list", "messages")
    assert (row["market"], row["from"], row["price"]) == ("BR", "2026-10-01", "0.0068")


def test_a_faulty_file_names_its_lines(run, tenant, prices):
    prices.write_text(prices.read_text() + "ES,service,today,USD,0.02\nXXX,service,2026-10-01,USD,1\n")
    told = run("prices", "import", "messages", str(prices))
    assert told.exit_code == 1
    assert "line 3: from:" in told.output
    assert "line 4: market:" in told.output


def test_budgets_are_set_listed_and_taken_away(ask, tenant):
    assert ask("budget", "set", "tenant", "month", "messages", "1000")["budget"] == "messages_per_tenant_month"
    ask("budget", "set", "tenant", "month", "money", "12.5", "EUR")
    assert [(row["unit"], row["most"], row["spent"], row["share"]) for row in ask("budget", "list")] == [
        ("messages", "1000", "0", "0%"),
        ("money", "12.50 EUR", "0.00 EUR", "0%"),
    ]
    ask("budget", "remove", "tenant", "month", "messages")
    assert len(ask("budget", "list")) == 1


def test_models_have_prices_of_their_own(ask, tenant, tmp_path):
    file = tmp_path / "models.csv"
    file.write_text("vendor,model,from,currency,input,output\nopenai,one,2026-01-01,USD,0.25,2\n")
    ask("prices", "import", "models", str(file))
    (row,) = ask("prices", "list", "models")
    assert (row["input"], row["output"]) == ("0.25", "2.00")


def test_the_kill_switch_is_thrown_and_taken_back(ask, run, tenant):
    assert ask("assistant", "stop") == {"stopped": True}
    assert ask("assistant", "stop") == {"stopped": True}
    assert ask("assistant", "resume") == {"stopped": False}
    actions = [entry["action"] for entry in ask("audit")]
    assert actions.count("assistants.stopped") == 1


def test_rules_of_floods_are_set_listed_and_taken_away(ask, tenant):
    assert ask("flood", "set", "contact", "20", "60")["most"] == 20
    assert ask("flood", "list") == {
        "rules": [{"subject": "contact", "most": 20, "within_s": 60.0}],
        "flooding": 0,
        "unanswered": 0,
    }
    ask("flood", "remove", "contact")
    assert ask("flood", "list")["rules"] == []


def test_a_months_costs_are_told(ask, run, tenant):
    assert ask("costs", "2026-10") == []
    assert run("costs", "tomorrow").exit_code == 1
