"""What must be before messages flow: sessions are open, and every person has written once, for their service window."""

import asyncio
import time
from collections.abc import Sequence

from .case import batches
from .load import Conversation
from .meta import text_webhook
from .processes import Process
from .stand import Stand, gather_all

INGESTED = 'hailgate_ingested_total{kind="message"}'
PATIENCE_S = 60.0
POST_AT_ONCE = 25


async def open_windows(stand: Stand, chosen: Sequence[Conversation], workers: Sequence[Process]) -> None:
    """Returns when all of them are in the store. `workers` are those that ingest, and nothing else comes in."""
    before = await _ingested(stand, workers)
    write = _post if stand.blueprint.provider == "cloud" else _write
    for batch in batches(chosen, POST_AT_ONCE):
        await gather_all(*(write(stand, each) for each in batch))
    async with asyncio.timeout(PATIENCE_S):
        while await _ingested(stand, workers) < before + len(chosen):
            await asyncio.sleep(0.1)


async def open_sessions(stand: Stand) -> None:
    """Of every channel; the simulator's phones are paired from the start."""
    headers = {"Authorization": f"Bearer {stand.blueprint.key}"}
    async with asyncio.timeout(PATIENCE_S):
        async for channel in stand.pages("/v1/channels"):
            address = f"{stand.web}/v1/channels/{channel['id']}/session"
            async with stand.session.post(address, json={"wish": "open"}, headers=headers, raise_for_status=True):
                pass
        while any([channel["paused_reason"] async for channel in stand.pages("/v1/channels")]):
            await asyncio.sleep(0.2)


async def _post(stand: Stand, one: Conversation) -> None:
    """Quicker than the simulator, which lets each webhook wait for the answer to the one before."""
    await stand.post_webhook(text_webhook(one.place, one.phone, f"wamid.opens-{one.key}", "Hello?", time.time()))


async def _write(stand: Stand, one: Conversation) -> None:
    await stand.simulator.write(one.phone, one.place.number, "Hello?")


async def _ingested(stand: Stand, workers: Sequence[Process]) -> float:
    return float(sum(await gather_all(*(stand.metric(worker, INGESTED) for worker in workers))))
