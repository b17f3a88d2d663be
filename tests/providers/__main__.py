"""Counts of the conformance suite: `python -m tests.providers`. Ends with 1 where anything does not hold."""

import sys
from collections import Counter
from pathlib import Path

# As pytest has it: what the cases bring in lies beside this folder.
sys.path.insert(0, str(Path(__file__).parents[1]))

from .test_broken_twins import DRAWS, MANY_DRAWS, PROPERTIES, TWINS, Held, holds, judge
from .test_conformance import CASES


def main() -> None:
    broken = count_providers() + count_twins()
    sys.exit(1 if broken else 0)


def count_providers() -> int:
    """Prints each provider with its counts; how much is broken."""
    total: Counter[Held] = Counter()
    print(f"{len(PROPERTIES)} properties, {len(CASES)} providers")
    for case in CASES:
        found = {name: judge(name, case) for name in PROPERTIES}
        counts = Counter(found.values())
        total += counts
        missed = [name for name, held in found.items() if held is Held.NO]
        print(f"  {case.spec.name:<12}", ", ".join(f"{counts[held]} {held}" for held in Held), *missed, flush=True)
    print("  together    ", ", ".join(f"{total[held]} {held}" for held in Held))
    return total[Held.NO]


def count_twins() -> int:
    """Prints how many broken twins fail exactly the property that they break; how many do not."""
    escaped = [name for name in TWINS if not is_caught(name)]
    print(f"{len(TWINS) - len(escaped)} of {len(TWINS)} broken twins caught by exactly their property", *escaped)
    return len(escaped)


def is_caught(name: str) -> bool:
    draws = {other: MANY_DRAWS if other == name else DRAWS for other in PROPERTIES}
    return [other for other in PROPERTIES if not holds(other, TWINS[name], draws[other])] == [name]


if __name__ == "__main__":
    main()
