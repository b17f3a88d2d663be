"""What came of a run: a table for people, a file for programs, and the figures in the documentation."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.machine import ROOT
from benchmarks.run import Measured, Table

LATEST = ROOT / "benchmarks" / "results" / "latest.json"
DOCS = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


class Promise(NamedTuple):
    """``least`` or ``most`` is what the figure has to keep."""

    figure: str
    words: str
    least: float = -math.inf
    most: float = math.inf


PROMISES = (
    Promise("ingest_cpu_ratio_postgresql", "bare callable's processor time in a webhook's, PostgreSQL", least=0.25),
    Promise("ingest_cpu_ratio_sqlite", "bare callable's processor time in a webhook's, SQLite", least=0.25),
    Promise("delivery_cpu_ratio_postgresql", "bare aiohttp loop's in a delivery's, PostgreSQL", least=0.45),
    Promise("delivery_cpu_ratio_sqlite", "bare aiohttp loop's in a delivery's, SQLite", least=0.45),
    Promise("end_to_end_ratio_0ms", "end to end against the baseline, provider 0 ms", least=15),
    Promise("end_to_end_ratio_100ms", "end to end against the baseline, provider 100 ms", least=80),
    Promise("cpu_ms_per_message", "processor time per message end to end, ms", most=0.8),
    Promise("p50_ms_at_50", "202 to the provider at 50/s, p50 ms", most=12),
    Promise("p99_ms_at_50", "202 to the provider at 50/s, p99 ms", most=50),
    Promise("held_errors_postgresql", "1,000/s to one channel, errors, PostgreSQL", most=0),
    Promise("held_errors_sqlite", "1,000/s to one channel, errors, SQLite", most=0),
    Promise("held_per_second_postgresql", "1,000/s to one channel, held, PostgreSQL", least=990),
    Promise("held_per_second_sqlite", "1,000/s to one channel, held, SQLite", least=990),
    Promise("claim_growth_postgresql", "claim at 10⁶ against 10⁴ stored, PostgreSQL", most=1.3),
    Promise("claim_growth_sqlite", "claim at 10⁶ against 10⁴ stored, SQLite", most=1.3),
    Promise("ingest_growth_postgresql", "ingest at 10⁶ against 10⁴ stored, PostgreSQL", most=1.3),
    Promise("ingest_growth_sqlite", "ingest at 10⁶ against 10⁴ stored, SQLite", most=1.3),
    Promise("console_page_ms_postgresql", "inbox at 20,000 conversations, ms, PostgreSQL", most=60),
    Promise("console_page_ms_sqlite", "inbox at 20,000 conversations, ms, SQLite", most=60),
    Promise("console_thread_ms_postgresql", "thread of 2,000 messages, ms, PostgreSQL", most=60),
    Promise("console_thread_ms_sqlite", "thread of 2,000 messages, ms, SQLite", most=60),
)


def show(measured: Measured) -> str:
    return _plain(measured.table) + (f"\n  {measured.note}" if measured.note else "")


def write_results(facts: dict[str, Any], parts: dict[str, Measured]) -> dict[str, Any]:
    """Parts that were not measured this time stay as they were, each with its own machine and time."""
    results: dict[str, Any] = msgspec.json.decode(LATEST.read_bytes()) if LATEST.exists() else {"parts": {}}
    for name, measured in parts.items():
        results["parts"][name] = {**facts, "table": measured.table._asdict(), "note": measured.note}
        results |= measured.figures
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_bytes(msgspec.json.format(msgspec.json.encode(_without_nan(results)), indent=1) + b"\n")
    return results


def promises(results: dict[str, Any]) -> Table:
    rows = []
    for promise in PROMISES:
        if (value := results.get(promise.figure)) is not None:
            bound = f"≥ {promise.least:g}" if promise.most == math.inf else f"≤ {promise.most:g}"
            kept = promise.least <= value <= promise.most
            rows.append((promise.words, bound, value, "yes" if kept else "NO"))
    return Table("What is promised", ("", "promised", "measured", "kept"), rows)


def write_docs(results: dict[str, Any]) -> None:
    """Put the figures of ``results`` between the marks of docs/performance.md."""
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(f"{before}{BEGIN}\n\n{_figures(results)}\n{END}{after}", encoding="utf-8")


def _figures(results: dict[str, Any]) -> str:
    parts = [_markdown(promises(results))]
    for name, part in results["parts"].items():
        parts += [_markdown(Table(**part["table"])), part["note"], _measured_on(name, part)]
    return "\n\n".join(parts) + "\n"


def _measured_on(name: str, part: dict[str, Any]) -> str:
    return (
        f"<sub>`{name}` · {part['at'][:10]} · commit {part['commit']} · {part['processor']}, {part['cores']} cores, "
        f"{part['memory_gib']} GiB · Linux {part['kernel'].partition('-')[0]} · Python {part['python']} · "
        f"fdatasync {part['fdatasync_ms']} ms · load before the run {part['load_before']} · {part['pace']}</sub>"
    )


def _plain(table: Table) -> str:
    cells = [list(table.columns), *([_shown(value) for value in row] for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    lines = [
        "  ".join(_aligned(cell, width, place) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    return "\n".join([f"{table.title}", *(f"  {line.rstrip()}" for line in lines)])


def _aligned(cell: str, width: int, place: int) -> str:
    return cell.rjust(width) if place else cell.ljust(width)


def _markdown(table: Table) -> str:
    head = f"| {' | '.join(table.columns)} |"
    rule = f"|---|{'--:|' * (len(table.columns) - 1)}"
    rows = [f"| {' | '.join(map(_shown, row))} |" for row in table.rows]
    return "\n".join([f"### {table.title}", "", head, rule, *rows])


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float | int):
        return str(value)
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_results(path: Path = LATEST) -> dict[str, Any]:
    results: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return results
