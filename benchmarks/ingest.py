"""Webhooks in: signed bodies to the product's door, against a callable that only checks and parses them.

The door answers after its commit. It is measured alone (`serve --no-work`, as the door of a larger installation runs,
and as the ratio is defined) and with the worker in the same process, which shares its core with understanding them.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from benchmarks.ends import Sink, load, signed_posts
from benchmarks.machine import PRODUCT_CORE, Process, free_port, python, wait_for_port
from benchmarks.peers.load import Job
from benchmarks.run import Measured, Run, Table, middle
from benchmarks.stores import Store
from benchmarks.webhooks import text_webhooks

BARE = "bare callable"
BODIES = 512
CONNECTIONS = 64
SETTLE_S = 120.0


class Contender(NamedTuple):
    """``settle`` returns when it uses the processor no more: what it has still to do is not its neighbour's time."""

    port: int
    requests: list[bytes]
    cpu: Callable[[], float]
    database_cpu: Callable[[], float] = lambda: 0.0
    settle: Callable[[], None] = lambda: None


class Round(NamedTuple):
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    database_us: float


def measure(run: Run) -> Measured:
    bodies = list(text_webhooks(BODIES, BODIES))
    rounds: dict[str, list[Round]] = defaultdict(list)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(0))
        contenders = {BARE: _bare(stack, bodies)}
        for store in run.stores():
            contenders[f"door on {store.kind}"] = _door(run, stack, store, sink, bodies, work=False)
        for store in run.stores():
            contenders[f"door and worker on {store.kind}"] = _door(run, stack, store, sink, bodies, work=True)
        for contender in contenders.values():
            _round(contender, 0.5)
        for name in run.there_and_back(list(contenders)):
            rounds[name].append(_round(contenders[name], run.pace.seconds))
            run.say(f"{name}: {rounds[name][-1].rate:,.0f}/s")
    return _measured(rounds)


def _bare(stack: ExitStack, bodies: list[bytes]) -> Contender:
    port = free_port()
    options = ["--port", port, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    command = python("uvicorn", "benchmarks.peers.bare_door:app", *options)
    process = stack.enter_context(Process(command, core=PRODUCT_CORE))
    wait_for_port(port, process)
    return Contender(port, signed_posts("/", bodies), process.cpu_seconds)


def _door(run: Run, stack: ExitStack, store: Store, sink: Sink, bodies: list[bytes], *, work: bool) -> Contender:
    product = run.product(store, sink.url)
    serving = stack.enter_context(product.serve(work=work))
    settle = partial(serving.wait_idle, SETTLE_S) if work else lambda: None
    requests = signed_posts(product.hook_path, bodies)
    return Contender(product.port, requests, serving.cpu_seconds, store.cpu_seconds, settle)


def _round(contender: Contender, seconds: float) -> Round:
    cpu, database_cpu = contender.cpu(), contender.database_cpu()
    job = Job(port=contender.port, requests=contender.requests, connections=CONNECTIONS, seconds=seconds)
    report = load(job)
    if report.failed:
        raise RuntimeError(f"{report.failed} of {report.completed} webhooks were refused")
    spent = [(contender.cpu() - cpu) / report.completed, (contender.database_cpu() - database_cpu) / report.completed]
    contender.settle()
    return Round(report.rate, report.p50_ms, report.p99_ms, spent[0] * 1e6, spent[1] * 1e6)


def _measured(rounds: dict[str, list[Round]]) -> Measured:
    typical = {name: Round(*(middle(column) for column in zip(*own, strict=True))) for name, own in rounds.items()}
    bare = typical[BARE]
    figures = {}
    for name, round_ in typical.items():
        if name.startswith("door on "):
            kind = name.removeprefix("door on ")
            figures[f"ingest_ratio_{kind}"] = round_.rate / bare.rate
            figures[f"ingest_cpu_ratio_{kind}"] = bare.cpu_us / round_.cpu_us
            figures[f"ingest_per_second_{kind}"] = round_.rate
    rows = [
        (
            name,
            each.rate,
            max(one.rate for one in rounds[name]),
            each.rate / bare.rate,
            each.p50_ms,
            each.p99_ms,
            each.cpu_us,
            bare.cpu_us / each.cpu_us,
            each.database_us,
        )
        for name, each in typical.items()
    ]
    columns = (
        "server", "req/s", "best round", "ratio", "p50 ms", "p99 ms", "CPU µs/req", "CPU ratio", "database µs/req",
    )  # fmt: skip
    return Measured(figures, Table("Webhooks in", columns, rows), NOTE)


NOTE = (
    "Each 200 of the product follows the commit of its webhook. The worker of `door and worker` understands the "
    "webhooks meanwhile; as the 512 bodies repeat, most turn out to be known. The CPU ratio does not depend on how "
    "busy the load's core is."
)
