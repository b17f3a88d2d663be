"""How long an operator waits for a page of the console where many people write."""

from benchmarks.run import Measured, Run, Table

PEOPLE = 20_000
LONG = 2_000
PAGES = {
    "page": "inbox, first page",
    "list": "list alone",
    "unread": "unread ones",
    "thread": "thread",
    "name": "search by name",
    "number": "search by number",
}


def measure(run: Run) -> Measured:
    people, long = run.pace.some(PEOPLE), run.pace.some(LONG)
    figures: dict[str, float] = {}
    rows: list[tuple[object, ...]] = []
    for store in run.stores():
        product = run.product(store, "http://127.0.0.1:9")
        product.inside("gather", people, long)
        told = product.measured_inside("pages")
        rows.append((store.kind, *(told[name] for name in PAGES)))
        figures |= {f"console_{name}_ms_{store.kind}": told[name] for name in ("page", "thread")}
        run.say(f"{store.kind}: page {told['page']:.0f} ms, thread {told['thread']:.0f} ms")
    columns = ("store", *(f"{words} ms" for words in PAGES.values()))
    return Measured(figures, Table("Console", columns, rows), _note(people, long))


def _note(people: int, long: int) -> str:
    return (
        f"{people:,} conversations, a thread of {long:,} messages; the middle of fifteen requests through Django "
        "without the network. A page shows 40 conversations, a thread its newest 50 messages."
    )
