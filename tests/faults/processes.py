"""Real processes: started with an environment of their own, hurt by pid, never left behind."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

READY_S = 60.0
LOOK_S = 0.05
# The product itself waits two seconds for its store before it says that it is not ready.
PROBE_S = 3.0
# Linux: the kernel ends a process whose parent has died, so that even a killed harness leaves nothing behind.
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Process:
    """One program of the product, which can be started, hurt and started again under the same name and port."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, probe: str
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments, self._environment, self._folder, self.probe = arguments, environment, folder, probe
        self._running: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._alive().pid

    @property
    def running(self) -> bool:
        return self._running is not None and self._running.returncode is None

    async def start(self, **settings: str) -> None:
        """Returns as soon as it runs; `ready` waits until it serves. `settings` count for this life alone."""
        with self.log.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._arguments,
                env={**self._environment, **settings},
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    async def ready(self) -> None:
        """Waits until its probe answers. Raises RuntimeError if it ended instead."""
        deadline = time.monotonic() + READY_S
        async with aiohttp.ClientSession() as session:
            while not await self.is_ready(session):
                if not self.running:
                    raise RuntimeError(f"{self.name} ended instead of starting:\n{self.last_words()}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} was not ready after {READY_S:.0f} s:\n{self.last_words()}")
                await asyncio.sleep(LOOK_S)

    async def is_ready(self, session: aiohttp.ClientSession) -> bool:
        """What its readiness probe says now."""
        try:
            async with session.get(self.probe, timeout=aiohttp.ClientTimeout(total=PROBE_S)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def kill(self) -> None:
        """SIGKILL; returns when the kernel has taken everything back."""
        process = self._alive()
        process.kill()
        await process.wait()

    async def stop(self, patience: float = 15.0) -> int:
        """SIGTERM, and SIGKILL where that is not enough; the exit code. One that has ended already is fine."""
        if self._running is None:
            return 0
        if self.running:
            self.thaw()
            self._running.terminate()
        try:
            async with asyncio.timeout(patience):
                return await self._running.wait()
        except TimeoutError:
            self._running.kill()
            return await self._running.wait()

    def terminate(self) -> None:
        """SIGTERM; whoever sends it waits elsewhere."""
        self._alive().terminate()

    async def wait_for_end(self, patience: float) -> int | None:
        """The exit code, or None if it has not ended by then."""
        return self._alive().returncode if await self.wait_for_death(patience) else None

    async def wait_for_death(self, patience: float) -> bool:
        """Whether it ended by itself within `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._alive().wait()
        except TimeoutError:
            return False
        return True

    def cpu_seconds(self) -> float:
        """What it has used of the processor in this life, in its own code and in the kernel's."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def last_words(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _alive(self) -> asyncio.subprocess.Process:
        if self._running is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._running


def take_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
