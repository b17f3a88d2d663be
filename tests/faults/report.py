"""What a run says: one JSON line for each scenario and database, and their sums."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from .checker import Verdict

SUMS = (
    "accepted", "delivered", "lost", "duplicated", "reordered", "unknown", "unexpected", "recovered", "refused",
    "faults", "kills",
)  # fmt: skip


class Result(msgspec.Struct, kw_only=True):
    """One line. `broken` are the scenario's own rules that did not hold."""

    id: str
    seed: int
    accepted: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    unknown: int = 0
    unexpected: int = 0
    recovered: int = 0
    refused: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    recover_s: float | None = None
    faults: int = 0
    database: str = ""
    provider: str = "cloud"
    scale: float = 1.0
    kills: int = 0
    seconds: float | None = None
    passed: bool = True
    broken: list[str] = msgspec.field(default_factory=list)
    notes: dict[str, Any] = msgspec.field(default_factory=dict)

    def take(self, verdict: Verdict) -> None:
        """Adds what the checker found; latencies are those of the verdict."""
        for name in SUMS[:9]:
            setattr(self, name, getattr(self, name) + getattr(verdict, name))
        self.p50_ms, self.p99_ms = verdict.p50_ms, verdict.p99_ms
        self.notes |= {"longest_wait_s": verdict.longest_wait_s, "failed": verdict.failed}
        self.notes |= {"examples": verdict.examples} if verdict.examples else {}

    @property
    def offences(self) -> int:
        return self.lost + self.duplicated + self.reordered + self.unexpected

    @property
    def place(self) -> tuple[str, str, str, int, float]:
        """What a resumed run need not do again."""
        return self.id, self.database, self.provider, self.seed, self.scale


class Report:
    """Prints each line as it comes and appends it to a file, where one is named."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.results: list[Result] = []

    def add(self, result: Result) -> None:
        self.results.append(result)
        line = msgspec.json.encode(result).decode()
        print(line, flush=True)
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def add_again(self, result: Result) -> None:
        """One of an earlier run: it counts, and the file has it already."""
        self.results.append(result)

    def close(self) -> bool:
        """Prints the sums; whether everything held."""
        print("TOTAL", json.dumps(add_up(self.results)), flush=True)
        return all(result.passed for result in self.results)

    def earlier(self) -> dict[tuple[str, str, str, int, float], Result]:
        """What the file says was passed before."""
        if self._path is None or not self._path.exists():
            return {}
        lines = self._path.read_bytes().splitlines()
        results = [msgspec.json.decode(line, type=Result) for line in lines if line]
        return {result.place: result for result in results if result.passed}


def add_up(results: Iterable[Result]) -> dict[str, Any]:
    results = list(results)
    sums: dict[str, Any] = {name: sum(getattr(result, name) for result in results) for name in SUMS}
    failed = [f"{result.id} {result.database} {result.provider}" for result in results if not result.passed]
    return {"scenarios": len(results), **sums, "failed": failed}
