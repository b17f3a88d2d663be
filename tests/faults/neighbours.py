"""Those who share the product with somebody in trouble: other channels, other conversations."""

import asyncio
import time
from collections.abc import Sequence

from .blueprint import PEOPLE, Blueprint, person
from .case import Case
from .latencies import is_undisturbed, p95, waits
from .ledgers import Promise
from .load import Conversation, Load, conversations, render
from .processes import Process
from .registry import scenario
from .turnstile import OUTAGE, Refusal, Turnstile, let_all_pass
from .windows import open_windows

RATE = 40.0
SEND_TIMEOUT_S = "4"
# In life 30 s with a time-out of 20: what matters is that the answer comes after it.
LATENCY_S = 6.0
SHARE = 0.5

AMPLIFICATION = 1.5

OTHERS = 500
FOLLOWERS = 50
RETRY_BASE_S = "0.3"
# With the jittered backoff from 0.3 s this many are never used up, however long the trouble lasts.
PLENTY = "100"


@scenario("R24", alone=True)
async def one_provider_is_slow_and_fails(case: Case) -> None:
    """The provider of one channel answers too late and every other time with a 5xx; the other channels do not notice.

    Too late is later than the time-out: 6 s where 4 are allowed, so that a run is short.
    """
    slow, *others = Blueprint.places
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard([slow])
        await case.stand.serve("--no-work", HAILGATE_SEND_TIMEOUT_S=SEND_TIMEOUT_S)
        await case.stand.work("worker", HAILGATE_SEND_TIMEOUT_S=SEND_TIMEOUT_S)
        undisturbed, beside = conversations(others), conversations([slow])
        async with Load(case.client, case.dice, beside, rate=RATE):
            idle = await send_for(case, undisturbed, case.times(60, at_least=8))
        await case.stand.simulator.put_faults(
            {"do": "delay", "match": {"operation": "send", "channel": slow.number}, "value": LATENCY_S},
            {"do": "error", "match": {"operation": "send", "channel": slow.number, "share": SHARE}},
        )
        case.fault()
        async with Load(case.client, case.dice, beside, rate=RATE):
            during = await send_for(case, undisturbed, case.times(180, at_least=10))
        await case.stand.simulator.put_faults()
        await case.stand.let_time_pass(60.0)  # the cool-down of a breaker that has opened
        async with Load(case.client, case.dice, beside, rate=RATE):
            again = await send_for(case, undisturbed, case.times(60, at_least=8))
        await expect_undisturbed(case, [idle, again], during)
        await asyncio.sleep(LATENCY_S)  # the provider still takes what nobody waits for any more
        verdict = await case.conclude()
    expect_few_calls(case, turnstile)
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


def expect_few_calls(case: Case, turnstile: Turnstile) -> None:
    """Of the channel in trouble."""
    amplification = round(len(turnstile.knocks) / len(turnstile.by_token()), 3)
    case.note(amplification=amplification)
    case.expect(amplification <= AMPLIFICATION, f"{amplification} calls for each message")


@scenario("R27", alone=True)
async def the_head_of_a_conversation_fails_for_long(case: Case) -> None:
    """One message fails again and again with fifty others behind it; five hundred conversations beside it go on.

    The order is kept, the followers are neither tried nor failed meanwhile, and nobody else waits longer.
    """
    case.stand.environment |= {"HAILGATE_RETRY_BASE_S": RETRY_BASE_S, "HAILGATE_MAX_ATTEMPTS": PLENTY}
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard()
        whole = await case.stand.serve()
        stuck, *beside = await people(case, whole)
        idle = await send_for(case, beside, case.times(20, at_least=6))
        head, followers = await send_behind(case, turnstile, stuck)
        during = await send_for(case, beside, case.times(90, at_least=10))
        tried_early = {knock.token for knock in turnstile.knocks} & {each.token for each in followers}
        turnstile.judge = let_all_pass
        await case.settle()
        again = await send_for(case, beside, case.times(20, at_least=6))
        verdict = await case.conclude()
    knocks = turnstile.by_token()
    case.fault(len(knocks[head.token]) - 1)
    await expect_undisturbed(case, [idle, again], during)
    repeated = sum(len(knocks[each.token]) > 1 for each in followers)
    case.note(head_knocks=len(knocks[head.token]), followers=len(followers), beside=len(beside))
    case.expect(len(knocks[head.token]) > 3, "the head was hardly tried: nothing was shown")
    case.expect(not tried_early, f"{len(tried_early)} followers were sent before their head")
    case.expect(not repeated, f"{repeated} followers needed more than one attempt")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


async def people(case: Case, worker: Process) -> list[Conversation]:
    """The stuck one first. More of them than the template knows have to write first."""
    wanted = case.times(OTHERS, at_least=100) + 1
    known = conversations()
    more = [Conversation(place, person(PEOPLE + 1 + n)) for n in range(wanted) for place in Blueprint.places]
    new = more[: max(0, wanted - len(known))]
    await open_windows(case.stand, new, [worker])
    return [*known, *new][:wanted]


async def send_behind(case: Case, turnstile: Turnstile, stuck: Conversation) -> tuple[Promise, list[Promise]]:
    """A head whose provider refuses it from now on, and what waits behind it."""
    head = case.ledger.ask(stuck.key)
    turnstile.judge = lambda _account, token: refuse_only(head, token)
    await case.client.insist(head, render(stuck, head))
    followers = [await case.client.send(stuck) for _ in range(case.times(FOLLOWERS, at_least=10))]
    return head, followers


def refuse_only(head: Promise, token: str) -> Refusal | None:
    return OUTAGE if token == head.token else None


async def send_for(case: Case, chosen: Sequence[Conversation], seconds: float) -> list[Promise]:
    """What was accepted meanwhile in these conversations."""
    begun = time.time()
    async with Load(case.client, case.dice, chosen, rate=RATE):
        await asyncio.sleep(seconds)
    keys = {each.key for each in chosen}
    return [p for p in case.ledger.promises.values() if p.asked_at >= begun and p.conversation in keys]


async def expect_undisturbed(case: Case, idle: Sequence[Sequence[Promise]], during: Sequence[Promise]) -> None:
    """Held against the worse of two idle stretches, before and after: whoever else uses the machine comes and goes."""
    deliveries = await case.stand.simulator.deliveries()
    quiet = [p95(waits(each, deliveries)) for each in idle]
    took = p95(waits(during, deliveries))
    late = len(during) - len(waits(during, deliveries))
    case.note(idle_p95_ms=[round(each * 1000) for each in quiet], during_p95_ms=round(took * 1000))
    case.expect(is_undisturbed(took, max(quiet)), f"p95 of the others rose from {max(quiet):.3f} to {took:.3f} s")
    case.expect(not late, f"{late} of {len(during)} messages of others never arrived")
