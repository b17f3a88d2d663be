"""SIGTERM: processes that are told to stop, at any moment, and versions that take turns."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from .balancer import Balancer
from .blueprint import INSIDE, Blueprint, person
from .case import Case
from .ledgers import accept
from .load import Conversation, Load
from .processes import Process, take_port
from .readiness import Readiness
from .registry import scenario

STOPS_WITHIN_S = 30.0
NEWER, SLOW = (str(INSIDE), "newer"), (str(INSIDE), "slow")
# A send in flight at the SIGTERM has this long to go.
SLOW_SENDS = {"match": {"operation": "send"}, "do": "delay", "value": 0.5}
THINK_S = 6.0
# Shorter than a thought: it is given up, and the next life answers.
IMPATIENT_S = 2.0
MIGRATION_S = 3.0
ANSWERED_WITHIN_S = 45.0
ROLLS = 12
# A busy machine is no reason to lose a lease in: that is shown elsewhere.
LEASE_OF_LIFE = {"HAILGATE_LEASE_S": "15", "HAILGATE_RENEW_S": "5"}

Stop = Callable[[Case, Process], Awaitable[float]]


@scenario("R30")
async def processes_are_told_to_stop(case: Case) -> None:
    """SIGTERM while idle, under full load, during a long answer of the assistant, during a migration.

    Exit 0 within 30 s, each time; nothing lost, doubled or unknown, and a migration that was stopped can be run again.
    """
    stops: dict[str, Stop] = {
        "idle": when_idle, "load": under_load, "answer": during_an_answer, "migration": during_a_migration
    }  # fmt: skip
    case.stand.program = SLOW
    whole = await case.stand.serve(FAULTS_THINK_S="0")
    case.stand.program = NEWER
    took: dict[str, list[float]] = defaultdict(list)
    for number in range(case.times(48, at_least=len(stops))):
        name = list(stops)[number % len(stops)]
        took[name].append(await stops[name](case, whole))
        if not whole.running:
            await start_again(whole)
    await case.wait_for((p.token for p in case.ledger.accepted), ANSWERED_WITHIN_S)
    verdict = await case.conclude()
    case.note(stopped_s={name: max(each) for name, each in took.items()}, stops=sum(map(len, took.values())))
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    case.expect(not verdict.unknown, f"{verdict.unknown} messages are unknown, though nobody was killed")


async def stop(case: Case, process: Process, when: str) -> float:
    """SIGTERM; seconds until the process has ended."""
    begun = time.monotonic()
    process.terminate()
    case.fault()
    code = await process.wait_for_end(STOPS_WITHIN_S)
    case.expect(code == 0, f"{when}: ended with {code} within {STOPS_WITHIN_S:.0f} s")
    if code is None:
        await process.kill()
    return round(time.monotonic() - begun, 2)


async def start_again(whole: Process) -> None:
    await whole.start()
    await whole.ready()


async def when_idle(case: Case, whole: Process) -> float:
    await asyncio.sleep(case.dice.uniform(0.0, 1.0))
    return await stop(case, whole, "idle")


async def under_load(case: Case, whole: Process) -> float:
    """Sends are in flight; callers that find nobody ask again until the process is back."""
    await case.stand.simulator.put_faults(SLOW_SENDS)
    async with Load(case.client, case.dice, rate=100):
        await asyncio.sleep(case.dice.uniform(1.0, 2.0))
        seconds = await stop(case, whole, "under load")
        await start_again(whole)
    await case.stand.simulator.put_faults()
    return seconds


async def during_an_answer(case: Case, whole: Process) -> float:
    """The assistant thinks; every other process has less patience than it needs."""
    await whole.stop()
    patience = {} if case.dice.random() < 0.5 else {"HAILGATE_DRAIN_S": str(IMPATIENT_S)}
    await whole.start(FAULTS_THINK_S=str(THINK_S), **patience)
    await whole.ready()
    phone = person(6000 + len(case.ledger.promises))
    promise = case.ledger.ask(Conversation(Blueprint.assistant, phone).key)
    text = f"{promise.token} is my question"
    accept(promise, await case.stand.simulator.write(phone, Blueprint.assistant.number, text))
    await asyncio.sleep(case.dice.uniform(2.5, 4.0))  # the debounce, and then some of the thought
    return await stop(case, whole, "during an answer")


async def during_a_migration(case: Case, whole: Process) -> float:
    """The migration is stopped too: its transaction is undone, and it can be run again the next time."""
    migration = await case.stand.migrate(FAULTS_MIGRATION_S=str(MIGRATION_S))
    await asyncio.sleep(2.0)  # imports, and then its locks
    seconds = await stop(case, whole, "during a migration")
    await migration.stop()
    return seconds


@scenario("R31")
async def processes_are_restarted_in_turn(case: Case) -> None:
    """Two web and two worker processes behind a balancer, restarted one by one, the old version and then the new.

    The migration runs in the middle, under load. No caller and no webhook sees a 5xx, and who is in service says at all
    times that it is ready.
    """
    case.stand.environment |= LEASE_OF_LIFE
    addresses = [f"http://127.0.0.1:{take_port()}" for _ in range(4)]
    doors = addresses[:2]
    async with AsyncExitStack() as open_until_the_end:
        balancer = await open_until_the_end.enter_async_context(Balancer(case.stand.web, doors))
        readiness = await open_until_the_end.enter_async_context(Readiness(case.stand.session))
        processes = [await begin(case, number, addresses) for number in range(4)]
        readiness.in_service.update(processes)
        took: list[float] = []
        async with Load(case.client, case.dice):
            rolls = case.times(ROLLS, at_least=2)
            for roll in range(rolls):
                if roll == rolls // 2:
                    await migrate(case)
                for number, process in enumerate(processes):
                    readiness.in_service.discard(process)
                    took.append(await stop(case, process, process.name))
                    processes[number] = await begin(case, number, addresses)
                    readiness.in_service.add(processes[number])
        verdict = await case.conclude()
        await case.expect_evidence()
        failures = {status: times for status, times in balancer.answers.items() if status >= 500}
        case.note(asked_if_ready=readiness.asked, unready=dict(readiness.unready))
        case.note(restarts=len(took), slowest_stop_s=max(took), repeated=balancer.repeated, balanced=balancer.answers)
    case.expect(readiness.asked > len(took), "hardly anybody was asked whether it is ready: nothing was shown")
    case.expect(
        not readiness.unready, f"{readiness.unready} of {readiness.asked} answers of who is in service: not ready"
    )
    case.expect(not failures, f"callers were answered {failures}")
    case.expect(not verdict.failed + verdict.unknown, "messages failed or are unknown, though nobody was killed")


async def begin(case: Case, number: int, addresses: list[str]) -> Process:
    """Of the version that is current."""
    address = addresses[number]
    if number < 2:
        return await case.stand.serve_beside(f"web-{number + 1}", address)
    return await case.stand.work(f"worker-{number - 1}", address)


async def migrate(case: Case) -> None:
    """From now on what starts is the new version, beside the old one."""
    case.stand.program = NEWER
    code = await (await case.stand.migrate()).wait_for_end(STOPS_WITHIN_S)
    case.expect(code == 0, f"the migration ended with {code}")
