"""File names: read from a header (RFC 6266), and brought to agree with what the file is. Pure.

A name is only ever a label. What a file is, its bytes tell; the ending of its name then says the same, since it is the
ending by which a phone or a desktop chooses the program that opens it.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

# The endings of each type, the usual one first.
_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/png": ("png", "apng"),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
    "audio/aac": ("aac",),
    "audio/amr": ("amr",),
    "audio/mpeg": ("mp3", "mpga"),
    "audio/mp4": ("m4a", "m4b", "mp4", "f4a"),
    "audio/ogg": ("ogg", "opus", "oga"),
    "video/mp4": ("mp4", "m4v", "mov"),
    "video/3gpp": ("3gp", "3gpp", "3g2"),
    "application/pdf": ("pdf",),
    "application/zip": ("zip",),
    "text/plain": ("txt",),
}
# These are wrapped by many formats of other names: a spreadsheet is a ZIP, a program is text.
_WRAPPED: Final = frozenset({"application/zip", "text/plain"})
_TYPE_OF: Final = {ending: mime for mime, endings in _ENDINGS.items() for ending in endings}
_NAMELESS: Final = "file"

# The kind before the first semicolon is sometimes left out.
_PARAMETER: Final = re.compile(rb'(?:^|;)\s*([A-Za-z0-9*_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))')
_ESCAPED: Final = re.compile(rb'\\(["\\])')
_EXTENDED: Final = re.compile(
    rb"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})+)", re.IGNORECASE
)


def fit_name(name: str, mime: str) -> str:
    """The name with an ending that agrees with the type; a file without a name is called `file`."""
    endings = _ENDINGS.get(mime, ())
    stem, dot, ending = name.rpartition(".")
    known = ending.lower() if dot and stem else ""
    if not endings or known in endings or (name and mime in _WRAPPED and known not in _TYPE_OF):
        return name or _NAMELESS
    bare = stem if known in _TYPE_OF else name
    return f"{bare or _NAMELESS}.{endings[0]}"


def parse_disposition(header: bytes) -> str:
    """The `filename` of a Content-Disposition; empty where it has none.

    `filename*` wins wherever it stands (RFC 6266, 4.3). Bytes beyond ASCII are UTF-8, as every browser writes them. A
    backslash escapes quotes and itself, and else is one: Windows paths come unescaped.
    """
    given = {
        name.lower(): _ESCAPED.sub(rb"\1", quoted) if quoted else token
        for name, quoted, token in _PARAMETER.findall(header)
    }
    extended = _EXTENDED.fullmatch(given.get(b"filename*", b""))
    if extended:
        return _decode(unquote_to_bytes(extended[2]), extended[1].lower())
    return _decode(given.get(b"filename", b""), b"utf-8")


def _decode(raw: bytes, charset: bytes) -> str:
    """Total: what is not UTF-8 is Latin-1, which every byte is."""
    try:
        text = raw.decode("utf-8" if charset == b"utf-8" else "latin-1")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\0", "")
