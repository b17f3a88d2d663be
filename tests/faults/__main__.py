"""Runs the scenarios and counts. Ends with 1 if anything was lost, doubled, reordered, unexpected, or a rule broke."""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from . import scenarios  # noqa: F401 -- they register
from .blueprint import Blueprint
from .case import Case
from .load import conversations
from .registry import BOTH, SCENARIOS, Scenario
from .report import Report, Result
from .stand import Stand
from .stores import postgresql_answers
from .windows import open_windows

# No scenario is cut short because a small scale leaves it little time.
LEAST_LIMIT_S = 240.0


def main() -> None:
    given = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="hailgate-faults-"))
    held = False
    try:
        held = asyncio.run(Run(given, folder).on_all_databases())
    finally:
        if held or not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if held else 1)


class Run:
    """Ctrl-C and SIGTERM end it in order: processes ended, databases dropped, folders removed."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self._given, self._folder = given, folder
        self._report = Report(given.results)
        self._earlier = self._report.earlier() if given.resume else {}
        self._turns = asyncio.Semaphore(given.jobs)
        self._stage = Stage()

    async def on_all_databases(self) -> bool:
        """Whether everything held."""
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with asyncio.TaskGroup() as group:
            for kind in await choose_databases(self._given.database):
                group.create_task(self._on(kind))
        return self._report.close()

    async def _on(self, kind: str) -> None:
        chosen = [SCENARIOS[name] for name in self._given.only if kind in SCENARIOS[name].databases]
        blueprint = Blueprint(kind, self._folder)
        async with self._turns:
            try:
                await draw(blueprint, self._folder / f"first-{kind}")
                for scenario in chosen:
                    await self._play(scenario, kind, blueprint)
            finally:
                await blueprint.erase()

    async def _play(self, scenario: Scenario, kind: str, blueprint: Blueprint) -> None:
        result = Result(id=scenario.id, seed=self._given.seed, database=kind, scale=self._given.scale)
        if done := self._earlier.get(result.place):
            self._report.add_again(done)
            return
        async with self._stage.taken(alone=scenario.alone):
            await play(scenario, result, blueprint, self._folder / f"{scenario.id}-{kind}")
        self._report.add(result)


class Stage:
    """For many at once, or for one alone; in the order in which they come to its door."""

    def __init__(self) -> None:
        self._players = 0
        self._door = asyncio.Lock()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, *, alone: bool) -> AsyncIterator[None]:
        async with self._door, self._changed:
            await self._changed.wait_for(lambda: self._players == 0 if alone else self._players >= 0)
            self._players += -1 if alone else 1
        try:
            yield
        finally:
            async with self._changed:
                self._players -= -1 if alone else 1
                self._changed.notify_all()


async def draw(blueprint: Blueprint, folder: Path) -> None:
    """The template: set up by commands, and every person has written once."""
    await blueprint.draw()
    async with Stand(blueprint, folder) as stand:
        whole = await stand.serve()
        await open_windows(stand, conversations(), [whole])
        await whole.stop()
        await blueprint.keep(stand.store)


async def play(scenario: Scenario, result: Result, blueprint: Blueprint, folder: Path) -> None:
    """Fills in the result, whatever happens; what passed leaves no folder."""
    begun = time.monotonic()
    stand = Stand(blueprint, folder)
    try:
        async with asyncio.timeout(max(LEAST_LIMIT_S, scenario.limit_s * result.scale)), stand:
            await scenario.play(Case(stand, result))
    except Exception as error:  # noqa: BLE001 -- the run goes on with the next scenario
        result.broken.append(f"{type(error).__name__}: {error}"[:500])
        traceback.print_exc()
    result.seconds = round(time.monotonic() - begun, 1)
    result.notes["complaints"] = complaints = stand.complaints()
    if "traceback" in complaints:
        result.broken.append(f"{complaints['traceback']} tracebacks in the logs")
    result.passed = not (result.offences or result.broken)
    if result.passed:
        stand.remove()


async def choose_databases(wanted: str) -> Sequence[str]:
    """PostgreSQL where it answers; loudly without it, or not at all where everything is required."""
    chosen = BOTH if wanted == "both" else (wanted,)
    if "postgresql" not in chosen or await postgresql_answers():
        return chosen
    if os.environ.get("HAILGATE_TEST_REQUIRE") == "all" or wanted == "postgresql":
        sys.exit("PostgreSQL does not answer")
    print("NOT TESTED ON POSTGRESQL: it does not answer", file=sys.stderr)
    return tuple(kind for kind in chosen if kind != "postgresql")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests.faults", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], metavar="ID", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts, such as 0.1")
    parser.add_argument("--database", choices=[*BOTH, "both"], default="both")
    parser.add_argument("--seed", type=int, help="repeats what the dice decided")
    parser.add_argument("--jobs", type=int, default=2, help="databases at a time")
    parser.add_argument("--results", type=Path, metavar="FILE", help="append each line to this file")
    parser.add_argument("--resume", action="store_true", help="skip what passed already according to that file")
    parser.add_argument("--keep", action="store_true", help="leave the folders of what did not pass")
    given = parser.parse_args()
    given.only = [name for names in given.only for name in names.split(",") if name] or list(SCENARIOS)
    if unknown := set(given.only) - SCENARIOS.keys():
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    given.seed = random.randrange(1_000_000) if given.seed is None else given.seed
    return given


if __name__ == "__main__":
    main()
