"""A form with one file (multipart/form-data, RFC 7578), written as it is read: never in memory as a whole."""

import secrets
from collections.abc import AsyncIterator, Mapping

from hailgate.core.filenames import fit_name
from hailgate.core.media import LocalMedia, show_name


class MultipartWriter:
    """``length`` is known beforehand, since some servers take no chunked bodies.

    Each form is sent once. ``failure`` is what its own source failed with, which is not the other side's fault.
    """

    def __init__(self, fields: Mapping[str, str], media: LocalMedia) -> None:
        boundary = secrets.token_hex(16)
        self._media = media
        self._head = b"".join(_field(boundary, name, value) for name, value in fields.items()) + _head(boundary, media)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.length = len(self._head) + media.size + len(self._tail)
        self.failure: Exception | None = None

    async def body(self) -> AsyncIterator[bytes]:
        yield self._head
        try:
            async for chunk in self._media.chunks():
                yield chunk
        except Exception as failure:
            self.failure = failure
            raise
        yield self._tail


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _head(boundary: str, media: LocalMedia) -> bytes:
    name = show_name(fit_name(media.name, media.mime)).replace("%", "%25")
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {media.mime}\r\n\r\n"
    ).encode()
