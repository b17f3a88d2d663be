"""The machine that is measured: its two sides, the processes on them, and what those cost.

The product runs on one core; what drives and answers it (load, sinks, databases) runs on another, so that neither
can take the other's time. On a machine with one core both share it, and the result says so.
"""

import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

CORES = sorted(os.sched_getaffinity(0))
PRODUCT_CORE = {CORES[0]}
LOAD_CORE = {CORES[-1]}

TICKS = os.sysconf("SC_CLK_TCK")
# Looking more often than this would cost the load's core more than the answer is worth.
LOOK_S = 0.01
PAGE = os.sysconf("SC_PAGESIZE")
ROOT = Path(__file__).resolve().parent.parent


class Process:
    """A process in a group of its own, pinned; ``with`` ends all of its group."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        core: set[int],
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        log: Path | None = None,
    ) -> None:
        output = log.open("ab") if log else subprocess.DEVNULL
        self._child = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            preexec_fn=lambda: os.sched_setaffinity(0, core),  # noqa: PLW1509 -- pinned before its first thread
        )
        self.pid = self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def cpu_seconds(self) -> float:
        """User and system time of the process and its descendants so far."""
        return sum(_cpu_of(pid) for pid in _family(self.pid))

    def memory_mib(self) -> float:
        """Proportional share of memory, so that pages shared by prefork workers count once."""
        return sum(_memory_of(pid) for pid in _family(self.pid)) / 1024

    def stop(self, patience: float = 15.0) -> None:
        self._tell(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(patience)
        self._tell(signal.SIGKILL)
        self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _tell(self, signal_: signal.Signals) -> None:
        try:
            os.killpg(self.pid, signal_)
        except ProcessLookupError:
            return


def python(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: Process, patience: float = 30.0) -> None:
    """Raises RuntimeError where nobody listens in time."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.alive:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}")


def wait_until(holds: Callable[[], Any], patience: float, what: str) -> None:
    """Raises TimeoutError, naming ``what`` did not come."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {patience:.0f} s")
        time.sleep(LOOK_S)


def describe() -> dict[str, Any]:
    """What a figure means nothing without."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(CORES),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _commit(),
        "load_before": round(os.getloadavg()[0], 2),
        "fdatasync_ms": round(_fdatasync_ms(), 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"


def _fdatasync_ms(times: int = 200) -> float:
    """Median of a small write that reaches the disk: the price of every commit."""
    path = ROOT / "benchmarks" / "results" / ".fdatasync"
    path.parent.mkdir(exist_ok=True)
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            begun = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    path.unlink()
    return sorted(taken)[times // 2] * 1000


def _family(root: int) -> list[int]:
    """The process and its descendants, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    family, fresh = [root], [root]
    while fresh:
        fresh = [child for parent in fresh for child in children.get(parent, ())]
        family += fresh
    return family


def _cpu_of(pid: int) -> float:
    stat = _stat(pid)
    # utime and stime; cutime and cstime hold those of children that have ended.
    return sum(int(ticks) for ticks in stat[11:15]) / TICKS if stat else 0.0


def _stat(pid: int) -> list[str] | None:
    """Fields after the command's name: state, ppid, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None


def _memory_of(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
