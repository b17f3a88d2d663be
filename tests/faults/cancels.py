"""Callers who take back what they have just sent."""

import asyncio
from collections import Counter
from random import Random

from .case import Case
from .ledgers import Promise
from .load import Load
from .registry import scenario
from .stand import Stand, gather_all

RATE = 60.0
LOOK_S = 0.01
# Sends last longer than most callers take to change their minds, and some have to be tried again.
SLOW = {"match": {"operation": "send", "share": 0.5}, "do": "delay", "value": 0.3}
FAILING = {"match": {"operation": "send", "share": 0.1}, "do": "error"}
CHANGE_OF_MIND_S = (0.0, 0.5)
# Between two kills.
CALM_S = (1.0, 2.0)
TAKEN_BACK, TOO_LATE = 200, 409


class Callers:
    """Take back whatever is accepted, each message after a random while; `answers` by its token."""

    def __init__(self, stand: Stand, dice: Random) -> None:
        self._stand, self._dice = stand, dice
        self.answers: dict[str, int] = {}

    async def follow(self, case: Case, count: int) -> None:
        """Until `count` messages were asked to be taken back."""
        followed = 0
        async with asyncio.TaskGroup() as group:
            while followed < count:
                await asyncio.sleep(LOOK_S)
                promises = list(case.ledger.promises.values())[followed:]
                for promise in promises:
                    group.create_task(self._take_back(promise))
                followed += len(promises)
                case.fault(len(promises))

    async def _take_back(self, promise: Promise) -> None:
        while not promise.accepted:
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(self._dice.uniform(*CHANGE_OF_MIND_S))
        self.answers[promise.token] = await self._stand.post(f"/v1/messages/{promise.message_id}/cancel")


@scenario("R44")
async def messages_are_taken_back_while_they_are_sent(case: Case) -> None:
    """Callers cancel at random instants while sends are slow, fail and are repeated, and workers are killed.

    What was answered as cancelled never reaches the provider; what was answered as too late is not called cancelled.
    """
    await case.stand.serve("--no-work")
    workers = [await case.stand.work(f"worker-{number}") for number in (1, 2)]
    await case.stand.simulator.put_faults(SLOW, FAILING)
    callers = Callers(case.stand, case.dice)
    async with Load(case.client, case.dice, rate=RATE):
        await gather_all(
            callers.follow(case, case.times(500, at_least=50)),
            case.kill_at_random(workers, case.times(10, at_least=2), CALM_S),
        )
    verdict = await case.conclude()
    await judge(case, callers.answers)
    cancelled = list(callers.answers.values()).count(TAKEN_BACK)
    case.expect(verdict.failed == cancelled, f"{verdict.failed} messages failed and {cancelled} were cancelled")


async def judge(case: Case, answers: dict[str, int]) -> None:
    counted = Counter(answers.values())
    case.note(taken_back=counted[TAKEN_BACK], too_late=counted[TOO_LATE])
    case.expect(counted.keys() <= {TAKEN_BACK, TOO_LATE}, f"a cancel was answered {dict(counted)}")
    case.expect(len(counted) == 2, "cancels came either all in time or all too late")
    delivered = {delivery.token for delivery in await case.stand.simulator.deliveries()}
    sent = [token for token, status in answers.items() if status == TAKEN_BACK and token in delivered]
    case.expect(not sent, f"{len(sent)} messages were sent although their caller was told that they are cancelled")
