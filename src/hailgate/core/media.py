"""Files in messages: what kinds there are, how large they may be, and how a foreign name is shown. Pure.

Sizes are the Cloud API's. What a file is, is told by its bytes; a name or a sender's word never decides it.
"""

import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from hailgate.core.errors import InputError, TooLarge, UnsupportedMedia

_MB: Final = 1 << 20
LARGEST: Final[Mapping[str, int]] = {
    "image": 5 * _MB,
    "sticker": 500 << 10,
    "audio": 16 * _MB,
    "video": 16 * _MB,
    "document": 100 * _MB,
}
LARGEST_FILE: Final = max(LARGEST.values())

# A picture of 5 MB may unfold to gigabytes. Phones take up to 50 megapixels; no side is longer than this.
MOST_PIXELS: Final = 50_000_000
LONGEST_SIDE: Final = 20_000

_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "image": frozenset({"image/jpeg", "image/png"}),
    "sticker": frozenset({"image/webp"}),
    "audio": frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
    "video": frozenset({"video/mp4", "video/3gpp"}),
}
# What a browser may show in place. No format here can hold a script.
INLINE: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
UNKNOWN_TYPE: Final = "application/octet-stream"

_LONGEST_NAME: Final = 150


class LocalMedia(Struct, frozen=True):
    """A file of ours for a provider. ``chunks`` begins to read it, from the start, each time it is called."""

    name: str
    mime: str
    size: int
    chunks: Callable[[], AsyncIterator[bytes]]

    def __repr__(self) -> str:
        return f"<LocalMedia {self.mime}>"


class RemoteMedia(Struct, frozen=True):
    """A file that a provider keeps for us, for some days. ``sha256`` is in hex, empty where it was not told."""

    kind: str
    provider_id: str
    sha256: str = ""
    name: str = ""

    def __repr__(self) -> str:
        return f"<RemoteMedia {self.kind}>"


def natural_kind(mime: str) -> str:
    """The kind of message that a file of this type is sent as, unless its sender says otherwise."""
    return next((kind for kind, types in _TYPES.items() if mime in types), "document")


def check_fits(kind: str, mime: str, size: int) -> None:
    """Refuse a file that cannot be sent as ``kind``; a document may be anything."""
    if mime not in _TYPES.get(kind, {mime}):
        allowed = ", ".join(sorted(_TYPES[kind]))
        raise UnsupportedMedia(f"A file of type {mime} cannot be sent as {kind}, which may be: {allowed}.")
    check_size(kind, size)


def check_size(kind: str, size: int) -> None:
    if size > LARGEST[kind]:
        raise TooLarge(f"A file sent as {kind} may have at most {LARGEST[kind]} bytes.", code="file_too_large")
    if size == 0:
        raise InputError("The file is empty.", code="file_refused")


def check_pixels(width: int, height: int) -> None:
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise InputError(
            f"The picture unfolds to {width} x {height} pixels; at most {MOST_PIXELS} are accepted, "
            f"and {LONGEST_SIDE} on a side.",
            code="file_refused",
        )


def show_name(name: str) -> str:
    """The last part of a foreign name without what could hide, turn or lead elsewhere: for people, never for a path."""
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(char if _is_visible(char) else "_" for char in unicodedata.normalize("NFC", last))
    return _shortened(plain.strip(" .")) or "file"


def content_disposition(name: str, *, inline: bool = False) -> str:
    """As RFC 6266 writes it: one name for every reader, the whole name in UTF-8 for those who know it."""
    shown = show_name(name)
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%;' else "_" for char in shown)
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"


def _is_visible(char: str) -> bool:
    """No controls, no marks of direction, no surrogates, nothing a file system or a header gives a meaning."""
    return unicodedata.category(char)[0] not in "CZ" or char == " " if char not in '/\\:*?"<>|' else False


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    return (
        f"{stem[: _LONGEST_NAME - len(ending) - 1]}{dot}{ending}" if dot and len(ending) <= 10 else name[:_LONGEST_NAME]
    )
