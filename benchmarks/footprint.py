"""What the product takes when nothing happens, and for each message it keeps."""

import time
from contextlib import ExitStack

from benchmarks.ends import Sink, load, signed_posts
from benchmarks.peers.load import Job
from benchmarks.product import Product
from benchmarks.run import Measured, Run, Table, middle
from benchmarks.webhooks import text_webhooks

QUEUED = 100_000
CONVERSATIONS = 2_000
IDLE_S = 4.0


def measure(run: Run) -> Measured:
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(0))
        for store in run.stores():
            product = run.product(store, sink.url)
            found = {**_idle(run, product), **_disk(run, product, sink), **_queued(run, product)}
            figures |= {f"{name}_{store.kind}": value for name, value in found.items()}
    names = {name.rpartition("_")[0]: None for name in figures}
    kinds = {name.rpartition("_")[2]: None for name in figures}
    rows = [(name, *(figures[f"{name}_{kind}"] for kind in kinds)) for name in names]
    return Measured(figures, Table("Footprint", ("", *kinds), rows), _note(run))


def _idle(run: Run, product: Product) -> dict[str, float]:
    starts, cpus, memories, idles = [], [], [], []
    for _ in range(run.pace.rounds):
        with product.serve() as serving:
            starts.append(serving.started_in)
            time.sleep(1.0)
            cpus.append(serving.cpu_seconds())
            time.sleep(IDLE_S)
            memories.append(serving.memory_mib())
            idles.append((serving.cpu_seconds() - cpus[-1]) / IDLE_S * 100)
    return {
        "start_s": middle(starts),
        "start_cpu_s": middle(cpus),
        "idle_memory_mib": middle(memories),
        "idle_cpu_percent": middle(idles),
    }


def _disk(run: Run, product: Product, sink: Sink) -> dict[str, float]:
    """A webhook, its message, the reply and its attempt; the size of the database, indexes included."""
    count = run.pace.some(CONVERSATIONS)
    with product.serve() as serving:
        _converse(product, count)
        serving.wait_idle()
        before = product.store.size_mib()
        sink.forget()
        _converse(product, count)
        sink.wait_for(count, patience=120)
        serving.wait_idle()
        after = product.store.size_mib()
    return {"disk_gib_per_million_messages": (after - before) / (2 * count) * 1e6 / 1024}


def _converse(product: Product, count: int) -> None:
    requests = signed_posts(product.hook_path, list(text_webhooks(count, count)))
    load(Job(port=product.port, requests=requests, count=count))


def _queued(run: Run, product: Product) -> dict[str, float]:
    count = run.pace.some(QUEUED)
    product.store.run("UPDATE messaging_channel SET paused_at = 1, paused_reason = 'benchmark'")
    product.inside("queue", count, count)
    with product.serve() as serving:
        time.sleep(IDLE_S)
        return {"memory_mib_with_a_full_queue": serving.memory_mib()}


def _note(run: Run) -> str:
    return (
        "`start_s` is from the command to a ready product; `start_cpu_s` includes the imports of the management API, "
        f"which follow in the background. A full queue holds {run.pace.some(QUEUED):,} messages. Disk is that of the "
        "second conversation with the same people, each message with its raw webhook or its attempt."
    )
