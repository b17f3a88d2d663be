"""Limits at the doors of several processes, which count together in Redis."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from shutil import which

from .blueprint import run_commands
from .case import Case, batches
from .ledgers import accept
from .load import conversations, render
from .redises import SERVER, RedisNode
from .registry import scenario
from .stand import gather_all

PROCESSES = 4
CALLERS = 16
# Less than half of what they hand in at a machine that others use, too.
ACCEPT_RATE = 20
# After a rest a second's worth may come at once; each process may be short of it all by a block.
BURST = ACCEPT_RATE
BLOCK = BURST // 10
# A busy machine does not let callers ask for all that they may.
SHARE = 0.9
SOURCE_RATE = 60
WINDOW_S = 60.0
# All of it is asked for within one window of the clock. Who is refused hears of it a second later.
ROOM_S = 25.0
AT_ONCE = 30
REFUSED = 429


@scenario("LIMITS", limit_s=600.0)
async def processes_count_together(case: Case) -> None:
    """Four web processes with Redis, and callers who hand in far more than they may at all of them.

    Together they take what one would: of a tenant's rate never more, and less by at most a block for each; of an
    address exactly sixty requests a minute.
    """
    if not which(SERVER):
        case.skip("Redis is not installed")
        return
    node = RedisNode(case.stand.folder)
    await node.start()
    try:
        await play(case, node)
    finally:
        await node.kill()


async def play(case: Case, node: RedisNode) -> None:
    case.stand.environment |= {"HAILGATE_REDIS_URL": node.url}
    await run_commands(case.stand.environment, ["tenant", "set", "clinic", f"--accept-rate={ACCEPT_RATE}"])
    await case.stand.serve("--no-work")
    more = [await case.stand.serve_beside(f"web-{number}") for number in range(2, PROCESSES + 1)]
    webs = [case.stand.web, *(process.probe.removesuffix("/readyz") for process in more)]
    await case.stand.work("worker")
    answers, took = await hand_in(case, webs, case.times(60, at_least=8))
    seen = await look(case, webs)
    verdict = await case.conclude()
    taken, most = answers[202], BURST + ACCEPT_RATE * took
    case.fault(answers[REFUSED])
    case.note(answers=dict(answers), most=round(most, 1), seconds=round(took, 1), looked=dict(seen))
    case.expect(taken <= most, f"{taken} were taken where {most:.0f} may be")
    case.expect(taken >= most * SHARE - PROCESSES * BLOCK, f"{taken} were taken where {most:.0f} may be")
    case.expect(set(answers) == {202, REFUSED}, f"callers were answered {dict(answers)}")
    case.expect(seen[200] == SOURCE_RATE, f"{seen[200]} requests of one address passed in a minute")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


async def hand_in(case: Case, webs: Sequence[str], seconds: float) -> tuple[Counter[int], float]:
    """As often as they can, each at one of the processes; how they were answered, and how long it took."""
    answers: Counter[int] = Counter()
    begun = time.monotonic()
    async with asyncio.TaskGroup() as callers:
        for number in range(CALLERS):
            callers.create_task(call_on(case, webs[number % len(webs)], number, begun + seconds, answers))
    return answers, time.monotonic() - begun


async def call_on(case: Case, web: str, number: int, until: float, answers: Counter[int]) -> None:
    chosen = conversations()[number::CALLERS]
    headers = {"Authorization": f"Bearer {case.stand.blueprint.key}", "Content-Type": "application/json"}
    turn = 0
    while time.monotonic() < until:
        turn += 1
        conversation = chosen[turn % len(chosen)]
        promise = case.ledger.ask(conversation.key)
        body = render(conversation, promise)
        async with case.stand.session.post(f"{web}/v1/messages", data=body, headers=headers) as answer:
            answers[answer.status] += 1
            if answer.status == 202:
                accept(promise, (await answer.json())["id"])
            else:
                promise.refused = answer.status
                await asyncio.sleep(0.02)


async def look(case: Case, webs: Sequence[str]) -> Counter[int]:
    """Twice as many requests without a key as may come in a minute, all of them in one."""
    if (left := WINDOW_S - time.time() % WINDOW_S) < ROOM_S:
        await asyncio.sleep(left)
    seen: Counter[int] = Counter()
    for numbers in batches(range(2 * SOURCE_RATE), AT_ONCE):
        seen.update(await gather_all(*(read_openapi(case, webs[number % len(webs)]) for number in numbers)))
    return seen


async def read_openapi(case: Case, web: str) -> int:
    async with case.stand.session.get(f"{web}/v1/openapi.json") as answer:
        return answer.status
