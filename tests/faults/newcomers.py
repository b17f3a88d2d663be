"""People who write for the first time, and do not wait for an answer before they write again."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from .blueprint import Blueprint, person
from .case import Case, batches
from .ledgers import Promise, accept, find_token
from .load import Conversation
from .meta import text_webhook
from .registry import scenario
from .stand import gather_all

WEBS, WORKERS = 4, 4
PAIRS_AT_ONCE = 10
WITHIN_S = 0.2
PATIENCE_S = 60.0
ASK_AT_ONCE = 10


class Newcomer(NamedTuple):
    phone: str
    promises: Sequence[Promise]


@scenario("R19")
async def a_new_person_writes_twice_at_once(case: Case) -> None:
    """Two messages of somebody unknown within 200 ms, posted to different processes of eight.

    One contact, one conversation with both messages in it, and each message is answered once.
    """
    stand = case.stand
    settings = {"HAILGATE_DEBOUNCE_S": "0.2", "HAILGATE_DEBOUNCE_MAX_S": "1"}
    webs = [await stand.serve("--no-work", ready=False)]
    webs += [await stand.serve_beside(f"web-{number}", ready=False) for number in range(2, WEBS + 1)]
    workers = [await stand.work(f"worker-{number}", ready=False, **settings) for number in range(1, WORKERS + 1)]
    for process in (*webs, *workers):
        await process.ready()
    doors = [web.probe.removesuffix("/readyz") for web in webs]
    newcomers: list[Newcomer] = []
    for numbers in batches(range(case.times(1000, at_least=20)), PAIRS_AT_ONCE):
        newcomers += await gather_all(*(write_twice(case, doors, person(5000 + number)) for number in numbers))
    # The assistant quotes what it answers, so a token in the provider's ledger is a message answered.
    await case.wait_for((promise.token for newcomer in newcomers for promise in newcomer.promises), PATIENCE_S)
    verdict = await case.conclude()
    await expect_one_of_each(case, newcomers)
    case.note(pairs=len(newcomers), processes=len(webs) + len(workers))
    case.expect(not verdict.failed + verdict.unknown, "nothing was hurt, yet messages failed or are unknown")


async def write_twice(case: Case, doors: Sequence[str], phone: str) -> Newcomer:
    first, second = case.dice.sample(doors, 2)
    pause = case.dice.choice((0.0, case.dice.uniform(0.0, WITHIN_S)))
    promises = await gather_all(write(case, first, phone, 0.0), write(case, second, phone, pause))
    return Newcomer(phone, promises)


async def write(case: Case, door: str, phone: str, pause: float) -> Promise:
    promise = case.ledger.ask(Conversation(Blueprint.assistant, phone).key)
    message_id = f"wamid.{promise.token}"
    text = f"{promise.token} says something"
    await asyncio.sleep(pause)
    status = await case.stand.post_webhook(
        text_webhook(Blueprint.assistant, phone, message_id, text, time.time()), door
    )
    case.fault()
    case.expect(status == 200, f"a webhook was answered with {status}")
    if status == 200:
        accept(promise, message_id)
    return promise


async def expect_one_of_each(case: Case, newcomers: Sequence[Newcomer]) -> None:
    """As the API shows it: contacts and conversations by phone, and what stands in them."""
    phones = {newcomer.phone for newcomer in newcomers}
    contacts: dict[str, set[str]] = defaultdict(set)
    talks: dict[str, list[str]] = defaultdict(list)
    async for conversation in case.stand.pages("/v1/conversations"):
        for address in conversation["contact"]["addresses"]:
            if (phone := address["value"].lstrip("+")) in phones:
                contacts[phone].add(conversation["contact"]["id"])
                talks[phone].append(conversation["id"])
    several = sum(len(contacts[phone]) != 1 for phone in phones)
    split = sum(len(talks[phone]) != 1 for phone in phones)
    stored: Counter[str] = Counter()
    for few in batches([each for phone in sorted(phones) for each in talks[phone]], ASK_AT_ONCE):
        for tokens in await gather_all(*(received(case, conversation) for conversation in few)):
            stored.update(tokens)
    wrong = sum(stored[promise.token] != 1 for newcomer in newcomers for promise in newcomer.promises)
    case.expect(not several, f"{several} people are not one contact")
    case.expect(not split, f"{split} people do not have one conversation")
    case.expect(not wrong, f"{wrong} messages are not stored once")


async def received(case: Case, conversation: str) -> list[str]:
    pages = case.stand.pages(f"/v1/conversations/{conversation}/messages")
    return [find_token(message["text"]["body"]) async for message in pages if message["direction"] == "inbound"]
