"""Writes docs/reliability.md from the results of runs.

`python -m tests.faults.page docs/reliability.jsonl > docs/reliability.md`; `make faults RESULTS=docs/reliability.jsonl`
appends to them.
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import scenarios  # noqa: F401 -- they register
from .registry import SCENARIOS

INTRO = """# How the promises are proven

`make faults` starts real processes (the product, its workers, the simulated provider), lets messages flow, and kills,
freezes and cuts while they do. What became of each message is counted outside the product: in the simulator's ledger,
which is committed before it answers, and in the load client's own list of what it was promised. No figure is read from
the product's database. The words are those of [the promises](explanation/promises.md); `recovered` messages met an
error on their way to us and were delivered once.

A run ends with an error if anything was lost, duplicated, reordered or unexpected, or if a rule of the scenario broke.
It takes three tenths of each scenario's full counts, which two cores do within 75 minutes; `SCALE=1` takes all of them.
`ONLY="R01 R05"` picks scenarios, `SEED=7` repeats a run. `RESULTS=results.jsonl` appends each line to a file, and a run
that was cut short goes on from there. Both databases are put to the test side by side; scenarios that judge how long
things take follow one by one, with the machine to themselves.

OUTAGE5, BROWNOUT and PAIR last for minutes at any scale: what is stored is made older, and the scale says how much of
the time passes in truth.

Messages go through the Cloud API; `PROVIDER=twilio`, `evolution` or `wppconnect` takes another of those that the
simulator speaks, and `PROVIDER=all` each in turn. `python -m tests.faults --list` prints which scenario is played with
which provider, and what keeps it from the others; a run says so, too. What one alone of them speaks (webhooks written
by hand, refusals in its own words) is played with that one.
"""

COLUMNS = ("accepted", "delivered", "lost", "duplicated", "reordered", "unknown", "unexpected", "recovered")

# What scenarios of patience, marks, upgrades, files and single providers found beside that, in their own words.
NOTED = {
    "amplification": "calls for each message",
    "drained_s": "seconds until all was sent after the trouble",
    "grown": "seconds between tries while one person was written to too fast",
    "healed": "after messages that passed",
    "unknown_without_marks": "unknown where nobody reads marks",
    "unknown_with_marks": "unknown with them",
    "asked_if_ready": "answers of processes in service",
    "unready": "of them not ready",
    "taken_without_a_word": "sends that were taken without a word",
    "known_after_s": "seconds until all of them were known",
    "left_to_a_person": "left to a person, since the session was lost while they were sent",
    "all_fetched_after_s": "seconds until all files were fetched",
    "effects_by_webhook": "effects of webhooks that came",
    "effects_by_poll": "effects of what was asked for",
    "file_30_mb": "a file of 30 MB",
    "file_100_mb": "a file of 100 MB",
}


def main() -> None:
    results = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if line]
    print(INTRO)
    print("## Scenarios\n")
    print("\n".join(described()))
    print("\n## Results\n")
    day = datetime.now(tz=UTC).date().isoformat()
    print(f"{day}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}.\n")
    print("\n".join(table(latest(results))))
    print("\n## Found beside that\n")
    print("\n".join(noted(latest(results))))
    print("\n## Together\n")
    print("\n".join(sums(results)))


def latest(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One result for each scenario, provider and database: that of the largest scale, the newest of those."""
    best: dict[tuple[str, str, str], dict[str, Any]] = {}
    for result in results:
        place = result["id"], through(result), result["database"]
        if place not in best or result["scale"] >= best[place]["scale"]:
            best[place] = result
    return [best[place] for place in sorted(best)]


def through(result: dict[str, Any]) -> str:
    """The provider; the first lines, which name none, went through the Cloud API."""
    return str(result.get("provider", "cloud"))


def described() -> list[str]:
    rows = ["| id | what is done |", "|---|---|"]
    for name, scenario in sorted(SCENARIOS.items()):
        first = (scenario.play.__doc__ or "").strip().split("\n\n")[0]
        rows.append(f"| {name} | {' '.join(first.split())} |")
    return rows


def table(results: list[dict[str, Any]]) -> list[str]:
    head = ["id", "through", "database", "scale", "seed", "seconds", "faults", *COLUMNS, "held"]
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for result in results:
        held = "yes" if result["passed"] else "; ".join(result["broken"]) or "no"
        seconds = "" if result["seconds"] is None else round(result["seconds"])
        place = [result["id"], through(result), result["database"]]
        cells = [*place, result["scale"], result["seed"], seconds, result["faults"]]
        rows.append(f"| {' | '.join(str(cell) for cell in [*cells, *(result[name] for name in COLUMNS), held])} |")
    return rows


def noted(results: list[dict[str, Any]]) -> list[str]:
    rows = ["| id | through | database | scale | found |", "|---|---|---|---|---|"]
    for result in results:
        notes = result.get("notes", {})
        if found := [f"{words}: {in_words(notes[name])}" for name, words in NOTED.items() if name in notes]:
            place = [result["id"], through(result), result["database"], result["scale"]]
            rows.append(f"| {' | '.join(map(str, place))} | {'; '.join(found)} |")
    return rows


def in_words(found: Any) -> str:
    if not isinstance(found, dict):
        return str(found)
    return ", ".join(
        f"{name.replace('_', ' ')} {f'({in_words(value)})' if isinstance(value, dict) else value}"
        for name, value in found.items()
    )


def sums(results: list[dict[str, Any]]) -> list[str]:
    """Of all that ran at one scale."""
    head = ["scale", "lines", "of them held", "faults", *COLUMNS]
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for scale in sorted({result["scale"] for result in results}):
        ran = [result for result in results if result["scale"] == scale]
        cells = [scale, len(ran), sum(result["passed"] for result in ran)]
        cells += [sum(result[name] for result in ran) for name in ("faults", *COLUMNS)]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return rows


if __name__ == "__main__":
    main()
