"""aimock: an AI server of other people's making, which speaks both vendors' protocols; brought by `make services`."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
STARTS_IN_S = 60.0


def absent() -> str:
    """Why it cannot run; empty where it can."""
    if shutil.which("node") is None:
        return "needs Node: `make services` brings it"
    if not (FOLDER / "node_modules" / "@copilotkit" / "aimock").is_dir():
        return "needs aimock: `make services` brings it"
    return ""


@asynccontextmanager
async def run_aimock():
    """``host:port``, while it runs."""
    if why := absent():
        pytest.skip(why)
    node = shutil.which("node")
    process = await asyncio.create_subprocess_exec(
        node, "serve.mjs", cwd=FOLDER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(STARTS_IN_S):
            url = (await process.stdout.readline()).decode().strip()
        yield url.removeprefix("http://")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
