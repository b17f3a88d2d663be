"""Messages that come through RabbitMQ, while the broker and those who read from it are killed."""

import asyncio
import time

import aio_pika

from .blueprint import Blueprint, run_commands
from .broker import BrokerNode, open_node
from .case import Case
from .floods import FAST, MOST_GROWTH, Peak, memory
from .latencies import p95, waits
from .load import conversations
from .outside import QUEUE, Outside
from .processes import Process
from .registry import scenario
from .windows import open_windows

CALM_S = (1.0, 3.0)
CONSUMING_WITHIN_S = 30.0

FLOOD = 50_000
AT_FULL_SPEED = 1_000_000.0
QUEUE_LIMIT, PREFETCH = 1_000, 200
LIMITED = {"HAILGATE_QUEUE_LIMIT": str(QUEUE_LIMIT), "HAILGATE_RABBITMQ_PREFETCH": str(PREFETCH)}
# Looked up once a second while the queue is read: what comes in between is above the limit.
SLACK = 2_000
LOOK_S = 2.0

STEADY_RATE, STEADY_S = 50.0, 600.0
MOST, MOST_PEOPLE, MOST_WITHIN_S = 5_000, 320, 240.0
WAITING, PAUSED = "hailgate_queue_depth", "hailgate_broker_paused"


@scenario("R07", limit_s=3600.0)
async def broker_and_readers_are_killed(case: Case) -> None:
    """SIGKILL the broker and the workers while messages come through the queue.

    At the provider nothing is lost, doubled or reordered within a conversation; the queue is read again within 30 s
    after the broker is back; of each message it is told what became of it, and repeats have one id.
    """
    async with open_node(case) as node:
        if node is not None:
            await play(case, node)


async def play(case: Case, node: BrokerNode) -> None:
    outside = Outside(case, node)
    await outside.declare()
    await case.stand.serve("--no-work")
    workers = [await case.stand.work(f"worker-{number}") for number in (1, 2)]
    listening = asyncio.create_task(outside.listen_for_ever())
    publishing = asyncio.create_task(outside.publish(conversations(), case.times(20_000, at_least=400), rate=50.0))
    kills, again = case.times(20), []
    for _ in range(kills):
        await case.kill_at_random(workers, 1, CALM_S)
        await asyncio.sleep(case.dice.uniform(*CALM_S))
        again.append(await kill_broker(case, node))
    await publishing
    verdict = await case.conclude(patience=120.0)
    untold = await outside.untold()
    listening.cancel()
    outside.note()
    case.note(broker_kills=kills, consuming_again_s=again, events_lost=len(untold))
    late = [each for each in again if each is None or each > CONSUMING_WITHIN_S]
    case.expect(not late, f"{len(late)} of {len(again)} times the queue was not read again within 30 s: {again}")
    case.expect(not untold, f"of {len(untold)} messages it was never told what became of them")
    case.expect(not outside.told_again(), f"{outside.told_again()} times the same was told under another id")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed for no fault of their own")


async def kill_broker(case: Case, node: BrokerNode) -> float | None:
    """Seconds from when it answers again until its queue is read."""
    await node.kill()
    case.fault()
    await node.start()
    await node.ready()
    back = time.monotonic()
    async with await aio_pika.connect(node.url) as connection:
        channel = await connection.channel()
        while time.monotonic() < back + 2 * CONSUMING_WITHIN_S:
            queue = await channel.declare_queue(QUEUE, passive=True)
            if queue.declaration_result.consumer_count:
                return round(time.monotonic() - back, 1)
            await asyncio.sleep(0.2)
    return None


@scenario("QFLOOD", limit_s=3600.0)
async def the_queue_is_flooded(case: Case) -> None:
    """Fifty thousand messages are in the queue at once, at a worker that lets a thousand wait.

    The rest stays with the broker: memory grows by at most 100 MB, no more is in hand than the prefetch, and all of it
    is delivered.
    """
    async with open_node(case) as node:
        if node is None:
            return
        outside = Outside(case, node)
        await outside.declare()
        await lift_rates(case)
        await case.stand.serve("--no-work")
        worker = await case.stand.work("worker", **LIMITED)
        before, peak = memory(worker), Peak(worker)
        listening = asyncio.create_task(outside.listen_for_ever())
        seen = Watch(case, node, worker)
        async with peak, seen:
            await outside.publish(conversations(), case.times(FLOOD, at_least=3_000), rate=AT_FULL_SPEED)
            verdict = await case.conclude(patience=120.0)
        untold = await outside.untold()
        listening.cancel()
        growth = (peak.bytes - before) / 2**20
        outside.note()
        case.note(grew_mb=round(growth, 1), events_lost=len(untold))
        case.note(most_in_hand=seen.in_hand, most_waiting=seen.waiting, pauses_seen=seen.pauses)
        case.expect(peak.bytes - before <= MOST_GROWTH, f"memory grew by {growth:.0f} MB")
        case.expect(seen.in_hand <= PREFETCH, f"{seen.in_hand} were in hand at once")
        case.expect(seen.waiting <= QUEUE_LIMIT + SLACK, f"{seen.waiting:.0f} waited to be sent")
        case.expect(seen.pauses > 0, "the queue was read all the time: nothing was shown")
        case.expect(not untold, f"of {len(untold)} messages it was never told what became of them")
        case.expect(not verdict.failed, f"{verdict.failed} messages failed for no fault of their own")


@scenario("QSTEADY", limit_s=3600.0, alone=True)
async def fifty_a_second_come_for_ten_minutes(case: Case) -> None:
    """Fifty messages a second come through the queue for ten minutes, then five thousand at once.

    None fails, and of each it is told what became of it. Noted is how long each took from the queue to the provider,
    and how many of those that came at once were sent in a second.
    """
    async with open_node(case) as node:
        if node is None:
            return
        outside = Outside(case, node)
        await outside.declare()
        await lift_rates(case)
        await case.stand.serve("--no-work")
        worker = await case.stand.work("worker")
        # So many that nobody gets more than one person may: else that rule is measured.
        known, many = conversations(), conversations(people=MOST_PEOPLE)
        await open_windows(case.stand, [each for each in many if each not in known], [worker])
        listening = asyncio.create_task(outside.listen_for_ever())
        count = case.times(int(STEADY_RATE * STEADY_S), at_least=500)
        steady = await outside.publish(known, count, STEADY_RATE)
        began = time.monotonic()
        flood = await outside.publish(many, case.times(MOST, at_least=1_000), rate=AT_FULL_SPEED)
        await case.wait_for([promise.token for promise in flood], MOST_WITHIN_S)
        took = time.monotonic() - began
        verdict = await case.conclude(patience=120.0)
        untold = await outside.untold()
        listening.cancel()
        outside.note()
        deliveries = await case.stand.simulator.deliveries()
        case.note(steady_p95_ms=round(p95(waits(steady, deliveries)) * 1000), most_a_second=round(len(flood) / took))
        case.note(events_lost=len(untold))
        case.expect(not untold, f"of {len(untold)} messages it was never told what became of them")
        case.expect(not verdict.failed, f"{verdict.failed} messages failed")


async def lift_rates(case: Case) -> None:
    """Else the rates of the channels are measured."""
    fast = (["channel", "set", each.name, f"--rate={FAST}"] for each in Blueprint.places)
    await run_commands(case.stand.environment, *fast)


class Watch:
    """The most that was in hand, not acknowledged; the most that waited to be sent; how often nothing was read."""

    def __init__(self, case: Case, node: BrokerNode, worker: Process) -> None:
        self._case, self._node, self._worker = case, node, worker
        self.in_hand, self.waiting, self.pauses = 0, 0.0, 0

    async def __aenter__(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            said = await self._node.control("list_queues", "name", "messages_unacknowledged", "--no-table-headers")
            in_hand = dict(line.split("\t") for line in said.splitlines() if line)[QUEUE]
            self.in_hand = max(self.in_hand, int(in_hand))
            metric = self._case.stand.metric
            self.waiting = max(self.waiting, await metric(self._worker, WAITING))
            self.pauses += await metric(self._worker, PAUSED) > 0
            await asyncio.sleep(LOOK_S)
