"""A file is what its bytes say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.errors import InputError
from hailgate.messaging.files.detect_mime import HEAD, Sample, find_type
from hostile_files import GIF, HTML, JPEG, PNG, SVG, WEBP, bombs, png_of, webp_of

TYPES = [
    (PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp"),
    (b"OggS" + bytes(24) + b"OpusHead", "audio/ogg"), (b"#!AMR\n" + bytes(20), "audio/amr"),
    (b"%PDF-1.7\n", "application/pdf"),
    (b"ID3\x03\0\0\0\0", "audio/mpeg"), (b"\0\0\0\x18ftypM4A mp42", "audio/mp4"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"), (b"\0\0\0\x14ftyp3gp5", "video/3gpp"),
    (HTML, "text/plain"), (SVG, "text/plain"), ("naïve".encode(), "text/plain"), (b"a\0b", "application/octet-stream"),
    (b"\xff\xfe\xfd", "application/octet-stream"), (b"", "application/octet-stream"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "mime"), TYPES)
def test_the_type_is_told_by_the_first_bytes(head: bytes, mime: str) -> None:
    assert find_type(head) == mime


def test_a_character_that_the_head_cuts_in_two_is_still_text() -> None:
    assert find_type(("a" * (HEAD - 1) + "ü").encode()[:HEAD]) == "text/plain"


@given(
    st.binary(max_size=300), st.sampled_from([b"", PNG[:16], JPEG[:20], GIF[:8], WEBP[:16], b"RIFF\0\0\0\0WEBPVP8L"])
)
def test_whatever_the_bytes_a_sample_is_named_or_refused(tail: bytes, head: bytes) -> None:
    sample = Sample()
    sample.add(head + tail)
    try:
        assert "/" in sample.check_type()
    except InputError as refused:
        assert refused.code == "file_refused"  # noqa: PT017


@pytest.mark.parametrize("bomb", bombs())
def test_a_bomb_is_refused_by_its_header(bomb: bytes) -> None:
    sample = Sample()
    sample.add(bomb)
    with pytest.raises(InputError):
        sample.check_type()


@pytest.mark.parametrize("picture", [png_of(7_000, 7_000), webp_of(5_000, 10_000), PNG, JPEG, GIF, WEBP])
def test_an_honest_picture_passes_in_whatever_pieces_it_comes(picture: bytes) -> None:
    sample = Sample()
    for place in range(0, len(picture), 7):
        sample.add(picture[place : place + 7])
    assert sample.check_type().startswith("image/")


def test_a_picture_whose_size_stands_far_behind_is_measured() -> None:
    comments = (b"\xff\xfe\xff\xff" + bytes(0xFFFD)) * 20  # 1.3 MB before the size
    sample = Sample()
    for part in (JPEG[:2], comments, JPEG[2:]):
        sample.add(part)
    assert sample.check_type() == "image/jpeg"
