"""A file in a form: taken out as it streams by, however the body is cut into pieces."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.errors import HailgateError, InputError, MalformedBody, TooLarge
from hailgate.edge.http.multipart_reader import MOST_BESIDE, MultipartReader

TYPE = "multipart/form-data; boundary=b0undary"


def part(name: str, content: bytes, extra: str = "") -> bytes:
    return f'--b0undary\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + content + b"\r\n"


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b0undary--\r\n"


def taken(body: bytes, cuts: list[int] = (), content_type: str = TYPE) -> tuple[str, bytes]:
    async def pieces():
        places = sorted({0, len(body), *(min(cut, len(body)) for cut in cuts)})
        for start, end in pairwise(places):
            yield body[start:end]

    async def take() -> tuple[str, bytes]:
        form = MultipartReader(content_type)
        return (b"".join([piece async for piece in form.content(pieces())]), form.name)[::-1]

    return asyncio.run(take())


@given(st.binary(max_size=300), st.lists(st.integers(0, 700), max_size=20))
def test_the_file_is_the_same_however_its_form_is_cut(content, cuts):
    content = content.replace(b"\r\n--b0undary", b"")
    body = whole(part("caption", b"x"), part("file", content, '; filename="a \u00fc.png"'), part("after", b"y"))
    assert taken(body, cuts) == ("a ü.png", content)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_whatever_comes_is_a_file_or_refused(body, cuts):
    for wanted in (body, b"--b0undary\r\n" + body, whole(part("file", b"")[:-10] + body)):
        with suppress(InputError):
            taken(wanted, cuts)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (whole(part("picture", b"x")), InputError),
        (whole(part("file", b"x"), part("file", b"y")), InputError),
        (part("file", b"x"), MalformedBody),
        (b"just bytes", MalformedBody),
        (whole(part("note", bytes(MOST_BESIDE)), part("file", b"x")), TooLarge),
        (b"--b0undary\r\n" + b"A" * MOST_BESIDE * 2, HailgateError),
    ],
)
def test_a_form_that_is_none_or_holds_no_single_file_is_refused(body, error):
    with pytest.raises(error):
        taken(body)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "b" * 71])
def test_a_form_names_its_boundary(content_type):
    with pytest.raises(MalformedBody):
        MultipartReader(content_type)
