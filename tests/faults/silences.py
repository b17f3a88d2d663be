"""Nobody at home: what people write while the database server is away."""

import asyncio
import time
from collections import Counter

from .blueprint import Blueprint, person
from .case import Case, batches
from .databases import ANSWERS_WITHIN_S, WAYS, heal, own_server
from .ledgers import Promise, accept
from .load import Conversation
from .meta import text_webhook
from .registry import POSTGRESQL, scenario
from .stand import gather_all

AWAY_S, LEAST_AWAY_S = 60.0, 8.0
WRITERS = 16
PAUSE_S = 0.2
PATIENCE_S = 120.0
NOT_NOW = 503
# What a busy machine adds to the five seconds.
NOISE_S = 1.5


@scenario("R36", POSTGRESQL)
async def people_write_while_postgresql_is_down(case: Case) -> None:
    """PostgreSQL is killed and comes back a minute later; people write all the time.

    Nobody's webhook is answered with 200 while it is away but with 503 and Retry-After, and the provider repeats it:
    afterwards each message is there once and has its one answer. SPOOL is the same for a provider that does not repeat.
    """
    async with own_server(case) as server:
        if server is None:
            return
        processes = [await case.stand.serve("--no-work"), await case.stand.work("worker")]
        people = [person(3000 + number) for number in range(case.times(5_000, at_least=100))]
        third = len(people) // 3
        await write_all(case, people[:third])
        await server.end(WAYS["killed"])
        case.fault()
        case.result.kills += 1
        away = time.monotonic() + max(LEAST_AWAY_S, AWAY_S * case.result.scale)
        (answers, slowest), _ = await gather_all(knock(case, away), write_all(case, people[third:]))
        await asyncio.sleep(max(0.0, away - time.monotonic()))
        await server.start()
        healed = await heal(case, processes)
        missing = await case.wait_for([each.token for each in case.ledger.accepted], PATIENCE_S)
        verdict = await case.conclude()
    case.note(people=len(people), while_away={str(key): count for key, count in answers.items()}, healed_s=healed)
    case.note(slowest_answer_s=round(slowest, 1))
    case.expect(slowest <= ANSWERS_WITHIN_S + NOISE_S, f"an answer took {slowest:.1f} s")
    case.expect(answers.keys() <= {(NOT_NOW, True)}, f"webhooks were answered {dict(answers)} while it was away")
    case.expect(not missing, f"{len(missing)} people were not answered")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


async def write_all(case: Case, people: list[str]) -> None:
    for few in batches(people, WRITERS):
        await gather_all(*(write(case, phone) for phone in few))


async def write(case: Case, phone: str) -> Promise:
    """The assistant's answer quotes what was written, and so carries its token."""
    conversation = Conversation(Blueprint.assistant, phone)
    promise = case.ledger.ask(conversation.key)
    number = conversation.place.number
    accept(promise, await case.stand.simulator.write(phone, number, f"{promise.token} is my question"))
    return promise


async def knock(case: Case, until: float) -> tuple[Counter[tuple[int, bool]], float]:
    """Statuses of webhooks posted by hand, and whether they said when to come back; and the longest wait for one."""
    answers: Counter[tuple[int, bool]] = Counter()
    slowest = 0.0
    address, place = case.stand.web + case.stand.blueprint.hook, Blueprint.places[0]
    number = 0
    while time.monotonic() < until:
        number += 1
        body = text_webhook(place, person(9000), f"wamid.never-{number}", "Is anybody there?", time.time())
        headers = case.stand.blueprint.sign(body)
        begun = time.monotonic()
        async with case.stand.session.post(address, data=body, headers=headers) as answer:
            answers[answer.status, "Retry-After" in answer.headers] += 1
        slowest = max(slowest, time.monotonic() - begun)
        await asyncio.sleep(PAUSE_S)
    return answers, slowest
