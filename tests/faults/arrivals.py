"""What comes in: the same webhook again and again, statuses in any order, and how soon a person is answered."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hailgate.providers import get_provider

from .blueprint import Blueprint, person
from .case import Case, batches
from .ledgers import Promise, accept, find_token
from .load import Conversation
from .meta import text_webhook
from .registry import EVERY, scenario
from .stand import gather_all

REPLAYS = 50
LATER_REPLAYS = 5
IDS_AT_ONCE = 4
HOUR_S = 3600.0
# Replayed again when the message is this old: within a provider's usual retries, after its window, after a week.
AGES_S = (HOUR_S, 25 * HOUR_S, 8 * 24 * HOUR_S)
TURNS = 'hailgate_turns_total{outcome="answered"}'

DEBOUNCE_S = 1.5
ANSWERED_WITHIN_S = 1.0
TALKERS = 5
LOOK_S = 0.02
PATIENCE_S = 30.0


class Arrival(NamedTuple):
    """A person's message, which the assistant quotes in its reply: so the reply carries its token."""

    promise: Promise
    conversation: Conversation
    message_id: str
    body: bytes


@scenario("R18")
async def a_webhook_comes_fifty_times(case: Case) -> None:
    """The same signed webhook fifty times at once, and again when it is an hour, a day and eight days old.

    One message, one turn, one reply. Every tenth comes from a simulated phone first.
    """
    web = await case.stand.serve(HAILGATE_DEBOUNCE_S="0.2", HAILGATE_DEBOUNCE_MAX_S="1")
    arrivals = [await compose(case, number) for number in range(case.times(200, at_least=10))]
    refused: Counter[int] = Counter()
    for few in batches(arrivals, IDS_AT_ONCE):
        await gather_all(*(post_copies(case, arrival, REPLAYS, refused) for arrival in few))
    await wait_for_replies(case, len(arrivals))
    passed = 0.0
    for age in AGES_S:
        await case.stand.let_time_pass(age - passed)
        passed = age
        for few in batches(arrivals, IDS_AT_ONCE):
            await gather_all(*(post_copies(case, arrival, LATER_REPLAYS, refused) for arrival in few))
    await asyncio.sleep(2.0)  # a second turn would have waited for the debounce
    await case.conclude()
    turns = await case.stand.metric(web, TURNS)
    rows = await count_inbound(case, arrivals)
    case.note(ids=len(arrivals), replays=REPLAYS, turns=turns, not_200=dict(refused))
    case.expect(not refused, f"webhooks were refused: {dict(refused)}")
    case.expect(turns == len(arrivals), f"{turns:.0f} turns for {len(arrivals)} messages")
    case.expect(set(rows.values()) <= {1}, f"messages were stored {sorted(set(rows.values()))} times")


@scenario("TALK", providers=EVERY)
async def a_person_is_answered_at_once(case: Case) -> None:
    """People write on their phones; the answer is on the phone within a second after the debounce.

    Where a provider's messages overtake each other they wait to be put in order, and the answer with them.
    """
    await case.stand.serve()
    settle_s = get_provider(case.stand.blueprint.provider).capabilities.settle_s
    people = [person(2000 + number) for number in range(case.times(50, at_least=10))]
    waits: list[float] = []
    for few in batches(people, TALKERS):
        waits += await gather_all(*(talk(case, phone) for phone in few))
    await case.conclude()
    beyond = sorted(round(wait - DEBOUNCE_S, 3) for wait in waits)
    within = ANSWERED_WITHIN_S + settle_s
    case.note(
        talks=len(waits), within_s=within, after_debounce_s={"median": beyond[len(beyond) // 2], "worst": beyond[-1]}
    )
    case.expect(beyond[-1] <= within, f"an answer took {beyond[-1]} s after the debounce")


# --- the same webhook -------------------------------------------------------------------------------------------------


async def compose(case: Case, number: int) -> Arrival:
    conversation = Conversation(Blueprint.assistant, person(1000 + number))
    promise = case.ledger.ask(conversation.key)
    text = f"{promise.token} says something"
    message_id = f"wamid.{promise.token}"
    if number % 10 == 0:
        message_id = await case.stand.simulator.write(conversation.phone, conversation.place.number, text)
    body = text_webhook(conversation.place, conversation.phone, message_id, text, time.time())
    return Arrival(promise, conversation, message_id, body)


async def post_copies(case: Case, arrival: Arrival, copies: int, refused: Counter[int]) -> None:
    answers = await gather_all(*(case.stand.post_webhook(arrival.body) for _ in range(copies)))
    case.fault(copies - 1)
    refused.update(status for status in answers if status != 200)
    if 200 in answers and not arrival.promise.accepted:
        accept(arrival.promise, arrival.message_id)


async def wait_for_replies(case: Case, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(await case.stand.simulator.deliveries()) < count and time.monotonic() < deadline:
        await asyncio.sleep(0.2)


async def count_inbound(case: Case, arrivals: Sequence[Arrival]) -> Counter[str]:
    """How often each message stands in its conversation, as the API shows it."""
    stored: Counter[str] = Counter()
    async for conversation in case.stand.pages("/v1/conversations"):
        async for message in case.stand.pages(f"/v1/conversations/{conversation['id']}/messages"):
            if message["direction"] == "inbound":
                stored[find_token(message["text"]["body"])] += 1
    return Counter({token: stored[token] for token in (arrival.promise.token for arrival in arrivals)})


# --- a talk -----------------------------------------------------------------------------------------------------------


async def talk(case: Case, phone: str) -> float:
    """Seconds from what a person wrote to the answer on the phone."""
    conversation = Conversation(Blueprint.assistant, phone)
    promise = case.ledger.ask(conversation.key)
    begun = time.monotonic()
    written = await case.stand.simulator.write(phone, conversation.place.number, f"{promise.token} is my question")
    accept(promise, written)
    async with asyncio.timeout(PATIENCE_S):
        while not any(entry["direction"] == "to_phone" for entry in await case.stand.simulator.chat(phone)):
            await asyncio.sleep(LOOK_S)
    return time.monotonic() - begun
