"""Kinds, limits and names of files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.errors import InputError, TooLarge, UnsupportedMedia
from hailgate.core.kinds import KindLimits
from hailgate.core.media import (
    LARGEST_FILE,
    check_fits,
    check_pixels,
    content_disposition,
    fits,
    natural_kind,
    show_name,
)
from hailgate.providers import list_providers

FILES = ("image", "sticker", "audio", "video", "document")


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("image/jpeg", "image"), ("image/webp", "sticker"), ("audio/ogg", "audio"), ("video/3gpp", "video"),
        ("image/gif", "document"), ("application/pdf", "document"), ("text/plain", "document"),
    ],
)  # fmt: skip
def test_a_type_has_a_natural_kind(mime: str, kind: str) -> None:
    assert natural_kind(mime) == kind
    check_fits(kind, mime, 1)
    check_fits("document", mime, 1)


@pytest.mark.parametrize("spec", list_providers(), ids=lambda spec: spec.name)
@pytest.mark.parametrize("kind", FILES)
def test_each_kind_has_its_providers_limits(spec, kind: str) -> None:
    own = spec.capabilities.kinds[kind]
    mime = next(iter(sorted(own.types)), "x/y")
    most = own.bytes or LARGEST_FILE
    check_fits(kind, mime, most, own)
    assert (fits(mime, most, own), fits(mime, most + 1, own)) == (True, False)
    with pytest.raises(TooLarge):
        check_fits(kind, mime, most + 1, own)
    with pytest.raises(InputError):
        check_fits(kind, mime, 0, own)


def test_a_file_of_another_type_is_refused_with_the_types_that_fit() -> None:
    own = KindLimits(types=frozenset({"image/jpeg", "image/png"}))
    with pytest.raises(UnsupportedMedia, match="image/jpeg, image/png"):
        check_fits("image", "application/pdf", 10, own)
    assert not fits("application/pdf", 10, own)


@pytest.mark.parametrize("size", [(10_000, 5_001), (20_001, 1), (1, 20_001)])
def test_too_many_pixels_are_refused(size: tuple[int, int]) -> None:
    check_pixels(10_000, 5_000)
    with pytest.raises(InputError):
        check_pixels(*size)


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("Rx 12.pdf", "Rx 12.pdf"), ("../../etc/passwd", "passwd"), ("C:\\Users\\ada\\x.doc", "x.doc"), ("", "file"),
        (" .. ", "file"), (".htaccess", "htaccess"), ("a\r\nb.png", "a__b.png"), ("\u202egpj.exe", "_gpj.exe"),
        ("Überweisung 診断.pdf", "Überweisung 診断.pdf"), ('a"b;c.txt', "a_b;c.txt"),
        ("x" * 300 + ".pdf", "x" * 146 + ".pdf"), ("x" * 300, "x" * 150),
    ],
)  # fmt: skip
def test_a_name_is_shown_without_what_could_lead_or_turn(given_: str, shown: str) -> None:
    assert show_name(given_) == shown


@given(st.text())
def test_whatever_the_name_its_header_is_one_line_of_ascii(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.startswith('attachment; filename="')
    assert header.count('"') == 2
