"""Two tenants on one installation: what one of them suffers is nobody else's."""

import asyncio
import time
from collections.abc import Sequence

from .blueprint import Place, place, run_commands
from .case import Case, batches
from .latencies import is_undisturbed, p95, waits
from .ledgers import Promise
from .load import Client, Conversation, Load, conversations
from .processes import Process
from .registry import scenario
from .stand import gather_all
from .turnstile import Turnstile, let_all_pass, refuse_all
from .windows import INGESTED

QUEUED = 20_000
# Of the quiet tenant: a hundred messages at full scale while the other is in trouble.
QUIET_RATE = 5.0
FLOOD_RATE = 20.0
QUIET_PEOPLE = 16
WITHIN_S = 2.0
COOLDOWN_S = 60.0
AT_ONCE = 32
WRITE_AT_ONCE = 8
PATIENCE_S = 60.0


@scenario("R26", alone=True)
async def one_tenant_has_a_long_queue_and_a_dead_provider(case: Case) -> None:
    """Twenty thousand messages of one tenant wait for a provider that refuses everything; another tenant goes on.

    Its p95 stays within one and a half of what it is when nobody else is there, and under two seconds.
    """
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard()
        whole = await case.stand.serve()
        quiet, theirs = await add_tenant(case, whole)
        idle = await send_quietly(case, quiet, theirs, case.times(20, at_least=8))
        turnstile.judge = refuse_all
        await flood(case, case.times(QUEUED, at_least=1_000))
        async with Load(case.client, case.dice, conversations(), rate=FLOOD_RATE):
            during = await send_quietly(case, quiet, theirs, case.times(20, at_least=10))
        stormed = len(turnstile.knocks)
        turnstile.judge = let_all_pass
        await case.stand.let_time_pass(COOLDOWN_S)
        verdict = await case.conclude(patience=180.0)
        again = await send_quietly(case, quiet, theirs, case.times(20, at_least=8))
        await case.wait_for([promise.token for promise in again], WITHIN_S * 5)
    case.fault(stormed)
    case.note(queued=case.times(QUEUED, at_least=1_000), knocks_in_storm=stormed)
    await judge(case, [idle, again], during)
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


async def judge(case: Case, idle: Sequence[Sequence[Promise]], during: Sequence[Promise]) -> None:
    """Held against the worse of two quiet stretches: whoever else uses the machine comes and goes."""
    deliveries = await case.stand.simulator.deliveries()
    before = [p95(waits(each, deliveries)) for each in idle]
    took = p95(waits(during, deliveries))
    late = len(during) - len(waits(during, deliveries))
    case.note(idle_p95_ms=[round(each * 1000) for each in before], during_p95_ms=round(took * 1000))
    case.expect(
        is_undisturbed(took, max(before)), f"p95 of the other tenant rose from {max(before):.3f} to {took:.3f} s"
    )
    case.expect(took <= WITHIN_S, f"p95 of the other tenant is {took:.3f} s")
    case.expect(not late, f"{late} of {len(during)} messages of the other tenant never arrived")


async def add_tenant(case: Case, worker: Process) -> tuple[Client, list[Conversation]]:
    """A caller of another tenant, with a channel of its own at a provider that is well; its people have written."""
    stand, there = case.stand, place(202)
    of_it = "--tenant=quiet"
    secrets = [f"--set=app_secret={stand.blueprint.app_secret}", f"--set=verify_token={stand.blueprint.verify_token}"]
    _, key, hook = await run_commands(
        stand.environment,
        ["tenant", "add", "quiet"],
        ["key", "add", of_it],
        ["hook", "add", of_it, "--provider=cloud", *secrets],
    )
    await run_commands(stand.environment, stand.blueprint.render_channel(there, hook["id"], of_it))
    terms = stand.blueprint.terms(there, stand.web) | {"webhook_url": stand.web + hook["path"]}
    known = [stand.blueprint.terms(each, stand.web) for each in (*stand.blueprint.places, stand.blueprint.assistant)]
    await stand.simulator.put_channels([*known, terms])
    theirs = conversations([there], QUIET_PEOPLE)
    await let_write(case, worker, there, theirs)
    return Client(stand, case.ledger, key=key["key"]), theirs


async def let_write(case: Case, worker: Process, there: Place, theirs: Sequence[Conversation]) -> None:
    before = await case.stand.metric(worker, INGESTED)
    for few in batches(theirs, WRITE_AT_ONCE):
        await gather_all(*(case.stand.simulator.write(each.phone, there.number, "Hello") for each in few))
    async with asyncio.timeout(PATIENCE_S):
        while await case.stand.metric(worker, INGESTED) < before + len(theirs):
            await asyncio.sleep(0.1)


async def flood(case: Case, count: int) -> None:
    """What the other tenant hands in, one message of a conversation after the other."""
    chosen = conversations()
    for numbers in batches(range(count), AT_ONCE):
        await gather_all(*(case.client.send(chosen[number % len(chosen)]) for number in numbers))


async def send_quietly(case: Case, quiet: Client, theirs: Sequence[Conversation], seconds: float) -> list[Promise]:
    begun = time.time()
    async with Load(quiet, case.dice, theirs, rate=QUIET_RATE):
        await asyncio.sleep(seconds)
    keys = {each.key for each in theirs}
    return [p for p in case.ledger.promises.values() if p.asked_at >= begun and p.conversation in keys]
