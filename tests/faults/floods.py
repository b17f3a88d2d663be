"""More than there is room for: a flood of callers, and clients that never get on."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from .blueprint import Blueprint, run_commands
from .case import Case
from .latencies import p95, waits
from .ledgers import Promise, accept
from .load import Load, conversations, render
from .processes import Process
from .registry import scenario
from .stand import gather_all

CALLS = 50_000
CALLERS = 400
CALL_TIMEOUT_S = 30.0
MOST_GROWTH = 100 * 1024 * 1024
# What the ordinary traffic may add meanwhile, and what a client may hold that does not get on: two pieces of a file, as
# they are read, opened and sent.
OWN_GROWTH = 50 * 1024 * 1024
MOST_PER_CLIENT = 256 * 1024
# Less than callers try, more than one of them needs.
ACCEPT_RATE = "150"
FAST = "2000"
MEMORY_S = 0.2
REFUSALS = frozenset({429, 503})

SLOW_CLIENTS = 500
DRIP_S = 0.5
# Their own patience, and a little for the machine.
CUT_WITHIN_S = 20.0
RATE = 40.0
WORSE, NOISE_S = 2.0, 0.15
FILE_BYTES = 8 << 20


@scenario("FLOOD")
async def callers_hand_in_more_than_they_may(case: Case) -> None:
    """Fifty thousand calls from four hundred callers who do not slow down, at a tenant that may hand in fewer.

    What is too much gets 429 or 503 with Retry-After and is never sent as well; memory grows by at most 100 MB.
    """
    await run_commands(
        case.stand.environment,
        ["tenant", "set", "clinic", f"--accept-rate={ACCEPT_RATE}"],
        *(["channel", "set", place.name, f"--rate={FAST}"] for place in Blueprint.places),
    )
    web = await case.stand.serve("--no-work")
    await case.stand.work("worker")
    before, most = memory(web), Peak(web)
    answers: Counter[int] = Counter()
    silent: Counter[int] = Counter()
    calls = iter(range(case.times(CALLS, at_least=2_000)))
    async with most:
        await gather_all(*(call_on(case, number, calls, answers, silent) for number in range(CALLERS)))
    case.fault(sum(count for status, count in answers.items() if status != 202))
    verdict = await case.conclude()
    growth = most.bytes - before
    case.note(answers=dict(answers), grew_mb=round(growth / 2**20, 1), without_retry_after=dict(silent))
    case.expect(growth <= MOST_GROWTH, f"memory grew by {growth / 2**20:.0f} MB")
    case.expect(answers.keys() <= {202, *REFUSALS}, f"callers were answered {dict(answers)}")
    case.expect(len(answers) > 1, "nobody was refused: nothing was shown")
    case.expect(not silent, f"refusals without Retry-After: {dict(silent)}")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


@scenario("R32", alone=True)
async def clients_never_get_on(case: Case) -> None:
    """Headers and bodies that drip, and readers of files that do not read, beside ordinary traffic.

    Drips are cut, the others wait no more than twice as long, and each of them costs a bounded piece of memory.
    """
    whole = await case.stand.serve()
    file = await store_file(case)
    idle = await send_for(case, case.times(20, at_least=6))
    before, most = memory(whole), Peak(whole)
    host, port = urlsplit(case.stand.web).hostname or "", urlsplit(case.stand.web).port or 0
    count = case.times(SLOW_CLIENTS, at_least=60)
    heads = [drip(host, port, b"GET /v1/channels HTTP/1.1\r\nHost: x\r\nX-Slow: ") for _ in range(count // 3)]
    bodies = [drip(host, port, body_head(case)) for _ in range(count // 3)]
    readers = [hold(host, port, read_head(case, file)) for _ in range(count // 3)]
    async with most:
        slow = [asyncio.create_task(each) for each in (*heads, *bodies, *readers)]
        during = await send_for(case, max(CUT_WITHIN_S, case.times(60)))
        ended = [task.result() for task in slow[: len(heads) + len(bodies)] if task.done()]
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
    case.fault(len(slow))
    again = await send_for(case, case.times(20, at_least=6))
    verdict = await case.conclude()
    deliveries = await case.stand.simulator.deliveries()
    quiet, took = max(p95(waits(each, deliveries)) for each in (idle, again)), p95(waits(during, deliveries))
    cut_after = max(ended, default=0.0)
    case.note(slow=len(slow), cut=len(ended), cut_after_s=round(cut_after, 1))
    case.note(idle_p95_ms=round(quiet * 1000), during_p95_ms=round(took * 1000))
    case.note(grew_mb=round((most.bytes - before) / 2**20, 1))
    dripping = len(heads) + len(bodies)
    case.expect(len(ended) == dripping, f"{dripping - len(ended)} of {dripping} drips were not cut")
    case.expect(took <= WORSE * quiet + NOISE_S, f"p95 of the others rose from {quiet:.3f} to {took:.3f} s")
    bound = OWN_GROWTH + len(slow) * MOST_PER_CLIENT
    case.expect(most.bytes - before <= bound, f"memory grew by {(most.bytes - before) / 2**20:.0f} MB")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


# --- callers ----------------------------------------------------------------------------------------------------------


async def call_on(case: Case, number: int, calls: Iterator[int], answers: Counter[int], silent: Counter[int]) -> None:
    """Call after call, each once, whatever is answered."""
    chosen = conversations()
    for turn in calls:  # shared by all callers
        conversation = chosen[(number + turn) % len(chosen)]
        promise = case.ledger.ask(conversation.key)
        status, wait = await call(case, promise, render(conversation, promise))
        answers[status] += 1
        if status in REFUSALS and not wait:
            silent[status] += 1


async def call(case: Case, promise: Promise, body: bytes) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {case.stand.blueprint.key}", "Content-Type": "application/json"}
    patience = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    address = f"{case.stand.web}/v1/messages"
    async with case.stand.session.post(address, data=body, headers=headers, timeout=patience) as answer:
        document = await answer.json(content_type=None)
    if answer.status == 202:
        accept(promise, document["id"])
    else:
        promise.refused = answer.status
    return answer.status, answer.headers.get("Retry-After", "")


# --- clients that are slow --------------------------------------------------------------------------------------------


async def drip(host: str, port: int, begin: bytes) -> float:
    """A byte now and then, until the connection is cut; seconds until then."""
    reader, writer = await asyncio.open_connection(host, port)
    begun = time.monotonic()
    writer.write(begin)
    closed = asyncio.create_task(reader.read())
    with suppress(OSError):
        while not closed.done():
            writer.write(b"x")
            await asyncio.wait([closed], timeout=DRIP_S)
    took = time.monotonic() - begun
    closed.cancel()
    writer.close()
    return took


async def hold(host: str, port: int, request: bytes) -> None:
    """Asks for a file and reads nothing of it."""
    reader, writer = await asyncio.open_connection(host, port, limit=1024)
    writer.write(request)
    try:
        await asyncio.sleep(3600)
    finally:
        del reader
        writer.transport.abort()


def body_head(case: Case) -> bytes:
    return (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n"
        f"Authorization: Bearer {case.stand.blueprint.key}\r\n\r\n{{"
    ).encode()


def read_head(case: Case, file: str) -> bytes:
    key = case.stand.blueprint.key
    return f"GET /v1/media/{file} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


async def store_file(case: Case) -> str:
    """Its id."""
    headers = {"Authorization": f"Bearer {case.stand.blueprint.key}", "Content-Type": "application/octet-stream"}
    file = b"%PDF-1.4\n" + bytes(FILE_BYTES)
    async with case.stand.session.post(f"{case.stand.web}/v1/media", data=file, headers=headers) as answer:
        document = json.loads(await answer.read())
        answer.raise_for_status()
    identifier: str = document["id"]
    return identifier


async def send_for(case: Case, seconds: float) -> list[Promise]:
    begun = time.time()
    async with Load(case.client, case.dice, rate=RATE):
        await asyncio.sleep(seconds)
    return [promise for promise in case.ledger.promises.values() if promise.asked_at >= begun]


# --- memory -----------------------------------------------------------------------------------------------------------


def memory(process: Process) -> int:
    """What it has in memory now, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


class Peak:
    """The most that a process has in memory while this is open."""

    def __init__(self, process: Process) -> None:
        self._process, self.bytes = process, 0

    async def __aenter__(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching

    async def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, memory(self._process))
            await asyncio.sleep(MEMORY_S)
