"""Hooks and channels: made whole or not at all, found by what was given out, hidden from everybody else."""

from hashlib import sha256

import pytest

import given as house
from hailgate.accounts.seal import MARK
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.messaging.channels.credentials import get_credentials
from hailgate.messaging.channels.hooks import add_hook, find_hook, get_hook, list_hooks
from hailgate.messaging.channels.registry import add_channel, get_channel
from hailgate.messaging.channels.renewal import renew_hook
from hailgate.messaging.models import Channel, Hook
from messaging.acting import change_channel


def add(tenant, *, name="front desk", number=house.NUMBER, hook=None, **settings):
    return add_channel(tenant.id, "cloud", name, number, house.CHANNEL_SETTINGS | settings, hook=hook)


# --- hooks ------------------------------------------------------------------------------------------------------------


def test_a_hook_is_found_by_its_token_alone(tenant, hook):
    found = find_hook(hook.token)
    assert (found.tenant_id, found.spec.name) == (tenant.id, "cloud")
    assert get_hook(found.id)[:3] == found[:3]
    assert find_hook(hook.token[:-1]) is None
    assert find_hook("") is None


def test_two_hooks_have_tokens_nobody_guesses(tenant):
    tokens = {add_hook(tenant.id, "cloud", house.HOOK_SETTINGS).token for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43  # 256 bits in base64url


def test_a_hook_that_is_switched_off_is_not_found(tenant, hook):
    Hook.objects.filter(tenant_id=tenant.id).update(active=False)
    assert find_hook(hook.token) is None


def test_a_renewed_hook_is_found_by_both_tokens_until_the_overlap_ends(tenant, hook, clock):
    made = renew_hook(Hook.objects.get(tenant_id=tenant.id), overlap_s=3600)
    assert made.token != hook.token
    ids = {find_hook(token).id for token in (hook.token, made.token)}
    assert len(ids) == 1
    spooled = {digest for digest, _ in list_hooks(["cloud"], 10)}
    assert spooled == {sha256(token.encode()).digest() for token in (hook.token, made.token)}
    clock.forward(3601)
    assert find_hook(hook.token) is None
    assert find_hook(made.token).path.reveal() == made.path
    assert [digest for digest, _ in list_hooks(["cloud"], 10)] == [sha256(made.token.encode()).digest()]


def test_without_overlap_the_former_token_is_refused_at_once(tenant, hook):
    made = renew_hook(Hook.objects.get(tenant_id=tenant.id), overlap_s=0)
    assert find_hook(hook.token) is None
    assert find_hook(made.token) is not None


def test_of_two_renewals_the_last_token_before_is_taken_and_the_first_is_not(tenant, hook):
    row = Hook.objects.get(tenant_id=tenant.id)
    second, third = renew_hook(row, 3600), renew_hook(row, 3600)
    assert [find_hook(made.token) is not None for made in (hook, second, third)] == [False, True, True]


def test_a_renewed_hook_makes_its_channels_connect_anew(tenant, hook, channel):
    before = get_credentials(channel.id)
    made = renew_hook(Hook.objects.get(tenant_id=tenant.id), 3600)
    after = get_credentials(channel.id)
    assert (after.hook_path, after.version) == (made.path, before.version + 1)


@pytest.mark.parametrize("overlap_s", [-1, 31 * 86_400, float("nan")])
def test_an_overlap_that_is_none_is_refused(tenant, hook, overlap_s):
    with pytest.raises(InputError) as refused:
        renew_hook(Hook.objects.get(tenant_id=tenant.id), overlap_s)
    assert refused.value.field == "overlap"
    assert find_hook(hook.token) is not None


def test_a_hook_that_was_removed_is_not_renewed(tenant, hook):
    row = Hook.objects.get(tenant_id=tenant.id)
    Hook.objects.filter(tenant_id=tenant.id).update(active=False)
    with pytest.raises(NotFound):
        renew_hook(row, 3600)


def test_secrets_of_hooks_and_channels_are_sealed_at_rest(tenant, hook, channel):
    row = Hook.objects.get(tenant_id=tenant.id)
    settings = Channel.objects.get(tenant_id=tenant.id).config
    assert row.token.startswith(MARK)
    assert row.config.startswith(MARK)
    assert settings.startswith(MARK)
    assert hook.token not in str(row.__dict__)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"app_secret": "s"}, "verify_token"),
        ({**house.HOOK_SETTINGS, "app_secret": " "}, "app_secret"),
        ({**house.HOOK_SETTINGS, "extra": "x"}, "extra"),
    ],
    ids=["missing", "empty", "unknown"],
)
def test_a_hook_with_bad_settings_is_refused_by_the_name_of_its_field(tenant, settings, field):
    with pytest.raises(InputError) as refused:
        add_hook(tenant.id, "cloud", settings)
    assert refused.value.field == field
    assert not Hook.objects.filter(tenant_id=tenant.id).exists()


def test_a_provider_that_nobody_installed_is_refused(tenant):
    with pytest.raises(InputError):
        add_hook(tenant.id, "telegraph", {})


def test_a_hook_that_is_not_there_is_not_found(tenant):
    with pytest.raises(NotFound):
        get_hook(987_654)


# --- channels ---------------------------------------------------------------------------------------------------------


def test_a_channel_is_found_by_id_and_by_name(tenant, channel):
    assert get_channel(tenant.id, str(channel.uid)) == get_channel(tenant.id, channel.uid.hex) == channel
    assert get_channel(tenant.id, "front desk") == channel


def test_the_channel_of_another_tenant_is_not_there(stranger, channel):
    for known in (str(channel.uid), "front desk"):
        with pytest.raises(InputError) as refused:
            get_channel(stranger.id, known)
        assert refused.value.code == "unknown_channel"


def test_a_channel_that_is_switched_off_takes_no_messages(tenant, channel):
    change_channel(channel, active=False)
    with pytest.raises(InputError):
        get_channel(tenant.id, "front desk")


def test_a_channel_has_the_limits_of_its_provider(tenant, channel):
    row = Channel.objects.get(tenant_id=tenant.id)
    assert (1 / row.rate_interval, row.rate_burst) == (80, 8)
    assert (row.pair_interval, row.pair_burst) == (6.0, 45)
    assert row.account == house.PHONE_NUMBER_ID


@pytest.mark.parametrize("number", ["", "12345", "+1 555 010 0000 0000 00", "not a number", "\u0661" * 10, "1555-010"])
def test_a_number_that_is_none_is_refused(tenant, number):
    with pytest.raises(InputError) as refused:
        add(tenant, number=number)
    assert refused.value.field == "number"


@pytest.mark.parametrize("number", ["+1 555 010 0000", "15550100000"])
def test_a_number_is_kept_as_digits(tenant, number):
    add(tenant, number=number)
    assert Channel.objects.get(tenant_id=tenant.id).number == "15550100000"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_name_needs_something_to_see(tenant, name):
    with pytest.raises(InputError) as refused:
        add(tenant, name=name)
    assert refused.value.field == "name"


def test_a_name_is_taken_once_a_tenant(tenant, stranger):
    add(tenant)
    with pytest.raises(Conflict):
        add(tenant)
    add(stranger)


def test_an_account_is_taken_once_a_hook(tenant, hook):
    add(tenant, hook=hook.id)
    with pytest.raises(Conflict):
        add(tenant, name="again", hook=hook.id)
    add(tenant, name="elsewhere")


def test_nobody_takes_the_hook_of_another_tenant(hook, stranger):
    with pytest.raises(NotFound):
        add(stranger, hook=hook.id)


def test_credentials_are_what_was_given(channel):
    credentials = get_credentials(channel.id)
    assert credentials.config.access_token.reveal() == house.CHANNEL_SETTINGS["access_token"]
    assert (credentials.version, credentials.marks_read, credentials.answered_by) == (1, True, "person")
    assert house.CHANNEL_SETTINGS["access_token"] not in repr(credentials)


def test_credentials_of_a_channel_that_is_not_there_are_not_found(store):
    with pytest.raises(NotFound):
        get_credentials(987_654)


def test_hooks_are_listed_by_the_digest_of_their_token_without_those_switched_off(tenant, hook):
    newer, off = (add_hook(tenant.id, "cloud", house.HOOK_SETTINGS) for _ in range(2))
    Hook.objects.filter(tenant_id=tenant.id, uid=off.id).update(active=False)
    listed = list_hooks(["cloud"], 10)
    assert [(digest, view.uid) for digest, view in listed] == [
        (sha256(each.token.encode()).digest(), each.id) for each in (newer, hook)
    ]
    assert [view.uid for _, view in list_hooks(["cloud"], 1)] == [newer.id]
    assert list_hooks(["another"], 10) == list_hooks([], 10) == []
