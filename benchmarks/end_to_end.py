"""A person writes, the reply arrives: the whole way, against the usual way to build it.

A signed webhook is posted, stored, understood, answered by an assistant with one fixed sentence, its attempt committed,
sent, and its outcome committed. The clock runs from the first webhook to the last reply at the provider; processor time
is that of the product's (the baseline's) own processes. Nobody waits for more (debounce 0), statuses do not come.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks import rival
from benchmarks.ends import Sink, load, signed_posts
from benchmarks.peers.load import Job
from benchmarks.product import Serving
from benchmarks.run import Measured, Run, Table, middle
from benchmarks.stores import Store
from benchmarks.webhooks import text_webhooks

BASELINE = "baseline"
# As behind a pooler that knows no prepared statements.
UNPREPARED = "postgresql, unprepared"
DELAYS_MS = (0, 100)
# Eight seconds or so: of three, the way up and the way down would be a part that can be seen.
CONVERSATIONS = 10_000
# What the baseline does in a few seconds; it takes about 10 ms of processor time each.
BASELINE_MESSAGES = {0: 300, 100: 80}
WARM_UP = 40
CONNECTIONS = 64
# More than this only queue up before three synchronous workers.
BASELINE_CONNECTIONS = 16


class Contender(NamedTuple):
    """``settle`` returns when nothing is under way any more."""

    service: Serving | rival.Baseline
    port: int
    path: str
    messages: int
    connections: int
    settle: Callable[[], None]


class Round(NamedTuple):
    rate: float
    webhooks_per_second: float
    cpu_ms: float
    memory_mib: float


def measure(run: Run) -> Measured:
    figures: dict[str, float] = {}
    rows = []
    for delay_ms in DELAYS_MS:
        typical = _measure(run, delay_ms)
        for name, each in typical.items():
            rows.append(_row(name, delay_ms, each, typical.get(BASELINE)))
        figures |= _figures(typical, delay_ms)
    columns = (
        "service", "provider ms", "messages/s", "ratio", "webhooks/s", "CPU ms/message", "CPU ratio", "memory MiB",
    )  # fmt: skip
    return Measured(figures, Table("End to end", columns, rows), NOTE)


def _measure(run: Run, delay_ms: int) -> dict[str, Round]:
    rounds: dict[str, list[Round]] = defaultdict(list)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(delay_ms))
        contenders = {}
        if baseline := _baseline(run, stack, sink, delay_ms):
            contenders[BASELINE] = baseline
            _round(baseline._replace(messages=WARM_UP), sink)
        for store in run.stores():
            contenders[store.kind] = _product(run, stack, store, sink)
            rounds[f"{store.kind}, people unknown"] = [_round(contenders[store.kind], sink)]
        if run.server:
            contenders[UNPREPARED] = _product(run, stack, run.database(), sink, HAILGATE_PREPARE="no")
            _round(contenders[UNPREPARED], sink)  # the people of the rounds are known to the others, too
        for name in run.there_and_back([*contenders]):
            rounds[name].append(_round(contenders[name], sink))
            run.say(f"{name}, provider {delay_ms} ms: {rounds[name][-1].rate:,.0f}/s")
    return {name: Round(*(middle(column) for column in zip(*own, strict=True))) for name, own in rounds.items()}


def _product(run: Run, stack: ExitStack, store: Store, sink: Sink, **settings: str) -> Contender:
    product = run.product(store, sink.url)
    serving = stack.enter_context(product.serve(**settings))
    messages = run.pace.some(CONVERSATIONS)
    return Contender(serving, product.port, product.hook_path, messages, CONNECTIONS, serving.wait_idle)


def _baseline(run: Run, stack: ExitStack, sink: Sink, delay_ms: int) -> Contender | None:
    why = rival.why_absent() if run.server else "no PostgreSQL server is installed"
    if why:
        run.say(f"without the baseline: {why}")
        return None
    baseline = stack.enter_context(rival.Baseline(run.folder / f"baseline-{sink.port}", run.database(), sink.url))
    messages = run.pace.some(BASELINE_MESSAGES[delay_ms])
    return Contender(baseline, baseline.port, baseline.path, messages, BASELINE_CONNECTIONS, lambda: None)


def _round(contender: Contender, sink: Sink) -> Round:
    count = contender.messages
    requests = signed_posts(contender.path, list(text_webhooks(count, count)))
    contender.settle()
    sink.forget()
    cpu = contender.service.cpu_seconds()
    report = load(Job(port=contender.port, requests=requests, connections=contender.connections, count=count))
    if report.failed:
        raise RuntimeError(f"{report.failed} of {count} webhooks were refused")
    ended = sink.wait_for(count, patience=120)
    contender.settle()  # the last outcomes belong to the price
    spent = contender.service.cpu_seconds() - cpu
    if sink.count() != count:
        raise RuntimeError(f"{sink.count()} replies to {count} messages")
    return Round(count / (ended - report.begun), report.rate, spent / count * 1000, contender.service.memory_mib())


def _figures(typical: dict[str, Round], delay_ms: int) -> dict[str, float]:
    figures = {}
    base = typical.get(BASELINE)
    kinds = [name for name in typical if name in {"postgresql", "sqlite"}]
    for name in kinds:
        figures[f"end_to_end_per_second_{delay_ms}ms_{name}"] = typical[name].rate
        figures[f"cpu_ms_per_message_{delay_ms}ms_{name}"] = typical[name].cpu_ms
        if base:
            figures[f"end_to_end_ratio_{delay_ms}ms_{name}"] = typical[name].rate / base.rate
    if base:
        figures[f"end_to_end_ratio_{delay_ms}ms"] = min(typical[name].rate for name in kinds) / base.rate
        figures[f"baseline_per_second_{delay_ms}ms"] = base.rate
    if delay_ms == 0:
        figures["cpu_ms_per_message"] = max(typical[name].cpu_ms for name in kinds)
    return figures


def _row(name: str, delay_ms: int, each: Round, base: Round | None) -> tuple[object, ...]:
    return (
        name,
        delay_ms,
        each.rate,
        each.rate / base.rate if base else None,
        each.webhooks_per_second,
        each.cpu_ms,
        base.cpu_ms / each.cpu_ms if base else None,
        each.memory_mib,
    )


NOTE = (
    f"The baseline: gunicorn with {rival.WEB_WORKERS} workers, REST framework, ORM, Celery with {rival.TASK_WORKERS} "
    "processes on a Redis of its own, Twilio's library with its connection kept; PostgreSQL. Ratios without a "
    "database's name are the lower of the two, `cpu_ms_per_message` is the higher. `people unknown` is the first round "
    "of each product, in which every contact and conversation is made; afterwards everybody is known. Each message of "
    "a round comes from another person. `unprepared` is with `HAILGATE_PREPARE=no`, without a pooler."
)
