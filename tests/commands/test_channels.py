"""Looking after channels: paused, resumed, changed, and how they are."""

import pytest

import given
from hailgate.messaging.channels.credentials import get_credentials
from hailgate.messaging.channels.registry import get_channel
from hailgate.messaging.models import Channel


def state(ask) -> str:
    [channel] = ask("channel", "list")
    return channel["state"]


def test_a_channel_is_paused_and_resumed_by_hand(ask, channel) -> None:
    assert state(ask) == "ok"
    ask("channel", "pause", channel.name)
    assert state(ask).endswith("paused by hand")
    ask("channel", "resume", str(channel.uid))
    assert state(ask) == "ok"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"active": False}, "switched off"),
        ({"paused_at": 0.0, "paused_reason": "channel_unauthorized"}, "channel unauthorized"),
        ({"breaker_opened_at": 1.0, "breaker_failures": 5}, "provider failing, 5 times"),
    ],
)
def test_a_list_says_in_words_how_a_channel_is(ask, channel, columns, words) -> None:
    Channel.objects.filter(tenant_id=channel.tenant_id, pk=channel.id).update(**columns)
    assert words in state(ask)


def test_a_list_is_a_table_for_people(run, channel) -> None:
    head, row = run("channel", "list").stdout.splitlines()
    assert head.startswith("ID ")
    assert row.index(channel.name) == head.index("NAME")


def test_changed_settings_reach_workers_by_a_new_version(ask, channel) -> None:
    before = get_credentials(channel.id)
    ask("channel", "set", channel.name, "--set", "access_token=renewed")
    after = get_credentials(channel.id)
    assert after.version == before.version + 1
    assert after.config.access_token.reveal() == "renewed"
    assert after.config.api_url == before.config.api_url


def test_settings_that_would_not_do_change_nothing(run, channel) -> None:
    before = get_credentials(channel.id)
    assert run("channel", "set", channel.name, "--set", "version=newest").exit_code == 1
    assert get_credentials(channel.id).version == before.version


@pytest.mark.parametrize(("rate", "burst"), [("80", 8), ("5", 1), ("0.5", 1), ("1000", 100)])
def test_a_rate_of_its_own_allows_a_tenth_of_it_at_once(ask, channel, rate, burst) -> None:
    version = get_credentials(channel.id).version
    ask("channel", "set", channel.name, "--rate", rate)
    row = Channel.objects.get(tenant_id=channel.tenant_id, pk=channel.id)
    assert (row.rate_interval, row.rate_burst, row.version) == (1 / float(rate), burst, version)
    assert ask("channel", "show", channel.name)["rate"] == f"{rate} a second"


def test_a_channel_is_made_with_a_rate_of_its_own(ask, tenant) -> None:
    settings = [part for name, value in given.CHANNEL_SETTINGS.items() for part in ("--set", f"{name}={value}")]
    made = ask(
        "channel", "add", "--provider", "cloud", "--name", "slow", "--number", given.NUMBER, "--rate", "2", *settings
    )
    row = Channel.objects.get(tenant_id=tenant.id, uid=made["id"])
    assert (row.rate_interval, row.rate_burst) == (0.5, 1)


@pytest.mark.parametrize("rate", ["0", "-1", "0.001", "10001", "nan", "inf"])
def test_what_is_no_rate_is_refused_with_the_range(run, channel, rate) -> None:
    refused = run("channel", "set", channel.name, "--rate", rate)
    assert refused.exit_code == 1
    assert "0.01 to 10,000 messages a second" in refused.stderr


def test_new_conversations_are_answered_by_whom_one_says(ask, run, channel) -> None:
    ask("channel", "answered-by", channel.name, "scripted")
    assert get_channel(channel.tenant_id, channel.name).answered_by == "scripted"
    refused = run("channel", "answered-by", channel.name, "nobody")
    assert refused.exit_code == 1
    assert "person, scripted" in refused.stderr


def test_an_id_that_is_none_is_refused_as_a_hook(run, tenant) -> None:
    refused = run("channel", "add", "--provider", "cloud", "--name", "a", "--number", "15550100000", "--hook", "main")
    assert "--hook takes the id" in refused.stderr


@pytest.mark.parametrize(
    ("reason", "goes_on"),
    [
        ("channel_unauthorized", True),
        ("number_unknown", True),
        ("paused_by_hand", False),
        ("account_restricted", False),
    ],
)
def test_new_settings_let_a_channel_go_on_that_was_paused_for_the_old_ones(ask, channel, reason, goes_on) -> None:
    ours = Channel.objects.filter(tenant_id=channel.tenant_id, id=channel.id)
    ours.update(paused_at=1.0, paused_reason=reason, ready_at=9e9)
    ask("channel", "set", channel.name, "--set", "access_token=a new one")
    assert (ours.get().paused_at is None) is goes_on
    assert (ours.get().ready_at == 0) is goes_on
