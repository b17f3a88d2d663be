"""API keys: shown once, found by what they are, worth nothing to whoever changes a letter."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.accounts.keys import KeyView, add_key, add_tenant, find_key, get_tenant, revoke_key
from hailgate.accounts.models import ApiKey
from hailgate.core.errors import Conflict, InputError, NotFound


def prefix_of(key: str) -> str:
    return key.split("_")[1]


def test_a_key_is_found_and_says_whose_it_is(tenant, key):
    assert find_key(key) == KeyView(ApiKey.objects.get().id, tenant.id)


def test_a_key_holds_256_random_bits(tenant):
    keys = {add_key(tenant.id).key for _ in range(20)}
    assert len(keys) == 20
    assert all(re.fullmatch(r"hg_[0-9a-f]{12}_[\w-]{43}", key) for key in keys)


def test_a_key_is_not_in_the_store(tenant, key):
    assert key not in str(ApiKey.objects.values().get())
    assert key.rpartition("_")[2] not in str(ApiKey.objects.values().get())


@given(place=st.integers(0, 58), letter=st.sampled_from("abcXYZ019_-é\u0000\ud800 "))
def test_a_key_with_one_letter_changed_is_nobodys(tenant, key, place, letter):
    changed = key[:place] + letter + key[place + 1 :]
    assert (find_key(changed) is None) is (changed != key)


@given(st.text())
def test_what_was_never_a_key_is_nobodys(store, text):
    assert find_key(text) is None
    assert find_key(f"hg_{text}") is None
    assert find_key(f"hg_abcdef012345_{text}") is None


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 15), slice(0, -1), slice(1, None)])
def test_a_part_of_a_key_is_nobodys(key, cut):
    assert find_key(key[cut]) is None


def test_a_revoked_key_is_nobodys(tenant, key):
    assert revoke_key(tenant.id, prefix_of(key))
    assert find_key(key) is None
    assert not revoke_key(tenant.id, prefix_of(key))


def test_nobody_revokes_the_key_of_another_tenant(stranger, key):
    assert not revoke_key(stranger.id, prefix_of(key))
    assert find_key(key)


def test_revoking_one_key_leaves_the_others(tenant, key):
    other = add_key(tenant.id).key
    revoke_key(tenant.id, prefix_of(key))
    assert find_key(other)


# --- tenants ----------------------------------------------------------------------------------------------------------


def test_a_tenant_is_found_by_name_and_by_id(tenant):
    assert get_tenant("clinic") == get_tenant(str(tenant.uid)) == get_tenant(tenant.uid.hex) == tenant


@pytest.mark.parametrize("wanted", ["", "nobody", "00000000-0000-0000-0000-000000000000"])
def test_a_tenant_that_is_not_there_is_not_found(tenant, wanted):
    with pytest.raises(NotFound):
        get_tenant(wanted)


@pytest.mark.parametrize("name", ["", " ", "x" * 101])
def test_a_name_needs_something_to_see(store, name):
    with pytest.raises(InputError):
        add_tenant(name)


def test_a_name_is_taken_once(tenant):
    with pytest.raises(Conflict):
        add_tenant(" clinic ")
