"""The database server itself: stopped, killed, started again, or frozen with every connection open."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
from benchmarks.stores import find_postgresql

from .blueprint import Blueprint, person
from .case import Case
from .load import Load, conversations, render
from .meta import text_webhook
from .postmaster import Postmaster
from .processes import Process
from .registry import POSTGRESQL, scenario
from .stores import PostgresqlStore

WAYS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "killed": signal.SIGKILL}
CALM_S = (0.5, 2.0)
AWAY_S = (0.0, 1.5)
HEALS_WITHIN_S = 30.0
LOOK_S = 0.1

FROZEN_S, LEAST_FROZEN_S = 60.0, 12.0
ANSWERS_WITHIN_S = 5.0
ASK_EVERY_S = 0.5
# Four loops, a lease and a listener, each with a time-out and a pause of its own.
TRIES_A_SECOND = 2.0
WORKER_CPU, WEB_CPU = 0.10, 0.35
UNAVAILABLE = b"store.unavailable"
SPARE, *LOADED = conversations()


@scenario("R11", POSTGRESQL)
async def postgresql_is_restarted(case: Case) -> None:
    """A PostgreSQL server of our own is stopped fast, stopped at once, and killed, by turns, under load.

    No 202 without its commit; the pools heal by themselves, and everybody works again within 30 s.
    """
    async with own_server(case) as server:
        if server is None:
            return
        processes = [await case.stand.serve("--no-work")]
        processes += [await case.stand.work(f"worker-{number}") for number in (1, 2)]
        healed: dict[str, list[float]] = defaultdict(list)
        async with Load(case.client, case.dice):
            for number in range(case.times(45, at_least=3)):
                way = list(WAYS)[number % len(WAYS)]
                await asyncio.sleep(case.dice.uniform(*CALM_S))
                await server.end(WAYS[way])
                await asyncio.sleep(case.dice.uniform(*AWAY_S))
                await server.start()
                case.fault()
                case.result.kills += way == "killed"
                healed[way].append(await heal(case, processes))
        verdict = await case.conclude()
        await case.expect_evidence()
    case.note(healed_s={way: {"worst": max(each), "times": len(each)} for way, each in healed.items()})
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


@scenario("R12", POSTGRESQL)
async def postgresql_is_frozen(case: Case) -> None:
    """SIGSTOP of a PostgreSQL server of our own, for a minute: connections stay open, and nobody answers.

    Every door says 503 within 5 s, workers wait without a hot loop, and all of it heals by itself.
    """
    async with own_server(case) as server:
        if server is None:
            return
        web = await case.stand.serve("--no-work")
        workers = [await case.stand.work(f"worker-{number}") for number in (1, 2)]
        async with Load(case.client, case.dice, LOADED, rate=20):
            await asyncio.sleep(2.0)
            watched = [Watched(process) for process in (web, *workers)]
            server.freeze()
            begun = time.monotonic()
            case.fault()
            answers = await knock(case, max(LEAST_FROZEN_S, FROZEN_S * case.result.scale))
            frozen_s = time.monotonic() - begun
            for each in watched:
                each.judge(case, frozen_s, WEB_CPU if each.process is web else WORKER_CPU)
            server.thaw()
            healed = await heal(case, [web, *workers])
        verdict = await case.conclude()
        await case.expect_evidence()
    slowest = max(answer.seconds for answer in answers)
    case.note(frozen_s=round(frozen_s, 1), healed_s=healed, asked=len(answers), slowest_answer_s=round(slowest, 2))
    judge(case, answers)
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


@asynccontextmanager
async def own_server(case: Case) -> AsyncIterator[Postmaster | None]:
    """With the stand moved to it; None where no server is installed here."""
    programs = find_postgresql()
    if programs is None:
        case.skip("no PostgreSQL server is installed")
        yield None
        return
    assert isinstance(case.stand.store, PostgresqlStore)
    async with Postmaster(programs) as server:
        await case.stand.move(await server.adopt(case.stand.store))
        yield server


async def heal(case: Case, processes: Sequence[Process]) -> float:
    """Seconds until all of them are ready and messages arrive again."""
    begun = time.monotonic()
    before = len(await case.stand.simulator.deliveries())
    try:
        async with asyncio.timeout(HEALS_WITHIN_S):
            for process in processes:
                while not await process.is_ready(case.stand.session):
                    await asyncio.sleep(LOOK_S)
            while len(await case.stand.simulator.deliveries()) == before:
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        case.expect(holds=False, rule=f"not healed within {HEALS_WITHIN_S:.0f} s")
    return round(time.monotonic() - begun, 1)


# --- while it is frozen -----------------------------------------------------------------------------------------------


class Knock(NamedTuple):
    door: str
    status: int
    seconds: float


Ask = Callable[[], Awaitable[int]]


async def knock(case: Case, seconds: float) -> list[Knock]:
    """Every door is asked again and again, whether or not it has answered before."""
    doors: dict[str, Ask] = {
        "send": lambda: send_once(case),
        "webhook": lambda: post_once(case),
        "read": lambda: read_once(case),
        "readyz": lambda: probe_once(case),
    }
    asking: list[asyncio.Task[Knock]] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asking += [asyncio.create_task(timed(door, ask)) for door, ask in doors.items()]
        await asyncio.sleep(ASK_EVERY_S)
    # Those of the last moments are answered while it is still frozen, or they are too late.
    await asyncio.wait(asking, timeout=2 * ANSWERS_WITHIN_S)
    for task in asking:
        task.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    return [answer if isinstance(answer, Knock) else Knock("any", 0, 2 * ANSWERS_WITHIN_S) for answer in answers]


async def timed(door: str, ask: Ask) -> Knock:
    begun = time.monotonic()
    try:
        status = await ask()
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    return Knock(door, status, time.monotonic() - begun)


def judge(case: Case, answers: Sequence[Knock]) -> None:
    late = [answer for answer in answers if answer.seconds > ANSWERS_WITHIN_S + LOOK_S]
    other = {f"{answer.door} {answer.status}" for answer in answers if answer.status != 503}
    case.expect(not late, f"{len(late)} of {len(answers)} answers took longer than {ANSWERS_WITHIN_S:.0f} s")
    case.expect(not other, f"answers other than 503: {sorted(other)}")


async def send_once(case: Case) -> int:
    """Of a conversation that the load does not use, under a key that nobody asks for again."""
    conversation = SPARE
    promise = case.ledger.ask(conversation.key)
    promise.troubles += 1
    headers = {
        "Authorization": f"Bearer {case.stand.blueprint.key}",
        "Idempotency-Key": promise.token,
        "Content-Type": "application/json",
    }
    body = render(conversation, promise)
    async with case.stand.session.post(f"{case.stand.web}/v1/messages", data=body, headers=headers) as answer:
        return answer.status


async def post_once(case: Case) -> int:
    body = text_webhook(Blueprint.places[0], person(3001), f"wamid.{os.urandom(8).hex()}", "Hello?", time.time())
    return await case.stand.post_webhook(body)


async def read_once(case: Case) -> int:
    headers = {"Authorization": f"Bearer {case.stand.blueprint.key}"}
    async with case.stand.session.get(f"{case.stand.web}/v1/conversations", headers=headers) as answer:
        return answer.status


async def probe_once(case: Case) -> int:
    async with case.stand.session.get(f"{case.stand.web}/readyz") as answer:
        return answer.status


class Watched:
    """What a process spends and says while the store is silent."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._cpu_s, self._tries = process.cpu_seconds(), self._count_tries()

    def judge(self, case: Case, seconds: float, most_cpu: float) -> None:
        cpu = (self.process.cpu_seconds() - self._cpu_s) / seconds
        tries = (self._count_tries() - self._tries) / seconds
        name = self.process.name
        case.note(**{name: {"cpu": round(cpu, 3), "tries_a_second": round(tries, 2)}})
        case.expect(cpu <= most_cpu, f"{name} used {cpu:.0%} of a processor while it could do nothing")
        case.expect(tries <= TRIES_A_SECOND, f"{name} tried {tries:.1f} times a second")

    def _count_tries(self) -> int:
        return Path(self.process.log).read_bytes().count(UNAVAILABLE)
