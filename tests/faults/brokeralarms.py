"""A broker that takes nothing more, and one that loses patience with a reader."""

import asyncio

import psycopg

from .broker import BrokerNode, open_node
from .case import Case
from .floods import MOST_GROWTH, Peak, memory
from .load import Load, conversations
from .outside import PEOPLE, Outside
from .processes import Process
from .registry import POSTGRESQL, scenario

# The broker's own limit of memory, as a share of the machine's: so little is always used up.
NOTHING, USUAL = "0.00001", "0.4"
OUTBOX = "hailgate_outbox"
# In milliseconds; in life they are 30 minutes.
IMPATIENT = {"consumer_timeout": "4000"}
GAVE_UP = "timed out waiting for delivery acknowledgement"
REPEATED = 'hailgate_consumed_total{outcome="repeated"}'
# The table that a reader writes what it has taken to, and nobody else.
TAKEN = "messaging_consumedmessage"
RATE = 50.0
SEEN_WITHIN_S = 30.0


@scenario("R08", limit_s=900.0)
async def the_broker_takes_nothing_more(case: Case) -> None:
    """The broker's memory alarm goes off under load: it blocks whoever publishes, and callers and queue go on.

    What is to be told waits in the store and not in memory, which grows by at most 100 MB; once the alarm is over, all
    of it is told.
    """
    async with open_node(case) as node:
        if node is None:
            return
        outside = Outside(case, node)
        await outside.declare()
        await case.stand.serve("--no-work")
        worker = await case.stand.work("worker")
        listening = asyncio.create_task(outside.listen_for_ever())
        chosen = conversations(people=PEOPLE // 4)
        await outside.publish(chosen, case.times(1_000, at_least=120), rate=RATE)
        before, peak = memory(worker), Peak(worker)
        async with peak:
            delivered, waiting = await block(case, node, worker)
        verdict = await case.conclude(patience=120.0)
        untold = await outside.untold()
        listening.cancel()
        growth = (peak.bytes - before) / 2**20
        outside.note()
        case.note(delivered_while_blocked=delivered, waited_to_be_told=waiting, grew_mb=round(growth, 1))
        case.expect(peak.bytes - before <= MOST_GROWTH, f"memory grew by {growth:.0f} MB")
        case.expect(delivered > 0, "nothing was delivered while the broker was blocked")
        case.expect(waiting > 0, "nothing waited to be told: the broker was not blocked")
        case.expect(not untold, f"of {len(untold)} messages it was never told what became of them")
        case.expect(not verdict.failed, f"{verdict.failed} messages failed for no fault of their own")


async def block(case: Case, node: BrokerNode, worker: Process) -> tuple[int, float]:
    """How many were delivered meanwhile, and how much waited to be told at the end."""
    await node.control("set_vm_memory_high_watermark", NOTHING)
    case.fault()
    already = len(await case.stand.simulator.deliveries())
    async with Load(case.client, case.dice, conversations()[PEOPLE:], rate=RATE):
        await asyncio.sleep(case.times(120, at_least=15))
    delivered = len(await case.stand.simulator.deliveries()) - already
    waiting = await case.stand.metric(worker, OUTBOX)
    await node.control("set_vm_memory_high_watermark", USUAL)
    return delivered, waiting


@scenario("R09", POSTGRESQL, limit_s=900.0)
async def the_broker_loses_patience_with_a_reader(case: Case) -> None:
    """The store stands still while deliveries are in hand, for longer than the broker waits for their ack, ten times.

    The broker closes the channel; the reader notices, begins anew, and what comes once more is accepted once.
    """
    async with open_node(case, **IMPATIENT) as node:
        if node is None:
            return
        outside = Outside(case, node)
        await outside.declare()
        await case.stand.serve("--no-work")
        worker = await case.stand.work("worker")
        listening = asyncio.create_task(outside.listen_for_ever())
        times = case.times(10, at_least=2)
        for _ in range(times):
            await outlast(case, node, outside)
        verdict = await case.conclude(patience=120.0)
        untold = await outside.untold()
        listening.cancel()
        outside.note()
        closed, repeated = closed_channels(node), await case.stand.metric(worker, REPEATED)
        case.note(channels_closed=closed, taken_again=repeated)
        case.expect(closed == times, f"the broker closed {closed} channels, not {times}: what was shown?")
        case.expect(not untold, f"of {len(untold)} messages it was never told what became of them")
        case.expect(not verdict.failed, f"{verdict.failed} messages failed for no fault of their own")


async def outlast(case: Case, node: BrokerNode, outside: Outside) -> None:
    """What is taken cannot be written down until the broker has closed the channel; then it is read again."""
    before = closed_channels(node)
    async with await psycopg.AsyncConnection.connect(case.stand.store.url) as holder:
        await holder.execute(f"LOCK TABLE {TAKEN} IN EXCLUSIVE MODE")
        some = await outside.publish(conversations(people=PEOPLE // 4), PEOPLE, rate=RATE * 10)
        async with asyncio.timeout(SEEN_WITHIN_S):
            while closed_channels(node) == before:
                await asyncio.sleep(0.2)
    case.fault()
    missing = await case.wait_for([each.token for each in some], SEEN_WITHIN_S)
    case.expect(not missing, f"{len(missing)} messages were not sent {SEEN_WITHIN_S:.0f} s after the store was back")


def closed_channels(node: BrokerNode) -> int:
    """How often the broker's own log says that it has waited for long enough."""
    return sum(file.read_text(encoding="utf-8", errors="replace").count(GAVE_UP) for file in node.logs.glob("*.log"))
