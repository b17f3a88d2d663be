"""Everything that the simulator can do wrong, in turn, with every provider; and sends that are taken in silence."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from hailgate.providers import get_provider

from .blueprint import INSIDE, Blueprint, person
from .case import Case, batches
from .ledgers import accept
from .load import Conversation, Load
from .registry import EVERY, scenario
from .simulator import Fault
from .stand import gather_all

# The product whose look-ups take seconds where they take minutes in life; inside.py says why that is the same.
HASTY = (str(INSIDE), "hasty")
HOLD_S = 30.0
POLL_EVERY_S = 300.0
# Ten minutes of life, after which nothing is looked for any more.
KNOWN_WITHIN_S = 125.0
SEND_TIMEOUT_S = 2.0
RATE, QUICK_RATE = 20.0, 60.0
WRITERS = 4
LOOK_S = 0.5
# Every fifth, so that no breaker opens: that is for other scenarios.
EVERY_FIFTH = 5


def sends(do: str, share: float, value: Any = None) -> Fault:
    return {"do": do, "match": {"operation": "send", "share": share}, **({} if value is None else {"value": value})}


def written(do: str, share: float, value: Any = None) -> Fault:
    return {"do": do, "match": {"operation": "inbound", "share": share}, **({} if value is None else {"value": value})}


MISHAPS: Mapping[str, Sequence[Fault]] = {
    "delay": [sends("delay", 0.3, 0.5)],
    "throttle": [sends("throttle", 0.1, {"retry_after": 1})],
    "throttle with an absurd pause": [sends("throttle", 0.1, {"retry_after": "soon"})],
    "error of the provider": [sends("error", 0.1)],
    "error of a proxy": [sends("error", 0.1, {"status": 502, "body": "<h1>Sorry.</h1>"})],
    "error without a body": [sends("error", 0.1, {"status": 503, "body": False})],
    "reset before it is read": [sends("reset_before_read", 0.05)],
    "accepted, then reset": [sends("accept_then_reset", 0.15)],
    "accepted, then garbage": [sends("accept_then_garbage", 0.15)],
    "accepted, then an error": [sends("accept_then_error", 0.1)],
    "a dripping answer": [sends("drip", 0.2, 1.0)],
    "a status before the answer": [sends("status_before_answer", 0.3, 1.0)],
    "no status": [sends("withhold_status", 0.3)],
    "each status three times": [sends("duplicate_status", 0.5, 3)],
    "statuses in disorder": [sends("shuffle_status", 0.5, 0.3)],
    "delivered alone": [sends("statuses", 0.5, ["delivered"])],
    "webhooks three times": [written("duplicate_inbound", 1.0, 3)],
}
LOST_WEBHOOKS: Fault = written("lose_inbound", 0.5)
LOST_SESSIONS: Fault = {"do": "drop_session", "match": {"operation": "send", "nth": 15}, "value": 1}
RESET: Fault = {"do": "accept_then_reset", "match": {"operation": "send", "nth": EVERY_FIFTH}}
NO_STATUS: Fault = {"do": "withhold_status"}


@scenario("MISHAPS", providers=EVERY)
async def everything_goes_wrong_in_turn(case: Case) -> None:
    """The simulator's whole list of faults, one after the other, while messages flow and people write.

    Nothing is lost, sent twice or reordered; whoever was heard is answered once.
    """
    case.stand.program = HASTY
    await case.stand.let_time_pass(POLL_EVERY_S)  # the polls that the template waits for are due
    await case.stand.serve(
        HAILGATE_SEND_TIMEOUT_S=str(SEND_TIMEOUT_S), HAILGATE_HOLD_S=str(HOLD_S), HAILGATE_DEBOUNCE_S="0.2"
    )
    able = get_provider(case.stand.blueprint.provider).capabilities
    listed = dict(MISHAPS)
    if able.polls_inbound:
        listed["webhooks lost"] = [LOST_WEBHOOKS]
    for number, faults in enumerate(listed.values()):
        await let_happen(case, number, faults)
    await case.stand.simulator.put_faults()
    unanswered = await case.wait_for([each.token for each in case.ledger.accepted], KNOWN_WITHIN_S)
    left = await wait_until_known(case) if able.finds_sent else len(await case.listed_unknown())
    case.expect(not (able.finds_sent and left), f"{left} outcomes are still unknown")
    if able.pairs_session:
        await lose_sessions(case, len(listed))
    verdict = await case.conclude()
    case.note(mishaps=list(listed), unknown_at_the_end=left, not_delivered=len(unanswered))
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


@scenario("RESETS", providers=EVERY)
async def sends_are_taken_without_a_word(case: Case) -> None:
    """Every fifth of 2,500 messages is taken and its connection reset; of each tenth of those no status comes either.

    By the time that stands for ten minutes no outcome is unknown that a status or a look-up can tell, and none was sent
    again that had arrived.
    """
    case.stand.program = HASTY
    await case.stand.serve(HAILGATE_SEND_TIMEOUT_S=str(SEND_TIMEOUT_S), HAILGATE_HOLD_S=str(HOLD_S))
    finds = get_provider(case.stand.blueprint.provider).capabilities.finds_sent
    wanted = case.times(2_500, at_least=50)
    async with Load(case.client, case.dice, rate=QUICK_RATE) as load:
        await case.stand.simulator.put_faults(RESET)
        await load.reaches(wanted * 9 // 10)
        await case.stand.simulator.put_faults(RESET, *([NO_STATUS] if finds else []))
        await load.reaches(wanted)
    await case.settle()
    await case.stand.simulator.put_faults()
    begun = time.monotonic()
    left = await wait_until_known(case)
    known_after_s = round(time.monotonic() - begun, 1)
    verdict = await case.conclude()
    resets = len(await case.stand.simulator.deliveries()) // EVERY_FIFTH
    case.fault(resets)
    case.note(taken_without_a_word=resets, unknown_at_the_end=left, known_after_s=known_after_s)
    case.expect(not left, f"{left} outcomes are still unknown")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


async def lose_sessions(case: Case, number: int) -> None:
    """What was under way just then and is not on the phone may still be on its way: that is left to a person."""
    await let_happen(case, number, [LOST_SESSIONS])
    await case.stand.simulator.put_faults()
    case.note(left_to_a_person=await wait_until_known(case))
    case.expect(not await case.unresolved(), "a message that the provider has is left to a person")


async def let_happen(case: Case, number: int, faults: Sequence[Fault]) -> None:
    """Messages go out while it lasts, and people write to the assistant."""
    await case.stand.simulator.put_faults(*faults)
    wanted = case.times(200, at_least=15)
    async with Load(case.client, case.dice, rate=RATE) as load:
        people = [person(2000 + number * WRITERS + place) for place in range(WRITERS)]
        for few in batches(people, 2):
            await gather_all(*(write(case, phone) for phone in few))
        await load.reaches(wanted)
    case.fault(len(faults))


async def write(case: Case, phone: str) -> None:
    """The answer quotes what was written, and so carries its token."""
    conversation = Conversation(Blueprint.assistant, phone)
    promise = case.ledger.ask(conversation.key)
    number = conversation.place.number
    accept(promise, await case.stand.simulator.write(phone, number, f"{promise.token} is my question"))


async def wait_until_known(case: Case) -> int:
    """How many are listed as unknown when nothing is looked for any more."""
    deadline = time.monotonic() + KNOWN_WITHIN_S
    while (listed := await case.listed_unknown()) and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
    return len(listed)
