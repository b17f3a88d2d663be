"""Taking a message back from the command line."""

import json

import pytest

import given
from hailgate.messaging.models import Message, Work


@pytest.fixture
def queued(ask, channel) -> str:
    return ask("send", "--channel", channel.name, "--to", given.PERSON, "--text", "Hello")["id"]


def test_a_message_that_waits_is_cancelled(ask, run, channel, queued) -> None:
    assert ask("cancel", queued) == {"id": queued, "status": "failed", "code": "cancelled"}
    assert Work.objects.filter(tenant_id=channel.tenant_id).count() == 0
    assert "will not be sent" in run("cancel", queued).stdout


def test_one_that_was_sent_is_not(run, channel, queued) -> None:
    Message.objects.filter(tenant_id=channel.tenant_id).update(status=1)
    refused = run("cancel", queued, "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["code"]) == (1, "not_cancellable")


@pytest.mark.parametrize("id_", ["x", "6f1c1b3e-0000-4000-8000-000000000000"])
def test_what_is_not_there_is_not_found(run, channel, id_) -> None:
    refused = run("cancel", id_, "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["code"]) == (1, "not_found")


def test_another_tenants_message_is_not_found(run, queued, stranger) -> None:
    assert run("cancel", queued, "--tenant", "stranger").exit_code == 1
