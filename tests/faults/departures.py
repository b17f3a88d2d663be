"""Clients that are gone before they are answered."""

import asyncio
import time
from urllib.parse import urlsplit

from .blueprint import Blueprint, person
from .case import Case, batches
from .ledgers import Promise, accept, find_token
from .load import Conversation, conversations, render
from .meta import text_webhook
from .registry import scenario
from .stand import gather_all

LEAVE_AT_ONCE = 8
# From at once to when most answers would have come.
STAYS_S = (0.0, 0.02)
# Every fifth leaves in the middle of its body: such a request was never made.
HALVES = 5
WITHIN_S = 30.0
DEBOUNCE_S = 1.0

Left = tuple[Promise, bytes]


@scenario("R33")
async def clients_leave_before_the_answer(case: Case) -> None:
    """Callers and webhooks hang up, by FIN or reset, from the middle of their body to a moment before the answer.

    What is stored is done in full, what is delivered is stored; whoever asks again under the same key gets one message.
    """
    stand = case.stand
    await stand.serve(HAILGATE_DEBOUNCE_S="0.2", HAILGATE_DEBOUNCE_MAX_S=str(DEBOUNCE_S))
    asked = await leave_messages(case, case.times(2000, at_least=50))
    await asyncio.sleep(1.0)  # for what the last of them asked
    stored = await list_sent(case)
    await expect_done(case, stored)
    halves = [promise.token for number, (promise, _) in enumerate(asked) if number % HALVES == 0]
    case.expect(not stored & set(halves), "a request without its end was stored")
    case.expect(bool(stored), "nobody left after the product had begun: nothing was shown")
    case.note(left=len(asked), stored_all_the_same=len(stored))
    await leave_webhooks(case, case.times(300, at_least=20))
    for few in batches(asked, LEAVE_AT_ONCE):
        await gather_all(*(case.client.insist(promise, body) for promise, body in few))
    verdict = await case.conclude()
    case.expect(not verdict.failed + verdict.unknown, "nothing was hurt, yet messages failed or are unknown")


async def leave_messages(case: Case, count: int) -> list[Left]:
    free, left = conversations(), list[Left]()
    case.dice.shuffle(free)
    for numbers in batches(range(count), LEAVE_AT_ONCE):
        left += await gather_all(*(leave_message(case, free[n % len(free)], half=n % HALVES == 0) for n in numbers))
    return left


async def leave_message(case: Case, conversation: Conversation, *, half: bool) -> Left:
    promise = case.ledger.ask(conversation.key)
    promise.troubles += 1
    body = render(conversation, promise)
    headers = {
        "Authorization": f"Bearer {case.stand.blueprint.key}",
        "Idempotency-Key": promise.token,
        "Content-Type": "application/json",
    }
    await leave(case, "/v1/messages", headers, body, half=half)
    return promise, body


async def leave_webhooks(case: Case, count: int) -> None:
    """As a provider that gives up early, and asks again: one reply to each message."""
    for numbers in batches(range(count), LEAVE_AT_ONCE):
        await gather_all(*(leave_webhook(case, person(4000 + number)) for number in numbers))


async def leave_webhook(case: Case, phone: str) -> None:
    stand, there = case.stand, Blueprint.assistant
    promise = case.ledger.ask(Conversation(there, phone).key)
    message_id = f"wamid.{promise.token}"
    body = text_webhook(there, phone, message_id, f"{promise.token} says something", time.time())
    await leave(case, stand.blueprint.hook, stand.blueprint.sign(body), body, half=False)
    status = await stand.post_webhook(body)
    case.expect(status == 200, f"a webhook was answered with {status}")
    accept(promise, message_id)


async def leave(case: Case, path: str, headers: dict[str, str], body: bytes, *, half: bool) -> None:
    """Write the request, wait a moment, and hang up without a look at the answer."""
    host = urlsplit(case.stand.web).netloc
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    _, writer = await asyncio.open_connection(*host.split(":"))
    writer.write("\r\n".join([*lines, "", ""]).encode() + (body[: len(body) // 2] if half else body))
    await writer.drain()
    await asyncio.sleep(case.dice.uniform(*STAYS_S))
    if case.dice.random() < 0.5:
        writer.close()
    else:
        writer.transport.abort()
    case.fault()


async def list_sent(case: Case) -> set[str]:
    """Tokens of what was accepted, as the API lists it."""
    found = set()
    async for conversation in case.stand.pages("/v1/conversations"):
        async for message in case.stand.pages(f"/v1/conversations/{conversation['id']}/messages"):
            if message["direction"] == "outbound":
                found.add(find_token(message["text"]["body"]))
    return found


async def expect_done(case: Case, stored: set[str]) -> None:
    undone = await case.wait_for(stored, WITHIN_S)
    case.expect(not undone, f"{len(undone)} messages are stored but were not delivered")
    delivered = {delivery.token for delivery in await case.stand.simulator.deliveries()}
    invented = delivered - await list_sent(case)
    case.expect(not invented, f"{len(invented)} messages were delivered but are not stored")
