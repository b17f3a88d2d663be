"""Templates by hand: listed at the provider now, looked through, and shown with what they ask for."""

import pytest

import given
from hailgate.core.templates import TemplateDefinition as Listed
from hailgate.messaging.channels.registry import add_channel
from pipeline.stage import Played

BODY = '[{"type": "BODY", "text": "Order {{1}}.", "example": {"body_text": [["42"]]}}]'


def listed(name, language="en", **changes):
    return Listed(name, name, language, "UTILITY", "APPROVED", "GREEN", components=BODY)._replace(**changes)


@pytest.fixture
def shop(tenant, monkeypatch):
    """The provider of a channel that has templates."""
    played = Played(monkeypatch)
    add_channel(tenant.id, "fake", "shop", "15550100000", {"number": "15550100000", "business": "7"})
    played.provider.templates = [listed("a"), listed("a", "de"), listed("b", status="PAUSED", category="MARKETING")]
    return played.provider


def test_a_sync_counts_what_is_new_changed_and_gone(ask, run, shop) -> None:
    assert ask("templates", "sync", "shop") == {"templates": 3, "new": 3, "changed": 0, "gone": 0}
    shop.templates = [listed("a"), listed("b")]
    assert run("templates", "sync", "shop").stdout == "2 templates: 0 new, 1 changed, 1 gone.\n"
    [gone] = ask("templates", "list", "--gone")
    assert (gone["name"], gone["language"]) == ("a", "de")


def test_a_list_is_filtered(ask, run, shop) -> None:
    assert "hailgate templates sync" in run("templates", "list").stdout
    ask("templates", "sync", "shop")
    for filters, names in (
        ((), ["a", "a", "b"]),
        (("--status", "approved"), ["a", "a"]),
        (("--category", "MARKETING"), ["b"]),
        (("--name", "a", "--language", "de"), ["a"]),
        (("--channel", "shop", "--limit", "1"), ["a"]),
    ):
        assert [row["name"] for row in ask("templates", "list", *filters)] == names


def test_one_is_shown_with_its_text_and_variables(ask, run, shop) -> None:
    ask("templates", "sync", "shop")
    shown = ask("templates", "show", "a", "--language", "de")
    assert shown["text"]["body"] == "Order {{1}}."
    assert shown["variables"] == [
        {"key": "body.1", "kind": "text", "place": "1", "example": "42", "required": True},
    ]
    assert ask("templates", "show", shown["id"])["language"] == "de"
    assert "body.1: text, for example 42" in run("templates", "show", "b").stdout
    assert "(de, en): say which with --language" in run("templates", "show", "a").stderr
    assert "there is no template" in run("templates", "show", "c").stderr


def test_a_channel_without_an_account_is_told_what_to_set(run, tenant, channel) -> None:
    refused = run("templates", "sync", channel.name)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: waba_id: is missing")


def test_a_provider_that_does_not_answer_is_named(run, tenant, hook) -> None:
    add_channel(tenant.id, "cloud", "shop", given.NUMBER, given.CHANNEL_SETTINGS | {"waba_id": "1"}, hook=hook.id)
    refused = run("templates", "sync", "shop")
    assert (refused.exit_code, refused.stderr) == (1, "Error: No connection to the provider.\n")
