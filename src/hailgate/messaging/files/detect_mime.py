"""What a file is, told by its first bytes and never by its name or its sender."""

import struct
import warnings
from io import BytesIO

import filetype

from hailgate.core.errors import InputError
from hailgate.core.media import INLINE, UNKNOWN_TYPE, check_pixels
from hailgate.messaging.files.mp4_tracks import PICTURE, SOUND, Mp4Tracks

HEAD = 8192
# Of pictures to be sent; what is larger is shown nowhere before its size is known.
LARGEST_PICTURE = 5 << 20
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
# Names that filetype gives, and WhatsApp's for the same.
_SAME = {"audio/x-m4a": "audio/mp4", "audio/m4a": "audio/mp4", "video/x-m4v": "video/mp4", "image/apng": "image/png"}
_MP4 = frozenset({"audio/mp4", "video/mp4", "video/3gpp", "video/quicktime"})
_BRANDS_3GP = (b"3gp", b"3g2")


class Sample:
    """The beginning of a file as it streams by: as much as is needed to know what it is.

    A picture is gathered whole, if it is no larger than pictures may be, since its size may stand anywhere in it.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._wanted = HEAD
        self._tracks = Mp4Tracks()

    def add(self, chunk: bytes) -> None:
        self._tracks.add(chunk)
        if len(self._head) >= self._wanted:
            return
        self._head += chunk
        if len(self._head) >= HEAD and self._wanted == HEAD and find_type(bytes(self._head[:HEAD])) in INLINE:
            self._wanted = LARGEST_PICTURE
        del self._head[self._wanted :]

    def check_type(self) -> str:
        """The type. Raises InputError for a picture that cannot be read or unfolds to too much."""
        data = bytes(self._head)
        mime = find_type(data[:HEAD])
        if mime in INLINE:
            check_pixels(*_measure(data, mime))
        return _by_tracks(mime, self._tracks.kinds)

    def find_type(self) -> str:
        """As ``check_type``; a picture that it would refuse is bytes, to be saved and never shown."""
        try:
            return self.check_type()
        except InputError:
            return UNKNOWN_TYPE


def find_type(head: bytes) -> str:
    """Text, also HTML and SVG, is plain text: nothing that could act when it is opened in a browser."""
    if head[4:8] == b"ftyp" and head[8:11] in _BRANDS_3GP:  # filetype does not know them
        return "video/3gpp"
    kind = filetype.guess(head)
    if kind is not None:
        mime = str(kind.mime)
        return _SAME.get(mime, mime)
    return "text/plain" if _is_text(head) else UNKNOWN_TYPE


def _by_tracks(mime: str, kinds: set[str]) -> str:
    if mime not in _MP4 or not kinds & {SOUND, PICTURE}:
        return mime
    if PICTURE not in kinds:
        return "audio/mp4"
    return "video/mp4" if mime == "audio/mp4" else mime


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as broken:
        if broken.start < len(head) - 3 or not head:  # else a character was cut in two
            return False
        text = head[: broken.start].decode()
    return bool(text) and all(char >= " " or char in "\t\n\r\f" for char in text)


def _measure(data: bytes, mime: str) -> tuple[int, int]:
    """Width and height, from the headers alone: nothing is unfolded."""
    if mime == "image/webp":  # Pillow would make room for the whole canvas to tell its size
        return _measure_webp(data)
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            with Image.open(BytesIO(data), formats=[_FORMATS[mime]]) as image:
                return image.size
    except Image.DecompressionBombError:
        raise InputError("The picture unfolds to too many pixels.", code="file_refused") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error, OverflowError, MemoryError):
        raise _unreadable() from None


def _measure_webp(data: bytes) -> tuple[int, int]:
    """As RFC 9649 lays out the first chunk."""
    form, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise _unreadable()
    if form == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if form == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise _unreadable()


def _unreadable() -> InputError:
    return InputError("The picture cannot be read; it is damaged or is none.", code="file_refused")
