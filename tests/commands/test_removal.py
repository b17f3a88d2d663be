"""What can be added can be renamed and removed; what was said through it stays, and its secrets do not."""

import pytest

from hailgate.accounts.keys import find_key
from hailgate.accounts.models import Membership
from hailgate.accounts.seal import sealer
from hailgate.core.errors import InputError
from hailgate.core.sessions import SessionReport, SessionState, SessionWish
from hailgate.core.slots import open_room
from hailgate.messaging.channels.derived_secrets import keep_secrets
from hailgate.messaging.channels.hooks import find_hook
from hailgate.messaging.channels.registry import get_channel
from hailgate.messaging.channels.session_watch import claim_sessions, postpone_session, record_session
from hailgate.messaging.channels.sessions import wish_session
from hailgate.messaging.inbound.polls import begin_polls
from hailgate.messaging.models import Channel, Hook, Message, Session, Work
from hailgate.providers.config import Secret
from messaging import acting
from pairing import see


def test_a_renamed_channel_answers_to_its_new_name_alone(ask, run, channel) -> None:
    ask("channel", "rename", channel.name, "desk two")
    assert get_channel(channel.tenant_id, "desk two").id == channel.id
    with pytest.raises(InputError):
        get_channel(channel.tenant_id, channel.name)


@pytest.mark.parametrize("name", ["", " ", "x" * 101])
def test_a_name_that_is_none_is_refused(run, channel, name) -> None:
    refused = run("channel", "rename", channel.name, name)
    assert (refused.exit_code, "name:" in refused.stderr) == (1, True)


def test_a_name_that_is_taken_is_refused(run, tenant, hook, channel) -> None:
    other = acting.add_number(tenant, hook, 8)
    refused = run("channel", "rename", channel.name, other.name)
    assert (refused.exit_code, "exists already" in refused.stderr) == (1, True)


def test_a_removed_channel_neither_sends_nor_knows_its_token(ask, channel) -> None:
    message = acting.send(channel, 1)
    acting.deliver_all(acting.new_worker())
    ask("channel", "remove", channel.name, "--yes")
    with pytest.raises(InputError):
        get_channel(channel.tenant_id, channel.name)
    row = Channel.objects.get(tenant_id=channel.tenant_id, id=channel.id)
    assert (row.active, row.hook, sealer().unseal(row.config)) == (False, None, "{}")
    assert Message.objects.get(tenant_id=channel.tenant_id, uid=message.uid).channel_id == channel.id
    assert ask("channel", "show", row.name)["settings"] == {}


def test_a_channel_with_messages_under_way_is_kept(run, channel) -> None:
    acting.send(channel, 1)
    refused = run("channel", "remove", channel.name, "--yes")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: 1 messages")
    assert get_channel(channel.tenant_id, channel.name)


def test_a_channel_goes_with_its_rounds_and_what_is_known_of_its_phone(ask, channel) -> None:
    row = acting.channel_row(channel)
    begin_polls([row.provider])
    wish_session(row, SessionWish.PAIR, "+15550100001")
    keep_secrets(row.pk, {"token": Secret("a token of the server")})
    worker = acting.new_worker()
    [under_way] = claim_sessions(worker, open_room(10)).claims
    ask("channel", "remove", channel.name, "--yes")
    assert not Work.objects.filter(tenant_id=channel.tenant_id).exists()
    assert not Session.objects.filter(tenant_id=channel.tenant_id).exists()
    open_now = SessionReport(state=SessionState.OPEN, number="15550100001")
    assert record_session(worker, under_way, open_now, started=True) is None
    assert begin_polls([row.provider]) == 0


ENDINGS = [("--log-out", "logged out"), ("--delete", "deleted")]


@pytest.mark.parametrize(("how", "said"), ENDINGS)
def test_a_channel_stays_until_its_server_was_asked_to_forget_the_phone(ask, run, channel, how, said) -> None:
    """Only with the channel's credentials can it be asked, and these would be gone."""
    ask("channel", "disconnect", channel.name, how)
    refused = run("channel", "remove", channel.name, "--yes")
    assert (refused.exit_code, f"still to be {said} at its server" in refused.stderr) == (1, True)
    assert Work.objects.filter(tenant_id=channel.tenant_id).count() == 1
    see(channel, SessionState.UNPAIRED)
    ask("channel", "remove", channel.name, "--yes")
    assert not Work.objects.filter(tenant_id=channel.tenant_id).exists()


@pytest.mark.parametrize(("how", "said"), ENDINGS)
def test_a_server_that_is_gone_for_good_keeps_no_channel(ask, run, channel, how, said) -> None:
    ask("channel", "disconnect", channel.name, how)
    worker = acting.new_worker()
    [under_way] = claim_sessions(worker, open_room(10)).claims
    assert run("channel", "remove", channel.name, "--yes").exit_code == 1  # while it is tried
    postpone_session(worker, under_way, 10.0, "The server does not answer.")
    assert run("channel", "remove", channel.name, "--yes").exit_code == 1  # while it waits for the next time
    ask("channel", "disconnect", channel.name)
    ask("channel", "remove", channel.name, "--yes")
    assert not Session.objects.filter(tenant_id=channel.tenant_id).exists()


def test_nobody_wishes_for_the_phone_of_a_removed_channel(ask, run, channel) -> None:
    """Its server could never be asked, and would be tried for ever."""
    ask("channel", "remove", channel.name, "--yes")
    for command in (["pair"], ["connect"], ["disconnect"], ["disconnect", "--delete"]):
        refused = run("channel", command[0], str(channel.uid), *command[1:])
        assert (refused.exit_code, "switched off" in refused.stderr) == (1, True)
    assert not Work.objects.filter(tenant_id=channel.tenant_id).exists()


def test_nothing_is_removed_without_a_yes(run, channel) -> None:
    assert run("channel", "remove", channel.name, typed="n\n").exit_code != 0
    assert get_channel(channel.tenant_id, channel.name)


def test_a_hook_goes_after_its_channels(ask, run, tenant, hook, channel) -> None:
    refused = run("hook", "remove", str(hook.id), "--yes")
    assert (refused.exit_code, channel.name in refused.stderr) == (1, True)
    ask("channel", "remove", channel.name, "--yes")
    ask("hook", "remove", str(hook.id), "--yes")
    assert find_hook(hook.token) is None
    assert sealer().unseal(Hook.objects.get(tenant_id=tenant.id, uid=hook.id).config) == "{}"


def test_a_tenant_goes_last(ask, run, tenant, hook, key) -> None:
    ask("operator", "add", "--tenant", tenant.name, "--email", "ada@example.org")
    assert run("tenant", "remove", tenant.name, "--yes").exit_code == 1
    ask("hook", "remove", str(hook.id), "--yes")
    ask("tenant", "remove", tenant.name, "--yes")
    assert find_key(key) is None
    assert not Membership.objects.filter(tenant_id=tenant.id).exists()
    ask("tenant", "add", tenant.name)


def test_a_tenant_is_renamed(ask, run, tenant, stranger) -> None:
    ask("tenant", "rename", tenant.name, "practice")
    assert ask("tenant", "show", "practice")["id"] == str(tenant.uid)
    assert run("tenant", "rename", "practice", stranger.name).exit_code == 1
