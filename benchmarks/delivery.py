"""Messages out: a full queue delivered to a provider that answers at once, against a loop that only posts."""

from collections import defaultdict
from contextlib import ExitStack
from typing import NamedTuple

import msgspec

from benchmarks.ends import Sink, run_pinned
from benchmarks.machine import PRODUCT_CORE, python
from benchmarks.product import Product, Serving
from benchmarks.run import Measured, Run, Table, middle
from benchmarks.webhooks import PHONE_NUMBER_ID

BARE = "bare aiohttp loop"
# As many as the product has in flight by default.
CONCURRENCY = 512
MESSAGES = 10_000
MESSAGES_PER_PERSON = 5


class Round(NamedTuple):
    rate: float
    cpu_us: float
    database_us: float


def measure(run: Run) -> Measured:
    count = run.pace.some(MESSAGES)
    rounds: dict[str, list[Round]] = defaultdict(list)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(0))
        products: dict[str, tuple[Product, Serving]] = {}
        for store in run.stores():
            product = run.product(store, sink.url)
            products[store.kind] = product, stack.enter_context(product.serve())
        bodies = msgspec.msgpack.encode(
            [body.encode() for body in next(iter(products.values()))[0].inside("bodies", count)]
        )
        for name in run.there_and_back([BARE, *products]):
            sink.forget()
            rounds[name].append(_bare(sink, bodies, count) if name == BARE else _round(*products[name], sink, count))
            run.say(f"{name}: {rounds[name][-1].rate:,.0f}/s")
    return _measured(rounds)


def _bare(sink: Sink, bodies: bytes, count: int) -> Round:
    url = f"{sink.url}/v23.0/{PHONE_NUMBER_ID}/messages"
    told = run_pinned(python("benchmarks.peers.bare_sender", url, CONCURRENCY), PRODUCT_CORE, bodies)
    _, cpu = msgspec.msgpack.decode(told, type=tuple[float, float])
    return Round(_rate(sink, count), cpu / count * 1e6, 0.0)


def _round(product: Product, serving: Serving, sink: Sink, count: int) -> Round:
    """Queued while the channel is paused; the clock runs from the first send to the last."""
    store = product.store
    store.run("UPDATE messaging_channel SET paused_at = 1, paused_reason = 'benchmark'")
    product.inside("queue", count, max(1, count // MESSAGES_PER_PERSON))
    cpu, database_cpu = serving.cpu_seconds(), store.cpu_seconds()
    store.run("UPDATE messaging_channel SET paused_at = NULL, paused_reason = ''")
    sink.wait_for(count, patience=120)
    serving.wait_idle()
    cpu, database_cpu = serving.cpu_seconds() - cpu, store.cpu_seconds() - database_cpu
    return Round(_rate(sink, count), cpu / count * 1e6, database_cpu / count * 1e6)


def _rate(sink: Sink, count: int) -> float:
    """The middle nine tenths, so that neither the first connections nor the last stragglers are what is measured."""
    times = sorted(send.at for send in sink.sends())
    if len(times) != count:
        raise RuntimeError(f"{count} messages were queued, {len(times)} arrived")
    skipped = count // 20
    return (count - 2 * skipped - 1) / (times[-1 - skipped] - times[skipped])


def _measured(rounds: dict[str, list[Round]]) -> Measured:
    typical = {name: Round(*(middle(column) for column in zip(*own, strict=True))) for name, own in rounds.items()}
    bare = typical[BARE]
    figures = {}
    rows = []
    for name, each in typical.items():
        if name != BARE:
            figures[f"delivery_ratio_{name}"] = each.rate / bare.rate
            figures[f"delivery_cpu_ratio_{name}"] = bare.cpu_us / each.cpu_us
        rows.append((name, each.rate, each.rate / bare.rate, each.cpu_us, bare.cpu_us / each.cpu_us, each.database_us))
    figures["delivery_ratio"] = min(figures[f"delivery_ratio_{name}"] for name in typical if name != BARE)
    columns = ("sender", "messages/s", "ratio", "CPU µs/message", "CPU ratio", "database µs/message")
    return Measured(figures, Table("Messages out", columns, rows), NOTE)


NOTE = (
    f"{CONCURRENCY} in flight on both sides, the same bodies. Each of the product's is claimed, its attempt committed, "
    "sent, its outcome committed, and its follower in the conversation made ready. `delivery_ratio` is the lower of "
    "the two databases."
)
