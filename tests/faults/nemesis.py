"""System calls of a running process that fail: strace holds it by its pid and lets chosen calls return an error."""

import asyncio
import os
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from .case import Case
from .processes import Process, die_with_parent

ATTACH_S = 20.0
TRACED = re.compile(
    r"^(?P<thread>\d+) +(?:(?P<call>\w+)\((?P<file>\d+)<(?P<path>[^>]*)>|<\.\.\. (?P<resumed>\w+) resumed>)"
)


class Strace:
    """From when it is entered until it is left, calls of `process` fail as `tracing` says; written to `trace`."""

    def __init__(self, process: Process, trace: Path, *tracing: str) -> None:
        self._process, self.trace, self._tracing = process, trace, tracing

    async def __aenter__(self) -> Self:
        pid = self._process.pid
        self._running = await asyncio.create_subprocess_exec(
            "strace", "-f", "-qq", "-y", "-o", str(self.trace), *self._tracing, "-p", str(pid),
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, preexec_fn=die_with_parent,
        )  # fmt: skip
        async with asyncio.timeout(ATTACH_S):
            while not is_held(pid):
                if self._running.returncode is not None:
                    raise RuntimeError((await self._running.stderr.read()).decode() if self._running.stderr else "")
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running.returncode is None:
            self._running.terminate()
        await self._running.wait()

    def lines(self) -> list[str]:
        return self.trace.read_text(encoding="utf-8", errors="replace").splitlines()


def is_held(pid: int) -> bool:
    """Whether every thread has its tracer."""
    statuses = [task / "status" for task in Path(f"/proc/{pid}/task").iterdir()]
    return all("TracerPid:\t0\n" not in status.read_text(encoding="ascii") for status in statuses)


async def may_trace(case: Case) -> bool:
    """Whether this machine lets us; loudly where it does not, and an offence where everything is required."""
    why = "" if shutil.which("strace") else "strace is not installed"
    if not why and os.geteuid() != 0:
        why = "only root may hold a running process"
    if why:
        skip(case, why)
    return not why


def skip(case: Case, why: str) -> None:
    print(f"{case.result.id} IS SKIPPED: {why}", file=sys.stderr)
    case.note(skipped=why)
    case.expect(os.environ.get("HAILGATE_TEST_REQUIRE") != "all", why)


# --- what a trace shows -----------------------------------------------------------------------------------------------


class Call(NamedTuple):
    name: str
    file: int
    path: str
    failed: bool


def read_trace(lines: Iterable[str]) -> list[Call]:
    """Calls on open files in the order of their ends; a call that another interrupted is put together."""
    begun: dict[str, tuple[str, int, str]] = {}
    calls = []
    for line in lines:
        if not (found := TRACED.match(line)):
            continue
        if found["call"]:
            begun[found["thread"]] = found["call"], int(found["file"]), found["path"]
        if "unfinished ...>" not in line and found["thread"] in begun:
            calls.append(Call(*begun.pop(found["thread"]), failed="= -1 " in line))
    return calls


class Syncs(NamedTuple):
    """`failed` of those that make a commit durable; `went_on` counts what followed on the same open file."""

    failed: int
    went_on: int


def judge_syncs(calls: Sequence[Call], *, suffix: str = "-wal") -> Syncs:
    """After a failed sync of a commit its file is closed before anything else is done with it.

    A sync that follows a sync without a write in between is a checkpoint's: it makes nothing durable that was not.
    """
    wrote: dict[int, bool] = defaultdict(bool)
    distrusted: set[int] = set()
    failed = went_on = 0
    for call in calls:
        if call.name == "close":
            distrusted.discard(call.file)
            wrote[call.file] = False
        elif call.path.endswith(suffix):
            went_on += call.file in distrusted
            of_commit = "sync" in call.name and wrote[call.file]
            wrote[call.file] = call.name == "pwrite64"
            if of_commit and call.failed:
                failed += 1
                distrusted.add(call.file)
    return Syncs(failed, went_on)
