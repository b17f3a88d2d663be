"""Large JSON by its pieces: every string is found where it stands, however the pieces are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.json_stream import (
    JsonMask,
    JsonScanner,
)

pytestmark = pytest.mark.anyio

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def cut(whole):
    """A body in pieces of any length, one byte at a time included."""
    places = st.lists(st.integers(0, len(whole)), max_size=8).map(lambda at: sorted({0, *at, len(whole)}))
    some = places.map(lambda at: [whole[begin:end] for begin, end in pairwise(at)])
    return some | st.just([whole[at : at + 1] for at in range(len(whole))])


def strings_of(value, path=""):
    """Each string value by its pointer, as `json` reads it."""
    if isinstance(value, str):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {}
    for key, item in items:
        found |= strings_of(item, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


def written(document, data):
    return json.dumps(
        document, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.none() | st.just(1))
    ).encode()


@given(document=documents, data=st.data())
def test_each_string_is_found_at_its_pointer_and_nothing_is_lost(document, data):
    body = written(document, data)
    found: dict[str, bytes] = {}
    whole = bytearray()
    scanner = JsonScanner()
    for piece in data.draw(cut(body)):
        for pointer, text in scanner.feed(piece):
            whole += text
            if pointer is not None:
                found[pointer] = found.get(pointer, b"") + text
    assert whole == body
    expected = {pointer: value for pointer, value in strings_of(document).items() if value}
    assert {pointer: json.loads(b'"' + text + b'"') for pointer, text in found.items()} == expected


@given(data=st.data())
def test_masked_strings_are_gone_wherever_they_are_cut(data):
    document = {"apikey": 'se"cr\\et', "data": {"apikey": "kept", "list": [{"key": "secret"}, "secret?"]}}
    mask = JsonMask({"/apikey", "/data/list/0/key"})
    masked = b"".join(map(mask.feed, data.draw(cut(written(document, data))))) + mask.end()
    expected = {"apikey": "***", "data": {"apikey": "kept", "list": [{"key": "***"}, "secret?"]}}
    assert json.loads(masked) == expected


def test_two_secrets_side_by_side_are_both_masked():
    assert JsonMask({"/0", "/1"}).feed(b'["a","b","c"]') == b'["***","***","c"]'
