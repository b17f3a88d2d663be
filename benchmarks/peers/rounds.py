"""Rounds of one tree's product, whenever one is asked for: the processor time of a message, in microseconds.

Read from this file and run by the tree that is measured, with its own packages, benchmarks and product
(``python -c … PART ONLY``): what is named of its benchmarks has been there since the first release. It tells its
contenders once they are up and warm; then each line names one, and its answer is what a round of it took. Whoever is
not asked is idle.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path

import msgspec

from benchmarks.ends import Sink, load, signed_posts
from benchmarks.machine import PRODUCT_CORE, Process, free_port, python, wait_for_port
from benchmarks.peers.load import Job
from benchmarks.product import Product, Serving
from benchmarks.run import Pace, Run
from benchmarks.stores import Sqlite, Store
from benchmarks.webhooks import text_webhook

MESSAGES = 2_000
# At the door the same bodies come every time, as in the part `ingest`.
POSTS = 4_000
BODIES = 512
PATIENCE_S = 300.0

Spend = Callable[[], float]


def cpu_seconds(pid: int) -> float:
    """Of the threads that a process has; to the nanosecond, where ``/proc/PID/stat`` counts in hundredths."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def contenders(run: Run, stack: ExitStack, only: str) -> dict[str, Spend]:
    """By name, those whose name has ``only`` in it; their products are up."""
    found = {}
    for name, start in _startable(run, stack):
        if only in name:
            found[name] = start()
    return found


def _startable(run: Run, stack: ExitStack) -> Iterator[tuple[str, Callable[[], Spend]]]:
    yield "bare callable", lambda: _bare(run, stack)
    kinds: dict[str, Callable[[], Store]] = {"sqlite": lambda: Sqlite(run.folder / f"{next(_numbers)}.db")}
    if run.server:
        kinds = {"postgresql": run.database, **kinds}
    for kind, store in kinds.items():
        served = Served(run, stack, store)
        yield f"door, {kind}", lambda served=served: served.start(0, work=False).at_the_door
        yield f"door and worker, {kind}", lambda served=served: served.start(0, work=True).with_worker
        yield f"end to end, {kind}, 0 ms", lambda served=served: served.start(0, work=True).with_known
        yield f"end to end, {kind}, 100 ms", lambda served=served: served.start(100, work=True).with_known
        yield f"end to end, {kind}, people unknown", lambda served=served: served.start(0, work=True).with_strangers


_numbers = count()


class Served:
    """Products on one kind of database, each with a store and a provider of its own."""

    def __init__(self, run: Run, stack: ExitStack, store: Callable[[], Store]) -> None:
        self._run, self._stack, self._store = run, stack, store

    def start(self, delay_ms: int, *, work: bool) -> "Spending":
        sink = self._stack.enter_context(Sink(delay_ms))
        product = self._run.product(self._store(), sink.url)
        serving = self._stack.enter_context(product.serve(work=work))
        return Spending(self._run, serving, product, sink)


class Spending:
    """What a service takes for each of so many requests, until nothing is left to do."""

    def __init__(self, run: Run, serving: Serving, product: Product, sink: Sink) -> None:
        self._run, self._serving, self._product, self._sink = run, serving, product, sink
        self._strangers = count()

    def with_known(self) -> float:
        return self._replied(range(self._run.pace.some(MESSAGES)))

    def with_strangers(self) -> float:
        return self._replied(list(islice(self._strangers, self._run.pace.some(MESSAGES // 2))))

    def at_the_door(self) -> float:
        return self._spent(self._posts(range(BODIES)), self._run.pace.some(POSTS), lambda: None)

    def with_worker(self) -> float:
        return self._spent(self._posts(range(BODIES)), self._run.pace.some(POSTS), self._settle)

    def _replied(self, people: Iterable[int]) -> float:
        requests = self._posts(people)
        self._sink.forget()
        return self._spent(requests, len(requests), lambda: self._answered(len(requests)))

    def _answered(self, replies: int) -> None:
        self._sink.wait_for(replies, PATIENCE_S)
        self._settle()

    def _settle(self) -> None:
        self._serving.wait_idle(PATIENCE_S)

    def _posts(self, people: Iterable[int]) -> list[bytes]:
        return signed_posts(self._product.hook_path, [text_webhook(person) for person in people])

    def _spent(self, requests: list[bytes], times: int, settle: Callable[[], None]) -> float:
        return spent(self._serving.process, self._product.port, requests, times, settle)


def spent(process: Process, port: int, requests: list[bytes], times: int, settle: Callable[[], None]) -> float:
    before = cpu_seconds(process.pid)
    report = load(Job(port=port, requests=requests, count=times))
    if report.failed:
        raise RuntimeError(f"{report.failed} of {times} requests were refused")
    settle()
    return (cpu_seconds(process.pid) - before) / times * 1e6


def _bare(run: Run, stack: ExitStack) -> Spend:
    """The same requests, only checked and parsed: how fast the machine is, and what the server alone takes."""
    port = free_port()
    options = ["--port", port, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    command = python("uvicorn", "benchmarks.peers.bare_door:app", *options)
    process = stack.enter_context(Process(command, core=PRODUCT_CORE))
    wait_for_port(port, process)
    requests = signed_posts("/", [text_webhook(person) for person in range(BODIES)])
    return lambda: spent(process, port, requests, run.pace.some(POSTS), lambda: None)


def main(part: float, only: str) -> None:
    with Run(Pace(rounds=1, seconds=1.0, part=part, large=False)) as run, ExitStack() as stack:
        measured = contenders(run, stack, only)
        for spend in measured.values():  # nobody is new afterwards, and nothing is imported any more
            spend()
        _tell(list(measured))
        for line in sys.stdin:
            _tell(measured[line.strip()]())


def _tell(what: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
