"""A name comes out of its header as it was meant, and its ending says what the file is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.filenames import fit_name, parse_disposition


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="plain.pdf"', "plain.pdf"),
        ("attachment; filename=token.pdf", "token.pdf"),
        ("attachment", ""),
        ("attachment; filename=\"a.pdf\"; filename*=UTF-8''%C3%BC.pdf", "ü.pdf"),  # RFC 6266, 4.3: the latter wins
        ("attachment; filename*=UTF-8''%C3%BC.pdf; filename=\"a.pdf\"", "ü.pdf"),  # in any order
        ("attachment; filename*=utf-8'en'%e2%82%ac%20rates.txt", "€ rates.txt"),  # RFC 8187's own example
        ("attachment; filename*=iso-8859-1'en'%A3%20rates.txt", "£ rates.txt"),
        ("attachment; filename=\"a.pdf\"; filename*=UTF-8''%C3%28.pdf", "Ã(.pdf"),  # broken UTF-8 is Latin-1
        ("attachment; filename=\"a.pdf\"; filename*=klingon''x.pdf", "a.pdf"),
        ('attachment; FileName="caps.pdf"', "caps.pdf"),
        ('attachment; filename="Rechnung Müller.pdf"', "Rechnung Müller.pdf"),
        ('attachment; filename="say \\"hi\\".pdf"', 'say "hi".pdf'),
        ('attachment; filename="C:\\Users\\ada\\x.pdf"', "C:\\Users\\ada\\x.pdf"),
        ('attachment; filename="back\\\\slash.pdf"', "back\\slash.pdf"),
        ('attachment; filename="semi;colon.pdf"; size=3', "semi;colon.pdf"),
        ('form-data; name="file"; filename="a.pdf"', "a.pdf"),
        ('attachment; filename=""', ""),
        ("filename=bare.pdf", "bare.pdf"),  # without the kind before it
        ('filename="no kind.pdf"', "no kind.pdf"),
    ],
)
def test_a_name_is_read_as_rfc_6266_says(header, name):
    assert parse_disposition(header.encode()) == name


def test_bytes_that_are_no_utf_8_are_latin_1():
    assert parse_disposition('attachment; filename="Müller.pdf"'.encode("latin-1")) == "Müller.pdf"


@given(st.binary(max_size=200))
def test_whatever_the_header_there_is_a_name_that_can_be_stored(header):
    assert "\0" not in parse_disposition(b"attachment; filename=" + header)


@pytest.mark.parametrize(
    ("name", "mime", "fitting"),
    [
        ("", "application/pdf", "file.pdf"),
        ("", "audio/ogg", "file.ogg"),
        ("", "application/octet-stream", "file"),
        ("invoice.pdf", "application/pdf", "invoice.pdf"),
        ("INVOICE.PDF", "application/pdf", "INVOICE.PDF"),
        ("invoice.pdf", "image/png", "invoice.png"),
        ("photo", "image/jpeg", "photo.jpg"),
        ("photo.jpeg", "image/jpeg", "photo.jpeg"),
        ("version 1.2", "application/pdf", "version 1.2.pdf"),
        ("song.mp4", "audio/mp4", "song.mp4"),
        ("table.xlsx", "application/zip", "table.xlsx"),
        ("table.pdf", "application/zip", "table.zip"),
        ("notes.md", "text/plain", "notes.md"),
        ("notes.png", "text/plain", "notes.txt"),
        ("notes", "text/plain", "notes"),
        (".pdf", "application/pdf", ".pdf.pdf"),
        ("whatever.bin", "application/octet-stream", "whatever.bin"),
        ("setup.exe", "application/vnd.microsoft.portable-executable", "setup.exe"),
    ],
)
def test_the_ending_follows_the_type(name, mime, fitting):
    assert fit_name(name, mime) == fitting
