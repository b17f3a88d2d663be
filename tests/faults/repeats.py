"""The same Idempotency-Key again, in every way in which callers do it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from .blueprint import Place, place, run_commands
from .case import Case, batches
from .ledgers import Promise, accept
from .load import Conversation, conversations, render
from .processes import Process
from .registry import scenario
from .stand import gather_all
from .windows import INGESTED

KEYS_AT_ONCE = 8
AT_ONCE = 10
IN_TURN = 5
AFTER = 3
HOUR_S = 3600.0
# Kept for a day: an hour before its end the first answer still stands, an hour after it the key is free.
ALMOST_A_DAY_S, REST_OF_IT_S = 23 * HOUR_S, 2 * HOUR_S
PATIENCE_S = 30.0


class Answer(NamedTuple):
    status: int
    message_id: str


class Asked(NamedTuple):
    """One key: what came with it first, and the id that was answered."""

    promise: Promise
    conversation: Conversation
    body: bytes


class Neighbour(NamedTuple):
    """Another tenant of the installation, whose channel has the same name."""

    key: str
    place: Place


class Repeats:
    """Asks with keys that were used before, and keeps count of answers that are not as promised."""

    def __init__(self, case: Case, webs: Sequence[str]) -> None:
        self._case, self._webs = case, webs
        self.wrong: Counter[str] = Counter()

    async def first(self, conversation: Conversation, key: str = "") -> Asked:
        """A new key's body, many times at once at several processes: one id for all of them."""
        promise = self._case.ledger.ask(conversation.key)
        asked = Asked(promise, conversation, render(conversation, promise))
        answers = await gather_all(*(self._ask(key or promise.token, asked.body) for _ in range(AT_ONCE)))
        self._judge("at once", answers, {(202, answers[0].message_id)})
        if ids := [answer.message_id for answer in answers if answer.status == 202]:
            accept(promise, ids[0])
        return asked

    async def again(self, asked: Asked, times: int, when: str) -> None:
        for _ in range(times):
            answer = await self._ask(asked.promise.token, asked.body)
            self._judge(when, [answer], {(202, asked.promise.message_id or "")})

    async def with_another_body(self, asked: Asked) -> None:
        other = asked.body.replace(b"is on its way", b"is something else")
        answers = await gather_all(*(self._ask(asked.promise.token, body) for body in (other, asked.body, other)))
        self._judge("with another body", [answers[0], answers[2]], {(422, "")})
        self._judge("beside another body", [answers[1]], {(202, asked.promise.message_id or "")})

    async def of_another_tenant(self, asked: Asked, neighbour: Neighbour) -> None:
        conversation = Conversation(neighbour.place, asked.conversation.phone)
        promise = self._case.ledger.ask(conversation.key)
        answer = await self._ask(asked.promise.token, render(conversation, promise), neighbour.key)
        self._judge("of another tenant", [answer], {(202, answer.message_id)})
        if answer.status == 202:
            accept(promise, answer.message_id)
            if answer.message_id == asked.promise.message_id:
                self.wrong["another tenant's message was answered"] += 1

    async def _ask(self, key: str, body: bytes, caller: str = "") -> Answer:
        headers = {
            "Authorization": f"Bearer {caller or self._case.stand.blueprint.key}",
            "Idempotency-Key": key,
            "Content-Type": "application/json",
        }
        self._case.fault()
        web = self._case.dice.choice(self._webs)
        async with self._case.stand.session.post(f"{web}/v1/messages", data=body, headers=headers) as answer:
            document = msgspec.json.decode(await answer.read())
            return Answer(answer.status, document["id"] if answer.status == 202 else "")

    def _judge(self, when: str, answers: Iterable[Answer], wanted: set[tuple[int, str]]) -> None:
        for answer in answers:
            if answer not in wanted:
                self.wrong[f"{when}: {answer.status}" + (" with another id" if answer.status == 202 else "")] += 1


@scenario("R35")
async def the_same_key_comes_again(case: Case) -> None:
    """One Idempotency-Key at once, in turn, with another body, of another tenant, after a restart, after its day.

    One message for each key and always its first answer; 422 for another body; another tenant's key is its own. An
    hour before its day has passed the first answer still stands, an hour after it the key is free.
    """
    stand = case.stand
    webs = [await stand.serve("--no-work"), await stand.serve_beside("web-2")]
    worker = await stand.work("worker")
    neighbour = await add_neighbour(case)
    repeats = Repeats(case, [web.probe.removesuffix("/readyz") for web in webs])
    free = conversations()
    case.dice.shuffle(free)
    await let_write(case, worker, [Conversation(neighbour.place, phone) for phone in sorted({c.phone for c in free})])
    asked: list[Asked] = []
    for numbers in batches(range(case.times(500, at_least=KEYS_AT_ONCE)), KEYS_AT_ONCE):
        asked += await gather_all(
            *(use_key(repeats, neighbour, free[number % len(free)], number) for number in numbers)
        )
    await restart(case, webs)
    await repeat_all(repeats, asked, "after a restart")
    await stand.let_time_pass(ALMOST_A_DAY_S)
    await repeat_all(repeats, asked, "after 23 h")
    await stand.let_time_pass(REST_OF_IT_S)
    few = asked[: case.times(100, at_least=KEYS_AT_ONCE)]
    chosen = {each.conversation: each.promise.token for each in few}
    await let_write(case, worker, list(chosen))
    for each in batches(list(chosen.items()), KEYS_AT_ONCE):
        await gather_all(*(repeats.first(conversation, key) for conversation, key in each))
    verdict = await case.conclude()
    case.note(keys=len(asked), used_after_a_day=len(chosen), wrong=dict(repeats.wrong))
    case.expect(not repeats.wrong, f"answers were not as promised: {dict(repeats.wrong)}")
    case.expect(not verdict.failed + verdict.unknown, "nothing was hurt, yet messages failed or are unknown")


async def use_key(repeats: Repeats, neighbour: Neighbour, conversation: Conversation, number: int) -> Asked:
    asked = await repeats.first(conversation)
    await repeats.again(asked, IN_TURN, "in turn")
    await repeats.with_another_body(asked)
    if number % 4 == 0:
        await repeats.of_another_tenant(asked, neighbour)
    return asked


async def repeat_all(repeats: Repeats, asked: Sequence[Asked], when: str) -> None:
    for few in batches(asked, KEYS_AT_ONCE):
        await gather_all(*(repeats.again(each, AFTER, when) for each in few))


async def restart(case: Case, webs: Sequence[Process]) -> None:
    """One is told to stop, the other is killed."""
    first, second = webs
    await first.stop()
    await case.kill(second)
    for web in webs:
        await web.start()
        await web.ready()


async def add_neighbour(case: Case) -> Neighbour:
    stand, there = case.stand, place(201)
    named = Place(stand.blueprint.places[0].name, there.number, there.account)
    blueprint, of_it = stand.blueprint, "--tenant=neighbour"
    settings = [f"--set=app_secret={blueprint.app_secret}", f"--set=verify_token={blueprint.verify_token}"]
    _, key, hook = await run_commands(
        stand.environment,
        ["tenant", "add", "neighbour"],
        ["key", "add", of_it],
        ["hook", "add", of_it, "--provider=cloud", *settings],
    )
    await run_commands(stand.environment, blueprint.render_channel(named, hook["id"], of_it))
    terms = blueprint.terms(named, stand.web) | {"webhook_url": stand.web + hook["path"]}
    known = [blueprint.terms(each, stand.web) for each in (*blueprint.places, blueprint.assistant)]
    await stand.simulator.put_channels([*known, terms])
    return Neighbour(key["key"], named)


async def let_write(case: Case, worker: Process, chosen: Sequence[Conversation]) -> None:
    """These people write from their phones, so that their windows are open; returns when all of it is stored."""
    before = await case.stand.metric(worker, INGESTED)
    for few in batches(chosen, KEYS_AT_ONCE):
        await gather_all(*(case.stand.simulator.write(c.phone, c.place.number, "Hello again") for c in few))
    async with asyncio.timeout(PATIENCE_S):
        while await case.stand.metric(worker, INGESTED) < before + len(chosen):
            await asyncio.sleep(0.1)
