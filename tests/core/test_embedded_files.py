"""Files inside webhooks: found, left out and decoded, however the pieces of a body of JSON or of a form are cut."""

import asyncio
import base64
import json
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.embedded_files import SKIMMED, Skimmer, decode_base64, find_string
from hailgate.core.errors import InputError
from hailgate.core.form_stream import FormScanner
from hailgate.core.json_stream import MOST_LEVELS

from .test_json_stream import cut, documents, strings_of, written

pytestmark = pytest.mark.anyio

fields = st.dictionaries(st.text(min_size=1, max_size=6), st.text(min_size=1, max_size=12), min_size=1, max_size=4)


@given(body=st.binary(max_size=60), data=st.data())
def test_what_is_no_json_goes_through_unchanged(body, data):
    skimmer = Skimmer()
    assert b"".join(map(skimmer.feed, data.draw(cut(body)))) + skimmer.end() == body


def test_what_is_nested_beyond_reason_goes_through_unchanged():
    body = b"[" * (MOST_LEVELS * 3) + b'"x"'
    skimmer = Skimmer(longest=0)
    assert skimmer.feed(body) + skimmer.end() == body


@given(document=documents, data=st.data())
def test_long_strings_are_left_out_and_all_else_stays(document, data):
    skimmer = Skimmer(longest=8)
    kept = b"".join(map(skimmer.feed, data.draw(cut(written(document, data))))) + skimmer.end()

    def skimmed(value):
        if isinstance(value, dict):
            return {key: skimmed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [skimmed(item) for item in value]
        return value

    short = {p: v for p, v in strings_of(json.loads(kept)).items() if v != SKIMMED.decode()}
    expected = strings_of(skimmed(document))
    assert short.items() <= expected.items()
    assert strings_of(json.loads(kept)).keys() == expected.keys()
    for pointer in expected.keys() - short.keys():
        assert len(json.dumps(expected[pointer], ensure_ascii=True)) > 8


@given(file=st.binary(max_size=80), prefix=st.sampled_from(["", "data:image/png;base64,"]), data=st.data())
def test_a_file_inside_a_webhook_comes_out_as_it_went_in(file, prefix, data):
    encoded = prefix + base64.b64encode(file).decode()
    text = json.dumps({"a": {"b": [1, encoded]}}).replace("/", data.draw(st.sampled_from(["/", "\\/", "\\u002f"])))

    pieces = data.draw(cut(text.encode()))

    async def decoded():
        return b"".join([chunk async for chunk in decode_base64(find_string(passing(pieces), "/a/b/1"))])

    assert asyncio.run(decoded()) == file


async def passing(pieces):
    for piece in pieces:
        yield piece


async def test_missing_padding_loses_nothing():
    assert [chunk async for chunk in decode_base64(passing([b"Q", b"Q="]))][-1] == b"A"


@pytest.mark.parametrize("text", [b"no base64!", b"data:x,*", b"Q"])
async def test_what_is_not_base64_is_refused(text):
    with pytest.raises(InputError) as refused:
        [chunk async for chunk in decode_base64(passing([text]))]
    assert refused.value.code == "file_refused"


# --- forms ------------------------------------------------------------------------------------------------------------


@given(form=fields, data=st.data())
def test_each_field_of_a_form_is_found_and_nothing_is_lost(form, data):
    body, found, whole = urlencode(form).encode(), {}, bytearray()
    scanner = FormScanner()
    for piece in data.draw(cut(body)):
        for pointer, text in scanner.feed(piece):
            whole += text
            if pointer is not None:
                found[pointer] = found.get(pointer, b"") + text
    assert whole == body
    told = {name.replace("~", "~0").replace("/", "~1"): value for name, value in form.items()}
    assert {pointer: dict(parse_qsl("x=" + text.decode()))["x"] for pointer, text in found.items()} == {
        f"/{name}": value for name, value in told.items()
    }


@pytest.mark.parametrize("body", [b"a", b"a&b=1", b"&&a=1&", b"=x&a", b"a==b&c", b"a=1&a=2"])
def test_a_form_that_is_odd_goes_through_unchanged(body):
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        skimmer = Skimmer()
        assert b"".join(map(skimmer.feed, pieces)) + skimmer.end() == body


@given(data=st.data())
def test_long_fields_are_left_out_and_all_else_stays(data):
    body = urlencode({"id": "1", "file": "Q" * 50, "name": "a"}).encode()
    skimmer = Skimmer(longest=8)
    kept = b"".join(map(skimmer.feed, data.draw(cut(body)))) + skimmer.end()
    assert dict(parse_qsl(kept.decode())) == {"id": "1", "file": SKIMMED.decode(), "name": "a"}


@given(file=st.binary(max_size=80), prefix=st.sampled_from(["", "data:image/png;base64,"]), data=st.data())
def test_a_file_inside_a_form_comes_out_as_it_went_in(file, prefix, data):
    body = urlencode({"id": "1", "file": prefix + base64.b64encode(file).decode(), "name": "a"}).encode()
    pieces = data.draw(cut(body))

    async def decoded():
        return b"".join([chunk async for chunk in decode_base64(find_string(passing(pieces), "/file"))])

    assert asyncio.run(decoded()) == file
