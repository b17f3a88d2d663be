"""python -m benchmarks [--only ingest,delivery] [--rounds 5] [--quick] [--large] [--write-docs]"""

import argparse
import sys
from collections.abc import Callable

from benchmarks import console, delivery, end_to_end, footprint, growth, ingest, latency, report, steps
from benchmarks.machine import describe
from benchmarks.run import Measured, Pace, Run

PARTS: dict[str, Callable[[Run], Measured]] = {
    "ingest": ingest.measure,
    "delivery": delivery.measure,
    "end_to_end": end_to_end.measure,
    "steps": steps.measure,
    "latency": latency.measure,
    "growth": growth.measure,
    "footprint": footprint.measure,
    "console": console.measure,
}
WHOLE = Pace(rounds=5, seconds=3.0, part=1.0, large=False)
QUICK = Pace(rounds=2, seconds=1.0, part=0.1, large=False)


def main() -> None:
    options = _options()
    if options.only != [""]:
        measured = _measure(options)
        results = report.write_results({**describe(), "pace": _pace_in_words(options)}, measured)
    else:
        results = report.read_results()
    print(report.show(Measured({}, report.promises(results))))
    if options.write_docs:
        report.write_docs(results)


def _measure(options: argparse.Namespace) -> dict[str, Measured]:
    pace = (QUICK if options.quick else WHOLE)._replace(large=options.large)
    if options.rounds:
        pace = pace._replace(rounds=options.rounds)
    measured = {}
    with Run(pace) as run:
        if run.server is None:
            run.say("PostgreSQL is not installed here: only SQLite is measured, and nothing against the baseline")
        for name in options.only or PARTS:
            print(f"{name} …", file=sys.stderr)
            measured[name] = PARTS[name](run)
            print(report.show(measured[name]), end="\n\n", flush=True)
    return measured


def _pace_in_words(options: argparse.Namespace) -> str:
    return "quick" if options.quick else "large" if options.large else "whole"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Side by side on this machine.")
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, help=f"rounds of each contender (default {WHOLE.rounds})")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, in under four minutes")
    parser.add_argument("--large", action="store_true", help="growth up to ten million messages on PostgreSQL")
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/performance.md")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - {*PARTS, ""}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    main()
