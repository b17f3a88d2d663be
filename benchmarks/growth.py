"""How the cost of a message grows with what is stored and with what waits."""

from benchmarks.run import Measured, Run, Table
from benchmarks.stores import Store

STORED = (10_000, 100_000, 1_000_000)
STORED_LARGE = 10_000_000
QUEUED = (1_000, 10_000, 100_000)
SHOWN = ("ingest", "claim_deliveries", "finish_turns", "record_outcomes", "conversation page", "list of conversations")


def measure(run: Run) -> Measured:
    figures: dict[str, float] = {}
    rows: list[tuple[object, ...]] = []
    for store in run.stores():
        sizes = [run.pace.some(size) for size in STORED]
        if run.pace.large and store.kind == "postgresql":
            sizes.append(STORED_LARGE)
        told = _measure(run, store, sizes)
        rows += [(f"{store.kind}, {what}", *(costs[name] for name in SHOWN)) for what, costs in told.items()]
        first, last = (told[_stored(size)] for size in (sizes[0], sizes[len(STORED) - 1]))
        figures |= {f"{name}_growth_{store.kind}": last[verb] / first[verb] for name, verb in _GROWING.items()}
    columns = ("store", *(f"{name} µs" for name in SHOWN))
    return Measured(figures, Table("Growth", columns, rows), _note(run))


_GROWING = {"claim": "claim_deliveries", "ingest": "ingest", "page": "conversation page"}


def _measure(run: Run, store: Store, sizes: list[int]) -> dict[str, dict[str, float]]:
    product = run.product(store, "http://127.0.0.1:9")
    told: dict[str, dict[str, float]] = {}
    for size in sizes:
        product.inside("fill", size)
        told[_stored(size)] = _costs(product.measured_inside("verbs"))
        run.say(f"{store.kind}, {_stored(size)}: ingest {told[_stored(size)]['ingest']:.0f} µs")
    for size in (run.pace.some(size) for size in QUEUED):
        product.inside("fill_queue", size)
        told[f"{size:,} queued"] = _costs(product.measured_inside("verbs"))
        run.say(f"{store.kind}, {size:,} queued: claim {told[f'{size:,} queued']['claim_deliveries']:.0f} µs")
    return told


def _costs(told: dict[str, tuple[float, float]]) -> dict[str, float]:
    return {name: wall for name, (wall, _) in told.items()}


def _stored(size: int) -> str:
    return f"{size:,} stored"


def _note(run: Run) -> str:
    return (
        "Microseconds for each message of a batch of 200, for a page as a whole (50 rows). "
        f"`claim_growth` and its like compare {run.pace.some(STORED[-1]):,} stored messages with "
        f"{run.pace.some(STORED[0]):,}. What is queued comes on top of the largest store."
    )
