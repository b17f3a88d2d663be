"""Every person has written once, so that the service windows of their conversations are open."""

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
    now = time.time()
    for batch in batches(chosen, POST_AT_ONCE):
        bodies = [text_webhook(c.place, c.phone, f"wamid.opens-{c.key}", "Hello?", now) for c in batch]
        await gather_all(*map(stand.post_webhook, bodies))
    async with asyncio.timeout(PATIENCE_S):
        while await _ingested(stand, workers) < before + len(chosen):
            await asyncio.sleep(0.1)


async def _ingested(stand: Stand, workers: Sequence[Process]) -> float:
    return float(sum(await gather_all(*(stand.metric(worker, INGESTED) for worker in workers))))
