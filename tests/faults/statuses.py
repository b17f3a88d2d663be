"""Statuses in any order, doubled, with gaps, too early and of strangers."""

import asyncio
import time
from collections.abc import Sequence

from .blueprint import Blueprint
from .case import Case, batches
from .ledgers import Delivery, Promise
from .load import Conversation, Load, conversations
from .meta import status, status_webhook
from .registry import scenario
from .stand import gather_all

CHAIN = ("queued", "sent", "failed", "delivered", "read", "played")
REPORTED = CHAIN[1:]
LONGEST = 8
AT_ONCE = 20
RATE = 100.0
PATIENCE_S = 30.0
WITHHELD = {"do": "withhold_status"}
# The provider has the message and its id is known, while its own answer takes this long to arrive.
SLOW_ANSWER = {"do": "drip", "match": {"operation": "send"}, "value": 1.5}
MIXED_UP = (
    {"do": "shuffle_status", "value": 0.2},
    {"do": "duplicate_status", "value": 3},
    {"do": "status_before_answer", "match": {"operation": "send", "nth": 3}, "value": 2.0},
)

# Reading concerns everything that stands in a chat, so those who read are others.
WRITTEN_TO = [each for each in conversations() if int(each.phone) % 4]
READERS = [each for each in conversations() if int(each.phone) % 4 == 0]

Reports = dict[str, list[str]]
"""What was reported of each message, by token."""


@scenario("R20")
async def statuses_come_in_any_order(case: Case) -> None:
    """Permutations with duplicates and gaps; statuses before the send's own answer; statuses of unknown messages.

    In the end each message stands at the highest thing that was said of it, and nothing was refused.
    """
    await case.stand.serve()
    count = case.times(2000)
    await case.stand.simulator.put_faults(WITHHELD)
    reports = await report_after_the_answer(case, count)
    await case.stand.simulator.put_faults(WITHHELD, SLOW_ANSWER)
    reports |= await report_before_the_answer(case, max(10, count // 20))
    await case.stand.simulator.put_faults(*MIXED_UP)
    reports |= await let_the_simulator_report(case, max(10, count // 20))
    await report_strangers(case, max(10, count // 20))
    await case.conclude()
    wrong = await find_wrong(case, reports)
    case.note(permutations=len(reports), wrong=dict(list(wrong.items())[:5]))
    case.expect(not wrong, f"{len(wrong)} messages do not stand where their statuses lead")


async def report_after_the_answer(case: Case, count: int) -> Reports:
    """Every message gets a random sequence, each status a webhook of its own or several in one."""
    promises = await send_many(case, count, WRITTEN_TO)
    await case.settle()
    reports: Reports = {}
    work = []
    for delivery in await deliveries_of(case, promises):
        words = [case.dice.choice(REPORTED) for _ in range(case.dice.randint(1, LONGEST))]
        reports[delivery.token] = words
        tracker = delivery.correlation if case.dice.random() < 0.5 else ""
        work += webhooks(case, delivery, words, tracker)
    case.dice.shuffle(work)
    await post_all(case, work)
    return reports


async def report_before_the_answer(case: Case, count: int) -> Reports:
    """The provider's ledger has the message, its answer is still dripping: the status names an id nobody knows yet."""
    known = {delivery.token for delivery in await case.stand.simulator.deliveries()}
    sending = asyncio.create_task(send_many(case, count, WRITTEN_TO))
    reports: Reports = {}
    deadline = time.monotonic() + PATIENCE_S
    while len(reports) < count and time.monotonic() < deadline:
        new = [d for d in await case.stand.simulator.deliveries() if d.token not in known | reports.keys()]
        for delivery in new:
            reports[delivery.token] = words = [case.dice.choice(REPORTED)]
            await post_all(case, webhooks(case, delivery, words, ""))
        await asyncio.sleep(0.02)
    await sending
    return reports


async def let_the_simulator_report(case: Case, count: int) -> Reports:
    """Its own statuses, shuffled, three of each, some before the answer; every other person reads."""
    promises = await send_many(case, count, READERS)
    await case.settle()
    reports: Reports = {}
    readers: set[str] = set()
    for delivery in await deliveries_of(case, promises):
        phone = delivery.conversation.partition("/")[2]
        reads = int(phone) % 8 == 0
        reports[delivery.token] = ["delivered", "read"] if reads else ["delivered"]
        readers |= {phone} if reads else set()
    for phone in readers:
        entries = await case.stand.simulator.chat(phone)
        await case.stand.simulator.read(phone, entries[-1]["seq"])
    return reports


async def report_strangers(case: Case, count: int) -> None:
    """Messages that were never sent by us: answered with 200, and of no effect."""
    work = []
    for number in range(count):
        told = status(f"wamid.stranger-{number}", case.dice.choice(REPORTED), "15550009999", time.time())
        work.append(status_webhook(case.dice.choice(Blueprint.places), told))
    await post_all(case, work)


# --- sending and posting ----------------------------------------------------------------------------------------------


async def send_many(case: Case, count: int, chosen: Sequence[Conversation]) -> list[Promise]:
    before = len(case.ledger.promises)
    async with Load(case.client, case.dice, chosen, rate=RATE) as load:
        await load.reaches(count)
    return list(case.ledger.promises.values())[before:]


async def deliveries_of(case: Case, promises: Sequence[Promise]) -> list[Delivery]:
    tokens = {promise.token for promise in promises}
    return [delivery for delivery in await case.stand.simulator.deliveries() if delivery.token in tokens]


def webhooks(case: Case, delivery: Delivery, words: Sequence[str], tracker: str) -> list[bytes]:
    number, _, phone = delivery.conversation.partition("/")
    place = next(each for each in Blueprint.places if each.number == number)
    told = [status(delivery.provider_id, word, phone, time.time(), tracker) for word in words]
    if case.dice.random() < 0.5:
        return [status_webhook(place, *told)]
    return [status_webhook(place, each) for each in told]


async def post_all(case: Case, work: Sequence[bytes]) -> None:
    for batch in batches(work, AT_ONCE):
        answers = await gather_all(*map(case.stand.post_webhook, batch))
        case.fault(len(batch))
        case.expect(set(answers) == {200}, f"webhooks were answered with {sorted(set(answers))}")


async def find_wrong(case: Case, reports: Reports) -> dict[str, str]:
    """Messages that do not come to stand where they must, with what they show and what they should."""
    wanted = {token: max(["sent", *words], key=CHAIN.index) for token, words in reports.items()}
    deadline = time.monotonic() + PATIENCE_S
    while wrong := await compare(case, wanted):
        if time.monotonic() > deadline:
            return wrong
        wanted = {token: word for token, word in wanted.items() if token in wrong}
        await asyncio.sleep(0.5)
    return {}


async def compare(case: Case, wanted: dict[str, str]) -> dict[str, str]:
    wrong = {}
    for batch in batches(list(wanted), AT_ONCE):
        asked = [case.stand.ask(f"/v1/messages/{case.ledger.promises[token].message_id}") for token in batch]
        for token, message in zip(batch, await gather_all(*asked), strict=True):
            if message["status"] != wanted[token]:
                wrong[token] = f"{message['status']}, not {wanted[token]}"
    return wrong
