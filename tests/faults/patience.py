"""A provider in trouble for minutes: nothing is given up for it, and it is not answered with ever more calls."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .blueprint import Blueprint
from .case import Case, batches
from .ledgers import Promise
from .load import Conversation, Load, conversations
from .registry import scenario
from .stand import gather_all
from .turnstile import Refusal, Turnstile, let_all_pass

MESSAGES = 1_000
OUTAGE_S, BROWNOUT_S = 300.0, 600.0
COOLDOWN_S = 60.0
# Meta failed for an unknown reason: an answer of its own, that it may give for a while.
FAILED = Refusal(500, 131000)
AMPLIFICATION = 1.5
SHARE = 0.5
RATE = 20.0
DRAINED_S = 300.0
STEP_S = 15.0
# Of what passes in truth at least this much, so that the product comes to act upon the rest.
LEAST_S = 2
SEND_AT_ONCE = 50

PAIR_THROTTLED = Refusal(400, 131056)
REFUSALS = 4
# The wait and its jitter, and a look.
SLACK_S = 4.0
LATEST_S = 20.0


@scenario("OUTAGE5", limit_s=4_000)
async def five_minutes_of_errors_of_its_own(case: Case) -> None:
    """For five minutes every send is answered with 500 and a code of Meta's: all are sent afterwards, none is dead."""
    async with Turnstile(case.stand, lambda _account, _token: FAILED) as turnstile:
        await turnstile.guard()
        await case.stand.serve()
        case.fault()
        for batch in batches(range(MESSAGES), SEND_AT_ONCE):
            chosen = case.dice.sample(conversations(), len(batch))
            await gather_all(*(case.client.send(each) for each in chosen))
        await let_minutes_pass(case, OUTAGE_S)
        stormed = len(turnstile.knocks)
        turnstile.judge = let_all_pass
        drained = await drain(case)
        verdict = await case.conclude()
    expect_few_calls(case, turnstile, stormed)
    case.note(drained_s=drained)
    case.expect(not verdict.failed, f"{verdict.failed} messages are dead")
    case.expect(verdict.delivered == MESSAGES, f"{verdict.delivered} of {MESSAGES} were sent")
    await case.expect_evidence()


@scenario("BROWNOUT", limit_s=5_000)
async def every_other_call_fails_for_ten_minutes(case: Case) -> None:
    """Half of the calls fail, by chance, while messages flow: none is dead, and what waits drains in five minutes."""
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard()
        await case.stand.serve()
        turnstile.judge = lambda _account, _token: FAILED if case.dice.random() < SHARE else None
        case.fault()
        async with Load(case.client, case.dice, rate=RATE):
            await let_minutes_pass(case, BROWNOUT_S)
        stormed = len(turnstile.knocks)
        turnstile.judge = let_all_pass
        drained = await drain(case)
        verdict = await case.conclude()
    expect_few_calls(case, turnstile, stormed)
    case.note(drained_s=drained)
    case.expect(drained <= DRAINED_S, f"it took {drained:.0f} s to drain")
    case.expect(not verdict.failed, f"{verdict.failed} messages are dead")
    await case.expect_evidence()


@scenario("PAIR", limit_s=4_000)
async def one_person_is_written_to_too_fast(case: Case) -> None:
    """Meta refuses what is sent to one person: each wait is four times the one before, and less again after each
    message that passed; others are written to meanwhile.
    """
    throttled, *others = conversations(Blueprint.places[:1])
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard()
        await case.stand.serve()
        messages = case.ledger.promises
        turnstile.judge = lambda _account, token: (
            PAIR_THROTTLED if messages[token].conversation == throttled.key else None
        )
        case.fault()
        async with Load(case.client, case.dice, others, rate=RATE):
            first = await case.client.send(throttled)
            grown = await expect_waits(case, turnstile, first, [4.0**n for n in range(1, REFUSALS + 1)])
            turnstile.judge = let_all_pass
            await case.stand.let_time_pass(4.0 ** (REFUSALS + 1) + SLACK_S)
            await case.wait_for([first.token], LATEST_S)
            await pass_some(case, throttled, REFUSALS - 1)
            turnstile.judge = lambda _account, token: (
                PAIR_THROTTLED if messages[token].conversation == throttled.key else None
            )
            again = await case.client.send(throttled)
            healed = await expect_waits(case, turnstile, again, [16.0])
            turnstile.judge = let_all_pass
            await case.stand.let_time_pass(64.0 + SLACK_S)
        verdict = await case.conclude()
    knocks = turnstile.by_token()
    repeated = sum(len(each) > 1 for token, each in knocks.items() if messages[token].conversation != throttled.key)
    case.note(grown=grown, healed=healed, others=verdict.delivered)
    case.expect(not repeated, f"{repeated} messages to others were tried more than once")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


async def let_minutes_pass(case: Case, seconds: float) -> None:
    """A minute at a time: each brings a probe."""
    for _ in range(round(seconds / COOLDOWN_S)):
        await let_pass(case, COOLDOWN_S)


async def drain(case: Case) -> float:
    """Seconds, passed in truth or not, until nothing waits any more; no longer than anybody would allow."""
    begun, skipped = time.monotonic(), 0.0
    while await case.count_open() and time.monotonic() - begun + skipped <= DRAINED_S:
        skipped += await let_pass(case, STEP_S)
    return round(time.monotonic() - begun + skipped, 1)


async def let_pass(case: Case, seconds: float) -> float:
    """Some of it in truth, by the scale; how much of it was skipped."""
    await asyncio.sleep(case.times(int(seconds), at_least=LEAST_S))
    skipped = seconds * max(0.0, 1 - case.result.scale)
    await case.stand.let_time_pass(skipped)
    return skipped


def expect_few_calls(case: Case, turnstile: Turnstile, stormed: int) -> None:
    amplification = round(len(turnstile.knocks) / len(case.ledger.accepted), 3)
    case.note(knocks_in_storm=stormed, amplification=amplification)
    case.expect(stormed > len(Blueprint.places), "hardly anything was tried: nothing was shown")
    case.expect(amplification <= AMPLIFICATION, f"{amplification} calls for each message")


async def expect_waits(case: Case, turnstile: Turnstile, promise: Promise, least: Sequence[float]) -> list[float]:
    """How long each refusal put it off, as its timeline says."""
    for place, wait in enumerate(least, 1):
        await until_knocked(turnstile, promise, place)
        await case.stand.let_time_pass(wait + SLACK_S)
    await until_knocked(turnstile, promise, len(least) + 1)
    found = [told for told in await timeline(case, promise) if told.get("next_at")][: len(least)]
    waits = [round(seconds(told["next_at"]) - seconds(told["at"]), 1) for told in found]
    fits = len(waits) == len(least) and all(n <= w <= n + SLACK_S for n, w in zip(least, waits, strict=True))
    case.expect(fits, f"waits of {waits} s where {list(least)} were due")
    return waits


async def until_knocked(turnstile: Turnstile, promise: Promise, times: int) -> None:
    deadline = time.monotonic() + LATEST_S
    while len(turnstile.by_token().get(promise.token, [])) < times and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)  # what came of it is written by then


async def timeline(case: Case, promise: Promise) -> list[dict[str, Any]]:
    message = await case.stand.ask(f"/v1/messages/{promise.message_id}")
    return [told for told in message["timeline"] if told.get("attempt")]


async def pass_some(case: Case, conversation: Conversation, count: int) -> None:
    for _ in range(count):
        promise = await case.client.send(conversation)
        await case.wait_for([promise.token], LATEST_S)


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
