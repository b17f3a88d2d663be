"""The loop of deliveries: claim a batch within what is free, begin it, and claim the next meanwhile."""

import time
from typing import TYPE_CHECKING

from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.store.notify import Wake
from hailgate.messaging.store.ports import Db
from hailgate.pipeline.outbound import Outbound
from hailgate.pipeline.wakes import Wakes, seconds_until

if TYPE_CHECKING:
    import asyncio

CLAIM_BATCH = 200


class Deliveries:
    """Of one worker; what it may have in flight are the slots of its ``outbound``."""

    def __init__(self, db: Db, worker_id: int, outbound: Outbound, wakes: Wakes) -> None:
        self._db, self._worker_id, self._outbound, self._wakes = db, worker_id, outbound, wakes
        self._beginning: asyncio.Future[None] | None = None

    @property
    def held(self) -> frozenset[int]:
        return self._outbound.slots.held

    async def step(self) -> None:
        asked = time.monotonic()
        room = self._outbound.slots.room(asked).at_most(CLAIM_BATCH)
        self._outbound.freed.clear()
        if not room.total:
            await self._outbound.freed.wait()
            return
        kept_back = room.keeps_back
        claimed = await self._db(claim_deliveries, self._worker_id, room)
        # While one batch begins the next is claimed, and no more than one.
        await self._begun()
        if claimed.claims:
            self._beginning = self._outbound.begin(claimed, asked)
            if any(claim.crashes for claim in claimed.claims):  # one may end this process: no others are at stake
                await self._begun()
        else:
            also = self._outbound.freed if kept_back else None
            await self._wakes.wait(Wake.DELIVER, seconds_until(claimed.again_at, claimed.moment, asked), also)

    def leave(self) -> None:
        """Nobody waits any more for the batch that is beginning; whatever it raises, its rows are given back."""
        if self._beginning:
            self._beginning.add_done_callback(lambda beginning: beginning.cancelled() or beginning.exception())

    async def finish(self, patience: float) -> None:
        await self._outbound.drain(patience)

    async def cancel(self) -> None:
        await self._outbound.abandon()

    async def _begun(self) -> None:
        beginning, self._beginning = self._beginning, None
        if beginning:
            await beginning
