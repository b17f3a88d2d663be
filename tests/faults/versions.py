"""Processes of an older version beside today's, on a database that it made."""

import asyncio
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from .balancer import Balancer
from .blueprint import person
from .case import Case
from .load import Client, Load, conversations
from .older import NOT_THERE, OlderBlueprint, start_older, unpack
from .processes import Process, take_port
from .registry import scenario
from .restarts import stop
from .silences import write
from .stand import Stand
from .windows import open_windows

ANSWERED_WITHIN_S = 90.0
MIGRATED_WITHIN_S = 120.0
PAUSE_S = 0.5


@scenario("OLDER", limit_s=900.0)
async def an_older_version_is_replaced_under_traffic(case: Case) -> None:
    """Two doors and two workers of the version before the first contract; migrated; today's beside them; then alone.

    Callers send and people write to an assistant all the time. No older process ends before it is told to, nobody gets
    an apology instead of an answer, nothing is lost.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = unpack(Path(folder) / "older")
        if source is None:
            case.skip(NOT_THERE)
            return
        blueprint = await move_to_older(case.stand, source)
        case.client = Client(case.stand, case.ledger)
        addresses = [f"http://127.0.0.1:{take_port()}" for _ in range(4)]
        async with AsyncExitStack() as open_until_the_end:
            balancer = await open_until_the_end.enter_async_context(Balancer(case.stand.web, addresses))
            older = await start_all_older(case.stand, source, addresses[:2])
            await open_windows(case.stand, conversations(), older[2:])
            async with Load(case.client, case.dice), Writers(case):
                await side_by_side(case, older, addresses[2:])
            missing = await case.wait_for((p.token for p in case.ledger.accepted), ANSWERED_WITHIN_S)
            verdict = await case.conclude()
            await case.expect_evidence()
        await blueprint.erase()
    # The one write lock of SQLite is the migration's for a while: callers hear that they should come back.
    passing = {503} if case.stand.store.kind == "sqlite" else set()
    failures = {code: times for code, times in balancer.answers.items() if code >= 500 and code not in passing}
    case.note(balanced=balancer.answers, repeated=balancer.repeated)
    case.expect(not missing, f"{len(missing)} messages were not sent or answered")
    case.expect(not failures, f"callers were answered {failures}")
    case.expect(not verdict.failed + verdict.unknown, "messages failed or are unknown, though nobody was killed")


async def move_to_older(stand: Stand, source: Path) -> OlderBlueprint:
    """The stand stands on an installation that the older version has made."""
    blueprint = OlderBlueprint(stand.store.kind, stand.folder / "older", stand.blueprint.provider)
    blueprint.source, blueprint.simulator_port = source, stand.blueprint.simulator_port
    await blueprint.draw()
    (stand.folder / "store").mkdir()
    await stand.move(await blueprint.build(stand.folder / "store"))
    stand.blueprint = blueprint
    await stand.introduce(*blueprint.places, blueprint.assistant)
    return blueprint


async def start_all_older(stand: Stand, source: Path, doors: list[str]) -> list[Process]:
    webs = [
        await start_older(stand, source, f"older-web-{number}", "serve", "--no-work", address=address)
        for number, address in enumerate(doors)
    ]
    return webs + [await start_older(stand, source, f"older-worker-{number}", "work") for number in range(2)]


async def side_by_side(case: Case, older: list[Process], doors: list[str]) -> None:
    """The older alone, the older on the new schema, both versions, today's alone."""
    flow = float(case.times(60, at_least=8))
    await asyncio.sleep(flow)
    code = await (await case.stand.migrate()).wait_for_end(MIGRATED_WITHIN_S)
    case.expect(code == 0, f"the migration ended with {code}")
    await asyncio.sleep(flow)
    for number, address in enumerate(doors):
        await case.stand.serve_beside(f"web-{number}", address)
        await case.stand.work(f"worker-{number}")
    await asyncio.sleep(flow)
    ended = [process.name for process in older if not process.running]
    case.note(older_ended=len(ended))
    case.expect(not ended, f"ended by themselves: {', '.join(ended)}")
    stopped = [await stop(case, process, process.name) for process in reversed(older) if process.running]
    case.note(stopped_s=stopped)
    await asyncio.sleep(flow)


class Writers:
    """People who write to the assistant while it is open; what each says is a promise, and its answer quotes it."""

    def __init__(self, case: Case) -> None:
        self._case, self._written = case, 0

    async def __aenter__(self) -> None:
        self._clock = asyncio.create_task(self._tick())

    async def __aexit__(self, *_: object) -> None:
        self._clock.cancel()
        with suppress(asyncio.CancelledError):
            await self._clock
        self._case.note(asked=self._written)

    async def _tick(self) -> None:
        while True:
            self._written += 1
            await write(self._case, person(20_000 + self._written))
            await asyncio.sleep(PAUSE_S)
