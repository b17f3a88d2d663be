"""Voice notes: any audio as WhatsApp plays it, Ogg with Opus, one channel, 48 kHz.

Needs the extra `voice` (PyAV, which brings FFmpeg). Foreign files are read in a process of their own, `__main__`, with
little memory, little time and no network formats: what is made to break a decoder breaks only that.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from importlib.util import find_spec
from typing import Final

from hailgate.core.errors import InputError
from hailgate.voice.limits import CPU_S, LONGEST_S, TOO_LONG

MISSING: Final = "Voice notes are made with PyAV, which is not installed here: it comes with the extra `voice`."
# More than the child may compute, for a machine that is busy with other things.
PATIENCE_S: Final = CPU_S * 3


async def make_voice(audio: bytes) -> bytes:
    """Raises InputError for what is no audio or too much of it, and where the extra is missing."""
    check_installed()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", "hailgate.voice", stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            made, _ = await child.communicate(audio)
    except TimeoutError:
        raise _refused("takes too long to read") from None
    finally:
        await _end(child)
    if child.returncode == TOO_LONG:
        raise _refused(f"is longer than {LONGEST_S // 60} minutes")
    if child.returncode:
        raise _refused("holds no audio that can be read")
    return made


def check_installed() -> None:
    if find_spec("av") is None:
        raise InputError(MISSING, code="voice_unavailable")


async def _end(child: Process) -> None:
    if child.returncode is None:
        child.kill()
        await child.wait()


def _refused(rule: str) -> InputError:
    return InputError(f"The file {rule}, and cannot be made a voice note.", code="file_refused")
