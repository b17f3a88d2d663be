"""Where a message's time goes: each verb of the store by itself, in batches as a busy system makes them."""

from benchmarks.run import Measured, Run, Table

WAY = (
    "store_webhooks",
    "ingest",
    "claim_turns",
    "finish_turns",
    "claim_deliveries",
    "record_attempts",
    "record_outcomes",
)
STORED = 20_000


def measure(run: Run) -> Measured:
    told = {}
    for store in run.stores():
        product = run.product(store, "http://127.0.0.1:9")
        product.inside("fill", STORED)
        told[store.kind] = product.measured_inside("verbs")
    rows = [(name, *(cost for kind in told for cost in told[kind][name])) for name in WAY]
    rows.append(("together", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    columns = ("verb", *(f"{kind} {what} µs" for kind in told for what in ("all", "CPU")))
    figures = {f"store_cpu_us_{kind}": sum(told[kind][name][1] for name in WAY) for kind in told}
    return Measured(figures, Table("The store's part of a message", columns, rows), NOTE)


NOTE = (
    "Microseconds for each message from webhook to outcome, called in one process without HTTP; batches of 64 at the "
    "door and 200 elsewhere. CPU is this process's; on PostgreSQL the rest is the database and the wait for it."
)
