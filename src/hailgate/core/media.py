"""Files in messages: what kinds there are, how large they may be, and how a foreign name is shown. Pure.

What a file is, is told by its bytes; a name or a sender's word never decides it.
"""

import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from hailgate.core.errors import InputError, TooLarge, UnsupportedMedia
from hailgate.core.filenames import fit_name
from hailgate.core.kinds import NO_LIMITS, KindLimits

_MB: Final = 1 << 20
LARGEST_FILE: Final = 100 * _MB
"""What is stored at most; what may be sent as a kind is each provider's own."""

# A picture of 5 MB may unfold to gigabytes. Phones take up to 50 megapixels; no side is longer than this.
MOST_PIXELS: Final = 50_000_000
LONGEST_SIDE: Final = 20_000

# How WhatsApp shows what it is given, in place and not as something to save.
_SHOWN_AS: Final[Mapping[str, frozenset[str]]] = {
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
    """A file that a provider keeps for us, for some days, under an id or behind a link.

    ``sha256`` is in hex, empty where it was not told.
    """

    kind: str
    provider_id: str = ""
    sha256: str = ""
    name: str = ""
    link: str = ""

    def __repr__(self) -> str:
        return f"<RemoteMedia {self.kind}>"


class StoredInWebhook(Struct, frozen=True):
    """A file that came inside its webhook, in base64, and is stored with it.

    ``pointer`` leads to the string in the body's JSON (RFC 6901).
    """

    kind: str
    pointer: str
    sha256: str = ""
    name: str = ""

    def __repr__(self) -> str:
        return f"<StoredInWebhook {self.kind}>"


InboundMedia = RemoteMedia | StoredInWebhook


def natural_kind(mime: str) -> str:
    """The kind of message that a file of this type is sent as, unless its sender says otherwise."""
    return next((kind for kind, types in _SHOWN_AS.items() if mime in types), "document")


def check_fits(kind: str, mime: str, size: int, own: KindLimits = NO_LIMITS) -> None:
    """Refuse a file that cannot be sent as ``kind``, of which ``own`` is what the channel's provider takes."""
    if own.types and mime not in own.types:
        allowed = ", ".join(sorted(own.types))
        raise UnsupportedMedia(f"A file of type {mime} cannot be sent as {kind}, which may be: {allowed}.")
    most = LARGEST_FILE if own.bytes is None else own.bytes
    if size > most:
        raise TooLarge(f"A file sent as {kind} may have at most {most} bytes here.", code="file_too_large")
    check_size(size)


def fits(mime: str, size: int, own: KindLimits) -> bool:
    """Whether such a file can be sent as the kind that has these limits."""
    return (not own.types or mime in own.types) and (own.bytes is None or size <= own.bytes)


def check_size(size: int) -> None:
    """Refuse a file that could be sent as nothing."""
    if size > LARGEST_FILE:
        raise TooLarge(f"A file may have at most {LARGEST_FILE} bytes.", code="file_too_large")
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


def file_name(own: str | None, media: LocalMedia | None) -> str:
    """What whoever gets a file sees: its sender's word or the file's own, with an ending that says what it is."""
    return show_name(fit_name(own or media.name, media.mime)) if media else own or ""


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
