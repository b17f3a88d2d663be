"""What notices each planted bug, as lines that are kept and as a page."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import msgspec

from .equivalents import EQUIVALENT
from .sites import Site

INTRODUCTION = """\
# Planted bugs, and what notices them

`make mutants` takes out of a copy of the code, one at a time, what guards it: a lock, a condition on a lease or a
state, the filter of a tenant, an order, a commit that is waited for before the answer, a guard. The places are found
by a script (`tests/mutants/sites.py`), so that a new one is tried without anybody's thinking of it. Then the tests that
run through the place are run, those that name the module first and the quick ones before the slow ones, until one
notices; a lock of rows is tried on PostgreSQL alone, everything else on SQLite first. `SEED=7` chooses forty others,
`ROOM=assistant` looks at the assistant's safety, budget, context and take-over, `ALL=1` tries every place there is, and
`MINUTES=10` takes it in parts. The simulation has planted bugs of its own, in `tests/simulation/mutants.py`.

Which tests run through which function is seen once and kept in `build/mutants`. Tests are loaded once for all planted
bugs: each is put into the loaded modules of a process that is split off for it.

What nobody can notice is listed with the proof in `tests/mutants/equivalents.py`.
"""


class Found(msgspec.Struct):
    """``caught_by`` is the first test that failed; empty where none did."""

    id: str
    room: str
    kind: str
    line: int
    caught_by: str
    database: str
    seconds: int

    @classmethod
    def of(cls, site: Site, caught_by: str, database: str, seconds: float) -> Self:
        return cls(site.id, site.room, site.kind.value, site.line, caught_by, database, round(seconds))

    def told(self) -> str:
        told = f"{self.caught_by} ({self.database})" if self.caught_by else EQUIVALENT.get(self.id, "NOT NOTICED")
        return f"{self.kind:9} {self.id} -> {told}, {self.seconds} s"


class Table:
    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_bytes().splitlines() if file.exists() else []
        self._found = {found.id: found for found in (msgspec.json.decode(line, type=Found) for line in lines)}

    def __contains__(self, id_: str) -> bool:
        return id_ in self._found

    def notices(self, id_: str) -> bool:
        return id_ in self._found and bool(self._found[id_].caught_by)

    def add(self, found: Found) -> None:
        self._found[found.id] = found
        lines = [msgspec.json.encode(each) for _, each in sorted(self._found.items())]
        self._file.write_bytes(b"\n".join(lines) + b"\n")

    def write(self, page: Path, known: Sequence[str], chosen: Sequence[str]) -> None:
        """``known`` are all places, ``chosen`` those of this run."""
        tried = [found for id_, found in sorted(self._found.items()) if id_ in known]
        page.write_text(INTRODUCTION + _counts(tried, known, chosen) + _rows(tried), "utf-8")


def _counts(tried: Sequence[Found], known: Sequence[str], chosen: Sequence[str]) -> str:
    of_chosen = sum(found.id in chosen for found in tried)
    caught = sum(bool(found.caught_by) for found in tried)
    same = sum(not found.caught_by and found.id in EQUIVALENT for found in tried)
    return (
        f"\nOf {len(set(known))} places {len(tried)} have been tried: {caught} were noticed, {same} are equivalent, "
        f"{len(tried) - caught - same} went unnoticed. "
        f"Of the {len(chosen)} of the last run {of_chosen} have been tried.\n"
    )


def _rows(tried: Iterable[Found]) -> str:
    lines = []
    rooms = Counter(found.room for found in tried)
    for room in rooms:
        lines += [f"\n## {room}\n", "| taken out | kind | noticed by | on |", "|---|---|---|---|"]
        for found in tried:
            if found.room == room:
                told = f"`{found.caught_by}`" if found.caught_by else EQUIVALENT.get(found.id, "**nothing**")
                lines.append(f"| `{_escaped(found.id)}` | {found.kind} | {told} | {found.database} |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")
