"""SIGSTOP: a worker that is not dead but silent for longer than its lease."""

import asyncio
import time

from .case import Case
from .load import Load
from .processes import Process
from .registry import EVERY, scenario

RATE = 150.0
# Longer than the lease (2 s) and the next sweep of the other worker (1 s).
FROZEN_S = 4.0
# A worker that froze inside a write transaction keeps everybody from SQLite's file; it is not waited for longer.
STUCK_S = 10.0
# Where none of those that were wanted left the other worker its file, as many more are tried.
MORE_TRIES = 8
# A thawed worker that still believes in its lease would send within this.
WATCH_S = 1.5
SLOW = {"match": {"operation": "send"}, "do": "delay", "value": 0.15}


@scenario("R05", providers=EVERY)
async def a_worker_is_frozen_past_its_lease(case: Case) -> None:
    """SIGSTOP a worker in the middle of its work until another has taken over and sent everything, then SIGCONT.

    The thawed worker sends nothing: with nothing left to send, the provider's ledger stands still.
    """
    await case.stand.serve("--no-work")
    workers = [await case.stand.work(f"worker-{number}") for number in (1, 2)]
    await case.stand.simulator.put_faults(SLOW)  # so that many sends are under way at the freeze
    watched = sent_by_thawed = 0
    wanted = case.times(20, at_least=2)
    for number in range(wanted + MORE_TRIES):
        if number >= wanted and watched:
            break
        counted = await freeze_and_thaw(case, case.dice.choice(workers))
        watched += counted is not None
        sent_by_thawed += counted or 0
    verdict = await case.conclude()
    case.note(watched_thaws=watched, sent_by_thawed=sent_by_thawed)
    case.expect(not sent_by_thawed, f"thawed workers sent {sent_by_thawed} messages")
    case.expect(watched > 0, "no thaw could be watched")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


async def freeze_and_thaw(case: Case, worker: Process) -> int | None:
    """How many messages were sent after the thaw; None where others could not finish their work before it."""
    async with Load(case.client, case.dice, rate=RATE, insist_s=STUCK_S):
        await asyncio.sleep(case.dice.uniform(0.3, 1.0))
        worker.freeze()
        case.fault()
        frozen_at = time.monotonic()
    finished = await others_finish(case, frozen_at + STUCK_S)
    await asyncio.sleep(frozen_at + FROZEN_S - time.monotonic())
    before = len(await case.stand.simulator.deliveries())
    worker.thaw()
    await asyncio.sleep(WATCH_S)
    after = len(await case.stand.simulator.deliveries())
    await case.settle()
    await worker.ready()
    return after - before if finished else None


async def others_finish(case: Case, deadline: float) -> bool:
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            await case.settle()
    except TimeoutError:
        return False
    return True
