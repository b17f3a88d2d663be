"""Setting up by hand: what scripts are promised, and that no secret shows where it was not asked for."""

import json

import pytest

import given
from hailgate.accounts.keys import find_key
from hailgate.messaging.channels.credentials import get_credentials
from hailgate.messaging.channels.hooks import find_hook
from hailgate.messaging.channels.registry import get_channel

SETTINGS = ("--set", f"phone_number_id={given.PHONE_NUMBER_ID}", "--set", "access_token=a secret token")
CHANNEL = ("channel", "add", "--provider", "cloud", "--name", "front", "--number", "+1 555 010 0000", *SETTINGS)
HOOK = ("hook", "add", "--provider", "cloud", "--set", "app_secret=a hidden secret", "--set", "verify_token=verify")


def test_an_installation_is_set_up_by_four_commands(ask, run) -> None:
    ask("tenant", "add", "clinic")
    key = ask("key", "add", "--tenant", "clinic")["key"]
    hook = ask(*HOOK, "--tenant", "clinic")
    channel = ask(*CHANNEL, "--tenant", "clinic", "--hook", hook["id"], "--assistant", "scripted")
    caller = find_key(key)
    assert caller
    assert set(hook) == {"id", "token", "path"}
    assert hook["path"] == f"/hooks/{hook['token']}"
    assert find_hook(hook["token"]).tenant_id == caller.tenant_id
    view = get_channel(caller.tenant_id, "front")
    assert (str(view.uid), view.number, view.answered_by) == (channel["id"], "15550100000", "scripted")


def test_what_is_made_is_told_in_lines_and_advice_goes_to_stderr(run) -> None:
    made = run("tenant", "add", "clinic")
    assert "name: clinic" in made.stdout.splitlines()
    assert "hailgate key add" in made.stderr
    assert json.loads(run("tenant", "add", "other", "--json").stdout)["name"] == "other"


def test_the_only_tenant_need_not_be_named(ask, tenant) -> None:
    assert find_key(ask("key", "add")["key"]).tenant_id == tenant.pk


@pytest.mark.parametrize(("tenants", "sentence"), [((), "no tenant yet"), (("a", "b"), "say which with --tenant")])
def test_a_tenant_is_asked_for_where_it_is_not_clear(run, ask, tenants, sentence) -> None:
    for name in tenants:
        ask("tenant", "add", name)
    refused = run("key", "add")
    assert refused.exit_code == 1
    assert sentence in refused.stderr


def test_tenants_are_listed_and_shown(ask, tenant) -> None:
    [listed] = ask("tenant", "list")
    assert listed["name"] == tenant.name
    assert ask("tenant", "show", str(tenant.uid)) == listed


def test_a_setting_is_read_from_a_file_or_from_standard_input(ask, tenant, tmp_path) -> None:
    (tmp_path / "token").write_text("from a file\n")
    ask(*CHANNEL[:-1], f"access_token=@{tmp_path / 'token'}")
    view = get_channel(tenant.pk, "front")
    assert get_credentials(view.id).config.access_token.reveal() == "from a file"
    ask("channel", "set", "front", "--set", "access_token=-", typed="from a pipe\n")
    assert get_credentials(view.id).config.access_token.reveal() == "from a pipe"


@pytest.mark.parametrize(
    ("assignments", "sentence"),
    [
        (["app_secret"], "NAME=VALUE"),
        (["=x"], "NAME=VALUE"),
        (["app_secret=a", "app_secret=b"], "given twice"),
        (["app_secret=@/does/not/exist"], "cannot be read: No such file"),
        (["app_secret=a"], "verify_token is missing"),
        (["app_secret=", "verify_token=b"], "app_secret is empty"),
        (["secret=a"], "unknown"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(run, tenant, assignments, sentence) -> None:
    refused = run("hook", "add", "--provider", "cloud", *(part for each in assignments for part in ("--set", each)))
    assert refused.exit_code == 1
    assert sentence in refused.stderr


def test_secrets_are_masked_wherever_hooks_and_channels_are_shown(run, ask, tenant) -> None:
    hook = ask(*HOOK)
    ask(*CHANNEL, "--hook", hook["id"])
    shown = [
        run(*command, *form).output
        for command in (
            ("hook", "list"),
            ("hook", "show", hook["id"]),
            ("channel", "list"),
            ("channel", "show", "front"),
        )
        for form in ((), ("--json",))
    ]
    hidden = ("a hidden secret", "a secret token", hook["token"])
    assert [secret for text in shown for secret in hidden if secret in text] == []
    assert ask("hook", "show", hook["id"])["channels"] == ["front"]


def test_a_hooks_path_is_revealed_when_asked_for(ask, tenant) -> None:
    hook = ask(*HOOK)
    assert ask("hook", "show", hook["id"], "--reveal")["path"] == hook["path"]


def test_a_revoked_key_is_refused(ask, key, tenant) -> None:
    [listed] = ask("key", "list")
    assert listed["revoked_at"] is None
    ask("key", "revoke", key)
    assert find_key(key) is None
    assert ask("key", "list")[0]["revoked_at"]


def test_a_key_that_is_not_there_cannot_be_revoked(run, tenant) -> None:
    assert run("key", "revoke", "0123456789ab").exit_code == 1


def test_a_sealing_key_seals(ask) -> None:
    from hailgate.accounts.seal import Sealer

    sealer = Sealer([ask("key", "seal")["key"]])
    assert sealer.unseal(sealer.seal("a secret")) == "a secret"


@pytest.mark.parametrize(
    "command",
    [
        ("hook", "show", "{}"),
        ("channel", "show", "{}"),
        ("channel", "pause", "{}"),
        ("channel", "resume", "{}"),
        ("channel", "set", "{}", "--set", "version=v24.0"),
        ("channel", "answered-by", "{}", "person"),
        ("channel", "outside-window", "{}", "wait"),
        ("channel", "consent-words", "{}", "en"),
    ],
    ids=" ".join,
)
def test_nothing_of_another_tenant_is_found(run, hook, channel, stranger, command) -> None:
    theirs = str(hook.id if command[0] == "hook" else channel.uid)
    named = [theirs if part == "{}" else part for part in command]
    assert run(*named, "--tenant", "clinic").exit_code == 0
    assert run(*named, "--tenant", "stranger").exit_code == 1


def test_a_tenant_and_a_key_are_limited_and_freed(ask, run, tenant) -> None:
    prefix = ask("key", "add")["key"].split("_")[1]
    assert ask("tenant", "set", tenant.name, "--accept-rate", "50", "--send-rate", "2.5")["accept_rate"] == 50
    ask("key", "set", prefix, "--accept-rate", "5")
    shown = ask("tenant", "show", tenant.name)
    assert (shown["accept_rate"], shown["send_rate"]) == (50, 2.5)
    assert [row["accept_rate"] for row in ask("key", "list")] == [5]
    ask("tenant", "set", tenant.name, "--accept-rate", "0")
    ask("key", "set", prefix, "--accept-rate", "0")
    freed = ask("tenant", "show", tenant.name)
    assert (freed["accept_rate"], freed["send_rate"]) == (None, 2.5)
    assert [row["accept_rate"] for row in ask("key", "list")] == [None]


@pytest.mark.parametrize("rate", ["-1", "0.001", "1000000", "nan"])
def test_what_is_no_rate_is_refused_with_the_rule(run, tenant, rate) -> None:
    refused = run("tenant", "set", tenant.name, f"--send-rate={rate}")
    assert refused.exit_code == 1
    assert "messages a second" in refused.stderr
