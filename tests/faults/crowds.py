"""Too many at once: workers that somebody started by mistake, and clients that all come back together."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import psycopg

from .blueprint import Blueprint
from .case import Case, batches
from .kills import LEASE_OF_LIFE, TAKEN_OVER, count_forgotten
from .load import Client, Conversation, Load, conversations
from .outages import COOLDOWN_S, expect_draining
from .registry import scenario
from .stand import gather_all
from .stores import SERVER, PostgresqlStore
from .turnstile import Turnstile, let_all_pass, refuse_all

CROWD = 8
RATE = 100.0
# Sweeps follow one another at this pace instead of once a second.
EAGER = {"HAILGATE_POLL_S": "0.05", **LEASE_OF_LIFE}
LATEST_S = 4.0

CLIENTS = 1_000
DUE = 5_000
SAMPLE_S = 0.05
WEB_THREADS, DATABASE_THREADS, SPARE = 4, 4, 2
POOL = WEB_THREADS + DATABASE_THREADS + SPARE
# Beside its pool a worker has one connection for its lease and one that listens.
WORKER_CONNECTIONS = POOL + 2


@scenario("R06")
async def too_many_workers(case: Case) -> None:
    """Two workers where one was meant, then eight, all sweeping twenty times a second; half of the rows are scheduled.

    Each row is sent once, nobody is declared dead by mistake, and the sweeps find nothing that was forgotten.
    """
    await case.stand.serve("--no-work")
    workers = []
    for size in (2, CROWD):
        more = range(len(workers) + 1, size + 1)
        workers += await gather_all(*(case.stand.work(f"worker-{n}", **EAGER) for n in more))
        await crowd_sends(case, case.times(4_000))
    taken_over = sum(await gather_all(*(case.stand.metric(worker, TAKEN_OVER) for worker in workers)))
    forgotten = await count_forgotten(case, workers)
    verdict = await case.conclude()
    case.note(workers=CROWD, taken_over=taken_over, forgotten_heads=forgotten)
    case.expect(not taken_over, f"{taken_over:.0f} living workers were declared dead")
    case.expect(not forgotten, f"the sweep found {forgotten:.0f} forgotten heads")
    case.expect(not verdict.unknown + verdict.failed, "nobody was hurt, yet messages failed or are unknown")
    await case.expect_evidence()


async def crowd_sends(case: Case, count: int) -> None:
    """One half of the people are written to now, the other half at a moment in the next seconds, once each."""
    chosen = conversations()
    now, later = chosen[::2], chosen[1::2]
    async with Load(case.client, case.dice, now, rate=RATE) as load:
        for batch in batches(later, 16):
            await gather_all(*(case.client.send(each, send_at=soon(case)) for each in batch))
        await load.reaches(count)
    case.fault(len(later))


def soon(case: Case) -> str:
    return (datetime.now(UTC) + timedelta(seconds=case.dice.uniform(1.0, LATEST_S))).isoformat()


# --- a herd -----------------------------------------------------------------------------------------------------------


@scenario("R34", alone=True)
async def everybody_comes_back_at_once(case: Case) -> None:
    """After an outage: five thousand messages are due at one moment, a thousand clients connect at the same.

    Each client is answered, the backlog leaves at its channels' rates, and pools bound the connections to the store.
    """
    async with Turnstile(case.stand, refuse_all) as turnstile:
        await turnstile.guard()
        await case.stand.serve("--no-work")
        await case.stand.work("worker")
        await due_at_one_moment(case, case.times(DUE))
        turnstile.judge = let_all_pass
        async with count_connections(case) as counted:
            good_from = time.time()
            await case.stand.let_time_pass(COOLDOWN_S)
            answered = await reconnect(case, case.times(CLIENTS))
            verdict = await case.conclude()
    case.fault(len(turnstile.knocks) - verdict.delivered)
    answered.sort()
    case.note(clients=len(answered), answer_ms={"p50": answered[len(answered) // 2], "worst": answered[-1]})
    for place in Blueprint.places:
        expect_draining(case, turnstile, place, good_from)
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    if case.on_postgresql:
        most = POOL + WORKER_CONNECTIONS
        case.note(most_connections=max(counted), allowed=most)
        case.expect(max(counted) <= most, f"{max(counted)} connections to PostgreSQL, where the pools allow {most}")
    await case.expect_evidence()


async def due_at_one_moment(case: Case, count: int) -> None:
    """Accepted while the provider is down. The breakers hold them back together."""
    chosen = conversations()
    for batch in batches(range(count), len(chosen) // 2):
        await gather_all(*(case.client.send(each) for each in case.dice.sample(chosen, len(batch))))


async def reconnect(case: Case, count: int) -> list[float]:
    """Each on a connection of its own; milliseconds until it had its 202."""
    chosen: Sequence[Conversation] = conversations()
    return list(await gather_all(*(come_back(case, chosen[n % len(chosen)]) for n in range(count))))


async def come_back(case: Case, conversation: Conversation) -> float:
    begun = time.monotonic()
    async with aiohttp.ClientSession() as session:
        client = Client(case.stand, case.ledger, session)
        await client.send(conversation)
    for status, count in client.errors.items():
        case.client.errors[status] = case.client.errors.get(status, 0) + count
    return round((time.monotonic() - begun) * 1000, 1)


@asynccontextmanager
async def count_connections(case: Case) -> AsyncIterator[list[int]]:
    """How many the product has to its database, looked at again and again; on SQLite nobody counts."""
    counted = [0]
    store = case.stand.store
    if not isinstance(store, PostgresqlStore):
        yield counted
        return
    sampling = asyncio.create_task(sample(store, counted))
    try:
        yield counted
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


async def sample(store: PostgresqlStore, counted: list[int]) -> None:
    look = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'hailgate'"
    async with await psycopg.AsyncConnection.connect(SERVER, autocommit=True) as server:
        while True:
            row = await (await server.execute(look, [store.name])).fetchone()
            counted.append(row[0] if row else 0)
            await asyncio.sleep(SAMPLE_S)
