"""`hailgate channel token`: what a server made of a channel's settings is validated, exchanged, kept, and not shown."""

import pytest

from hailgate.accounts.audit import AuditAction, find_entries
from hailgate.messaging.channels import probe_calls
from hailgate.messaging.channels.credentials import get_credentials
from hailgate.messaging.channels.registry import add_channel, get_channel
from hailgate.providers.config import Secret


@pytest.fixture
def paired(tenant):
    settings = {"session": "clinic", "secret_key": "of-the-server"}
    return get_channel(tenant.id, str(add_channel(tenant.id, "wppconnect", "phone", "", settings)))


@pytest.fixture
def server(monkeypatch):
    """Makes one token and takes no other."""

    async def check_token(channel, keep, *, generate):
        if generate:
            await keep({"token": Secret("made by the server"), "token_made_at": Secret("1")})
        return generate or channel.secrets.get("token") == Secret("made by the server")

    monkeypatch.setattr(probe_calls, "check_token", check_token)


def test_a_token_is_generated_kept_on_record_and_then_valid(run, ask, tenant, paired, server):
    assert ask("channel", "token", "phone") == {"id": str(paired.uid), "valid": False, "generated": False}
    made = run("channel", "token", "phone", "--generate")
    assert (made.exit_code, made.stdout.strip()) == (0, "The server takes the token.")
    assert get_credentials(paired.id).secrets["token"] == Secret("made by the server")
    assert ask("channel", "token", "phone")["valid"]
    entry = find_entries(tenant.pk).latest("id")
    assert (entry.action, entry.detail) == (AuditAction.CHANNEL_CHANGED, "token made")


def test_a_provider_without_such_a_token_says_so(run, channel):
    refused = run("channel", "token", channel.name)
    assert refused.exit_code == 1
    assert "makes no token" in refused.stderr
