"""What an MP4 holds is told by its tracks, wherever they stand and in whatever pieces they come."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.messaging.files.detect_mime import Sample
from hailgate.messaging.files.mp4_tracks import Mp4Tracks


def box(kind, *content, long=False):
    body = b"".join(content)
    if long:
        return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body
    return struct.pack(">I4s", len(body) + 8, kind) + body


def track(kind):
    handler = box(b"hdlr", bytes(8), kind, bytes(12), b"A handler\0")
    return box(
        b"trak", box(b"tkhd", bytes(84)), box(b"mdia", box(b"mdhd", bytes(24)), handler, box(b"minf", bytes(50)))
    )


def mp4(brand, *kinds, late=False, long=False):
    """A file with these tracks; ``late`` ones stand behind the data, as telephones write them."""
    beginning = box(b"ftyp", brand, bytes(4), b"isomiso2mp41")
    moov = box(b"moov", box(b"mvhd", bytes(100)), *(track(kind) for kind in kinds))
    data = box(b"mdat", b"\xffhdlrmoovtrak" * 3000, long=long)
    return beginning + (data + moov if late else moov + data)


SOUND = ["isom", "mp42", "iso2", "iso5", "iso6", "mp41", "avc1", "MSNV", "dash", "M4A ", "M4B ", "qt  "]


def type_of(content, size=4096):
    sample = Sample()
    for place in range(0, len(content), size):
        sample.add(content[place : place + size])
    return sample.check_type()


@pytest.mark.parametrize("brand", SOUND)
@pytest.mark.parametrize("late", [False, True])
def test_an_mp4_without_pictures_is_audio_whatever_its_brand(brand, late):
    assert type_of(mp4(brand.encode(), b"soun", late=late)) == "audio/mp4"


@pytest.mark.parametrize("brand", ["isom", "mp42", "M4A ", "3gp5"])
@pytest.mark.parametrize("late", [False, True])
def test_one_with_pictures_is_video(brand, late):
    expected = "video/3gpp" if brand == "3gp5" else "video/mp4"
    assert type_of(mp4(brand.encode(), b"vide", b"soun", late=late)) == expected


def test_one_that_names_no_track_is_what_its_brand_says():
    assert type_of(mp4(b"mp42", b"text")) == "video/mp4"
    assert type_of(mp4(b"mp42")) == "video/mp4"
    assert type_of(mp4(b"M4A ")) == "audio/mp4"


@given(
    st.lists(st.sampled_from([b"soun", b"vide", b"text"]), max_size=4), st.booleans(), st.booleans(), st.integers(1, 97)
)
def test_the_pieces_in_which_it_comes_change_nothing(kinds, late, long, size):
    content = mp4(b"isom", *kinds, late=late, long=long)
    whole, pieces = Mp4Tracks(), Mp4Tracks()
    whole.add(content)
    for place in range(0, len(content), size):
        pieces.add(content[place : place + size])
    assert whole.kinds == pieces.kinds == {kind.decode() for kind in kinds}


@given(st.binary(max_size=400), st.integers(1, 40))
def test_whatever_the_bytes_nothing_is_held_for_ever(content, size):
    tracks = Mp4Tracks()
    for place in range(0, len(content), size):
        tracks.add(content[place : place + size])
    assert len(tracks._held) <= len(content)
