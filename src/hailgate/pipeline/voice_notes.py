"""Voice notes for servers that a broken one ends: decoded and made anew before they are handed over, or refused."""

from collections.abc import AsyncIterator
from typing import Final

from hailgate.core.content import content_as_json
from hailgate.core.errors import InputError, Rejected
from hailgate.core.media import LocalMedia
from hailgate.voice import make_voice

MIME: Final = "audio/ogg"
# WhatsApp's own limit for audio.
LARGEST: Final = 16 << 20


def is_voice(content: str) -> bool:
    """Whether a stored message is a voice note."""
    audio = content_as_json(content).get("audio")
    return isinstance(audio, dict) and audio.get("voice") is True


async def decode_voice(media: LocalMedia) -> LocalMedia:
    """Raises Rejected for what is no audio, and where nothing is installed that could tell."""
    if media.size > LARGEST:
        raise Rejected("The file is too large for a voice note.", code="file_too_large")
    audio = b"".join([chunk async for chunk in media.chunks()])
    try:
        made = await make_voice(audio)
    except InputError as refused:
        raise Rejected(refused.detail, code=refused.code) from None

    async def chunks() -> AsyncIterator[bytes]:
        yield made

    return LocalMedia(media.name, MIME, len(made), chunks)
