"""Meta's ids of one message: different peers, one token."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.providers.cloud.message_ids import token_of


def message_id(peer: str, token: str = "3EB0C431C26A1916E07E", kind: int = 0x12) -> str:
    raw = b"\x1c\x18" + bytes([len(peer)]) + peer.encode() + b"\x15\x02\x00" + bytes([kind])
    raw += b"\x18" + bytes([len(token)]) + token.encode() + b"\x00"
    return "wamid." + b64encode(raw).decode()


def test_the_number_and_the_user_id_of_one_person_share_the_token():
    one, other = message_id("15551230042"), message_id("US.13491208655302741918", kind=0x11)
    assert one != other
    assert token_of(one) == token_of(other) == "3EB0C431C26A1916E07E"


@pytest.mark.parametrize("id_", ["", "wamid.", "wamid.1", "wamid.é", "SM123", "wamid.FIXTURE000001AAAA=="])
def test_what_is_not_made_like_this_has_none(id_):
    assert token_of(id_) is None


@given(st.binary(max_size=80))
def test_whatever_is_in_it_there_is_an_answer(raw):
    token_of("wamid." + b64encode(raw).decode())
