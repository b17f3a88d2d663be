"""SIGKILL while dozens of attempts are on record and about to leave: what the marks of a worker are worth."""

import asyncio

from .blueprint import INSIDE
from .case import Case
from .checker import Fate
from .load import Load
from .registry import scenario
from .stand import gather_all

RATE = 300.0
# When each of the two workers is killed after a burst has begun, in seconds: one after the other.
KILLED_AFTER_S = ((0.8, 1.6), (0.2, 0.8))
# So slow that all connections are taken: what is on record waits for one.
SLOW = {"match": {"operation": "send"}, "do": "delay", "value": 0.5}
# Between its first byte and its arrival a send may be caught, on each of a few connections.
CAUGHT_LEAVING = 2
UNMARKED = (str(INSIDE), "unmarked")
STANDSTILL_S = 45.0


@scenario("MARKS")
async def what_never_left_is_not_unknown(case: Case) -> None:
    """Twenty SIGKILLs of workers under 300 messages a second, first of some whose marks nobody reads, then of others.

    What had not begun to leave is sent by whoever takes over: at most two for each kill are unknown and not to be found
    at the provider, since they were killed between their first byte and its arrival.
    """
    kills = 2 * case.times(10, at_least=2)
    await case.stand.serve("--no-work")
    await case.stand.simulator.put_faults(SLOW)
    marked, case.stand.program = case.stand.program, UNMARKED
    before = await count_unknown_after(case, "unmarked", kills)
    case.stand.program = marked
    after = await count_unknown_after(case, "marked", kills)
    await case.stand.simulator.put_faults()
    await case.stand.work("last")  # whoever settles the rest
    verdict = await case.conclude()
    case.note(kills_each=kills, unknown_without_marks=before, unknown_with_marks=after)
    case.expect(before > CAUGHT_LEAVING * kills, f"only {before} are unknown without marks: nothing was shown")
    case.expect(after <= CAUGHT_LEAVING * kills, f"{after} are unknown after {kills} kills")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


async def count_unknown_after(case: Case, guise: str, kills: int) -> int:
    """Both workers die in each burst, and the burst is settled before the next."""
    before = await count_unknown(case)
    workers = [await case.stand.work(f"{guise}-{number}") for number in (1, 2)]
    for _ in range(kills // len(workers)):
        async with Load(case.client, case.dice, rate=RATE):
            for victim, moments in zip(workers, KILLED_AFTER_S, strict=True):
                await asyncio.sleep(case.dice.uniform(*moments))
                await case.kill(victim)
        await gather_all(*(worker.start() for worker in workers))
        await gather_all(*(worker.ready() for worker in workers))
        await case.settle(STANDSTILL_S)
    await gather_all(*(worker.stop() for worker in workers))
    return await count_unknown(case) - before


async def count_unknown(case: Case) -> int:
    return list((await case.settle(STANDSTILL_S)).values()).count(Fate.UNKNOWN)
