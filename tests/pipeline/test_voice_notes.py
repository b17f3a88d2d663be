"""A voice note that cannot be decoded never reaches a server that it would end."""

import io
import math
import struct
import wave

import pytest

from hailgate.core.content import encode_content, parse_outbound
from hailgate.core.errors import Rejected
from hailgate.core.media import LocalMedia
from hailgate.pipeline.voice_notes import decode_voice, is_voice

pytestmark = pytest.mark.anyio


def recorded() -> bytes:
    """A second of a tone, as WAV."""
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(at / 3))) for at in range(8000)))
    return made.getvalue()


def local(content: bytes, size: int | None = None) -> LocalMedia:
    async def chunks():
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    return LocalMedia("note.ogg", "audio/ogg", size or len(content), chunks)


async def test_what_can_be_decoded_is_made_anew() -> None:
    pytest.importorskip("av")
    made = await decode_voice(local(recorded()))
    content = b"".join([chunk async for chunk in made.chunks()])
    assert (content[:4], made.size, made.mime) == (b"OggS", len(content), "audio/ogg")


@pytest.mark.parametrize("content", [b"OggS no audio at all", b"\0" * 4000, b"<html>"])
async def test_what_cannot_be_decoded_is_refused(content) -> None:
    with pytest.raises(Rejected) as refused:
        await decode_voice(local(content))
    assert refused.value.code in {"file_refused", "voice_unavailable"}


async def test_what_is_too_large_is_not_read() -> None:
    with pytest.raises(Rejected) as refused:
        await decode_voice(local(b"", size=1 << 30))
    assert refused.value.code == "file_too_large"


@pytest.mark.parametrize(
    ("audio", "voice"), [({"link": "https://a.example/x", "voice": True}, True), ({"id": "1"}, False)]
)
def test_only_a_voice_note_is_one(audio, voice) -> None:
    assert is_voice(encode_content(parse_outbound({"type": "audio", "audio": audio}))) is voice
    assert not is_voice(encode_content(parse_outbound({"type": "text", "text": {"body": "voice"}})))
