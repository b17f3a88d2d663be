"""Two numbers turn out to be one person while messages to both flow and workers are killed."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from .blueprint import PEOPLE, Blueprint, person
from .case import Case
from .ledgers import Promise
from .load import Conversation, Load
from .meta import text_webhook, webhook
from .registry import scenario

CALM_S = (0.3, 2.0)
# Of so many people half of the numbers belong to one person each with the number before.
PAIRS = PEOPLE // 2
# Every such pair is parted by hand, and joined by hand again.
CHURNED = 4
# A join waits for what is being sent, and that for whoever takes over from a killed worker.
PATIENCE_S = 180.0
LOOK_S = 0.2
LASTS_S = 120.0


class Pair(NamedTuple):
    """The numbers of one person."""

    one: str
    other: str


@scenario("JOIN", limit_s=2400.0)
async def people_turn_out_to_be_one(case: Case) -> None:
    """Pairs of numbers are proven one person, on four channels, under 50 messages a second and kills of workers.

    Every fourth pair is parted again, and joined again. Nothing is lost or sent twice, messages to either number that
    were accepted after the join arrive in that order, and whoever wrote to the assistant from both is answered.
    """
    pairs = [Pair(person(number), person(number + 1)) for number in range(1, 2 * PAIRS, 2)]
    await case.stand.serve("--no-work")
    workers = [await case.stand.work(f"worker-{number}") for number in (1, 2)]
    async with Load(case.client, case.dice):
        kills = asyncio.create_task(case.kill_at_random(workers, case.times(60, at_least=6), CALM_S))
        joins = await turn_out(case, pairs)
        await kills
        await asyncio.sleep(case.times(20, at_least=5))
    verdict = await case.conclude()
    crossed = await across(case, pairs, joins)
    unanswered = await find_unanswered(case)
    case.note(joins=len(joins), after_join=crossed.seen, overtaken=crossed.overtaken, unanswered=unanswered)
    case.expect(not crossed.overtaken, f"{crossed.overtaken} messages overtook one to the person's other number")
    case.expect(crossed.seen > 4 * PAIRS, "hardly anything was accepted after the joins: nothing was shown")
    case.expect(not unanswered, f"{unanswered} people who wrote to the assistant were not answered")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed for no fault of their own")


# --- what happens to them ---------------------------------------------------------------------------------------------


async def turn_out(case: Case, pairs: Sequence[Pair]) -> dict[Pair, float]:
    """One pair after the other, and all while messages flow; since when each is one person for good."""
    pause = case.times(int(LASTS_S), at_least=16) / len(pairs)
    for pair in pairs:
        await ask_the_assistant(case, pair)
        await prove(case, pair)
        await asyncio.sleep(pause)
    joins = await joined(case, pairs)
    for pair in pairs[::CHURNED]:
        case.expect(await case.stand.post(f"/v1/joins/{joins[pair]['id']}/undo") == 200, "a join was not undone")
    parted = await found(case, pairs[::CHURNED], "undone")
    await asyncio.sleep(pause)
    for join in parted.values():
        await join_by_hand(case, join)
    joins |= await joined(case, pairs)
    return {pair: datetime.fromisoformat(join["joined_at"]).timestamp() for pair, join in joins.items()}


async def prove(case: Case, pair: Pair) -> None:
    """The person sends a card of their own with the other number, because they were asked for it."""
    place = Blueprint.places[0]
    card = {"origin": "contact_request", "name": {"formatted_name": "Ada"}, "phones": [{"wa_id": pair.other}]}
    message = {
        "from": pair.one, "id": f"wamid.card.{pair.one}", "timestamp": str(int(time.time())), "type": "contacts",
        "contacts": [card],
    }  # fmt: skip
    contact = {"profile": {"name": "Ada"}, "wa_id": pair.one}
    await post(case, webhook(place, contacts=[contact], messages=[message]))


async def ask_the_assistant(case: Case, pair: Pair) -> None:
    """From both numbers; an answer to the one may be under way when they turn out to be one person."""
    for number in pair:
        case.own_words.add(Conversation(Blueprint.assistant, number).key)
        await post(
            case, text_webhook(Blueprint.assistant, number, f"wamid.asks.{number}", "Are you open?", time.time())
        )


async def post(case: Case, body: bytes) -> None:
    case.expect(await case.stand.post_webhook(body) == 200, "a webhook was refused")


async def join_by_hand(case: Case, join: dict[str, Any]) -> None:
    body = {"one": join["one"]["id"], "other": join["other"]["id"]}
    case.expect(await case.stand.post("/v1/joins", body) == 200, "two people were not joined by hand")


# --- what the product says --------------------------------------------------------------------------------------------


async def joined(case: Case, pairs: Sequence[Pair]) -> dict[Pair, dict[str, Any]]:
    return await found(case, pairs, "joined")


async def found(case: Case, pairs: Sequence[Pair], state: str) -> dict[Pair, dict[str, Any]]:
    """Joins of these pairs, once all of them are in this state."""
    theirs = {f"+{number}": pair for pair in pairs for number in pair}
    joins: dict[Pair, dict[str, Any]] = {}
    async with asyncio.timeout(PATIENCE_S):
        while len(joins) < len(pairs):
            await asyncio.sleep(LOOK_S)
            async for join in case.stand.pages(f"/v1/joins?state={state}"):
                numbers = (*join["one"]["addresses"], *join["other"]["addresses"])
                joins |= {theirs[number]: join for number in numbers if number in theirs}
    return joins


async def find_unanswered(case: Case) -> int:
    """Conversations with the assistant whose last word is the person's."""
    count = 0
    async for conversation in case.stand.pages("/v1/conversations"):
        if conversation["channel"]["name"] == Blueprint.assistant.name:
            messages = case.stand.pages(f"/v1/conversations/{conversation['id']}/messages")
            count += (await anext(messages))["direction"] == "inbound"
    return count


# --- in which order they arrived --------------------------------------------------------------------------------------


class Crossing:
    """Messages to a person's two numbers, in the order in which they reached the provider."""

    def __init__(self) -> None:
        self.seen = self.overtaken = 0

    def look(self, promises: Sequence[Promise], arrived: dict[str, int], since: float) -> None:
        """Two that were accepted one after the other must arrive so."""
        later = sorted(
            (p for p in promises if p.answered_at and p.asked_at > since and p.token in arrived),
            key=lambda p: arrived[p.token],
        )
        self.seen += len(later)
        latest = 0.0
        for promise in later:
            self.overtaken += (promise.answered_at or 0.0) < latest
            latest = max(latest, promise.asked_at)


async def across(case: Case, pairs: Sequence[Pair], joins: dict[Pair, float]) -> Crossing:
    arrived: dict[str, int] = {}
    for place, delivery in enumerate(await case.stand.simulator.deliveries()):
        arrived.setdefault(delivery.token, place)
    theirs: dict[str, list[Promise]] = defaultdict(list)
    for promise in case.ledger.accepted:
        theirs[promise.conversation].append(promise)
    crossing = Crossing()
    for pair in pairs:
        for place in Blueprint.places:
            both = [promise for number in pair for promise in theirs[Conversation(place, number).key]]
            crossing.look(both, arrived, joins[pair])
    return crossing
