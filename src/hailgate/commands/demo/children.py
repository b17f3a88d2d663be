"""The demo's processes: started, started again when they die, ended together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from hailgate.commands.demo.layout import Layout

PR_SET_PDEATHSIG = 1  # from Linux's prctl.h
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
STEADY_S = 30.0  # a process that ran this long begins with the shortest pause again
LOG_LIMIT = 5 << 20


class Child:
    """One process, its log, and when it may be started again."""

    def __init__(self, name: str, arguments: Sequence[str], layout: Layout) -> None:
        self.name, self.log = name, layout.log_folder / f"{name}.log"
        self._arguments, self._environment = arguments, layout.environment(os.environ)
        self._pause = FIRST_PAUSE_S
        self._started_at = 0.0
        self._due_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        mode = "ab" if self.log.exists() and self.log.stat().st_size < LOG_LIMIT else "wb"
        with self.log.open(mode) as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # a Ctrl-C is for the supervisor, which ends its children in order
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - the supervisor has one thread
            )
        self._started_at, self._due_at = time.monotonic(), None

    def find_death(self) -> str | None:
        """How it ended, told once; afterwards it is due to start again."""
        if self._process is None or self._due_at is not None or (code := self._process.poll()) is None:
            return None
        now = time.monotonic()
        if now - self._started_at > STEADY_S:
            self._pause = FIRST_PAUSE_S
        self._due_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def is_due(self) -> bool:
        return self._due_at is not None and time.monotonic() >= self._due_at

    def end(self, seconds: float) -> None:
        """Politely, then not; either way it is gone afterwards, and nothing is lost by it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 15) -> str:
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""


def _end_with_parent() -> None:
    """Even a supervisor that was killed leaves no child behind, where the system can see to it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
