"""Content that ends the process which looks at it: a webhook, a message to send, a question to the assistant."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from .blueprint import Blueprint, person
from .case import Case
from .ledgers import accept
from .load import Conversation, Load, conversations, render
from .meta import text_webhook
from .processes import Process
from .registry import scenario
from .stand import gather_all

MARK = "poisonous"
MOST_TRIES = 5
WORKERS = 3
RATE = 30.0
# As a supervisor restarts what has crashed.
RESTART_S = 0.5
THROUGHPUT = 0.9
APOLOGY = "Sorry, I cannot answer right now."
BURIED_S = 60.0


@scenario("R28", alone=True)
async def content_ends_the_process(case: Case) -> None:
    """Poison as a webhook, as a message and as a question to the assistant, each ending the worker that looks at it.

    After five tries it is set aside where a person sees it; what comes after it, and all others, go on.
    """
    await case.stand.serve("--no-work")
    names = [f"worker-{number}" for number in range(1, WORKERS + 1)]
    workers: list[Process] = await gather_all(*(case.stand.work(name, HAILGATE_POISON=MARK) for name in names))
    safe, *_ = conversations()
    async with Load(case.client, case.dice, conversations()[1:], rate=RATE):
        idle_from = time.time()
        await asyncio.sleep(case.times(30, at_least=5))
        poisoned_from = time.time()
        async with kept_alive(workers) as deaths:
            for number in range(rounds := case.times(5)):
                await swallow_webhook(case, number)
                await swallow_message(case, safe)
                await swallow_question(case, number)
        ended = time.time()
    case.fault(3 * rounds)
    case.result.kills += len(deaths)
    verdict = await case.conclude()
    case.expect(len(deaths) <= MOST_TRIES * 3 * rounds, f"{len(deaths)} processes died of {3 * rounds} poisons")
    case.expect(len(deaths) >= 3 * rounds, f"{len(deaths)} processes died of {3 * rounds} poisons: nothing was shown")
    case.note(deaths=len(deaths), poisons=3 * rounds, seconds_of_poison=round(ended - poisoned_from, 1))
    case.expect(verdict.failed == rounds, f"{verdict.failed} messages failed, but {rounds} were poison")
    buried = case.stand.complaints().get("webhook.buried", 0)
    case.expect(buried == rounds, f"{buried} of {rounds} poisoned webhooks were set aside")
    await expect_throughput(case, (idle_from, poisoned_from), (poisoned_from, ended))
    await case.expect_evidence()


@asynccontextmanager
async def kept_alive(workers: Sequence[Process]) -> AsyncIterator[list[str]]:
    """Started again whenever they die; the names of those that did."""
    deaths: list[str] = []
    tasks = [asyncio.create_task(_keep_alive(worker, deaths)) for worker in workers]
    try:
        yield deaths
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in workers:
            if not worker.running:
                await worker.start()
            await worker.ready()


async def _keep_alive(worker: Process, deaths: list[str]) -> None:
    while True:
        if await worker.wait_for_death(3600.0):
            deaths.append(worker.name)
            await asyncio.sleep(RESTART_S)
            await worker.start()


# --- three ways in ----------------------------------------------------------------------------------------------------


async def swallow_webhook(case: Case, number: int) -> None:
    """Set aside once a question that came after it, through the same hook, has its answer."""
    phone, after = person(4000 + 2 * number), person(4001 + 2 * number)
    poison = text_webhook(Blueprint.assistant, phone, f"wamid.{MARK}-{number}", f"{MARK}-webhook", time.time())
    case.expect(await case.stand.post_webhook(poison) == 200, "a poisoned webhook was refused")
    promise = case.ledger.ask(Conversation(Blueprint.assistant, after).key)
    text = f"{promise.token} comes after it"
    body = text_webhook(Blueprint.assistant, after, f"wamid.{promise.token}", text, time.time())
    case.expect(await case.stand.post_webhook(body) == 200, "the webhook behind a poisoned one was refused")
    accept(promise, f"wamid.{promise.token}")
    case.expect(await comes(case, promise.token), "what came behind a poisoned webhook was never answered")


async def swallow_message(case: Case, conversation: Conversation) -> None:
    """A dead letter in the end; what is sent to the same person afterwards arrives."""
    promise = case.ledger.ask(conversation.key)
    text = {"body": f"{promise.token} is {MARK}-delivery"}
    await case.client.insist(promise, render(conversation, promise, text=text))
    behind = await case.client.send(conversation)
    case.expect(await comes(case, behind.token), "what waited behind a poisoned message was never sent")
    letters = {letter["id"]: letter async for letter in case.stand.pages("/v1/dead-letters")}
    code = letters.get(promise.message_id, {}).get("code")
    case.expect(code == "poison", f"a poisoned message is a dead letter with the code {code}")


async def swallow_question(case: Case, number: int) -> None:
    """The person is told that somebody will answer."""
    phone = person(5000 + number)
    case.own_words.add(Conversation(Blueprint.assistant, phone).key)
    await case.stand.simulator.write(phone, Blueprint.assistant.number, f"{MARK}-turn")
    deadline = time.monotonic() + BURIED_S
    while not (heard := await answers(case, phone)) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    sorry = [text for text in heard if text.startswith(APOLOGY)]
    case.expect(len(sorry) == 1, f"a person whose question is poison was apologised to {len(sorry)} times")


async def expect_throughput(case: Case, idle: tuple[float, float], poisoned: tuple[float, float]) -> None:
    """Messages a second that reached the provider in each of the two stretches of time."""
    moments = [delivery.at for delivery in await case.stand.simulator.deliveries()]
    before, during = (sum(a <= at < b for at in moments) / (b - a) for a, b in (idle, poisoned))
    case.note(per_second={"idle": round(before, 1), "poisoned": round(during, 1)})
    case.expect(during >= THROUGHPUT * before, f"{during:.1f} messages a second instead of {before:.1f}")


async def answers(case: Case, phone: str) -> list[str]:
    entries = await case.stand.simulator.chat(phone)
    return [entry["message"]["text"]["body"] for entry in entries if entry["direction"] == "to_phone"]


async def comes(case: Case, token: str) -> bool:
    deadline = time.monotonic() + BURIED_S
    while token not in {delivery.token for delivery in await case.stand.simulator.deliveries()}:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True
