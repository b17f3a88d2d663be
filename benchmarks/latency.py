"""How long an accepted message waits: from the caller's 202 to its arrival at the provider."""

import random
from contextlib import ExitStack
from typing import NamedTuple

import msgspec

from benchmarks.ends import Sink, load
from benchmarks.peers.load import Job, post, quantile
from benchmarks.product import Product, Serving
from benchmarks.run import Measured, Run, Table, middle
from benchmarks.webhooks import person

PEOPLE = 5_000
GENTLE = 50
SHARE = 0.7
HELD_RATE = 1_000
HELD_S = 60.0


class Wait(NamedTuple):
    rate: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    errors: int


class _Taken(msgspec.Struct):
    id: str


def measure(run: Run) -> Measured:
    figures: dict[str, float] = {}
    rows = []
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(0))
        products = []
        for store in run.stores():
            product = run.product(store, sink.url)
            product.inside("meet", PEOPLE)
            products.append((product, stack.enter_context(product.serve())))
        for product, serving in products:
            kind = product.store.kind
            most = _most(run, product, serving, sink)
            run.say(f"{kind}: at most {most:,.0f}/s from 202 to the provider")
            gentle, busy = (
                _typical([_wait(product, serving, sink, rate, seconds) for _ in range(run.pace.rounds)])
                for rate, seconds in ((GENTLE, 4 * run.pace.seconds), (most * SHARE, 2 * run.pace.seconds))
            )
            held = _wait(product, serving, sink, HELD_RATE, HELD_S * run.pace.part)
            figures |= _figures(kind, most, gentle, busy, held)
            rows += [(f"{kind}, {what}", *wait) for what, wait in _named(gentle, busy, held)]
    for name in ("p50_ms_at_50", "p99_ms_at_50"):
        figures[name] = max(figures[key] for key in figures if key.startswith(f"{name}_"))
    columns = ("load", "messages/s", "p50 ms", "p99 ms", "longest ms", "errors")
    return Measured(figures, Table("From 202 to the provider", columns, rows), _note(run))


def _most(run: Run, product: Product, serving: Serving, sink: Sink) -> float:
    """What comes out at the provider while callers post as fast as they are answered."""
    sink.forget()
    report = load(Job(port=product.port, requests=_requests(product), seconds=2 * run.pace.seconds))
    serving.wait_idle()
    times = sorted(send.at for send in sink.sends())
    return report.completed / (times[-1] - report.begun)


def _wait(product: Product, serving: Serving, sink: Sink, rate: float, seconds: float) -> Wait:
    """At an even pace for so long."""
    serving.wait_idle()
    sink.forget()
    count = round(rate * seconds)
    job = Job(port=product.port, requests=_requests(product), count=count, rate=rate, keep_answers=True)
    report = load(job)
    serving.wait_idle()
    arrived = {send.tracker.partition(b".")[0].decode(): send.at for send in sink.sends()}
    waits = []
    for answer in report.answers:
        taken = msgspec.json.decode(answer.body, type=_Taken)
        if taken.id in arrived:
            waits.append(max(0.0, arrived[taken.id] - answer.at) * 1000)
    errors = count - len(waits) + (sink.count() - len(arrived))
    return Wait(count / report.seconds, quantile(waits, 0.5), quantile(waits, 0.99), max(waits), errors)


def _requests(product: Product) -> list[bytes]:
    order = random.Random(1).sample(range(PEOPLE), PEOPLE)
    bodies = [
        {"channel": "benchmark", "to": f"+{person(index)}", "type": "text", "text": {"body": f"Message {index}. " * 10}}
        for index in order
    ]
    return [post("/v1/messages", msgspec.json.encode(body), Authorization=f"Bearer {product.key}") for body in bodies]


def _typical(waits: list[Wait]) -> Wait:
    rate, p50, p99, longest = (middle(column) for column in list(zip(*waits, strict=True))[:4])
    return Wait(rate, p50, p99, longest, sum(wait.errors for wait in waits))


def _named(gentle: Wait, busy: Wait, held: Wait) -> list[tuple[str, Wait]]:
    return [
        (f"{GENTLE}/s", gentle),
        (f"{SHARE:.0%} of the most", busy),
        (f"{HELD_RATE}/s to one channel", held),
    ]


def _figures(kind: str, most: float, gentle: Wait, busy: Wait, held: Wait) -> dict[str, float]:
    return {
        f"most_per_second_{kind}": most,
        f"p50_ms_at_50_{kind}": gentle.p50_ms,
        f"p99_ms_at_50_{kind}": gentle.p99_ms,
        f"p50_ms_at_70_percent_{kind}": busy.p50_ms,
        f"p99_ms_at_70_percent_{kind}": busy.p99_ms,
        f"held_per_second_{kind}": held.rate,
        f"held_errors_{kind}": held.errors,
    }


def _note(run: Run) -> str:
    return (
        f"Each message goes to another of {PEOPLE:,} people, over one channel without limits, to a provider that "
        "answers at once. Requests come at an even pace, whatever the answers do. "
        f"`{HELD_RATE}/s to one channel` lasts {HELD_S:.0f} s in a whole run, {HELD_S * run.pace.part:.0f} s in this "
        "one; errors are refusals, losses and repeats."
    )
