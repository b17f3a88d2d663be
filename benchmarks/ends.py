"""The two ends of the wire, as the rest of the benchmark drives them: what posts, and what is posted to."""

import http.client
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

import msgspec

from benchmarks.machine import LOAD_CORE, ROOT, Process, free_port, python, wait_for_port, wait_until
from benchmarks.peers.load import Job, Report, post
from benchmarks.peers.sink import Send
from benchmarks.webhooks import signature

# A run that takes this much longer than it should has hung.
PATIENCE_S = 60.0


def load(job: Job) -> Report:
    """Run a load on its own core until it ends. Raises SubprocessError where the server went away or hangs."""
    expected = job.seconds or (job.count or 0) / (job.rate or 50)
    told = run_pinned(python("benchmarks.peers.load"), LOAD_CORE, msgspec.msgpack.encode(job), expected + PATIENCE_S)
    return msgspec.msgpack.decode(told, type=Report)


def run_pinned(command: Sequence[str], core: set[int], given: bytes, patience: float = PATIENCE_S) -> bytes:
    """What it told. Into a file: a pipe lost the end of some megabytes now and then."""
    pinned = ["taskset", "-c", ",".join(map(str, core)), *command]
    with TemporaryFile() as told:
        subprocess.run(pinned, input=given, cwd=ROOT, check=True, stdout=told, timeout=patience)
        told.seek(0)
        return told.read()


def signed_posts(path: str, bodies: Sequence[bytes]) -> list[bytes]:
    return [post(path, body, X_Hub_Signature_256=signature(body), User_Agent="facebookexternalua") for body in bodies]


class Sink:
    """A provider on the load's core; ``with`` ends it."""

    def __init__(self, delay_ms: int) -> None:
        self.port = free_port()
        self._process = Process(python("benchmarks.peers.sink", self.port, delay_ms), core=LOAD_CORE)
        wait_for_port(self.port, self._process)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self) -> int:
        return int(msgspec.msgpack.decode(self._ask("GET", "/count")))

    def sends(self) -> list[Send]:
        return msgspec.msgpack.decode(self._ask("GET", "/sends"), type=list[Send])

    def forget(self) -> None:
        self._ask("DELETE", "/sends")

    def wait_for(self, count: int, patience: float) -> float:
        """When the ``count``-th send arrived, on the monotonic clock. Raises TimeoutError."""
        wait_until(lambda: self.count() >= count, patience, f"{count} sends")
        return sorted(send.at for send in self.sends())[count - 1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def _ask(self, method: str, path: str) -> bytes:
        return ask(self.port, method, path)[1]


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def tail(path: Path, lines: int = 5) -> str:
    """The end of a log, for an error's sake."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if path.exists() else ""
