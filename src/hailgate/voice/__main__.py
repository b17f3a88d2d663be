"""`python -m hailgate.voice`: audio on standard input, a voice note on standard output; the exit code says why not."""

import resource
import sys
from io import BytesIO
from typing import Final

import av
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from hailgate.voice.limits import CPU_S, LONGEST_S, MEMORY, TOO_LONG, UNREADABLE

RATE: Final = 48_000
BITS_PER_S: Final = 32_000
# Nothing that names other files or addresses, as playlists do, and nothing that only FFmpeg's authors have seen.
FORMATS: Final = "aac,amr,caf,flac,matroska,webm,mov,mp4,m4a,3gp,mp3,ogg,wav"
OPTIONS: Final = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}


class TooLongError(Exception):
    pass


def convert(audio: bytes) -> bytes:
    """Raises FFmpegError or ValueError for what cannot be read, TooLongError."""
    made, samples = BytesIO(), 0
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(BytesIO(audio), "r", options=OPTIONS) as source, av.open(made, "w", format="ogg") as note:
        if not source.streams.audio:
            raise ValueError
        voice = note.add_stream("libopus", rate=RATE, options={"application": "voip"})
        voice.layout, voice.bit_rate = "mono", BITS_PER_S
        for frame in source.decode(audio=0):
            for piece in resampler.resample(frame):
                samples += piece.samples
                if samples > LONGEST_S * RATE:
                    raise TooLongError
                note.mux(voice.encode(piece))
        for piece in resampler.resample(None):
            samples += piece.samples
            note.mux(voice.encode(piece))
        note.mux(voice.encode(None))
    if not samples:
        raise ValueError
    return made.getvalue()


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        sys.stdout.buffer.write(convert(sys.stdin.buffer.read()))
    except TooLongError:
        return TOO_LONG
    except (FFmpegError, ValueError, MemoryError, OverflowError):
        return UNREADABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
