"""Providers that are slow or hang: what they cost everybody else."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from .blueprint import Place, person, place
from .case import Case, batches
from .latencies import p95, waits
from .ledgers import Promise
from .load import Conversation, Load, conversations
from .processes import Process
from .registry import scenario
from .stand import gather_all
from .turnstile import Turnstile
from .windows import open_windows

RATE = 40.0
# Longer than a call may take.
NEVER_S = 3600.0
LATENCIES_S = (1.0, 5.0, 15.0, NEVER_S)
CROWD = 300
# Of one slow channel: enough to fill every slot of a worker, were it let. Of each of many: what a quarter leaves.
PEOPLE_OF_ONE, PEOPLE_OF_MANY = 600, 4
FIRST_NUMBER, FIRST_PERSON = 1_000, 500_000
WORSE, ALLOWED_S = 1.5, 0.05
SEND_AT_ONCE = 50
ARRIVES_S = 15.0
PATIENCE_S = 240.0


class Crowd(NamedTuple):
    """Slow channels, and the people who wait for their messages."""

    places: Sequence[Place]
    waiting: Sequence[Conversation]


@scenario("SLOW", limit_s=5_400, alone=True)
async def slow_providers_with_one_worker(case: Case) -> None:
    """Providers that answer after 1, 5 or 15 s or never, of one channel and of 300: the others do not notice.

    Their p95 stays within 1.5 of what it is when nobody is slow, or 50 ms more, and a slow channel still gets what it
    can complete.
    """
    whole = await case.stand.serve()
    await play(case, [whole])


@scenario("SLOW2", limit_s=5_400, alone=True)
async def slow_providers_with_two_workers(case: Case) -> None:
    """The same with two workers."""
    await case.stand.serve("--no-work")
    await play(case, [await case.stand.work(f"worker-{number}") for number in (1, 2)])


async def play(case: Case, workers: Sequence[Process]) -> None:
    one, many = await make_crowds(case, workers)
    others = conversations()
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard([*one.places, *many.places])
        for crowd in (one, many):
            for seconds in LATENCIES_S:
                await judge(case, turnstile, crowd, others, seconds)
        turnstile.delay = lambda _account: 0.0
        await case.stand.let_time_pass(60.0)  # the cool-down of breakers that opened
        verdict = await case.conclude(patience=PATIENCE_S)
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


async def make_crowds(case: Case, workers: Sequence[Process]) -> tuple[Crowd, Crowd]:
    """One channel, and many."""
    places = [place(FIRST_NUMBER + number) for number in range(1 + case.times(CROWD, at_least=40))]
    await case.stand.add_channels(places)
    one = wait_in(places[:1], case.times(PEOPLE_OF_ONE, at_least=200))
    many = wait_in(places[1:], PEOPLE_OF_MANY)
    await open_windows(case.stand, [*one.waiting, *many.waiting], workers)
    return one, many


def wait_in(places: Sequence[Place], people: int) -> Crowd:
    waiting = [Conversation(each, person(FIRST_PERSON + number)) for number in range(people) for each in places]
    return Crowd(places, waiting)


async def judge(case: Case, turnstile: Turnstile, crowd: Crowd, others: Sequence[Conversation], seconds: float) -> None:
    """Idle, then with the crowd's backlog in the way."""
    spell = case.times(60, at_least=8)
    idle = await send_for(case, others, spell)
    accounts = {each.account for each in crowd.places}
    turnstile.delay = lambda account: seconds if account in accounts else 0.0
    before = len(turnstile.knocks)
    case.fault()
    for batch in batches(crowd.waiting, SEND_AT_ONCE):
        await gather_all(*(case.client.send(each) for each in batch))
    during = await send_for(case, others, spell)
    completed = sum(knock.account in accounts for knock in turnstile.knocks[before:])
    missing = await case.wait_for([promise.token for promise in (*idle, *during)], ARRIVES_S)
    turnstile.delay = lambda _account: 0.0
    deliveries = await case.stand.simulator.deliveries()
    quiet, took = p95(waits(idle, deliveries)), p95(waits(during, deliveries))
    name = f"{len(crowd.places)} x {'never' if seconds == NEVER_S else f'{seconds:.0f} s'}"
    case.result.notes.setdefault("p95_ms", {})[name] = [round(quiet * 1000), round(took * 1000), completed]
    limit = max(WORSE * quiet, quiet + ALLOWED_S)
    case.expect(took <= limit, f"{name}: p95 of the others rose from {quiet * 1000:.0f} to {took * 1000:.0f} ms")
    case.expect(not missing, f"{name}: {len(missing)} of {len(during)} messages of others did not arrive")
    case.expect(seconds > spell or completed > 0, f"{name}: the slow ones completed nothing")


async def send_for(case: Case, chosen: Sequence[Conversation], seconds: float) -> list[Promise]:
    begun, keys = time.time(), {each.key for each in chosen}
    async with Load(case.client, case.dice, chosen, rate=RATE):
        await asyncio.sleep(seconds)
    return [p for p in case.ledger.promises.values() if p.asked_at >= begun and p.conversation in keys]
