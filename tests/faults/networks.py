"""Half-open networks: packets vanish without a word, for seconds or for good."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from .blueprint import Blueprint, Place
from .case import Case
from .ledgers import Promise
from .load import Load, conversations
from .processes import Process
from .proxy import Proxy
from .registry import scenario
from .stand import gather_all
from .stores import PostgresqlStore

WITHIN_S = 20.0
# Some are shorter than every time-out and keep-alive, some longer than all of them.
CUT_S = (3.0, 20.0)
IN_FLIGHT = 3
SEND_TIMEOUT_S = "6"
LOOK_S = 0.2

Cut = Callable[[], Awaitable[None]]


@scenario("R52")
async def the_network_is_half_open(case: Case) -> None:
    """Packets vanish between a worker and PostgreSQL, the web process and PostgreSQL, workers and a provider.

    Noticed within 20 s, mended by itself, and nobody sends what another has taken over.
    """
    far, *near = Blueprint.places
    async with AsyncExitStack() as wires:
        provider = await wires.enter_async_context(Proxy(("127.0.0.1", case.stand.blueprint.simulator_port)))
        await case.stand.point_channels_at(provider.url, [far])
        cuts: list[Cut] = [lambda: cut_provider(case, provider, far)]
        if isinstance(case.stand.store, PostgresqlStore):
            cuts += await start_apart(case, case.stand.store, wires)
        else:
            await case.stand.serve(HAILGATE_SEND_TIMEOUT_S=SEND_TIMEOUT_S)
        await cut_in_turn(case, near, cuts)
        verdict = await case.conclude(patience=150.0)
        await case.expect_evidence()
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


async def start_apart(case: Case, store: PostgresqlStore, wires: AsyncExitStack) -> list[Cut]:
    """A web process and a worker with wires of their own to the store, and a worker that nobody hurts."""
    to_web = await wires.enter_async_context(Proxy(store.address))
    to_worker = await wires.enter_async_context(Proxy(store.address))
    web = await case.stand.serve("--no-work", HAILGATE_DATABASE_URL=store.behind(to_web.port))
    worker = await case.stand.work(
        "cut-off", HAILGATE_DATABASE_URL=store.behind(to_worker.port), HAILGATE_SEND_TIMEOUT_S=SEND_TIMEOUT_S
    )
    await case.stand.work("untouched", HAILGATE_SEND_TIMEOUT_S=SEND_TIMEOUT_S)
    return [lambda: cut_store(case, to_worker, worker), lambda: cut_store(case, to_web, web)]


async def cut_in_turn(case: Case, near: Sequence[Place], cuts: Sequence[Cut]) -> None:
    """While messages flow through channels whose provider stays reachable."""
    async with Load(case.client, case.dice, conversations(near)):
        for number in range(case.times(10, at_least=len(cuts))):
            await cuts[number % len(cuts)]()
            case.fault()


async def cut_store(case: Case, wire: Proxy, process: Process) -> None:
    """It says that it is not ready, and it is ready again soon after the packets flow."""
    wire.cut()
    begun = time.monotonic()
    noticed = await wait_until(case, process, ready=False)
    await asyncio.sleep(case.dice.uniform(*CUT_S) - (time.monotonic() - begun))
    wire.heal()
    mended = await wait_until(case, process, ready=True)
    remember(case, f"{process.name} and its store", noticed, mended)


async def cut_provider(case: Case, wire: Proxy, far: Place) -> None:
    """What was being sent is given up in time, without knowing whether the provider will still get it."""
    chosen = case.dice.sample(conversations([far]), 2 * IN_FLIGHT)
    warm = await gather_all(*(case.client.send(each) for each in chosen[:IN_FLIGHT]))
    await all_show(case, warm, {"sent"})  # connections are open now
    wire.cut()
    begun = time.monotonic()
    sent = await gather_all(*(case.client.send(each) for each in chosen[IN_FLIGHT:]))
    noticed = time.monotonic() - begun if await all_show(case, sent, {"unknown", "retried"}) else None
    wire.heal()
    remember(case, "worker and provider", noticed, 0.0)


async def all_show(case: Case, promises: Sequence[Promise], events: set[str]) -> bool:
    """Whether the timelines of all of them show one of these events in time."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        shown = [await case.stand.ask(f"/v1/messages/{promise.message_id}") for promise in promises]
        if all(any(entry["event"] in events for entry in message["timeline"]) for message in shown):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_S)


async def wait_until(case: Case, process: Process, *, ready: bool) -> float | None:
    """Seconds until its probe says so; None if it did not in time."""
    begun = time.monotonic()
    while await process.is_ready(case.stand.session) is not ready:
        if time.monotonic() > begun + WITHIN_S:
            return None
        await asyncio.sleep(LOOK_S)
    return time.monotonic() - begun


def remember(case: Case, wire: str, noticed: float | None, mended: float | None) -> None:
    shown = [None if each is None else round(each, 1) for each in (noticed, mended)]
    case.result.notes.setdefault("noticed_and_mended_s", []).append([wire, *shown])
    case.expect(noticed is not None, f"{wire}: a cut was not noticed within {WITHIN_S:.0f} s")
    case.expect(mended is not None, f"{wire}: not mended within {WITHIN_S:.0f} s")
