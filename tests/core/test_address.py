"""Addresses: what is read, what is refused, and what never shows."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.address import Address, AddressKind, parse_address
from hailgate.core.errors import InputError

from .strategies import any_json

SECRET = "15551234567"


@pytest.mark.parametrize(
    "raw",
    [
        "+15551234567",
        "15551234567",
        "+1 (555) 123-4567",
        "1.555.123.4567",
        " +1-555-123-4567 ",
        {"kind": "phone", "value": "+1 (555) 123-4567"},
    ],
)
def test_a_phone_is_read_as_people_write_it(raw):
    assert parse_address(raw) == Address(AddressKind.PHONE, "15551234567")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bsuid", "US.10000000000000000042"),
        ("lid", "123456789012345@lid"),
        ("jid", "15551234567@s.whatsapp.net"),
        ("group", "120363012345678901@g.us"),
    ],
)
def test_other_kinds_are_taken_as_they_are(kind, value):
    assert parse_address({"kind": kind, "value": value}) == Address(AddressKind(kind), value)


@pytest.mark.parametrize(
    ("raw", "field", "advice"),
    [
        ("+1555call4567", "to", "digits"),
        ("", "to", "digits"),
        ("+", "to", "digits"),
        ("++15551234567", "to", "digits"),
        ("15551234567+", "to", "digits"),
        ("١٢٣٤٥٦٧٨٩", "to", "digits"),
        ("1555\u00001234567", "to", "digits"),
        ("\ud80015551234567", "to", "digits"),
        ("123456", "to", "7 to 15 digits"),
        ("1234567890123456", "to", "7 to 15 digits"),
        ("06 12345678", "to", "country code"),
        (None, "to", "an object"),
        (15551234567, "to", "an object"),
        (["15551234567"], "to", "an object"),
        ({}, "to", "exactly the fields"),
        ({"kind": "phone"}, "to", "exactly the fields"),
        ({"kind": "phone", "value": "15551234567", "name": "Ana"}, "to", "exactly the fields"),
        ({"kind": "pigeon", "value": "15551234567"}, "to.kind", "phone, bsuid, lid, jid, group"),
        ({"kind": ["phone"], "value": "15551234567"}, "to.kind", "phone, bsuid, lid, jid, group"),
        ({"kind": "phone", "value": 15551234567}, "to.value", "a string"),
        ({"kind": "phone", "value": "1555call4567"}, "to.value", "digits"),
        ({"kind": "lid", "value": ""}, "to.value", "1 to 256"),
        ({"kind": "lid", "value": "9" * 257}, "to.value", "1 to 256"),
        ({"kind": "lid", "value": "12 34"}, "to.value", "neither spaces nor control"),
        ({"kind": "lid", "value": "12\u000034"}, "to.value", "neither spaces nor control"),
        ({"kind": "lid", "value": "12\ud80034"}, "to.value", "neither spaces nor control"),
    ],
)
def test_a_refusal_names_the_field_and_what_to_do(raw, field, advice):
    with pytest.raises(InputError) as refusal:
        parse_address(raw)

    assert (refusal.value.field, refusal.value.code) == (field, "invalid_address")
    assert refusal.value.detail.startswith(f"{field}: ")
    assert advice in refusal.value.detail


@pytest.mark.parametrize(
    ("raw", "code", "number"),
    [
        # Too few for Brazil, Mexico and Argentina, whose codes they begin with.
        ("5550100042", "1", "15550100042"), ("5550100042", "", None), (" 5550100042", "1", "15550100042"),
        ("5512345678", "52", "525512345678"), ("5412345678", "52", "525412345678"), ("5212345678", "1", "15212345678"),
        ("55991234567", "55", "5555991234567"), ("55991234567", "", None), ("5512345", "", None),
        # A plus sign says that a country code follows, whatever comes then.
        ("+5550100042", "1", "5550100042"), ("+55991234567", "", "55991234567"),
        # Enough digits, Brazil's numbers of eight, and codes of other countries are taken as they are.
        ("551151000042", "1", "551151000042"), ("5511951000042", "", "5511951000042"),
        ("521551234567", "1", "521551234567"), ("5540040001", "1", "5540040001"), ("5530030001", "", "5530030001"),
        ("15550100042", "55", "15550100042"), ("4915112345", "1", "4915112345"), ("5912345678", "1", "5912345678"),
    ],
)  # fmt: skip
def test_bare_digits_too_few_for_their_country_are_written_as_at_home(raw, code, number):
    if number is not None:
        assert parse_address(raw, code).value == number
        return
    with pytest.raises(InputError, match="with its country code"):
        parse_address(raw, code)


def test_a_number_that_a_provider_told_is_taken_as_it_is():
    assert parse_address({"kind": "phone", "value": "5550100042"}, "1").value == "5550100042"


@pytest.mark.parametrize("digits", ["1234567", "123456789012345"])
def test_the_shortest_and_the_longest_phone_are_read(digits):
    assert parse_address(digits).value == digits


def test_an_address_that_cannot_be_stored_cannot_be_made():
    with pytest.raises(InputError):
        Address(AddressKind.GROUP, "group\0")


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{0!r}".format, "%s".__mod__], ids=str)
def test_the_value_never_shows(show):
    address = Address(AddressKind.PHONE, SECRET)

    assert show(address) == "phone:***"
    assert SECRET not in show([address])


def test_the_key_holds_kind_and_value():
    assert Address(AddressKind.PHONE, SECRET).key == "phone:15551234567"


def test_addresses_are_equal_by_kind_and_value():
    phone = Address(AddressKind.PHONE, SECRET)

    assert phone == Address(AddressKind.PHONE, SECRET)
    assert hash(phone) == hash(Address(AddressKind.PHONE, SECRET))
    assert phone != Address(AddressKind.LID, SECRET)


def test_an_address_travels_as_json():
    address = Address(AddressKind.LID, "1234@lid")

    assert msgspec.json.decode(msgspec.json.encode(address), type=Address) == address


@given(any_json | st.fixed_dictionaries({"kind": any_json | st.sampled_from(AddressKind), "value": any_json}))
def test_whatever_comes_in_only_an_input_error_comes_out(raw):
    try:
        address = parse_address(raw)
    except InputError:
        return
    assert parse_address({"kind": str(address.kind), "value": address.value}) == address


@given(st.integers(min_value=10**6, max_value=10**15 - 1), st.data())
def test_separators_never_change_the_number(number, data):
    digits = str(number)
    gaps = data.draw(st.lists(st.text(" -.()", max_size=3), min_size=len(digits), max_size=len(digits)))
    written = "+" + "".join(digit + gap for digit, gap in zip(digits, gaps, strict=True))

    assert parse_address(written).value == digits


@given(st.text(alphabet="0123456789+-. ()x\u0660", min_size=6, max_size=20).filter(lambda raw: "x" in raw))
def test_a_refusal_never_repeats_the_number(raw):
    with pytest.raises(InputError) as refusal:
        parse_address(raw)

    assert raw not in refusal.value.detail


@pytest.mark.parametrize(
    "written", ["(555) 010-0042", " (555) 010 0042", "555-010-0042", "555 010 0042", "(011) 4123-4567"]
)
def test_a_number_without_a_country_is_refused_unless_it_is_known(written):
    with pytest.raises(InputError, match="country code"):
        parse_address(written)
    assert parse_address(written, "1").value.startswith("1")


@pytest.mark.parametrize(
    ("written", "calling_code", "digits"),
    [
        ("(555) 010-0042", "1", "15550100042"),
        ("(011) 4123-4567", "54", "541141234567"),
        ("+44 20 7946 0958", "1", "442079460958"),
        ("15550100042", "44", "15550100042"),
        ("1 (555) 010-0042", "44", "15550100042"),
    ],
)
def test_a_channels_country_completes_what_is_written_as_at_home_and_nothing_else(written, calling_code, digits):
    assert parse_address(written, calling_code).value == digits
