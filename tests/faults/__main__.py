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
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import scenarios  # noqa: F401 -- they register
from .blueprint import Blueprint
from .case import Case
from .load import conversations
from .registry import BOTH, EVERY, SCENARIOS, Scenario
from .report import Report, Result
from .stand import Stand
from .stores import postgresql_answers
from .windows import open_sessions, open_windows

# No scenario is cut short because a small scale leaves it little time.
LEAST_LIMIT_S = 240.0


def main() -> None:
    given = parse_arguments()
    if given.list:
        print(list_scenarios(given.only))
        return
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

    async def on_all_databases(self) -> bool:
        """Whether everything held."""
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        kinds = await choose_databases(self._given.database)
        for provider in self._given.providers:
            self._tell_refused(provider)
            await self._with(provider, kinds)
        return self._report.close()

    async def _with(self, provider: str, kinds: Sequence[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for kind in kinds:
                beside = deque(self._left(kind, provider, alone=False))
                for number in range(min(self._given.lanes, len(beside))):
                    group.create_task(self._work_off(beside, kind, provider, f"{kind}-{provider}-{number}"))
        for kind in kinds:
            alone = deque(self._left(kind, provider, alone=True))
            await self._work_off(alone, kind, provider, f"{kind}-{provider}-alone")

    def _tell_refused(self, provider: str) -> None:
        for name in self._given.only:
            if refusal := SCENARIOS[name].refusal(provider):
                print(f"{name} IS NOT PLAYED WITH {provider.upper()}: {refusal}", file=sys.stderr)

    def _left(self, kind: str, provider: str, *, alone: bool) -> Iterator[Result]:
        """What is to be played; the report hears of what an earlier run has played."""
        chosen = [SCENARIOS[name] for name in self._given.only]
        for scenario in chosen:
            if kind in scenario.databases and scenario.alone == alone and provider in scenario.providers:
                result = Result(
                    id=scenario.id, seed=self._given.seed, database=kind, provider=provider, scale=self._given.scale
                )
                if done := self._earlier.get(result.place):
                    self._report.add_again(done)
                else:
                    yield result

    async def _work_off(self, left: deque[Result], kind: str, provider: str, lane: str) -> None:
        """One after the other, all on a template of this lane."""
        if not left:
            return
        blueprint = Blueprint(kind, self._folder / lane, provider)
        try:
            await draw(blueprint, self._folder / lane / "first")
            while left:
                result = left.popleft()
                await play(SCENARIOS[result.id], result, blueprint, self._folder / f"{result.id}-{kind}-{provider}")
                self._report.add(result)
        finally:
            await blueprint.erase()


async def draw(blueprint: Blueprint, folder: Path) -> None:
    """The template: set up by commands, and every person has written once."""
    await blueprint.draw()
    async with Stand(blueprint, folder) as stand:
        whole = await stand.serve()
        if blueprint.setup.pairs:
            await open_sessions(stand)
        await open_windows(stand, conversations(), [whole])
        await whole.stop()
        await blueprint.keep(stand.store)


async def play(scenario: Scenario, result: Result, blueprint: Blueprint, folder: Path) -> None:
    """Fills in the result, whatever happens; what passed leaves no folder."""
    begun = time.monotonic()
    stand = Stand(blueprint, folder)
    try:
        async with asyncio.timeout(max(LEAST_LIMIT_S, scenario.limit_s * result.scale)), stand:
            case = Case(stand, result)
            try:
                await scenario.play(case)
            except BaseException:
                await case.count_so_far()
                raise
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


def list_scenarios(names: Sequence[str]) -> str:
    """Each with what it is played with, and why not with the others."""
    lines = ["| scenario | played with | not with the others, since |", "|---|---|---|"]
    for name in names:
        played = SCENARIOS[name].providers
        refusals = {refusal for provider in EVERY if (refusal := SCENARIOS[name].refusal(provider))}
        lines.append(f"| {name} | {', '.join(played)} | {'; '.join(sorted(refusals))} |")
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests.faults", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], metavar="ID", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts, such as 0.1")
    parser.add_argument("--database", choices=[*BOTH, "both"], default="both")
    parser.add_argument("--provider", choices=[*EVERY, "all"], default="cloud", help="whom messages go through")
    parser.add_argument("--list", action="store_true", help="print which scenario is played with which provider")
    parser.add_argument("--seed", type=int, help="repeats what the dice decided")
    parser.add_argument("--lanes", type=int, default=1, help="scenarios at a time on each database")
    parser.add_argument("--results", type=Path, metavar="FILE", help="append each line to this file")
    parser.add_argument("--resume", action="store_true", help="skip what passed already according to that file")
    parser.add_argument("--keep", action="store_true", help="leave the folders of what did not pass")
    given = parser.parse_args()
    given.only = [name for names in given.only for name in names.split(",") if name] or list(SCENARIOS)
    if unknown := set(given.only) - SCENARIOS.keys():
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    given.providers = EVERY if given.provider == "all" else (given.provider,)
    given.seed = random.randrange(1_000_000) if given.seed is None else given.seed
    return given


if __name__ == "__main__":
    main()
