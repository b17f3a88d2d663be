"""SIGKILL, at random instants, while messages flow."""

import asyncio
import time
from collections.abc import Sequence

from tests.pooler import open_pooler, through

from .blueprint import person, place
from .case import Case
from .load import Conversation, Load
from .processes import Process
from .registry import EVERY, POSTGRESQL, scenario
from .stand import gather_all
from .windows import open_windows

MIGRATED_WITHIN_S = 60.0
# How long a process runs before it is killed, from when it is ready.
CALM_S = (0.3, 2.0)
# A killed worker's rows must be under way again within this.
TAKEN_OVER_S = 20.0
MANY_CHANNELS = 200
MANY_WORKERS = 4
FORGOTTEN = "hailgate_forgotten_heads_total"
TAKEN_OVER = "hailgate_worker_taken_over_total"
# So that a kill meets sends under way.
SLOW = {"match": {"operation": "send"}, "do": "delay", "value": 0.2}
LEASE_OF_LIFE = {"HAILGATE_LEASE_S": "15", "HAILGATE_RENEW_S": "5"}
# A worker looks for heads that nobody remembered 15 s after its birth, and then again and again.
LOOK_FOR_FORGOTTEN_S = 17.0


@scenario("R01", providers=EVERY)
async def workers_are_killed(case: Case) -> None:
    """SIGKILL the whole process, then separate workers, at random instants under 50 messages a second.

    Nothing is lost, sent twice, reordered or invented. What was being sent is unknown until a status proves it, or is
    listed for a person.
    """
    kills = case.times(100)
    whole = await case.stand.serve()
    async with Load(case.client, case.dice):
        await case.kill_at_random([whole], kills, CALM_S)
    await case.settle()
    await whole.stop()
    await case.stand.serve("--no-work")
    workers = [await case.stand.work(f"worker-{number}") for number in (1, 2)]
    async with Load(case.client, case.dice):
        await case.kill_at_random(workers, kills, CALM_S)
    verdict = await case.conclude()
    case.expect(not verdict.failed, f"{verdict.failed} messages failed for no fault of their own")
    await case.expect_evidence()


@scenario("POOLED", POSTGRESQL)
async def workers_are_killed_behind_a_pooler(case: Case) -> None:
    """R01 with PgBouncer in transaction mode between the product and PostgreSQL: nothing of it is different."""
    store = case.stand.store
    try:
        with open_pooler(store.url) as pooler:
            case.stand.environment |= {
                "HAILGATE_DATABASE_URL": through(pooler, store.url),
                "HAILGATE_DATABASE_DIRECT_URL": store.url,
                "HAILGATE_PREPARE": "no",
            }
            code = await (await case.stand.migrate()).wait_for_end(MIGRATED_WITHIN_S)
            case.expect(code == 0, f"the migration past the pooler ended with {code}")
            await workers_are_killed(case)
            for process in case.stand.processes:
                if process.name != "simulator":
                    await process.stop()
    except FileNotFoundError as missing:
        case.skip(str(missing))


@scenario("R02", providers=EVERY)
async def the_web_process_is_killed(case: Case) -> None:
    """SIGKILL the process that accepts while a separate worker delivers: each 202 has a row, and only one."""
    web = await case.stand.serve("--no-work")
    await case.stand.work("worker")
    async with Load(case.client, case.dice, rate=100):
        await case.kill_at_random([web], case.times(100), (0.1, 0.7))
    verdict = await case.conclude()
    case.expect(verdict.recovered > 0, "no kill met a request: nothing was shown")
    case.expect(not verdict.failed + verdict.unknown, "workers were not hurt, yet messages failed or are unknown")
    await case.expect_evidence()


@scenario("MANY", POSTGRESQL)
async def many_channels_and_workers(case: Case) -> None:
    """Four workers, two hundred channels, kills: nothing waits longer than 20 s, no head is ever forgotten."""
    places = [place(number) for number in range(101, 101 + MANY_CHANNELS)]
    await case.stand.add_channels(places)
    await case.stand.serve("--no-work")
    names = [f"worker-{number}" for number in range(1, MANY_WORKERS + 1)]
    workers: list[Process] = await gather_all(*(case.stand.work(name) for name in names))
    chosen = [Conversation(each, person(number)) for each in places for number in (1, 2)]
    await open_windows(case.stand, chosen, workers)
    forgotten = 0.0
    async with Load(case.client, case.dice, chosen):
        for _ in range(case.times(60, at_least=6)):
            victim = case.dice.choice(workers)
            await victim.ready()
            forgotten += await count_forgotten(case, [victim])
            await case.kill_at_random([victim], 1, CALM_S)
    await asyncio.sleep(LOOK_FOR_FORGOTTEN_S)
    forgotten += await count_forgotten(case, workers)
    verdict = await case.conclude()
    case.note(forgotten_heads=forgotten, channels=len(places), workers=len(workers))
    case.expect(not forgotten, f"{forgotten:.0f} heads were forgotten and found by the sweep")
    longest = verdict.longest_wait_s or 0
    case.expect(longest <= TAKEN_OVER_S, f"a message waited {longest} s for a worker")
    await case.expect_evidence()


@scenario("LEASE")
async def leases_of_their_full_length(case: Case) -> None:
    """Ten kills where leases last 15 s and are renewed every 5 s, as in life.

    Every other time without a lock file, as between two machines: there the lease alone decides. The other worker has
    taken over within 20 s.
    """
    await case.stand.serve("--no-work")
    workers = [await case.stand.work(f"worker-{number}", **LEASE_OF_LIFE) for number in (1, 2)]
    await case.stand.simulator.put_faults(SLOW)
    waited: list[float | None] = []
    async with Load(case.client, case.dice):
        for number in range(case.times(10, at_least=2)):
            victim, other = case.dice.sample(workers, 2)
            await asyncio.sleep(case.dice.uniform(*CALM_S))
            if number % 2:
                forget_locks(case)
            waited.append(await taken_over(case, victim, other))
            await victim.start()
            await victim.ready()
    verdict = await case.conclude()
    case.note(taken_over_after_s=waited)
    late = [each for each in waited if each is None or each > TAKEN_OVER_S]
    case.expect(not late, f"{len(late)} of {len(waited)} were not taken over within {TAKEN_OVER_S:.0f} s")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


def forget_locks(case: Case) -> None:
    for lock in (case.stand.folder / "home" / "workers").glob("*.lock"):
        lock.unlink()


async def taken_over(case: Case, victim: Process, other: Process) -> float | None:
    """Seconds from the kill; None where it takes longer than anybody would wait."""
    before = await case.stand.metric(other, TAKEN_OVER)
    await case.kill(victim)
    killed_at = time.monotonic()
    while await case.stand.metric(other, TAKEN_OVER) == before:
        if time.monotonic() > killed_at + 2 * TAKEN_OVER_S:
            return None
        await asyncio.sleep(0.1)
    return round(time.monotonic() - killed_at, 1)


async def count_forgotten(case: Case, workers: Sequence[Process]) -> float:
    """What these processes have counted in this life of theirs."""
    return float(sum(await gather_all(*(case.stand.metric(worker, FORGOTTEN) for worker in workers))))
