"""What is done by command is on record: by whom, to what, and never with a secret."""

import pytest

import given
from hailgate.accounts.audit import AuditAction, find_entries
from hailgate.accounts.models import AuditEntry

EMAIL = "ada@example.org"
SECRETS = ("a secret token", "a hidden secret", "correct horse battery")
HOOK = ("hook", "add", "--provider", "cloud", "--set", "app_secret=a hidden secret", "--set", "verify_token=verify")
CHANNEL = (
    "channel", "add", "--provider", "cloud", "--name", "front", "--number", "+1 555 010 0000",
    "--set", f"phone_number_id={given.PHONE_NUMBER_ID}", "--set", "access_token=a secret token",
)  # fmt: skip
ADD = ("operator", "add", "--email", EMAIL, "--role", "agent", "--password-stdin")


def _last(tenant) -> AuditEntry:
    return find_entries(tenant.pk).latest("id")


@pytest.mark.parametrize(
    ("before", "command", "action", "subject", "detail"),
    [
        ((), HOOK, AuditAction.HOOK_MADE, "hook", ""),
        ((), CHANNEL, AuditAction.CHANNEL_MADE, "channel", ""),
        (
            (CHANNEL,),
            ("channel", "set", "front", "--set", "access_token=a hidden secret", "--rate", "5"),
            AuditAction.CHANNEL_CHANGED,
            "channel",
            "access_token, 5 a second",
        ),
        ((CHANNEL,), ("channel", "pause", "front"), AuditAction.CHANNEL_PAUSED, "channel", ""),
        ((CHANNEL,), ("channel", "resume", "front"), AuditAction.CHANNEL_RESUMED, "channel", ""),
        (
            (CHANNEL,),
            ("channel", "answered-by", "front", "scripted"),
            AuditAction.CHANNEL_CHANGED,
            "channel",
            "answered by scripted",
        ),
        ((), ("key", "add", "--name", "shop"), AuditAction.KEY_MADE, "key", "shop"),
        ((), ("tenant", "set", "clinic", "--send-rate", "7"), AuditAction.TENANT_LIMITED, "", "send: 7 a second"),
        ((), ("tenant", "set", "clinic", "--accept-rate", "0"), AuditAction.TENANT_LIMITED, "", "accept: any"),
        ((), ADD, AuditAction.OPERATOR_ADDED, "operator", "agent, password"),
        ((ADD,), ("operator", "link", "--email", EMAIL), AuditAction.OPERATOR_LINKED, "operator", ""),
        ((ADD,), ("operator", "disable", "--email", EMAIL), AuditAction.OPERATOR_SHUT_OUT, "operator", ""),
        ((ADD,), ("operator", "enable", "--email", EMAIL), AuditAction.OPERATOR_LET_IN, "operator", ""),
    ],
)
def test_each_is_on_record(ask, tenant, before, command, action, subject, detail) -> None:  # noqa: PLR0917 -- a table
    for each in (*before, command):
        ask(*each, typed="correct horse battery\n")
    entry = _last(tenant)
    assert (entry.actor_kind, entry.action, entry.detail) == ("command", action, detail)
    assert entry.subject.partition(":")[0] == subject
    written = str(list(AuditEntry.objects.values_list("subject", "detail", "name")))
    assert not [secret for secret in SECRETS if secret in written]


def test_the_limit_of_a_key_and_its_end_are_on_record(ask, tenant) -> None:
    prefix = ask("key", "add")["key"].split("_")[1]
    ask("key", "set", prefix, "--accept-rate", "3")
    ask("key", "revoke", prefix)
    entries = find_entries(tenant.pk).order_by("id").values_list("action", "subject")
    assert list(entries) == [(f"key.{word}", f"key:{prefix}") for word in ("made", "limited", "revoked")]


def test_the_address_of_a_hook_is_shown_on_record(ask, tenant) -> None:
    hook = ask(*HOOK)
    ask("hook", "show", hook["id"])
    assert _last(tenant).action == AuditAction.HOOK_MADE
    ask("hook", "show", hook["id"], "--reveal")
    assert (_last(tenant).action, _last(tenant).subject) == (AuditAction.HOOK_REVEALED, f"hook:{hook['id']}")
    assert hook["token"] not in str(list(AuditEntry.objects.values()))


def test_the_address_of_a_hook_is_exchanged_on_record_and_the_new_one_is_told_once(run, ask, tenant) -> None:
    hook = ask("hook", "add", "--provider", "wppconnect", "--set", "session=clinic")
    renewed = ask("hook", "renew", hook["id"], "--overlap", "2")
    assert renewed["path"] == f"/hooks/{renewed['token']}" != hook["path"]
    entry = _last(tenant)
    assert (entry.action, entry.subject, entry.detail) == (
        AuditAction.HOOK_RENEWED, f"hook:{hook['id']}", "overlap 2 h"
    )  # fmt: skip
    assert renewed["token"] not in str(list(AuditEntry.objects.values()))
    said = run("hook", "renew", hook["id"]).output
    assert "once the session of its channel is closed and opened again" in said
    assert run("hook", "renew", hook["id"], "--overlap", "1000").exit_code == 1


def test_what_happens_to_an_operator_is_on_record_with_all_they_work_for(ask, tenant, stranger) -> None:
    for owner in (tenant, stranger):
        ask("operator", "add", "--email", EMAIL, "--tenant", owner.name)
    ask("operator", "disable", "--email", EMAIL)
    assert {_last(owner).action for owner in (tenant, stranger)} == {AuditAction.OPERATOR_SHUT_OUT}


def test_what_is_refused_is_not_on_record(run, ask, tenant) -> None:
    ask(*CHANNEL)
    refused = run("channel", "set", "front", "--rate", "5", "--set", "colour=red")
    assert refused.exit_code == 1
    assert _last(tenant).action == AuditAction.CHANNEL_MADE
    assert ask("channel", "show", "front")["rate"] == "80 a second"


def test_the_log_is_listed(ask, tenant) -> None:
    ask("key", "add")
    [entry] = ask("audit")
    assert (entry["actor"], entry["action"], entry["count"]) == ("command", "key.made", 1)
    ask("tenant", "add", "another")
    assert ask("audit", "--installation") == []
    [made] = ask("audit", "--tenant", "another")
    assert made["action"] == "tenant.made"
