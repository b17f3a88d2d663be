"""What may be said to whom, decided at the moment of sending: the service window, and who stopped marketing."""

import asyncio
import json
import time
from collections.abc import Sequence

from .blueprint import Blueprint, Place, run_commands
from .case import Case, batches
from .ledgers import Promise
from .load import Conversation, Load, conversations
from .meta import text_webhook, webhook
from .processes import Process
from .registry import scenario
from .stand import gather_all
from .windows import INGESTED, POST_AT_ONCE

DAY_S = 86_400.0
# The window of those who wait closes so long after they were accepted; that of the others while messages flow.
BEFORE_THE_EDGE_S, CROSSING_S = 60.0, 4.0
RATE = 60.0
AT_ONCE = 32
PATIENCE_S = 60.0
# What had its attempt recorded already when the moment came.
UNDER_WAY_S = 0.5
LOOK_S = 0.05
# A channel that is slow enough for a choice to come in the middle of its queue.
SLOW_RATE = "10"


@scenario("R42")
async def the_window_closes_while_messages_wait(case: Case) -> None:
    """Accepted a minute before the window closes and sent after it; and a stream of messages across the edge itself.

    No text leaves outside its window, each says so, and templates pass.
    """
    late, crossing = conversations(Blueprint.places[:2]), conversations(Blueprint.places[2:3])
    web, worker = await case.stand.serve("--no-work"), await case.stand.work("worker")
    await write(case, worker, late)
    await worker.stop()
    await case.stand.let_time_pass(DAY_S - BEFORE_THE_EDGE_S)
    texts = await send(case, late, case.times(1_000, at_least=100))
    templates = await gather_all(*(send_template(case, each) for each in late[:AT_ONCE]))
    await case.stand.let_time_pass(BEFORE_THE_EDGE_S)
    case.fault(len(texts))
    await worker.start()
    await worker.ready()
    await case.settle()
    opened = await write(case, worker, crossing)
    closes = opened + CROSSING_S
    await case.stand.let_time_pass(DAY_S - CROSSING_S)
    async with Load(case.client, case.dice, crossing, rate=RATE):
        await asyncio.sleep(max(0.0, closes - time.time()) + CROSSING_S)
    verdict = await case.conclude()
    deliveries = await case.stand.simulator.deliveries()
    delivered = {each.token for each in deliveries}
    left_late = sum(each.token in delivered for each in texts)
    kept = sum(each.token in delivered for each in templates)
    across = [each for each in deliveries if each.conversation in {c.key for c in crossing}]
    after = [each for each in across if each.at > closes + UNDER_WAY_S]
    case.note(waited=len(texts), templates=kept, across=len(across), failed=verdict.failed, web_up=web.running)
    case.expect(not left_late, f"{left_late} texts left after their window had closed")
    case.expect(kept == len(templates), f"{len(templates) - kept} templates did not leave")
    case.expect(not after, f"{len(after)} texts left after the window had closed while messages flowed")
    case.expect(bool(across) and verdict.failed > len(texts), "nothing crossed the edge: nothing was shown")
    await expect_code(case, texts[:POST_AT_ONCE], "window_closed")


@scenario("R43")
async def people_stop_marketing_while_it_waits(case: Case) -> None:
    """Templates wait for many people, and every second person stops marketing in the middle of it.

    Nothing that may be marketing is sent to them from the moment at which that is stored; the others get theirs.
    """
    place = Blueprint.places[0]
    people = conversations([place])
    stopping, staying = people[::2], people[1::2]
    await case.stand.serve("--no-work")
    worker = await case.stand.work("worker")
    await worker.stop()
    chosen = [people[number % len(people)] for number in range(case.times(500, at_least=100))]
    await slow_down(case, place)
    sent: list[Promise] = []
    for few in batches(chosen, AT_ONCE):
        sent += await gather_all(*(send_template(case, each) for each in few))
    await worker.start()
    await worker.ready()
    await arrived(case, len(chosen) // 5)
    for each in stopping:
        case.expect(await case.stand.post_webhook(stop_webhook(place, each.phone)) == 200, "a choice was refused")
    await write(case, worker, staying[:1])  # webhooks are understood in order: this one after all choices
    stored_at = time.time()
    case.fault(len(stopping))
    answers = [await case.client.send(each) for each in stopping[:AT_ONCE]]
    verdict = await case.conclude(patience=180.0)
    deliveries = await case.stand.simulator.deliveries()
    keys, marketing = {each.key for each in stopping}, {each.token for each in sent}
    theirs = [each for each in deliveries if each.token in marketing and each.conversation in keys]
    late = [each for each in theirs if each.at > stored_at + UNDER_WAY_S]
    delivered = {each.token for each in deliveries}
    missing = [each for each in sent if each.conversation not in keys and each.token not in delivered]
    case.note(sent=len(sent), before_their_choice=len(theirs), suppressed=verdict.failed, staying=len(staying))
    case.expect(not late, f"{len(late)} templates were sent to people who had stopped marketing")
    case.expect(not missing, f"{len(missing)} templates of others were not sent")
    case.expect(verdict.failed > 0, "nothing waited when people chose: nothing was shown")
    case.expect(all(each.token in delivered for each in answers), "people who stopped marketing were not answered")


# --- acting -----------------------------------------------------------------------------------------------------------


async def write(case: Case, worker: Process, chosen: Sequence[Conversation]) -> float:
    """These people write; the moment that counts for their windows, of the whole second that a provider tells."""
    before, now = await case.stand.metric(worker, INGESTED), float(int(time.time()))
    for few in batches(chosen, POST_AT_ONCE):
        bodies = [text_webhook(c.place, c.phone, f"wamid.again-{now:.0f}-{c.key}", "Hello?", now) for c in few]
        await gather_all(*map(case.stand.post_webhook, bodies))
    async with asyncio.timeout(PATIENCE_S):
        while await case.stand.metric(worker, INGESTED) < before + len(chosen):
            await asyncio.sleep(LOOK_S)
    return now


async def send(case: Case, chosen: Sequence[Conversation], count: int) -> list[Promise]:
    sent: list[Promise] = []
    for numbers in batches(range(count), AT_ONCE):
        sent += await gather_all(*(case.client.send(chosen[number % len(chosen)]) for number in numbers))
    return sent


async def send_template(case: Case, conversation: Conversation) -> Promise:
    promise = case.ledger.ask(conversation.key)
    values = [{"type": "text", "text": each} for each in (promise.token, "on its way")]
    template = {
        "name": "order_update",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": values}],
    }
    message = {"channel": conversation.place.name, "to": f"+{conversation.phone}", "type": "template"}
    await case.client.insist(promise, json.dumps({**message, "template": template}).encode())
    return promise


async def slow_down(case: Case, place: Place) -> None:
    await run_commands(case.stand.environment, ["channel", "set", place.name, f"--rate={SLOW_RATE}"])


def stop_webhook(place: Place, phone: str) -> bytes:
    choice = {
        "wa_id": phone,
        "detail": "User requested to stop marketing messages",
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": int(time.time()),
    }
    body = json.loads(webhook(place, user_preferences=[choice]))
    body["entry"][0]["changes"][0]["field"] = "user_preferences"
    return json.dumps(body).encode()


async def arrived(case: Case, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(await case.stand.simulator.deliveries()) < count:
            await asyncio.sleep(LOOK_S)


async def expect_code(case: Case, promises: Sequence[Promise], code: str) -> None:
    shown = await gather_all(*(case.stand.ask(f"/v1/messages/{each.message_id}") for each in promises))
    others = [message["code"] for message in shown if message["code"] != code]
    case.expect(not others, f"{len(others)} messages do not say {code}")
