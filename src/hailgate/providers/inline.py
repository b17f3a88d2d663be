"""JSON with one file in it, in base64, written as it is read: never in memory as a whole."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec

from hailgate.core.media import LocalMedia

# Stands in the document where the file comes; no text of ours holds a NUL.
FILE: Final = "\0file\0"


class FileInJson:
    """``document`` holds ``FILE`` once, as a string of its own. ``data_url`` puts the file's type before its bytes.

    Each is sent once. ``failure`` is what its own source failed with, which is not the other side's fault.
    """

    content_type = "application/json"

    def __init__(self, document: Mapping[str, Any], media: LocalMedia, *, data_url: bool = False) -> None:
        head, _, tail = msgspec.json.encode(document).partition(msgspec.json.encode(FILE))
        lead = f"data:{media.mime};base64," if data_url else ""
        self._media = media
        self._head, self._tail = head + b'"' + lead.encode(), b'"' + tail
        self.length = len(self._head) + -(-media.size // 3) * 4 + len(self._tail)
        self.failure: Exception | None = None

    async def body(self) -> AsyncIterator[bytes]:
        yield self._head
        rest = b""
        try:
            async for chunk in self._media.chunks():
                whole = rest + chunk
                even = len(whole) - len(whole) % 3  # base64 turns three bytes into four letters
                yield base64.b64encode(whole[:even])
                rest = whole[even:]
        except Exception as failure:
            self.failure = failure
            raise
        yield base64.b64encode(rest)
        yield self._tail
