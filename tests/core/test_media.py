"""Kinds, limits and names of files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.errors import InputError, TooLarge, UnsupportedMedia
from hailgate.core.media import LARGEST, check_fits, check_pixels, content_disposition, natural_kind, show_name


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


@pytest.mark.parametrize("kind", LARGEST)
def test_each_kind_has_its_limit(kind: str) -> None:
    mime = {"image": "image/png", "sticker": "image/webp", "audio": "audio/ogg", "video": "video/mp4"}.get(kind, "x/y")
    check_fits(kind, mime, LARGEST[kind])
    with pytest.raises(TooLarge):
        check_fits(kind, mime, LARGEST[kind] + 1)
    with pytest.raises(InputError):
        check_fits(kind, mime, 0)


def test_a_file_of_another_type_is_refused_with_the_types_that_fit() -> None:
    with pytest.raises(UnsupportedMedia, match="image/jpeg, image/png"):
        check_fits("image", "application/pdf", 10)


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
