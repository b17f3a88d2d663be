"""Sealing: what was sealed comes back with the right key and no other; keys rotate; what looks sealed is sealed."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.accounts import seal
from hailgate.accounts.models import Installation
from hailgate.accounts.seal import MARK, Sealer
from hailgate.core.errors import ConfigurationError


def key(id_: str, fill: int = 0) -> str:
    return f"{id_}:{urlsafe_b64encode(bytes([fill, 99] * 16)).decode()}"


OLD, NEW = key("old", 1), key("new", 2)
any_text = st.text(st.characters(exclude_categories=["Cs"]))
sealed_looking = st.sampled_from(["", MARK, f"{MARK}old:", f"{MARK}old:x", "sealed", "Sealed:old:x"])


@pytest.fixture(params=[False, True], ids=["plain content", "sealed content"])
def sealer(request) -> Sealer:
    return Sealer([NEW, OLD], content=request.param)


# --- round trips ------------------------------------------------------------------------------------------------------


@given(start=sealed_looking, text=any_text, content=st.booleans())
def test_whatever_was_sealed_comes_back(start, text, content):
    sealer = Sealer([NEW], content=content)
    plain = start + text
    assert sealer.unseal(sealer.seal(plain)) == plain
    assert sealer.unseal(sealer.seal_content(plain)) == plain


@given(start=sealed_looking, rest=st.binary(), content=st.booleans())
def test_whatever_bytes_were_sealed_come_back(start, rest, content):
    sealer = Sealer([NEW], content=content)
    plain = start.encode() + rest
    assert sealer.unseal_bytes(sealer.seal_bytes(plain)) == plain


@given(text=any_text.filter(bool))
def test_what_is_sealed_shows_nothing_of_it(text):
    sealed = Sealer([NEW]).seal(text * 20)
    assert text * 20 not in sealed
    assert sealed.startswith(f"{MARK}new:")


def test_the_same_text_is_sealed_differently_each_time(sealer):
    assert sealer.seal("x") != sealer.seal("x")


@pytest.mark.parametrize("plain", ["hello", "", "sealed", "Sealed:new:x"])
def test_content_is_sealed_only_where_the_installation_seals_content(plain):
    assert Sealer([NEW]).seal_content(plain) == plain
    assert Sealer([NEW]).seal_bytes(plain.encode()) == plain.encode()
    assert Sealer([NEW], content=True).seal_content(plain).startswith(MARK)
    assert Sealer([NEW], content=True).seal_bytes(plain.encode()).startswith(MARK.encode())


def test_a_plain_text_that_looks_sealed_is_sealed_always(sealer):
    """Else it could not be told apart, or would ask for a key that never was."""
    for plain in (f"{MARK}new:gAAAA", f"{MARK}nothing"):
        assert sealer.seal_content(plain) != plain
        assert sealer.unseal(sealer.seal_content(plain)) == plain


def test_what_was_stored_before_sealing_was_switched_on_is_read_as_it_is():
    sealer = Sealer([NEW], content=True)
    assert (sealer.unseal("hello"), sealer.unseal_bytes(b"\xff\x00")) == ("hello", b"\xff\x00")


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_rotate_the_first_seals_and_every_one_unseals():
    before = Sealer([OLD]).seal("x")
    rotating = Sealer([NEW, OLD])
    assert rotating.unseal(before) == "x"
    after = rotating.seal(rotating.unseal(before))
    assert Sealer([NEW]).unseal(after) == "x"


@pytest.mark.parametrize("stored", [f"{MARK}lost:gAAAA", f"{MARK}:", MARK, f"{MARK}\xff:x"])
def test_a_key_that_is_missing_is_named_and_the_data_is_not(stored):
    for unseal, value in ((Sealer([NEW]).unseal, stored), (Sealer([NEW]).unseal_bytes, stored.encode("latin-1"))):
        with pytest.raises(ConfigurationError, match="HAILGATE_SECRET_KEYS lacks the key"):
            unseal(value)


def test_another_key_of_the_same_name_opens_nothing():
    sealed = Sealer([key("k", 1)]).seal("hush")
    with pytest.raises(ConfigurationError, match="altered or the key is wrong") as refused:
        Sealer([key("k", 2)]).unseal(sealed)
    assert "hush" not in refused.value.detail


@given(place=st.integers(0, 200), flip=st.integers(1, 255))
def test_what_was_altered_does_not_open(place, flip):
    sealed = bytearray(Sealer([NEW]).seal_bytes(MARK.encode() + b"hush"))
    start = len(f"{MARK}new:")
    place = start + place % (len(sealed) - start)
    altered = sealed.copy()
    altered[place] ^= flip
    try:
        opened = Sealer([NEW]).unseal_bytes(bytes(altered))
    except ConfigurationError:
        return
    assert opened == MARK.encode() + b"hush"  # base64 ignores some of its last bits


@pytest.mark.parametrize(
    "bad",
    ["", "k", "k:", ":x", "k:short", "k:" + "!" * 44, "k k:" + "A" * 43 + "=", "k:" + "A" * 44, "k:ä" + "A" * 42],
)
def test_a_key_that_is_none_is_refused_without_being_repeated(bad):
    with pytest.raises(ConfigurationError, match="id:base64url of 32 bytes") as refused:
        Sealer([bad])
    assert len(bad) < 3 or bad not in refused.value.detail


def test_a_ring_without_keys_is_refused():
    with pytest.raises(ConfigurationError):
        Sealer([])


def test_two_keys_of_one_name_are_refused():
    """One of them would be lost, and which one nobody would know."""
    with pytest.raises(ConfigurationError, match="'k'"):
        Sealer([key("k", 1), key("k", 2)])


def test_a_ring_does_not_show_its_keys():
    shown = repr(Sealer([NEW, OLD]))
    assert "new" in shown
    assert NEW.partition(":")[2] not in shown


def test_before_a_composition_root_there_is_no_ring(monkeypatch):
    monkeypatch.setattr(seal, "_sealer", None)
    with pytest.raises(ConfigurationError):
        seal.sealer()


# --- look-ups ---------------------------------------------------------------------------------------------------------


def test_a_digest_is_the_same_for_the_same_value_and_hides_it(sealer):
    sealer.use_lookup_key(b"k" * 32)
    assert sealer.digest("phone:15551234567") == sealer.digest("phone:15551234567")
    assert sealer.digest("phone:15551234567") != sealer.digest("phone:15551234568")
    assert len(sealer.digest("")) == 40


def test_a_digest_depends_on_the_installations_own_key(sealer):
    other = Sealer([NEW])
    sealer.use_lookup_key(b"a" * 32)
    other.use_lookup_key(b"b" * 32)
    assert sealer.digest("x") != other.digest("x")


def test_the_look_up_key_lies_in_the_store_sealed_and_outlives_rotation(store):
    """Every process finds the same, and a key ring that was rotated still opens it."""
    from hailgate.settings import ENV

    keys = ENV.sealing_keys
    first = Sealer(keys).digest("x")
    assert Sealer([NEW, *keys]).digest("x") == first
    stored = Installation.objects.get(id=1).lookup_key
    assert stored.startswith(MARK)
    assert Installation.objects.count() == 1
